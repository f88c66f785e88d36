//! Who looks at a page, and the forms that they send.
//!
//! A form counts when the browser says that one of our pages sent it (`Sec-Fetch-Site`, else `Origin`) and it carries the
//! session's own token. The cookie is not sent along by other sites' forms either (`SameSite`): three things, each enough.

use std::collections::BTreeMap;
use std::ops::Deref;

use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use stanch_run::{Actor, Role};
use subtle::ConstantTimeEq as _;
use url::form_urlencoded;

use super::{Web, frame};
use crate::clock;
use crate::control::Answer;
use crate::control::types::{Code, Problem};
use crate::door;

/// Where people are who use pages, for the journal.
pub(super) const PAGE: &str = "page";

/// Who looks at a page.
pub(super) struct Visitor {
    actor: Actor,
    /// What the browser holds.
    held: String,
    /// What this session's forms carry.
    pub(super) csrf: String,
}

impl Visitor {
    /// Whose session it is that a browser holds this of.
    fn of(held: &str, web: &Web) -> Option<Self> {
        let known = web.sessions.find(held, &web.control.settings(), clock::now())?;
        Some(Self {
            actor: known.who.on(PAGE),
            held: held.to_owned(),
            csrf: known.csrf,
        })
    }

    /// One who is not logged in anywhere, for what is shown to whom.
    #[cfg(test)]
    pub(super) fn like(actor: Actor) -> Self {
        Self {
            actor,
            held: String::new(),
            csrf: "c5f".into(),
        }
    }

    /// The same visitor with the role that they have in a runbook: what is shown there goes by it.
    pub(super) fn within(&self, web: &Web, runbook: &str) -> Self {
        let there = web.control.within(&self.actor, runbook);
        Self {
            // Where they have none nothing of it is shown; what is, they may only look at.
            actor: there.unwrap_or_else(|| self.actor.with(Role::Viewer)),
            held: self.held.clone(),
            csrf: self.csrf.clone(),
        }
    }

    /// The same visitor as of now: nobody where the session has ended.
    pub(super) fn again(&self, web: &Web) -> Option<Self> {
        Self::of(&self.held, web)
    }
}

impl Deref for Visitor {
    type Target = Actor;

    fn deref(&self) -> &Actor {
        &self.actor
    }
}

/// The cookie's name. With TLS its prefix has the browser refuse it from anywhere but this host by TLS.
pub(super) fn cookie(secure: bool) -> &'static str {
    if secure { "__Host-stanch" } else { "stanch" }
}

/// What the browser holds.
pub(super) fn held(headers: &HeaderMap, secure: bool) -> Option<&str> {
    held_as(headers, cookie(secure))
}

/// What the browser holds under this name.
pub(super) fn held_as<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(known, _)| *known == name)
        .map(|(_, value)| value)
}

impl FromRequestParts<Web> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Response> {
        if let Some(visitor) = held(&parts.headers, web.secure).and_then(|held| Self::of(held, web)) {
            return Ok(visitor);
        }
        if parts.method == Method::GET {
            let back = parts.uri.path_and_query().map_or("/", |path| path.as_str());
            let query = form_urlencoded::Serializer::new(String::new())
                .append_pair("next", back)
                .finish();
            return Err(Redirect::to(&format!("/login?{query}")).into_response());
        }
        let problem = Problem::new(
            Code::NotAuthenticated,
            "you are not logged in any more, and nothing was done",
        )
        .hint("log in and look again: the question may be another one by now");
        Err(frame::problem(None, &problem))
    }
}

/// Whether the browser says that another site had this sent. Behind a proxy `Host` may be another one than the browser's, so
/// what the browser says by itself comes first.
pub(super) fn from_elsewhere(headers: &HeaderMap) -> bool {
    let text = |name: &str| {
        headers
            .get(name)
            .map(|value| value.to_str().unwrap_or("unreadable"))
    };
    if let Some(site) = text("sec-fetch-site") {
        return !matches!(site, "same-origin" | "none");
    }
    match (text("origin"), text("host")) {
        (None, _) => false,
        (Some(origin), host) => {
            let said = origin.split_once("://").map(|(_, host)| host);
            said.is_none() || said != host
        }
    }
}

/// What a page's address asks for; what cannot be read of it asks for nothing.
pub(super) type Asked<T> = Result<Query<T>, QueryRejection>;

