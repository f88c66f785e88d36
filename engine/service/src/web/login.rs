//! Logging in and out: the token that `stanch user token` printed opens a session, or what a provider says ([`super::provider`]).

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::connect_info::ConnectInfo;
use axum::extract::{Query, Request, State};
use axum::http::{Extensions, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::html;
use serde::Deserialize;
use stanch_contract::Span;
use stanch_run::Actor;

use super::Web;
use super::frame::{self, Frame, Tab};
use super::session::{LASTS, Proof};
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
pub(super) async fn page(State(web): State<Web>, query: Asked<Next>) -> Response {
    let next = query.ok().and_then(|Query(next)| next.next);
    form(&web, StatusCode::OK, next.as_deref(), None)
}

/// The form, and the way to the provider where there is one.
pub(super) fn form(web: &Web, status: StatusCode, next: Option<&str>, wrong: Option<&str>) -> Response {
    let parts = html! {
        section.card.login aria-labelledby="t" {
            h1 id="t" { "Log in" }
            @if let Some(wrong) = wrong { p.wrong role="alert" { (wrong) } }
            (super::provider::way(web, next))
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

impl Next {
    pub(super) fn into_inner(self) -> Option<String> {
        self.next
    }
}

/// Only to a page of ours: a path, and not one that a browser takes for another host.
pub(super) fn within(next: Option<&str>) -> &str {
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
    let address = address(request.extensions());
    let fields = match Fields::read(request).await {
        Ok(fields) => fields,
        Err(problem) => return frame::problem(None, &problem),
    };
    let (next, now) = (fields.text("next"), clock::now());
    if let Some(left) = web.sessions.must_wait(address, now) {
        return wait(&web, next, left);
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
        return form(&web, StatusCode::UNAUTHORIZED, next, Some(wrong));
    };
    let Some(proof) = Proof::token(user) else {
        return frame::problem(None, &Problem::new(Code::Internal, "the user has no token"));
    };
    let entering = Entering {
        who: of_user(user).on(PAGE),
        proof,
        lasts: LASTS,
        address,
    };
    opened(&web, entering, next).await
}

/// Somebody who proved who they are.
pub(super) struct Entering {
    pub(super) who: Actor,
    pub(super) proof: Proof,
    pub(super) lasts: Span,
    pub(super) address: IpAddr,
}

/// Lets somebody in: in the audit first, then with a session.
pub(super) async fn opened(web: &Web, entering: Entering, next: Option<&str>) -> Response {
    let Entering {
        who,
        proof,
        lasts,
        address,
    } = entering;
    web.sessions.succeeded(address);
    if let Err(problem) = web.control.logged_in(&who, &address.to_string()).await {
        return frame::problem(None, &problem);
    }
    match web.sessions.open(proof, lasts, clock::now()) {
        Ok(held) => {
            tracing::info!(user = who.name, %address, "logged in");
            let mut response = Redirect::to(within(next)).into_response();
            hold(
                &mut response,
                cookie(web.secure),
                &held,
                lasts.as_millis() / 1_000,
                web.secure,
            );
            response
        }
        Err(why) => frame::problem(None, &Problem::new(Code::Internal, why)),
    }
}

/// The address that a request comes from.
pub(super) fn address(extensions: &Extensions) -> IpAddr {
    let peer = extensions.get::<ConnectInfo<Option<SocketAddr>>>();
    peer.and_then(|ConnectInfo(peer)| peer.as_ref())
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip().to_canonical())
}

/// This address tried too often.
pub(super) fn wait(web: &Web, next: Option<&str>, left: Span) -> Response {
    let wrong = format!(
        "Too many log-ins failed from here. Try again in {}.",
        words::length(left.as_millis())
    );
    let mut response = form(web, StatusCode::TOO_MANY_REQUESTS, next, Some(&wrong));
    let seconds = (left.as_millis() / 1_000 + 1).to_string();
    if let Ok(seconds) = HeaderValue::from_str(&seconds) {
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    response
}

/// Ends the session.
pub(super) async fn leave(State(web): State<Web>, headers: axum::http::HeaderMap, sent: Sent) -> Response {
    if let Some(held) = held(&headers, web.secure) {
        web.sessions.close(held);
    }
    tracing::info!(user = sent.who.name, "logged out");
    let mut response = Redirect::to("/login").into_response();
    hold(&mut response, cookie(web.secure), "", 0, web.secure);
    response
}

/// Has the browser hold something for so long; for none, no longer.
pub(super) fn hold(response: &mut Response, name: &str, held: &str, seconds: i64, secure: bool) {
    let secure = if secure { "; Secure" } else { "" };
    let value = format!("{name}={held}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}");
    if let Ok(value) = HeaderValue::from_str(&value) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
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
