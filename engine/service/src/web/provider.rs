//! Logging in by the provider of `[oidc]`: there, and back.
//!
//! The provider sends people back by a link from another site, so no form's token can come along; what shows that the same browser
//! comes back is the cookie that it was sent away with, and the state in it ([`crate::oidc::flow`]).

use axum::extract::{Query, Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::{Markup, html};
use url::form_urlencoded;

use super::login::{Entering, Next, address, form, hold, opened, wait, within};
use super::session::Proof;
use super::visitor::{Asked, PAGE, held_as};
use super::{Web, frame};
use crate::clock;
use crate::control::types::{Code, Problem};
use crate::oidc::flow::{LASTS, Returned};
use crate::oidc::person::who;

/// What a browser holds between going and coming back. The session's own cookie stays as it is.
fn cookie(secure: bool) -> &'static str {
    if secure {
        "__Host-stanch-login"
    } else {
        "stanch-login"
    }
}

/// The way to the provider, on the log-in page; nothing where there is none. Where the provider is down it says so.
pub(super) fn way(web: &Web, next: Option<&str>) -> Markup {
    let (settings, provider) = (web.control.settings(), web.control.provider());
    let (Some(oidc), Some(provider)) = (&settings.oidc, provider) else {
        return html! {};
    };
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("next", within(next))
        .finish();
    html! {
        @if provider.down(oidc).is_some() {
            p.wrong role="status" { (oidc.name) " does not answer now. A token works." }
        }
        a.button.yes href={ "/login/provider?" (query) } { "Log in with " (oidc.name) }
        p.faint { "or with a token" }
    }
}

/// To the provider.
pub(super) async fn go(State(web): State<Web>, query: Asked<Next>) -> Response {
    let next = query.ok().and_then(|Query(next)| next.into_inner());
    let (settings, provider) = (web.control.settings(), web.control.provider());
    let (Some(oidc), Some(provider)) = (&settings.oidc, provider) else {
        return frame::problem(
            None,
            &Problem::new(Code::NotFound, "stanch.toml names no provider"),
        );
    };
    let to = within(next.as_deref()).to_owned();
    match provider.begin(oidc, Some(to)).await {
        Ok((url, held)) => {
            let mut response = Redirect::to(&url).into_response();
            hold(
                &mut response,
                cookie(web.secure),
                &held,
                LASTS.as_millis() / 1_000,
                web.secure,
            );
            response
        }
        Err(problem) => {
            let wrong = format!("{}.", problem.detail);
            form(
                &web,
                StatusCode::SERVICE_UNAVAILABLE,
                next.as_deref(),
                Some(&wrong),
            )
        }
    }
}

/// Back from there.
pub(super) async fn back(State(web): State<Web>, returned: Asked<Returned>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let mut response = come(&web, returned, &parts).await;
    // Whatever came of it, it was good once.
    hold(&mut response, cookie(web.secure), "", 0, web.secure);
    response
}

async fn come(web: &Web, returned: Asked<Returned>, parts: &Parts) -> Response {
    let (settings, provider) = (web.control.settings(), web.control.provider());
    let (Some(oidc), Some(provider)) = (&settings.oidc, provider) else {
        return frame::problem(
            None,
            &Problem::new(Code::NotFound, "stanch.toml names no provider"),
        );
    };
    let address = address(&parts.extensions);
    let Ok(Query(returned)) = returned else {
        return frame::problem(
            None,
            &Problem::new(Code::BadRequest, "this is no answer of a provider"),
        );
    };
    let held = held_as(&parts.headers, cookie(web.secure));
    // Links from elsewhere lead here too: what does not end a log-in of this browser asks the provider nothing, and nobody has to wait
    // because of it.
    let ended = match provider.end(&settings, held, returned) {
        Ok(ended) => ended,
        Err(problem) => return frame::problem(None, &problem),
    };
    if let Some(left) = web.sessions.must_wait(address, clock::now()) {
        return wait(web, None, left);
    }
    let entered = provider.entered(&settings, ended).await;
    let known = entered.and_then(|entered| match who(&settings, &entered.claimed) {
        Ok(actor) => Ok((actor.on(PAGE), entered)),
        Err(not_known) => Err(not_known.problem()),
    });
    match known {
        Ok((who, entered)) => {
            let entering = Entering {
                who,
                proof: Proof::Provider(entered.claimed),
                lasts: oidc.session,
                address,
            };
            opened(web, entering, entered.next.as_deref()).await
        }
        Err(problem) => {
            if problem.code != Code::Unavailable {
                web.sessions.failed(address, clock::now());
                web.control.refused(PAGE);
            }
            tracing::warn!(%address, why = problem.detail, "somebody did not come in by the provider of `[oidc]`");
            frame::problem(None, &problem)
        }
    }
}
