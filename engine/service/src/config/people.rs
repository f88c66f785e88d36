//! `[[users]]`: who may decide.

use std::collections::BTreeSet;
use std::sync::Arc;

use stanch_contract::Digest;

use super::folders;
use super::settings::{Folder, Oidc, Role, User};
use stanch_run::Scope;
use stanch_runbook::reading::{Fields, Problems};

pub(super) const ROLES: [(&str, Role); 4] = [
    ("viewer", Role::Viewer),
    ("approver", Role::Approver),
    ("operator", Role::Operator),
    ("admin", Role::Admin),
];

/// `teams` and `owners`: to which runbooks a role is bounded.
pub(super) fn scope(fields: &mut Fields<'_, '_>, folders: &[Folder], problems: &mut Problems<'_>) -> Scope {
    let owners = fields.texts("owners", problems);
    Scope {
        teams: folders::teams(fields, folders, problems),
        owners: owners.map(|owners| owners.iter().map(|owner| owner.value.to_owned()).collect()),
    }
}

pub(super) fn users(
    top: &mut Fields<'_, '_>,
    provider: Option<&Oidc>,
    folders: &[Folder],
    problems: &mut Problems<'_>,
) -> Vec<Arc<User>> {
    let has_provider = top.has("oidc");
    let mut users: Vec<Arc<User>> = Vec::new();
    for node in top.tables("users", "users", problems) {
        let Some(mut fields) = Fields::of(node, "`[[users]]`", problems) else {
            continue;
        };
        let name = fields.needed_text("name", "name = \"dana\"", problems);
        let token = fields.text("token_sha256", problems);
        let os_user = fields.text("os_user", problems);
        let groups = fields.texts("groups", problems).unwrap_or_default();
        if !fields.has("role") {
            fields.missing("role", "role = \"approver\"", problems);
        }
        let role = fields.word("role", &ROLES, problems);
        let scope = scope(&mut fields, folders, problems);
        let elsewhere = fields.word("elsewhere", &ROLES, problems);
        if let Some(elsewhere) = &elsewhere {
            if scope.is_all() {
                let help =
                    "add `teams = [\"…\"]` or `owners = [\"…\"]`, or leave `elsewhere` out: the role is for everywhere".to_owned();
                problems.add(
                    &elsewhere.at,
                    "`elsewhere` than where is not said",
                    "there are no `teams` and no `owners`",
                    help,
                );
            } else if role.as_ref().is_some_and(|role| elsewhere.value >= role.value) {
                let help = "write a lower role, or leave the bounds and `elsewhere` out".to_owned();
                problems.add(
                    &elsewhere.at,
                    "`elsewhere` is not less than `role`",
                    "bounds nothing",
                    help,
                );
            }
        }
        let slack = fields.text("slack", problems);
        let oidc = fields.text("oidc", problems);
        let at = fields.at().clone();
        fields.finish(problems);
        let digest = token
            .as_ref()
            .and_then(|token| match token.value.parse::<Digest>() {
                Ok(digest) => Some(digest),
                Err(_) => {
                    let help =
                        "write the 64 hex digits that `stanch user token NAME` prints, never the token"
                            .to_owned();
                    problems.add_hidden(
                        &token.at,
                        "`token_sha256` is not a SHA-256 digest".to_owned(),
                        help,
                    );
                    None
                }
            });
        let Some(name) = name else { continue };
        if token.is_none() && os_user.is_none() && slack.is_none() && oidc.is_none() {
            let help = "add the `token_sha256` that `stanch user token` prints, an `os_user`, the member's id in `slack`, or what `oidc.person` says of them in `oidc`".to_owned();
            problems.add(
                &at,
                format!("nobody can prove to be `{}`", name.value),
                "no `token_sha256`, no `os_user`, no `slack`, no `oidc`",
                help,
            );
        }
        if name.value.contains(':') || name.value.chars().any(char::is_whitespace) {
            let help = "leave out white space and colons: `group:` and `os:` mean something".to_owned();
            problems.add(
                &name.at,
                format!("a user cannot be called `{}`", name.value),
                "not a name",
                help,
            );
        }
        let unlike = |what: &str, same: &dyn Fn(&User) -> bool, at, problems: &mut Problems<'_>| {
            if let Some(other) = users.iter().find(|other| same(other)) {
                let message = format!("`{}` has the same {what} as `{}`", name.value, other.name);
                problems.add(
                    at,
                    message,
                    "again",
                    "decisions must have one author: make it another".to_owned(),
                );
            }
        };
        unlike("name", &|other| other.name == name.value, &name.at, problems);
        if let (Some(token), Some(digest)) = (&token, digest) {
            unlike("token", &|other| other.token == Some(digest), &token.at, problems);
        }
        if let Some(os_user) = &os_user {
            unlike(
                "`os_user`",
                &|other| other.os_user.as_deref() == Some(os_user.value),
                &os_user.at,
                problems,
            );
        }
        if let Some(slack) = &slack {
            let fit = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit();
            if !slack.value.starts_with(['U', 'W']) || !slack.value.chars().all(fit) || slack.value.len() < 3
            {
                let help = "write the member's id, such as `U024BE7LH`: in Slack, the profile's menu, «Copy member ID»".to_owned();
                let message = format!("`{}` is no member's id in Slack", slack.value);
                problems.add(&slack.at, message, "not an id", help);
            }
            unlike(
                "`slack`",
                &|other| other.slack.as_deref() == Some(slack.value),
                &slack.at,
                problems,
            );
        }
        // The provider's addresses are compared in small letters.
        let claim = oidc.as_ref().map(|oidc| match provider {
            Some(provider) if provider.person == "email" => oidc.value.to_lowercase(),
            _ => oidc.value.to_owned(),
        });
        if let (Some(oidc), Some(claim)) = (&oidc, &claim) {
            if !has_provider {
                let help = "add `[oidc]` with the provider, or leave `oidc` out".to_owned();
                problems.add(
                    &oidc.at,
                    "no provider says who that is",
                    "there is no `[oidc]`",
                    help,
                );
            }
            unlike(
                "`oidc`",
                &|other| other.oidc.as_deref() == Some(claim),
                &oidc.at,
                problems,
            );
        }
        let Some(role) = role else { continue };
        users.push(Arc::new(User {
            name: name.value.to_owned(),
            token: digest,
            os_user: os_user.map(|os_user| os_user.value.to_owned()),
            slack: slack.map(|slack| slack.value.to_owned()),
            oidc: claim,
            groups: groups
                .iter()
                .map(|group| group.value.to_owned())
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect(),
            role: role.value,
            scope,
            elsewhere: elsewhere.map(|role| role.value),
        }));
    }
    users
}
