//! What the routes take out of a request: who is asking, and what for; and how a problem leaves.

use std::ops::Deref;

use axum::body::Bytes;
use axum::extract::connect_info::ConnectInfo;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use stanch_run::Actor;
use tokio::net::UnixStream;

use super::account;
use super::actor::{by_token, recognise};
use super::routes::{Door, Shared};
use super::types::{Code, Problem};
use crate::door;
use crate::oidc::Provider;

/// The account at the other end; absent where the kernel did not say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) Option<u32>);

impl Peer {
    pub(super) fn of(stream: &UnixStream) -> Self {
        Self(stream.peer_cred().ok().map(|peer| peer.uid()))
    }
}

/// Who is asking.
pub(super) struct Caller(Actor);

impl Deref for Caller {
    type Target = Actor;

    fn deref(&self) -> &Actor {
        &self.0
    }
}

/// Who is asking, for as long as they are told something: found out anew each time, so that who is nobody any more is told no more.
pub(super) struct Follower(Parts);

impl Follower {
    /// Who it is now.
    pub(super) async fn now(&self, shared: &Shared) -> Result<Actor, Problem> {
        let who = caller(&self.0, shared).await?;
        Ok(who.on(shared.door.word()))
    }
}

impl FromRequestParts<Shared> for Follower {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, Problem> {
        Ok(Self(parts.clone()))
    }
}

impl FromRequestParts<Shared> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, Problem> {
        let via = shared.door.word();
        let who = caller(parts, shared).await;
        if who
            .as_ref()
            .is_err_and(|problem| problem.code == Code::NotAuthenticated)
        {
            shared.control.refused(via);
        }
        who.map(|actor| Self(actor.on(via)))
    }
}

async fn caller(parts: &Parts, shared: &Shared) -> Result<Actor, Problem> {
    let token = parts.headers.get(header::AUTHORIZATION).map(bearer).transpose()?;
    let settings = shared.control.settings();
    if let Some(token) = token.filter(|token| Provider::makes(token))
        && let Some(provider) = shared.control.provider()
    {
        return provider.by_bearer(&settings, token).await;
    }
    let owner = match &shared.door {
        Door::Socket(owner) => owner,
        Door::Network(_) => {
            let token = token.ok_or_else(|| {
                    Problem::new(Code::NotAuthenticated, "over the network a token says who is asking, and none came along")
                        .hint("set STANCH_TOKEN to the token that `stanch user token NAME` printed, or send it as `Authorization: Bearer`")
                })?;
            return by_token(&settings, token);
        }
    };
    let Some(ConnectInfo(Peer(Some(uid)))) = parts.extensions.get::<ConnectInfo<Peer>>() else {
        return Err(Problem::new(
            Code::NotAuthenticated,
            "the kernel did not say who is asking",
        ));
    };
    let peer = account::by_number(*uid);
    recognise(&settings, owner, &peer, token)
}

fn bearer(header: &HeaderValue) -> Result<&str, Problem> {
    let token = header.to_str().ok().and_then(|text| text.strip_prefix("Bearer "));
    token.ok_or_else(|| {
        Problem::new(
            Code::NotAuthenticated,
            "`authorization` must be `Bearer` and a token",
        )
    })
}

/// A JSON body; an empty one is `{}`.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Shared> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &Shared) -> Result<Self, Problem> {
        let bytes = door::read(request.into_body())
            .await
            .map_err(|why| Problem::new(Code::BadRequest, why.to_string()))?;
        let bytes = if bytes.is_empty() {
            Bytes::from_static(b"{}")
        } else {
            bytes
        };
        serde_json::from_slice(&bytes).map(Self).map_err(|error| {
            let error = stanch_contract::text::clean_line_to(&error.to_string(), 300);
            Problem::new(
                Code::BadRequest,
                format!("the body is not what this route takes: {error}"),
            )
        })
    }
}

/// What a route's address asks for, as axum read it.
pub(super) type Queried<T> = Result<Query<T>, QueryRejection>;

/// What a route's address asks for. Looked at after the role, so that who may not ask is told that.
pub(super) fn asked<T>(queried: Queried<T>) -> Result<T, Problem> {
    let Query(asked) = queried.map_err(|error| Problem::new(Code::BadRequest, error.body_text()))?;
    Ok(asked)
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response =
            (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response();
        if status == StatusCode::UNAUTHORIZED {
            // RFC 9110, 11.6.1: a 401 says how to prove who one is.
            let way = HeaderValue::from_static("Bearer realm=\"stanch\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, way);
        }
        response
    }
}