/// What a form says.
#[derive(Debug, Default)]
pub(super) struct Fields(BTreeMap<String, String>);

impl Fields {
    /// What a form's body says; of a field that is there twice, the last.
    pub(super) async fn read(request: Request) -> Answer<Self> {
        let bytes = door::read(request.into_body())
            .await
            .map_err(|why| Problem::new(Code::BadRequest, why.to_string()))?;
        Ok(Self(form_urlencoded::parse(&bytes).into_owned().collect()))
    }

    /// A field that is not empty.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(|text| text.trim())
            .filter(|text| !text.is_empty())
    }

    /// A field that has to be there.
    pub(super) fn need(&self, name: &str) -> Answer<&str> {
        self.text(name)
            .ok_or_else(|| Problem::new(Code::BadRequest, format!("the form has no `{name}`")))
    }

    /// `yes` or `no`.
    pub(super) fn yes(&self, name: &str) -> Answer<bool> {
        match self.need(name)? {
            "yes" => Ok(true),
            "no" => Ok(false),
            _ => Err(Problem::new(
                Code::BadRequest,
                format!("`{name}` has to be `yes` or `no`"),
            )),
        }
    }
}

/// A form that one of our pages sent, and who sent it.
pub(super) struct Sent {
    pub(super) who: Visitor,
    pub(super) fields: Fields,
}

impl FromRequest<Web> for Sent {
    type Rejection = Response;

    async fn from_request(request: Request, web: &Web) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let who = Visitor::from_request_parts(&mut parts, web).await?;
        let refused = |problem: Problem| frame::problem(Some(&who), &problem);
        if from_elsewhere(&parts.headers) {
            return Err(refused(Problem::new(
                Code::Forbidden,
                "another site sent this form, and nothing was done",
            )));
        }
        let fields = Fields::read(Request::from_parts(parts, body))
            .await
            .map_err(refused)?;
        let carried = fields.text("csrf").unwrap_or_default();
        if !bool::from(carried.as_bytes().ct_eq(who.csrf.as_bytes())) {
            let problem = Problem::new(
                Code::Forbidden,
                "the form is not one of this session's, and nothing was done",
            )
            .hint("open the page again and decide there");
            return Err(refused(problem));
        }
        Ok(Self { who, fields })
    }
}

/// The HTTP status of a problem.
pub(super) fn status(problem: &Problem) -> StatusCode {
    StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_of_another_site_is_known_by_what_the_browser_says() {
        let table: [(&[(&str, &str)], bool); 10] = [
            (&[], false),
            (&[("sec-fetch-site", "same-origin")], false),
            (&[("sec-fetch-site", "none")], false),
            (&[("sec-fetch-site", "cross-site")], true),
            (&[("sec-fetch-site", "same-site")], true),
            (
                &[
                    ("origin", "http://stanch.example:9440"),
                    ("host", "stanch.example:9440"),
                ],
                false,
            ),
            (
                &[("origin", "https://evil.example"), ("host", "stanch.example")],
                true,
            ),
            (&[("origin", "null"), ("host", "stanch.example")], true),
            // A proxy that sends another host on: what the browser says by itself counts.
            (
                &[
                    ("origin", "https://stanch.example"),
                    ("host", "127.0.0.1:9440"),
                    ("sec-fetch-site", "same-origin"),
                ],
                false,
            ),
            (
                &[
                    ("origin", "http://stanch.example"),
                    ("host", "stanch.example"),
                    ("sec-fetch-site", "cross-site"),
                ],
                true,
            ),
        ];
        for (headers, elsewhere) in table {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.insert(*name, value.parse().unwrap());
            }
            assert_eq!(from_elsewhere(&map), elsewhere, "{headers:?}");
        }
    }

    #[test]
    fn the_cookie_is_found_among_others_and_only_under_its_whole_name() {
        let table = [
            ("stanch=abc", false, Some("abc")),
            ("a=b; stanch=abc; c=d", false, Some("abc")),
            ("xstanch=abc", false, None),
            ("stanch=abc", true, None),
            ("__Host-stanch=abc; stanch=evil", true, Some("abc")),
        ];
        for (value, secure, found) in table {
            let mut map = HeaderMap::new();
            map.insert(header::COOKIE, value.parse().unwrap());
            assert_eq!(held(&map, secure), found, "{value}");
        }
    }
}
