//! A request's body, whole: bounded in size and in time.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

/// The largest body. Alertmanager's largest groups are far below.
pub(crate) const MOST: usize = 4 << 20;
/// How long a body may take to come.
const SLOWEST: Duration = Duration::from_secs(15);

/// Why a body was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unread {
    /// More than [`MOST`].
    #[error("the body has more than {} MiB", MOST >> 20)]
    TooLarge,
    /// It did not come in time.
    #[error("the body took too long to come")]
    Slow,
    /// The other end went away, or did not keep to what it said of the length.
    #[error("the body ended before its end")]
    Broken,
}

/// Reads it to its end.
pub(crate) async fn read(body: Body) -> Result<Bytes, Unread> {
    read_within(body, SLOWEST).await
}

/// Reads it to its end, which has to come within this time.
pub(super) async fn read_within(body: Body, slowest: Duration) -> Result<Bytes, Unread> {
    let body = Limited::new(body, MOST).collect();
    match tokio::time::timeout(slowest, body).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Unread::TooLarge),
        Ok(Err(_)) => Err(Unread::Broken),
        Err(_) => Err(Unread::Slow),
    }
}
