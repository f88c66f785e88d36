//! What a sender is answered.

use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;

use super::sink::Accepted;

/// Why a request was refused: RFC 9457 problem details.
#[derive(Debug, Serialize)]
pub(super) struct Refusal {
    #[serde(skip)]
    pub(super) status: StatusCode,
    /// For programs and as a metric's label.
    pub(super) code: &'static str,
    title: &'static str,
    detail: String,
    #[serde(rename = "where", skip_serializing_if = "String::is_empty")]
    at: String,
    #[serde(skip)]
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("refused");
        Self {
            status,
            code,
            title,
            detail: detail.into(),
            at: String::new(),
            headers: Vec::new(),
        }
    }

    pub(super) fn at(mut self, at: impl Into<String>) -> Self {
        self.at = at.into();
        self
    }

    pub(super) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// 503: the sender should try again, after this many seconds.
    pub(super) fn later(code: &'static str, detail: impl Into<String>, seconds: u64) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail)
            .header(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = serde_json::json!({
            "type": "about:blank", "status": self.status.as_u16(), "title": self.title, "code": self.code,
            "detail": self.detail, "where": (!self.at.is_empty()).then_some(&self.at),
        });
        let mut response = (self.status, body.to_string()).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        for (name, value) in self.headers {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

/// The body of a 202.
#[derive(Debug, Serialize)]
pub(super) struct Taken<'a> {
    #[serde(flatten)]
    pub(super) accepted: &'a Accepted,
    /// How many the sender says it left out.
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) truncated: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) warning: Option<&'static str>,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}
