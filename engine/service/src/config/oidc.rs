//! `[oidc]`: the provider of OpenID Connect that says who people are, and what its groups are worth.

use stanch_contract::Span;
use stanch_runbook::reading::{Fields, Got, Problems};
use url::Url;

use super::people::{self, ROLES};
use super::settings::{Folder, Oidc, OidcRule};
use super::values::{self, Names};
use crate::web::CALLBACK;

/// How long somebody stays logged in unless set, and at most.
const SESSION: Span = Span::from_secs(12 * 3_600);
/// Asked for unless set: what `email` and `preferred_username` need with most providers.
const SCOPES: [&str; 2] = ["email", "profile"];

pub(super) fn oidc(
    top: &mut Fields<'_, '_>,
    names: &Names,
    folders: &[Folder],
    problems: &mut Problems<'_>,
) -> Option<Oidc> {
    let mut fields = top
        .node("oidc")
        .and_then(|node| Fields::of(node, "`[oidc]`", problems))?;
    let issuer = fields.needed_text(
        "issuer",
        "issuer = \"https://login.example/realms/ops\"",
        problems,
    );
    let issuer = issuer.filter(|written| {
        let help = "write the issuer letter by letter as the provider's `/.well-known/openid-configuration` names it: an https URL; plain http only to a loopback address";
        told_unless(is_issuer(written.value), written, "`issuer`", help, problems)
    });
    let client_id = fields.needed_text("client_id", "client_id = \"stanch\"", problems);
    let secret = fields.text("client_secret", problems);
    let has_secret = secret.is_some();
    let client_secret = secret.and_then(|secret| names.whole("client_secret", &secret, problems));
    let example = format!("redirect = \"https://stanch.example{CALLBACK}\"");
    let redirect = fields.needed_text("redirect", &example, problems);
    let redirect = redirect.filter(|written| {
        let help = format!("write where browsers reach this engine, with `{CALLBACK}`: `{example}`; it is registered at the provider like this");
        told_unless(is_redirect(written.value), written, "`redirect`", &help, problems)
    });
    let person = fields.needed_text("person", "person = \"email\"", problems);
    let groups = fields.text("groups", problems);
    let name = fields.text("name", problems);
    let audience = fields.text("audience", problems);
    let session = fields.parsed::<Span>("session", problems);
    if let Some(session) = &session
        && !(Span::from_secs(60)..=SESSION).contains(&session.value)
    {
        let help = "write how long somebody stays logged in, from `1m` to `12h`".to_owned();
        problems.add(
            &session.at,
            "`session` is out of range",
            "not from `1m` to `12h`",
            help,
        );
    }
    let scopes = fields.texts("scopes", problems).map_or_else(
        || SCOPES.map(str::to_owned).to_vec(),
        |scopes| scopes.iter().map(|scope| scope.value.to_owned()).collect(),
    );
    let addresses = fields.texts("addresses", problems).unwrap_or_default();
    let addresses = values::networks(&addresses, problems);
    let rules = rules(&mut fields, groups.is_some(), folders, problems);
    fields.finish(problems);
    let issuer = issuer?.value.to_owned();
    // A secret that cannot be read is no reason to go on without one.
    if has_secret && client_secret.is_none() {
        return None;
    }
    Some(Oidc {
        name: name.map_or_else(|| host(&issuer), |name| name.value.to_owned()),
        issuer,
        client_id: client_id?.value.to_owned(),
        client_secret,
        redirect: redirect?.value.to_owned(),
        scopes,
        person: person?.value.to_owned(),
        groups: groups.map(|groups| groups.value.to_owned()),
        audience: audience.map(|audience| audience.value.to_owned()),
        session: session.map_or(SESSION, |session| session.value),
        addresses,
        rules,
    })
}

fn rules(
    fields: &mut Fields<'_, '_>,
    has_groups: bool,
    folders: &[Folder],
    problems: &mut Problems<'_>,
) -> Vec<OidcRule> {
    let mut rules = Vec::new();
    for node in fields.tables("rules", "oidc.rules", problems) {
        let Some(mut fields) = Fields::of(node, "`[[oidc.rules]]`", problems) else {
            continue;
        };
        let group = fields.needed_text("group", "group = \"oncall\"", problems);
        if !fields.has("role") {
            fields.missing("role", "role = \"approver\"", problems);
        }
        let role = fields.word("role", &ROLES, problems);
        let scope = people::scope(&mut fields, folders, problems);
        let groups = fields.texts("groups", problems);
        let at = fields.at().clone();
        fields.finish(problems);
        if !has_groups {
            let help =
                "add `groups = \"groups\"` to `[oidc]`: the claim that says in which groups somebody is";
            problems.add(
                &at,
                "no rule fits anybody",
                "`[oidc]` has no `groups`",
                help.to_owned(),
            );
        }
        let (Some(group), Some(role)) = (group, role) else {
            continue;
        };
        rules.push(OidcRule {
            group: group.value.to_owned(),
            role: role.value,
            scope,
            groups: groups.map_or_else(
                || vec![group.value.to_owned()],
                |groups| groups.iter().map(|group| group.value.to_owned()).collect(),
            ),
        });
    }
    rules
}

fn told_unless(fit: bool, written: &Got<&str>, what: &str, help: &str, problems: &mut Problems<'_>) -> bool {
    if !fit {
        let message = format!("{what} cannot be `{}`", written.value);
        problems.add(&written.at, message, "not fit", help.to_owned());
    }
    fit
}

/// OpenID Connect Discovery 1.0, 2: no query, no fragment.
fn is_issuer(text: &str) -> bool {
    secure(text).is_some_and(|url| url.query().is_none())
}

fn is_redirect(text: &str) -> bool {
    secure(text).is_some_and(|url| url.path() == CALLBACK && url.query().is_none() && url.as_str() == text)
}

/// A URL that a secret may go to: so TLS, or this machine.
pub(crate) fn secure(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let fit = values::is_private(&url)
        && url.has_host()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    fit.then_some(url)
}

fn host(issuer: &str) -> String {
    let url = Url::parse(issuer).ok();
    url.and_then(|url| url.host_str().map(str::to_owned))
        .unwrap_or_else(|| issuer.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_goes_over_tls_or_stays_on_this_machine() {
        for (text, issuer, redirect) in [
            ("https://login.example/realms/ops", true, false),
            ("https://login.example/", true, false),
            ("http://127.0.0.1:8080", true, false),
            ("http://[::1]:8080", true, false),
            ("http://login.example", false, false),
            ("https://login.example?a=b", false, false),
            ("https://login.example/#a", false, false),
            ("https://me@login.example", false, false),
            ("login.example", false, false),
            ("https://stanch.example/login/callback", true, true),
            ("http://127.0.0.1:9440/login/callback", true, true),
            ("http://localhost:9440/login/callback", true, true),
            ("http://stanch.example/login/callback", false, false),
            ("https://stanch.example/login/callback/", true, false),
            ("https://stanch.example:443/login/callback", true, false),
            ("https://stanch.example/login/callback?a=b", false, false),
        ] {
            assert_eq!((is_issuer(text), is_redirect(text)), (issuer, redirect), "{text}");
        }
    }
}
