//! `[approvals]` and `[slack]`: where questions are put, and who decides alone.

use stanch_contract::Span;
use stanch_runbook::reading::{Fields, Got, Problems, did_you_mean};
use url::Url;

use super::people::ROLES;
use super::settings::{Approvals, BreakGlass, Channel, Role, Slack};
use super::values::{self, Names};

/// How long nobody reacts before the next channel is asked too, unless set.
const NEXT_AFTER: Span = Span::from_secs(180);
/// Slack's Web API.
const API: &str = "https://slack.com/api/";

pub(super) fn approvals(
    top: &mut Fields<'_, '_>,
    slack: bool,
    installed: &[&str],
    problems: &mut Problems<'_>,
) -> (Approvals, Option<BreakGlass>) {
    let mut approvals = Approvals {
        channels: Vec::new(),
        next_after: NEXT_AFTER,
    };
    let Some(mut fields) = top
        .node("approvals")
        .and_then(|node| Fields::of(node, "`[approvals]`", problems))
    else {
        return (approvals, None);
    };
    let break_glass = fields
        .node("break_glass")
        .and_then(|node| Fields::of(node, "`break_glass`", problems))
        .map(|mut fields| {
            let role = fields
                .word("role", &ROLES, problems)
                .map_or(Role::Admin, |role| role.value);
            let reason = fields.truth("reason", problems).is_none_or(|reason| reason.value);
            fields.finish(problems);
            BreakGlass { role, reason }
        });
    for written in fields.texts("channels", problems).unwrap_or_default() {
        let Some(channel) = channel(&written, slack, installed, problems) else {
            continue;
        };
        if approvals.channels.contains(&channel) {
            let message = format!("the channel `{}` is there twice", written.value);
            problems.add(&written.at, message, "again", "name each once".to_owned());
        }
        approvals.channels.push(channel);
    }
    if let Some(after) = fields.parsed::<Span>("next_after", problems) {
        if after.value < Span::from_secs(1) {
            let help =
                "write how long nobody reacts before the next channel is asked too, such as `3m`".to_owned();
            problems.add(&after.at, "`next_after` is too short", "less than `1s`", help);
        }
        approvals.next_after = after.value;
    }
    fields.finish(problems);
    (approvals, break_glass)
}

/// A channel that can be reached with what stanch.toml has.
pub(super) fn channel(
    written: &Got<&str>,
    slack: bool,
    installed: &[&str],
    problems: &mut Problems<'_>,
) -> Option<Channel> {
    let channel = Channel::read(written, problems)?;
    match &channel {
        Channel::Slack { .. } if !slack => Channel::no_slack(&written.at, problems),
        Channel::Plugin { key, .. } if !installed.contains(&key.as_str()) => {
            let help = did_you_mean(key.as_str(), installed.iter().copied());
            let help =
                help.unwrap_or_else(|| format!("add `[plugins.{key}]` with the plugin that tells people"));
            problems.add(
                &written.at,
                format!("there is no plugin `{key}`"),
                "not in [plugins]",
                help,
            );
            return None;
        }
        Channel::Slack { .. } | Channel::Plugin { .. } => {}
    }
    Some(channel)
}

pub(super) fn slack(top: &mut Fields<'_, '_>, names: &Names, problems: &mut Problems<'_>) -> Option<Slack> {
    let mut fields = top
        .node("slack")
        .and_then(|node| Fields::of(node, "`[slack]`", problems))?;
    let token = fields.needed_text("token", "token = \"${secret:slack_token}\"", problems);
    let token = token.and_then(|token| names.whole("token", &token, problems));
    let mut secret = |key: &'static str, problems: &mut Problems<'_>| {
        let written = fields.text(key, problems)?;
        names.whole(key, &written, problems)
    };
    let signing = secret("signing", problems);
    let app_token = secret("app_token", problems);
    if !fields.has("signing") && !fields.has("app_token") {
        let help = "add `signing = \"${secret:NAME}\"` where Slack can reach this engine, or `app_token = \"${secret:NAME}\"` where it cannot";
        let at = fields.at().clone();
        problems.add(
            &at,
            "nobody could press a button",
            "no `signing`, no `app_token`",
            help.to_owned(),
        );
    }
    let api = fields.text("api", problems);
    let addresses = fields.texts("addresses", problems).unwrap_or_default();
    fields.finish(problems);
    let networks = values::networks(&addresses, problems);
    let api = match api {
        Some(written) => match fit(written.value) {
            Some(url) => url,
            None => {
                let help = format!(
                    "write an https URL that ends with a slash, such as `{API}`; plain http only to a loopback address"
                );
                problems.add(
                    &written.at,
                    "Slack's Web API is not reached like this",
                    "not fit",
                    help,
                );
                return None;
            }
        },
        None => API.to_owned(),
    };
    Some(Slack {
        token: token?,
        signing,
        app_token,
        api,
        addresses: networks,
    })
}

/// A token goes there: so TLS, or this machine.
pub(super) fn fit(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let fit = (url.scheme() == "https" || (url.scheme() == "http" && values::is_loopback(&url)))
        && url.has_host()
        && url.path().ends_with('/')
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    fit.then(|| url.to_string())
}
