//! Outgoing HTTP. Redirects are not followed; credentials that the grant names are added by the host, out of sight.
//!
//! A method that the grant lists under `read` passes in every phase. One under `change` passes only in `apply` and only as
//! planned; plan it with [`Action`](crate::Action).

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use stanch_contract::{FailureCode, canonical};

use crate::{Failure, FailureContext, sys};

/// One request, built and then sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// In upper case.
    pub method: String,
    /// The whole URL, with the query.
    pub url: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body; empty where there is none.
    pub body: Vec<u8>,
    /// How long to wait for the whole answer; the host's own limit holds besides.
    pub timeout_ms: Option<u32>,
}

/// `GET`.
pub fn get(url: impl AsRef<str>) -> Request {
    Request::new("GET", url)
}

/// `HEAD`.
pub fn head(url: impl AsRef<str>) -> Request {
    Request::new("HEAD", url)
}

/// `POST`.
pub fn post(url: impl AsRef<str>) -> Request {
    Request::new("POST", url)
}

/// `PUT`.
pub fn put(url: impl AsRef<str>) -> Request {
    Request::new("PUT", url)
}

/// `PATCH`.
pub fn patch(url: impl AsRef<str>) -> Request {
    Request::new("PATCH", url)
}

/// `DELETE`.
pub fn delete(url: impl AsRef<str>) -> Request {
    Request::new("DELETE", url)
}

impl Request {
    /// With any method.
    pub fn new(method: &str, url: impl AsRef<str>) -> Self {
        Self {
            method: method.to_ascii_uppercase(),
            url: url.as_ref().trim().to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            timeout_ms: None,
        }
    }

    /// With one more member of the query, percent-encoded.
    pub fn query(mut self, name: &str, value: impl AsRef<str>) -> Self {
        let before_fragment = self.url.split('#').next().unwrap_or_default().len();
        self.url.truncate(before_fragment);
        self.url.push(if self.url.contains('?') { '&' } else { '?' });
        encode_into(&mut self.url, name);
        self.url.push('=');
        encode_into(&mut self.url, value.as_ref());
        self
    }

    /// With a header; the one of that name before is replaced. On a changing call the host takes only `accept`,
    /// `content-type` and `idempotency-key`.
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        let name = name.to_ascii_lowercase();
        self.headers.retain(|(other, _)| *other != name);
        self.headers.push((name, value.into()));
        self
    }

    /// With this value as JSON, in the canonical form that a plan names.
    pub fn json(self, body: &impl Serialize) -> Result<Self, Failure> {
        let value = serde_json::to_value(body).context("the request's body")?;
        Ok(self.body("application/json", canonical::to_string(&value)))
    }

    /// With these bytes as body.
    pub fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.header("content-type", content_type)
    }

    /// With a limit of time for the whole answer.
    pub fn timeout(mut self, time: Duration) -> Self {
        self.timeout_ms = Some(u32::try_from(time.as_millis()).unwrap_or(u32::MAX));
        self
    }

    /// Sends it. Every answer is `Ok`, whatever its status ([`Response::ok`]); not reaching the server, being refused by
    /// the gate and too large an answer are failures.
    pub fn send(&self) -> Result<Response, Failure> {
        sys::send(self)
    }

    /// The value of a header.
    pub fn header_value(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Response {
    /// 100 to 599.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, whole.
    pub body: Vec<u8>,
}

impl Response {
    /// 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    /// The entity tag, where `If-Match` takes it: not a weak one, which says «as good as the same» (RFC 9110, 13.1.1).
    pub fn strong_etag(&self) -> Option<&str> {
        self.header("etag").filter(|etag| !etag.starts_with("W/"))
    }

    /// The body as text; what is not UTF-8 is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_slice(&self.body).context("the answer is not the JSON that was expected")
    }

    /// The answer where it is 2xx, else the failure that its status means: 401 and 403 `denied`, 404 and 410
    /// `not-found`, 409 and 412 `conflict`, 408 `timeout`, 429, 502, 503 and 504 `unavailable`, others `failed`.
    /// `Retry-After` in seconds is kept.
    pub fn ok(self) -> Result<Self, Failure> {
        if self.is_success() {
            return Ok(self);
        }
        let code = match self.status {
            401 | 403 => FailureCode::Denied,
            404 | 410 => FailureCode::NotFound,
            409 | 412 => FailureCode::Conflict,
            408 => FailureCode::Timeout,
            429 | 502..=504 => FailureCode::Unavailable,
            _ => FailureCode::Failed,
        };
        let mut said = self.text();
        if let Ok(Value::Object(object)) = serde_json::from_str(&said) {
            let words = ["message", "error", "detail"]
                .iter()
                .find_map(|name| object.get(*name)?.as_str());
            said = words.map(str::to_owned).unwrap_or(said);
        }
        let said: String = said.trim().chars().take(200).collect();
        let message = match said.is_empty() {
            true => format!("The server answered {}", self.status),
            false => format!("The server answered {}: {said}", self.status),
        };
        let mut failure = Failure::new(code, message);
        failure.retry_after_ms = self
            .header("retry-after")
            .and_then(|value| value.trim().parse::<u32>().ok())
            .map(|seconds| seconds.saturating_mul(1000));
        Err(failure)
    }
}

fn find<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers
        .iter()
        .find(|(other, _)| other.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
}

/// Whether `text`, encoded, is one segment of a path to every server: not one that some take for another path, however it is
/// written.
pub fn is_segment(text: &str) -> bool {
    let odd = |c: char| c.is_control() || matches!(c, '/' | '\\');
    !text.chars().all(|c| c == '.') && !text.contains(odd)
}

/// `text` percent-encoded for a member of a query or a segment of a path (RFC 3986: all but the unreserved).
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    encode_into(&mut out, text);
    out
}

fn encode_into(out: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_goes_into_a_query_cannot_leave_it() {
        let request = get("https://h/q?a=1").query("query", r#"up{job="x&y=#z"} + 1"#);
        assert_eq!(
            request.url,
            "https://h/q?a=1&query=up%7Bjob%3D%22x%26y%3D%23z%22%7D%20%2B%201"
        );
        assert_eq!(
            get("https://h/q#frag").query("ä", "ö").url,
            "https://h/q?%C3%A4=%C3%B6"
        );
    }

    #[test]
    fn json_is_sent_in_its_canonical_form() {
        let request = put("https://h").json(&json!({"b": 2.0, "a": 1})).unwrap();
        assert_eq!(request.body, br#"{"a":1,"b":2}"#);
        assert_eq!(request.header_value("Content-Type"), Some("application/json"));
    }

    #[test]
    fn a_status_becomes_the_failure_that_it_means() {
        let table = [
            (401, FailureCode::Denied),
            (404, FailureCode::NotFound),
            (412, FailureCode::Conflict),
            (408, FailureCode::Timeout),
            (503, FailureCode::Unavailable),
            (500, FailureCode::Failed),
            (302, FailureCode::Failed),
        ];
        for (status, code) in table {
            let answer = Response {
                status,
                ..Default::default()
            };
            assert_eq!(answer.ok().unwrap_err().code, code, "{status}");
        }
        let busy = Response {
            status: 429,
            headers: vec![("retry-after".into(), "7".into())],
            body: br#"{"message":"slow down"}"#.to_vec(),
        };
        let failure = busy.ok().unwrap_err();
        assert_eq!(
            (failure.retry_after_ms, failure.message.as_str()),
            (Some(7000), "The server answered 429: slow down")
        );
        assert!(
            Response {
                status: 204,
                ..Default::default()
            }
            .ok()
            .is_ok()
        );
    }
}
