//! What a folder gives all its runbooks, what a runbook says itself, and what the engine does where neither says: the
//! runbook's own wins, key by key, and each value remembers where it came from.

use stanch_contract::{PluginKind, Rate, Span};

use crate::channel::Channel;
use crate::load::fields::{Fields, Got};
use crate::load::node::{Data, Node};
use crate::load::{Cx, params};
use crate::model::{Approval, Guardrails, Mode, Origin};
use crate::problem::Problems;

/// No answer for this long is a no.
pub(crate) const EXPIRES: Span = Span::from_secs(15 * 60);
/// What is older is looked at again before the first action.
pub(crate) const FRESH: Span = Span::from_secs(60);

/// `[runbooks.defaults]` of the folder.
#[derive(Debug, Default)]
pub(crate) struct Defaults<'a> {
    pub(crate) mode: Option<Got<Mode>>,
    approval: ApprovalKeys,
    pub(crate) escalation: Option<Node<'a>>,
    guardrails: GuardrailKeys<'a>,
}

impl<'a> Defaults<'a> {
    pub(crate) fn read(node: &Node<'a>, problems: &mut Problems<'_>) -> Self {
        let mut defaults = Self::default();
        let Some(mut fields) = Fields::of(node, "`[runbooks.defaults]`", problems) else {
            return defaults;
        };
        let words = [("shadow", Mode::Shadow), ("ask", Mode::Ask), ("auto", Mode::Auto)];
        defaults.mode = fields.word("mode", &words, problems);
        if let Some(node) = fields.node("approval")
            && let Some(mut inner) = Fields::of(node, "`approval`", problems)
        {
            defaults.approval = ApprovalKeys::read(&mut inner, problems);
            inner.finish(problems);
        }
        defaults.escalation = fields.node("escalation").cloned();
        if let Some(node) = fields.node("guardrails")
            && let Some(mut inner) = Fields::of(node, "`guardrails`", problems)
        {
            defaults.guardrails = GuardrailKeys::read(&mut inner, problems);
            inner.finish(problems);
        }
        fields.finish(problems);
        defaults
    }
}

/// Each has to be a user's name, or `group:NAME`.
pub(crate) fn people<'g, 'n: 'g>(names: impl Iterator<Item = &'g Got<&'n str>>, problems: &mut Problems<'_>) {
    for got in names {
        let name = got.value.strip_prefix("group:").unwrap_or(got.value);
        if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c == ':') {
            let help = "write a user's name, or `group:NAME`".to_owned();
            problems.add(
                &got.at,
                format!("`{}` is neither a user nor a group", got.value),
                "who?",
                help,
            );
        }
    }
}

/// The keys of an approval that were written.
#[derive(Debug, Default, Clone)]
pub(crate) struct ApprovalKeys {
    from: Option<Vec<String>>,
    quorum: Option<u32>,
    expires: Option<Span>,
    channels: Option<Vec<Got<Channel>>>,
}

impl ApprovalKeys {
    pub(crate) fn read(fields: &mut Fields<'_, '_>, problems: &mut Problems<'_>) -> Self {
        let at = fields.at().clone();
        let from = fields.texts("from", problems);
        if from.as_ref().is_some_and(Vec::is_empty) {
            let help = "leave `from` out to ask whoever has the role approver or more".to_owned();
            problems.add(&at, "`from` names nobody", "empty `from`", help);
        }
        people(from.iter().flatten(), problems);
        let quorum = fields.count("quorum", 1, 100, problems);
        let expires: Option<Got<Span>> = fields.parsed("expires", problems);
        if let Some(got) = expires.as_ref().filter(|got| got.value == Span::ZERO) {
            problems.add(
                &got.at,
                "an approval that expires at once is always a no",
                "no time to answer",
                None,
            );
        }
        if let (Some(quorum), Some(from)) = (&quorum, &from)
            && !from.is_empty()
            && from.iter().all(|got| !got.value.starts_with("group:"))
            && usize::try_from(quorum.value).is_ok_and(|quorum| quorum > from.len())
        {
            let message = format!(
                "a quorum of {} can never be reached by {} people",
                quorum.value,
                from.len()
            );
            problems.add(&quorum.at, message, "more than are asked", None);
        }
        Self {
            from: from.map(|from| from.into_iter().map(|got| got.value.to_owned()).collect()),
            quorum: quorum.map(|got| got.value),
            expires: expires.map(|got| got.value),
            channels: written_channels(fields, problems),
        }
    }

