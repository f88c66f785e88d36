//! Logging in and out: the token that `stanch user token` printed opens a session.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::connect_info::ConnectInfo;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::html;
use serde::Deserialize;

use super::Web;
use super::frame::{self, Frame, Tab};
use super::session::LASTS;
use super::visitor::{Asked, Fields, PAGE, Sent, cookie, from_elsewhere, held};
use crate::clock;
use crate::control::actor::{by_token, of_user};
use crate::control::types::{Code, Problem};
use crate::report::words;

/// Where to go afterwards.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Next {
    next: Option<String>,
}

/// The form.
pub(super) async fn page(query: Asked<Next>) -> Response {
    let next = query.ok().and_then(|Query(next)| next.next);
    form(StatusCode::OK, next.as_deref(), None)
}

fn form(status: StatusCode, next: Option<&str>, wrong: Option<&str>) -> Response {
    let parts = html! {
        section.card.login aria-labelledby="t" {
            h1 id="t" { "Log in" }
            @if let Some(wrong) = wrong { p.wrong role="alert" { (wrong) } }
            form method="post" action="/login" {
                @if let Some(next) = next { input type="hidden" name="next" value=(next); }
                label for="token" { "Your token" }
                input id="token" name="token" type="password" autocomplete="current-password" required autofocus
                    spellcheck="false" autocapitalize="none";
                button.yes type="submit" { "Log in" }
            }
            p.faint { "No token yet? Whoever runs the engine makes one with " code { "stanch user token NAME" } "." }
        }
    };
    let frame = Frame {
        title: "Log in",
        tab: Tab::None,
        who: None,
        live: None,
    };
    let mut response = frame.around(&parts);
    *response.status_mut() = status;
    response
}

/// Only to a page of ours: a path, and not one that a browser takes for another host.
fn within(next: Option<&str>) -> &str {
    match next {
        Some(next)
            if next.starts_with('/')
                && !next.starts_with("//")
                && next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') =>
        {
            next
        }
        _ => "/",
    }
}

/// A session for who has a token.
pub(super) async fn enter(State(web): State<Web>, request: Request) -> Response {
    if from_elsewhere(request.headers()) {
        let problem = Problem::new(
            Code::Forbidden,
            "another site sent this form, and nothing was done",
        );
        return frame::problem(None, &problem);
    }
    let peer = request.extensions().get::<ConnectInfo<Option<SocketAddr>>>();
    let address = peer
        .and_then(|ConnectInfo(peer)| peer.as_ref())
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip().to_canonical());
    let fields = match Fields::read(request).await {
        Ok(fields) => fields,
        Err(problem) => return frame::problem(None, &problem),
    };
    let (next, now) = (fields.text("next"), clock::now());
    if let Some(left) = web.sessions.must_wait(address, now) {
        let wrong = format!(
            "Too many wrong tokens from here. Try again in {}.",
            words::length(left.as_millis())
        );
        let mut response = form(StatusCode::TOO_MANY_REQUESTS, next, Some(&wrong));
        let seconds = (left.as_millis() / 1_000 + 1).to_string();
        if let Ok(seconds) = HeaderValue::from_str(&seconds) {
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        return response;
    }
    let settings = web.control.settings();
    let token = fields.text("token").unwrap_or_default();
    let user = match by_token(&settings, token) {
        Ok(actor) => settings.users.iter().find(|user| user.name == actor.name),
        Err(_) => None,
    };
    let Some(user) = user else {
        web.sessions.failed(address, now);
        tracing::warn!(%address, "a wrong token on the log-in page");
        web.control.refused(PAGE);
        let wrong = "This is nobody's token. It may have been replaced.";
        return form(StatusCode::UNAUTHORIZED, next, Some(wrong));
    };
    web.sessions.succeeded(address);
    let who = of_user(user).on(PAGE);
    if let Err(problem) = web.control.logged_in(&who, &address.to_string()).await {
        return frame::problem(None, &problem);
    }
    match web.sessions.open(user, now) {
        Ok(held) => {
            tracing::info!(user = user.name, %address, "logged in");
            let seconds = LASTS.as_millis() / 1_000;
            with_cookie(Redirect::to(within(next)), &web, &held, seconds)
        }
        Err(why) => frame::problem(None, &Problem::new(Code::Internal, why)),
    }
}

/// Ends the session.
pub(super) async fn leave(State(web): State<Web>, headers: axum::http::HeaderMap, sent: Sent) -> Response {
    if let Some(held) = held(&headers, web.secure) {
        web.sessions.close(held);
    }
    tracing::info!(user = sent.who.name, "logged out");
    with_cookie(Redirect::to("/login"), &web, "", 0)
}

fn with_cookie(to: Redirect, web: &Web, held: &str, seconds: i64) -> Response {
    let secure = if web.secure { "; Secure" } else { "" };
    let name = cookie(web.secure);
    let value = format!("{name}={held}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}");
    let mut response = to.into_response();
    if let Ok(value) = HeaderValue::from_str(&value) {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_logging_in_one_stays_here() {
        let table = [
            ("/runs/abc?x=1", "/runs/abc?x=1"),
            ("/", "/"),
            ("https://evil.example/", "/"),
            ("//evil.example/", "/"),
            ("/\\evil.example/", "/"),
            ("/\nSet-Cookie: a=b", "/"),
            ("javascript:alert(1)", "/"),
            ("", "/"),
        ];
        for (next, to) in table {
            assert_eq!(within(Some(next)), to, "{next:?}");
        }
        assert_eq!(within(None), "/");
    }
}
