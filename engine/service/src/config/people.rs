//! `[[intake]]` and `[[users]]`: who may send, and who may decide.

use std::collections::BTreeSet;
use std::sync::Arc;

use stanch_contract::Digest;

use super::intake_watch;
use super::settings::{Intake, IntakeAuth, IntakeKind, Role, User};
use super::values::Names;
use stanch_runbook::reading::{Fields, Got, Problems};

/// The first parts of the paths of what is neither an intake nor a page.
const TAKEN: [&str; 5] = ["api", "healthz", "readyz", "metrics", "slack"];
pub(super) const ROLES: [(&str, Role); 4] = [
    ("viewer", Role::Viewer),
    ("approver", Role::Approver),
    ("operator", Role::Operator),
    ("admin", Role::Admin),
];

/// Whether the service has something there itself.
fn is_taken(path: &str) -> bool {
    let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    TAKEN.contains(&first) || crate::web::PLACES.contains(&first)
}

pub(super) fn intakes(
    top: &mut Fields<'_, '_>,
    names: &Names,
    installed: &[&str],
    problems: &mut Problems<'_>,
) -> Vec<Got<Intake>> {
    let mut intakes: Vec<Got<Intake>> = Vec::new();
    for node in top.tables("intake", "intake", problems) {
        let Some(mut fields) = Fields::of(node, "`[[intake]]`", problems) else {
            continue;
        };
        let kind = kind(&mut fields, problems);
        let path = fields.needed_text("path", "path = \"/alerts/alertmanager\"", problems);
        let auth = fields
            .node("auth")
            .and_then(|node| Fields::of(node, "`auth`", problems))
            .and_then(|mut fields| {
                let auth = auth(&mut fields, kind, names, problems);
                fields.finish(problems);
                auth
            });
        let reconcile = intake_watch::reconcile(&mut fields, kind, names, problems);
        let expects = intake_watch::expects(&mut fields, installed, problems);
        let at = fields.at().clone();
        fields.finish(problems);
        let (Some(kind), Some(path)) = (kind, path) else {
            continue;
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || "/-._~".contains(c);
        if !path.value.starts_with('/') || !path.value.chars().all(plain) || path.value.contains("//") {
            let help = "write a path such as `/alerts/alertmanager`: letters, digits and `-._~/`".to_owned();
            problems.add(
                &path.at,
                format!("an intake's `path` cannot be `{}`", path.value),
                "not a path",
                help,
            );
        } else if is_taken(path.value) {
            let help = "write another, such as `/alerts/alertmanager`".to_owned();
            problems.add(
                &path.at,
                format!("`{}` is the service's own", path.value),
                "taken",
                help,
            );
        } else if intakes.iter().any(|other| other.value.path == path.value) {
            let help = "give each intake a path of its own".to_owned();
            problems.add(
                &path.at,
                format!("the path `{}` is there twice", path.value),
                "again",
                help,
            );
        }
        intakes.push(Got {
            value: Intake {
                kind,
                path: path.value.to_owned(),
                auth,
                reconcile,
                expects,
            },
            at,
        });
    }
    intakes
}

fn kind(fields: &mut Fields<'_, '_>, problems: &mut Problems<'_>) -> Option<IntakeKind> {
    let word = fields.needed_text("kind", "kind = \"alertmanager\"", problems)?;
    let help = "write `alertmanager`, `grafana` or `pagerduty`".to_owned();
    match word.value {
        "alertmanager" => return Some(IntakeKind::Alertmanager),
        "grafana" => return Some(IntakeKind::Grafana),
        "pagerduty" => return Some(IntakeKind::Pagerduty),
        later @ ("cloudevents" | "generic") => problems.add(
            &word.at,
            format!("this version of the engine does not have intakes of kind `{later}` yet"),
            "not yet",
            help,
        ),
        other => problems.add(
            &word.at,
            format!("there is no intake of kind `{other}`"),
            "unknown word",
            help,
        ),
    }
    None
}

fn auth(
    fields: &mut Fields<'_, '_>,
    kind: Option<IntakeKind>,
    names: &Names,
    problems: &mut Problems<'_>,
) -> Option<IntakeAuth> {
    let bearer = fields.text("bearer", problems);
    let basic = fields.node("basic");
    let signature = fields.text("signature", problems);
    match (bearer, basic, signature) {
        (Some(bearer), None, None) => names
            .whole("bearer", &bearer, problems)
            .map(|secret| IntakeAuth::Bearer { secret }),
        (None, None, Some(signature)) => {
            if kind.is_some_and(|kind| !kind.signs()) {
                let help = "write `bearer` or `basic`, and the same in its `http_config`".to_owned();
                problems.add(
                    &signature.at,
                    "Alertmanager does not sign what it sends",
                    "would refuse every alert",
                    help,
                );
                return None;
            }
            names
                .whole("signature", &signature, problems)
                .map(|secret| IntakeAuth::Signature { secret })
        }
        (None, Some(node), None) => {
            let mut fields = Fields::of(node, "`basic`", problems)?;
            let user = fields.needed_text("user", "user = \"alertmanager\"", problems);
            let password = fields.needed_text("password", "password = \"${secret:NAME}\"", problems);
            fields.finish(problems);
            let (user, password) = (user?, password?);
            if user.value.contains(':') {
                let help = "leave the colon out: basic authentication ends the name there".to_owned();
                problems.add(&user.at, "a user's name cannot have a colon", "here", help);
            }
            let secret = names.whole("password", &password, problems)?;
            Some(IntakeAuth::Basic {
                user: user.value.to_owned(),
                secret,
            })
        }
        _ => {
            let help = "write one of `bearer = \"${secret:NAME}\"`, `basic = { user = \"…\", password = \"${secret:NAME}\" }` and `signature = \"${secret:NAME}\"`";
            let at = fields.at().clone();
            problems.add(&at, "`auth` needs exactly one way", "here", help.to_owned());
            None
        }
    }
}

pub(super) fn users(top: &mut Fields<'_, '_>, problems: &mut Problems<'_>) -> Vec<Arc<User>> {
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
        let slack = fields.text("slack", problems);
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
        if token.is_none() && os_user.is_none() && slack.is_none() {
            let help = "add the `token_sha256` that `stanch user token` prints, an `os_user`, or the member's id in `slack`".to_owned();
            problems.add(
                &at,
                format!("nobody can prove to be `{}`", name.value),
                "no `token_sha256`, no `os_user`, no `slack`",
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
        let Some(role) = role else { continue };
        users.push(Arc::new(User {
            name: name.value.to_owned(),
            token: digest,
            os_user: os_user.map(|os_user| os_user.value.to_owned()),
            slack: slack.map(|slack| slack.value.to_owned()),
            groups: groups
                .iter()
                .map(|group| group.value.to_owned())
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect(),
            role: role.value,
        }));
    }
    users
}
