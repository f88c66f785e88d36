//! `reconcile` and `expects` of an intake: what is done where alerts do not come by themselves.

use stanch_contract::Span;
use stanch_runbook::reading::{Data, Fields, Problems};
use url::Url;

use super::approvals::channel;
use super::settings::{Channel, Expects, IntakeKind, Reconcile};
use super::values::Names;

pub(super) fn reconcile(
    fields: &mut Fields<'_, '_>,
    kind: Option<IntakeKind>,
    names: &Names,
    problems: &mut Problems<'_>,
) -> Option<Reconcile> {
    let node = fields.node("reconcile")?;
    if kind.is_some_and(|kind| kind != IntakeKind::Alertmanager) {
        let help = "leave it out: only Alertmanager can be asked what fires".to_owned();
        problems.add(
            &node.at,
            "`reconcile` is of intakes of kind `alertmanager`",
            "here",
            help,
        );
        return None;
    }
    let (written, receiver, bearer) = if let Data::Text(text) = &node.data {
        (text.to_string(), None, None)
    } else {
        let mut table = Fields::of(node, "`reconcile`", problems)?;
        let url = table.needed_text("url", "url = \"http://alertmanager:9093\"", problems);
        let receiver = table.text("receiver", problems).map(|got| got.value.to_owned());
        let bearer = table.text("bearer", problems);
        let bearer = bearer.and_then(|bearer| names.whole("bearer", &bearer, problems));
        table.finish(problems);
        (url?.value.to_owned(), receiver, bearer)
    };
    let url = Url::parse(&written).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
    });
    let Some(url) = url else {
        let help =
            "write where Alertmanager is, such as `http://alertmanager:9093`, without credentials".to_owned();
        problems.add_hidden(
            &node.at,
            "`reconcile` is no URL of an Alertmanager".to_owned(),
            help,
        );
        return None;
    };
    Some(Reconcile {
        url: url.as_str().trim_end_matches('/').to_owned(),
        receiver,
        bearer,
    })
}

pub(super) fn expects(
    fields: &mut Fields<'_, '_>,
    installed: &[&str],
    problems: &mut Problems<'_>,
) -> Option<Expects> {
    let node = fields.node("expects")?;
    let mut table = Fields::of(node, "`expects`", problems)?;
    let alert = table.needed_text("alert", "alert = \"Watchdog\"", problems);
    if !table.has("within") {
        table.missing("within", "within = \"5m\"", problems);
    }
    let within = table.parsed::<Span>("within", problems);
    if !table.has("tell") {
        table.missing("tell", "tell = [\"page:inference-oncall\"]", problems);
    }
    let mut tell = Vec::new();
    for written in table.texts("tell", problems).unwrap_or_default() {
        match channel(&written, true, installed, problems) {
            Some(Channel::Slack { .. }) => {
                let help =
                    "name a notification plugin, such as `page:inference-oncall`: this has to wake somebody"
                        .to_owned();
                problems.add(
                    &written.at,
                    "a silence is told by a notification plugin",
                    "not a plugin",
                    help,
                );
            }
            Some(plugin) => tell.push(plugin),
            None => {}
        }
    }
    table.finish(problems);
    let within = within?;
    if within.value < Span::from_secs(1) {
        let help =
            "write how long the alert may not come, such as `5m`: more than the repeat_interval of its route"
                .to_owned();
        problems.add(&within.at, "`within` is too short", "less than `1s`", help);
    }
    Some(Expects {
        alert: alert?.value.to_owned(),
        within: within.value,
        tell,
    })
}
