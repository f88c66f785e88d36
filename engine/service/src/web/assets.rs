//! The style sheet and the script, compiled in. The name has the content's digest in it, so a browser keeps it for good and
//! never shows a page with another version's.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use stanch_contract::Digest;

/// A file that pages ask for.
pub(super) struct Asset {
    /// Where it is.
    pub(super) path: String,
    kind: &'static str,
    text: &'static str,
}

impl Asset {
    fn new(name: &str, end: &str, kind: &'static str, text: &'static str) -> Self {
        let digest = hex::encode(Digest::of(text.as_bytes()).as_bytes());
        Self {
            path: format!("/assets/{name}-{digest:.12}.{end}"),
            kind,
            text,
        }
    }
}

/// The look of every page.
pub(super) static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    let text = include_str!("assets/stanch.css");
    Asset::new("stanch", "css", "text/css; charset=utf-8", text)
});

/// What keeps an open page up to date.
pub(super) static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    let text = include_str!("assets/stanch.js");
    Asset::new("stanch", "js", "text/javascript; charset=utf-8", text)
});

/// Anybody may have them: they are the same for everybody.
pub(super) async fn serve(Path(file): Path<String>) -> Response {
    let asked = format!("/assets/{file}");
    match [&*STYLE, &*SCRIPT].into_iter().find(|asset| asset.path == asked) {
        Some(asset) => {
            let keep = HeaderValue::from_static("public, max-age=31536000, immutable");
            (
                [
                    (header::CONTENT_TYPE, HeaderValue::from_static(asset.kind)),
                    (header::CACHE_CONTROL, keep),
                ],
                asset.text,
            )
                .into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