    /// More than `expires` and `channels`, which a step without a question of its own has too.
    pub(crate) fn says_who(&self) -> bool {
        self.from.is_some() || self.quorum.is_some()
    }
}

fn written_channels(fields: &mut Fields<'_, '_>, problems: &mut Problems<'_>) -> Option<Vec<Got<Channel>>> {
    let mut channels: Vec<Got<Channel>> = Vec::new();
    for written in fields.texts("channels", problems)? {
        let Some(value) = Channel::read(&written, problems) else {
            continue;
        };
        if channels.iter().any(|other| other.value == value) {
            let message = format!("the channel `{}` is there twice", written.value);
            problems.add(&written.at, message, "again", "name each once".to_owned());
        }
        channels.push(Got {
            value,
            at: written.at,
        });
    }
    Some(channels)
}

/// Where people are asked about the step `key`, before the operator's own channels.
pub(crate) fn channels(own: &ApprovalKeys, key: &str, cx: &mut Cx<'_>) -> Vec<Channel> {
    let (channels, origin) = match (&own.channels, &cx.defaults.approval.channels) {
        (Some(channels), _) => (channels.clone(), Origin::Runbook),
        (None, Some(channels)) => (channels.clone(), Origin::Folder),
        (None, None) => return Vec::new(),
    };
    // What a run pinned was looked at when it was loaded: what is gone since then is passed over when it is its turn.
    if let Some(slack) = cx.loader.catalogue.slack {
        for got in &channels {
            reachable(got, slack, cx);
        }
    }
    let shown: Vec<String> = channels.iter().map(|got| got.value.to_string()).collect();
    cx.set(format!("{key}.approval.channels"), shown.join(", then "), origin);
    channels.into_iter().map(|got| got.value).collect()
}

fn reachable(got: &Got<Channel>, slack: bool, cx: &mut Cx<'_>) {
    let key = match &got.value {
        Channel::Slack { .. } if slack => return,
        Channel::Slack { .. } => return Channel::no_slack(&got.at, &mut cx.problems),
        Channel::Plugin { key, .. } => key,
    };
    let uses = Got {
        value: key.as_str(),
        at: got.at.clone(),
    };
    if let Some((key, facts)) = cx.plugin(&uses, PluginKind::Notification)
        && !facts.may_notify
    {
        let message = format!("the plugin `{key}` is not granted to tell anybody, so nobody would be asked");
        let help = format!("add `[[plugins.{key}.grant.notify]]` to stanch.toml");
        cx.problems.add(&got.at, message, "no `grant.notify`", help);
    }
}

fn either<T: Clone>(own: Option<T>, folder: Option<T>, engine: T) -> (T, Origin) {
    match (own, folder) {
        (Some(value), _) => (value, Origin::Runbook),
        (None, Some(value)) => (value, Origin::Folder),
        (None, None) => (engine, Origin::Engine),
    }
}

/// How long a person has for an answer at the step `key`.
pub(crate) fn expires(own: &ApprovalKeys, key: &str, cx: &mut Cx<'_>) -> Span {
    let (expires, origin) = either(own.expires, cx.defaults.approval.expires, EXPIRES);
    cx.set(format!("{key}.approval.expires"), expires, origin);
    expires
}

/// The approval of the step `key`, with `ask` as its question.
pub(crate) fn approval(
    own: &ApprovalKeys,
    ask: String,
    expires: Span,
    key: &str,
    cx: &mut Cx<'_>,
) -> Approval {
    let (from, from_origin) = either(own.from.clone(), cx.defaults.approval.from.clone(), Vec::new());
    let (quorum, quorum_origin) = either(own.quorum, cx.defaults.approval.quorum, 1);
    let whom = if from.is_empty() {
        "whoever has the role approver or more".to_owned()
    } else {
        from.join(", ")
    };
    cx.set(format!("{key}.approval.from"), whom, from_origin);
    cx.set(format!("{key}.approval.quorum"), quorum, quorum_origin);
    Approval {
        ask,
        from,
        quorum,
        expires,
    }
}

/// The keys of the guardrails that were written.
#[derive(Debug, Default, Clone)]
struct GuardrailKeys<'a> {
    lock: Option<Got<std::borrow::Cow<'a, str>>>,
    cooldown: Option<Span>,
    rate: Option<Rate>,
    fresh: Option<Span>,
}

impl<'a> GuardrailKeys<'a> {
    fn read(fields: &mut Fields<'_, 'a>, problems: &mut Problems<'_>) -> Self {
        let lock = fields.node("lock").and_then(|node| match &node.data {
            Data::Text(text) if !text.trim().is_empty() => Some(Got {
                value: text.clone(),
                at: node.at.clone(),
            }),
            _ => crate::load::fields::wrong_type(node, "`lock`", "text that names what is locked", problems),
        });
        Self {
            lock,
            cooldown: fields.parsed("cooldown", problems).map(|got| got.value),
            rate: fields.parsed("rate", problems).map(|got| got.value),
            fresh: fields.parsed("fresh", problems).map(|got| got.value),
        }
    }
}

/// `[guardrails]`.
pub(crate) fn guardrails(top: &mut Fields<'_, '_>, cx: &mut Cx<'_>) -> Guardrails {
    let mut own = GuardrailKeys::default();
    if let Some(node) = top.node("guardrails")
        && let Some(mut fields) = Fields::of(node, "`[guardrails]`", &mut cx.problems)
    {
        own = GuardrailKeys::read(&mut fields, &mut cx.problems);
        fields.finish(&mut cx.problems);
    }
    let folder = cx.defaults.guardrails.clone();
    let lock = match (own.lock, folder.lock) {
        (Some(lock), _) => Some((lock, Origin::Runbook)),
        (None, Some(lock)) => Some((lock, Origin::Folder)),
        (None, None) => None,
    };
    let lock = lock.and_then(|(lock, origin)| {
        cx.set("guardrails.lock".to_owned(), &lock.value, origin);
        let got = Got {
            value: lock.value.as_ref(),
            at: lock.at,
        };
        params::template(&got, &cx.known.in_run(None, "a lock"), &mut cx.problems)
    });
    let origin = |own: bool, folder: bool| match (own, folder) {
        (true, _) => Origin::Runbook,
        (false, true) => Origin::Folder,
        (false, false) => Origin::Engine,
    };
    let cooldown = own.cooldown.or(folder.cooldown);
    let shown = cooldown.map_or("none".to_owned(), |cooldown| cooldown.to_string());
    cx.set(
        "guardrails.cooldown".to_owned(),
        shown,
        origin(own.cooldown.is_some(), folder.cooldown.is_some()),
    );
    let rate = own.rate.or(folder.rate);
    let shown = rate.map_or("none".to_owned(), |rate| rate.to_string());
    cx.set(
        "guardrails.rate".to_owned(),
        shown,
        origin(own.rate.is_some(), folder.rate.is_some()),
    );
    let (fresh, from) = either(own.fresh, folder.fresh, FRESH);
    cx.set("guardrails.fresh".to_owned(), fresh, from);
    Guardrails {
        lock,
        cooldown,
        rate,
        fresh,
    }
}
