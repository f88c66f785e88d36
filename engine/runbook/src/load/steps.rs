//! `[[mitigation]]` and `[[resolution]]`: the steps, each looking (`ask`), changing (`do` with `uses`) or done by a person.

use stanch_contract::{PluginKey, PluginKind, Share, Span};

use crate::channel::Channel;
use crate::expr::{Part, StepFacts};
use crate::load::checks::{id, on, on_of_person, on_of_plugin, question, worker};
use crate::load::defaults::{ApprovalKeys, approval, channels, expires};
use crate::load::fields::{Fields, Got, wrong_type};
use crate::load::node::{Data, Node};
use crate::load::params::With;
use crate::load::{Cx, params, text};
use crate::model::{
    Batch, Change, Limits, Mode, OnFailure, Origin, Ramp, Retry, Step, StepKind, Undo, Verify, Worker,
};
use crate::source::PluginFacts;

/// The most stages of a ramp.
const MOST_STAGES: usize = 20;
/// The plugin's own verify is asked for at most this long.
const VERIFY_WITHIN: Span = Span::from_secs(120);
/// This often.
const VERIFY_EVERY: Span = Span::from_secs(5);

/// The steps of one part, in order.
pub(crate) fn steps(top: &mut Fields<'_, '_>, part: Part, cx: &mut Cx<'_>) -> Vec<Step> {
    let (key, what) = match part {
        Part::Resolution => ("resolution", "a step of resolution"),
        _ => ("mitigation", "a step of mitigation"),
    };
    let nodes = top.tables(key, key, &mut cx.problems);
    nodes
        .iter()
        .enumerate()
        .filter_map(|(index, node)| step(node, StepFacts { part, index }, what, cx))
        .collect()
}

fn step(node: &Node<'_>, place: StepFacts, what: &'static str, cx: &mut Cx<'_>) -> Option<Step> {
    let mut fields = Fields::of(node, what, &mut cx.problems)?;
    let id = id(&mut fields, cx);
    let name = match &id {
        Some(id) => format!("{}.{id}", place.part.word()),
        None => place.part.word().to_owned(),
    };
    let when = fields
        .text("when", &mut cx.problems)
        .and_then(|got| params::expression(&got, &cx.known.in_run(Some(place), "`when`"), &mut cx.problems));
    let on_failure = on_failure(&mut fields, &name, cx);
    let (asks, does) = (fields.entry("ask"), fields.entry("do"));
    let Read {
        kind,
        on,
        by_hand,
        waits,
        retry,
        channels,
    } = match (asks, does) {
        (Some(_), Some(does)) => {
            let help = "split it: a step looks (`ask`) or changes something (`do`)".to_owned();
            cx.problems.add(
                &does.key_at,
                "a step has `ask` or `do`, not both",
                "besides `ask`",
                help,
            );
            return None;
        }
        (None, None) => {
            fields.missing("do", "do = \"Restart the hung pods\"", &mut cx.problems);
            // What else it has is read all the same, for what else is wrong with it.
            let _ = change_or_by_hand(&mut fields, place, &name, None, cx);
            fields.finish(&mut cx.problems);
            return None;
        }
        (Some(_), None) => look(&mut fields, place, &name, cx),
        (None, Some(_)) => {
            let what = text::line(&mut fields, "do", "do = \"…\"", cx);
            change_or_by_hand(&mut fields, place, &name, what, cx)
        }
    };
    fields.finish(&mut cx.problems);
    Some(Step {
        id: id?,
        when,
        kind: kind?,
        on,
        by_hand,
        on_failure,
        retry,
        waits,
        channels,
    })
}

fn on_failure(fields: &mut Fields<'_, '_>, name: &str, cx: &mut Cx<'_>) -> OnFailure {
    let words = [("stop", OnFailure::Stop), ("continue", OnFailure::Continue)];
    let got = fields.word("on_failure", &words, &mut cx.problems);
    let from = if got.is_some() {
        Origin::Runbook
    } else {
        Origin::Engine
    };
    let value = got.map_or(OnFailure::Stop, |got| got.value);
    let word = if value == OnFailure::Stop {
        "stop"
    } else {
        "continue"
    };
    cx.set(format!("{name}.on_failure"), word, from);
    value
}

/// What the kinds of step have in common.
struct Read {
    kind: Option<StepKind>,
    on: Option<String>,
    by_hand: Option<String>,
    waits: Span,
    retry: Option<Retry>,
    channels: Vec<Channel>,
}

/// `ask`: looks only, between changes.
fn look(fields: &mut Fields<'_, '_>, place: StepFacts, name: &str, cx: &mut Cx<'_>) -> Read {
    for key in [
        "limits",
        "batch",
        "ramp",
        "undo",
        "approval",
        "verify",
        "after_resolved",
    ] {
        let help = "a step that only looks changes nothing; take it away, or write `do` instead of `ask`";
        fields.not_here(key, "has no meaning in a step with `ask`", help, &mut cx.problems);
    }
    let retry = retry(fields, cx);
    let question = question(fields, place, "a step", cx);
    if matches!(question.worker, Some(Worker::Person)) {
        let message = "a step with `ask` looks with a plugin; a person is asked in `[[diagnosis]]`";
        let help = "add `uses` with a diagnosis plugin, or move the question to `[[diagnosis]]`".to_owned();
        cx.problems.add(fields.at(), message, "needs `uses`", help);
    }
    let waits = expires(&ApprovalKeys::default(), name, cx);
    let kind = match (question.ask, question.worker) {
        (Some(ask), Some(worker)) => Some(StepKind::Look { ask, worker }),
        _ => None,
    };
    Read {
        kind,
        on: question.on,
        by_hand: question.by_hand,
        waits,
        retry,
        channels: Vec::new(),
    }
}

fn change_or_by_hand(
    fields: &mut Fields<'_, '_>,
    place: StepFacts,
    name: &str,
    what: Option<String>,
    cx: &mut Cx<'_>,
) -> Read {
    let by_hand = fields
        .text("by_hand", &mut cx.problems)
        .map(|got| got.value.to_owned());
    let (own, ask, has_approval) = approval_keys(fields, cx);
    let waits = expires(&own, name, cx);
    let channels = channels(&own, name, cx);
    let Some(uses) = fields.text("uses", &mut cx.problems) else {
        return Read {
            kind: done_by_hand(fields, &own, &ask, what, waits, cx),
            on: None,
            by_hand,
            waits,
            retry: None,
            channels,
        };
    };
    fields.not_here(
        "after_resolved",
        "is for steps that are done by hand",
        "what the plugin changes is put back with `undo = [\"when-resolved\"]`",
        &mut cx.problems,
    );
    let on = on(fields, cx);
    let retry = retry(fields, cx);
    let with = fields.node("with");
    let limits = limits(fields, cx);
    let batch = batch(fields, cx);
    let ramp = ramp(fields, cx);
    let owner = fields.at().clone();
    on_of_plugin(&uses, on.as_deref(), cx);
    let plugin = cx.plugin(&uses, PluginKind::Remediation);
    let verify = verify(
        fields,
        place,
        name,
        plugin.as_ref().map(|(key, facts)| (key, *facts)),
        (&uses, on.as_deref()),
        cx,
    );
    let undo = undo(fields, plugin.as_ref().map(|(key, facts)| (key, *facts)), cx);
    let worker = match (&plugin, &ramp) {
        (None, _) => None,
        (Some((key, _)), Some((_, stages))) => {
            let with = With {
                node: with,
                owner: &owner,
                plugin: key,
            };
            let readable = cx.known.in_run(Some(place), "a step");
            params::stages(&with, stages, cx.loader, &readable, &mut cx.problems)
                .map(|with| (key.clone(), with))
        }
        (Some(_), None) => match worker(&uses, with, &owner, PluginKind::Remediation, place, "a step", cx) {
            Some(Worker::Plugin { uses, with }) => Some((uses, with)),
            _ => None,
        },
    };
    let question = ask.or_else(|| what.as_deref().map(as_question));
    let approval = (has_approval || cx.mode != Mode::Auto)
        .then(|| approval(&own, question.unwrap_or_default(), waits, name, cx));
    let kind = match (what, worker) {
        (Some(what), Some((uses, with))) => Some(StepKind::Change(Box::new(Change {
            what,
            uses,
            with,
            limits,
            batch,
            ramp: ramp.map(|(ramp, _)| ramp),
            undo,
            approval,
            verify,
        }))),
        _ => None,
    };
    Read {
        kind,
        on,
        by_hand,
        waits,
        retry,
        channels,
    }
}

/// "Restart the hung pods" as it is asked where the step has no question of its own.
fn as_question(what: &str) -> String {
    format!("{}?", what.trim_end_matches(['.', '!', '?']))
}

fn approval_keys(fields: &mut Fields<'_, '_>, cx: &mut Cx<'_>) -> (ApprovalKeys, Option<String>, bool) {
    let Some(node) = fields.node("approval") else {
        return (ApprovalKeys::default(), None, false);
    };
    let Some(mut inner) = Fields::of(node, "`approval`", &mut cx.problems) else {
        return (ApprovalKeys::default(), None, true);
    };
    let keys = ApprovalKeys::read(&mut inner, &mut cx.problems);
    let ask = inner.text("ask", &mut cx.problems).map(|got| {
        text::plain(&got, "ask", &mut cx.problems);
        got.value.to_owned()
    });
    inner.finish(&mut cx.problems);
    (keys, ask, true)
}

/// `do` without `uses`: a person does it and says done or not done.
fn done_by_hand(
    fields: &mut Fields<'_, '_>,
    own: &ApprovalKeys,
    ask: &Option<String>,
    what: Option<String>,
    expires: Span,
    cx: &mut Cx<'_>,
) -> Option<StepKind> {
    let why = "has no meaning in a step that is done by hand: it has no plan";
    on_of_person(fields, cx);
    for key in ["undo", "limits", "batch", "ramp", "retry"] {
        fields.not_here(
            key,
            why,
            "take it away, or add `uses` with a remediation plugin",
            &mut cx.problems,
        );
    }
    if let Some(with) = fields.node("with") {
        let help = "name the plugin: `uses = \"…\"`".to_owned();
        cx.problems.add(
            &with.at,
            "`with` without `uses`: there is no plugin to give it to",
            "for whom?",
            help,
        );
    }
    if let Some(entry) = fields.entry("verify") {
        let has_uses = matches!(&entry.node.data, Data::Table(table) if table.get("uses").is_some());
        let (message, help) = if has_uses {
            (
                "`verify` of a step that is done by hand is not in this version",
                "ask it as the next step, with `ask` and `uses`",
            )
        } else {
            (
                "`verify` without `uses` on a step that is done by hand has nothing to ask",
                "take it away",
            )
        };
        cx.problems
            .add(&entry.key_at, message, "not here", help.to_owned());
    }
    if own.says_who() || ask.is_some() {
        let message = "a step that is done by hand has no approval: its doing is the decision";
        let help =
            "of `approval` only `expires` applies (how long done or not done is waited for), and `channels`"
                .to_owned();
        cx.problems
            .add(fields.at(), message, "nothing to decide on", help);
    }
    let words = [("skip", false), ("do", true)];
    let after_resolved = fields.word("after_resolved", &words, &mut cx.problems);
    Some(StepKind::ByHand {
        what: what?,
        expires,
        after_resolved: after_resolved.is_some_and(|got| got.value),
    })
}

fn retry(fields: &mut Fields<'_, '_>, cx: &mut Cx<'_>) -> Option<Retry> {
    let node = fields.node("retry")?;
    let mut inner = Fields::of(node, "`retry`", &mut cx.problems)?;
    if node_lacks(node, "times") {
        inner.missing("times", "times = 3", &mut cx.problems);
    }
    let times = inner.count("times", 1, 100, &mut cx.problems);
    let every: Option<Got<Span>> = inner.needed_parsed("every", "every = \"5s\"", &mut cx.problems);
    inner.finish(&mut cx.problems);
    Some(Retry {
        times: times?.value,
        every: every?.value,
    })
}

fn node_lacks(node: &Node<'_>, key: &str) -> bool {
    matches!(&node.data, Data::Table(table) if table.get(key).is_none())
}

fn limits(fields: &mut Fields<'_, '_>, cx: &mut Cx<'_>) -> Limits {
    let mut limits = Limits::default();
    let Some(node) = fields.node("limits") else {
        return limits;
    };
    let Some(mut inner) = Fields::of(node, "`limits`", &mut cx.problems) else {
        return limits;
    };
    limits.targets = inner
        .count("targets", 1, 1_000_000, &mut cx.problems)
        .map(|got| got.value);
    limits.share = inner
        .parsed::<Share>("share", &mut cx.problems)
        .map(|got| got.value);
    inner.finish(&mut cx.problems);
    limits
}

/// `batch`: a few targets at a time.
fn batch(fields: &mut Fields<'_, '_>, cx: &mut Cx<'_>) -> Option<Batch> {
    let node = fields.node("batch")?;
    let mut inner = Fields::of(node, "`batch`", &mut cx.problems)?;
    if node_lacks(node, "size") {
        inner.missing("size", "size = 1", &mut cx.problems);
    }
    let size = inner.count("size", 1, 1_000, &mut cx.problems);
    let hold: Option<Got<Span>> = inner.needed_parsed("hold", "hold = \"30s\"", &mut cx.problems);
    inner.finish(&mut cx.problems);
    Some(Batch {
        size: size?.value,
        hold: hold?.value,
    })
}

/// `ramp`: in stages, each with parameters of its own.
fn ramp<'n, 't>(fields: &mut Fields<'n, 't>, cx: &mut Cx<'_>) -> Option<(Ramp, &'n [Node<'t>])> {
    let entry = fields.entry("ramp")?;
    if fields.has("batch") {
        let message = "`ramp` and `batch` in one step: the stages or the targets come one after the other";
        let help = "keep one of them, or make two steps of it".to_owned();
        cx.problems.add(&entry.key_at, message, "besides `batch`", help);
    }
    let mut inner = Fields::of(&entry.node, "`ramp`", &mut cx.problems)?;
    let stages = inner.node("with");
    let hold: Option<Got<Span>> = inner.needed_parsed("hold", "hold = \"2m\"", &mut cx.problems);
    let stages = match stages.map(|node| (node, &node.data)) {
        None => {
            inner.missing(
                "with",
                "with = [{ weight = 10 }, { weight = 100 }]",
                &mut cx.problems,
            );
            None
        }
        Some((node, Data::List(stages))) if !(2..=MOST_STAGES).contains(&stages.len()) => {
            let help = format!("write 2 to {MOST_STAGES} stages; one alone is the step's `with`");
            cx.problems
                .add(&node.at, "`with` is out of range", "so many stages", help);
            None
        }
        Some((_, Data::List(stages))) => Some(stages.as_slice()),
        Some((node, _)) => wrong_type(
            node,
            "`with`",
            "a list with the parameters of each stage",
            &mut cx.problems,
        ),
    };
    inner.finish(&mut cx.problems);
    let stages = stages?;
    let ramp = Ramp {
        stages: stages.len(),
        hold: hold?.value,
    };
    Some((ramp, stages))
}

fn undo(fields: &mut Fields<'_, '_>, plugin: Option<(&PluginKey, &PluginFacts)>, cx: &mut Cx<'_>) -> Undo {
    #[derive(Clone, Copy, PartialEq)]
    enum When {
        OnFailure,
        WhenResolved,
    }
    let mut undo = Undo::default();
    let Some(entry) = fields.entry("undo") else {
        return undo;
    };
    for got in fields.texts("undo", &mut cx.problems).unwrap_or_default() {
        let words = [
            ("on-failure", When::OnFailure),
            ("when-resolved", When::WhenResolved),
        ];
        match crate::load::fields::one_of(&got, "undo", &words, &mut cx.problems) {
            Some(When::OnFailure) => undo.on_failure = true,
            Some(When::WhenResolved) => {
                undo.when_resolved = true;
                if !cx.knows_recovery {
                    let message = "`when-resolved` needs something that says that it is over: once traffic is moved away, the alert alone proves nothing";
                    let help =
                        "add a `[[recovery.check]]`, or say `trust = \"alert\"` in `[recovery]`".to_owned();
                    cx.problems.add(&got.at, message, "no recovery check", help);
                }
            }
            None => {}
        }
    }
    if let Some((key, facts)) = plugin
        && !facts.manifest.reversible
    {
        let message = format!("the plugin `{key}` cannot undo: its manifest says that it is not reversible");
        cx.problems.add(
            &entry.key_at,
            message,
            "cannot be undone",
            "take `undo` away".to_owned(),
        );
    }
    undo
}

fn verify(
    fields: &mut Fields<'_, '_>,
    place: StepFacts,
    name: &str,
    plugin: Option<(&PluginKey, &PluginFacts)>,
    (uses, on_of_step): (&Got<&str>, Option<&str>),
    cx: &mut Cx<'_>,
) -> Verify {
    let verifies = plugin.is_none_or(|(_, facts)| facts.manifest.verifies);
    let mut verify = Verify {
        own: verifies,
        also: None,
        on: None,
        within: VERIFY_WITHIN,
        every: VERIFY_EVERY,
    };
    let (mut within_from, mut every_from) = (Origin::Engine, Origin::Engine);
    let mut says_none = false;
    let mut asks_plugin = false;
    match fields.node("verify") {
        None => {}
        Some(node) if matches!(node.data, Data::Text(_)) => {
            fields.word("verify", &[("none", true)], &mut cx.problems);
            says_none = true;
            verify.own = false;
        }
        Some(node) => {
            let Some(mut inner) = Fields::of(node, "`verify`", &mut cx.problems) else {
                return verify;
            };
            if let Some(got) = inner.parsed("within", &mut cx.problems) {
                (verify.within, within_from) = (got.value, Origin::Runbook);
            }
            if let Some(got) = inner.parsed("every", &mut cx.problems) {
                (verify.every, every_from) = (got.value, Origin::Runbook);
                if got.value == Span::ZERO {
                    cx.problems.add(
                        &got.at,
                        "`every` has to be more than nothing",
                        "no time between",
                        None,
                    );
                }
            }
            let with = inner.node("with");
            if inner.has("uses") {
                verify.on = on(&mut inner, cx);
            } else {
                on_of_person(&mut inner, cx);
            }
            if let Some(uses) = inner.text("uses", &mut cx.problems) {
                asks_plugin = true;
                let owner = inner.at().clone();
                on_of_plugin(&uses, verify.on.as_deref().or(on_of_step), cx);
                if let Some(Worker::Plugin { uses, with }) =
                    worker(&uses, with, &owner, PluginKind::Diagnosis, place, "`verify`", cx)
                {
                    verify.also = Some((uses, with));
                }
            } else if let Some(with) = with {
                let help = "name the plugin: `uses = \"…\"`".to_owned();
                cx.problems.add(
                    &with.at,
                    "`with` without `uses`: there is no plugin to give it to",
                    "for whom?",
                    help,
                );
            }
            inner.finish(&mut cx.problems);
        }
    }
    if !verifies && !asks_plugin && !says_none {
        let message = format!(
            "the plugin `{}` cannot tell whether it helped, and nothing else does",
            uses.value
        );
        let help =
            "add `[….verify]` with `uses` of a diagnosis plugin, or say `verify = \"none\"`".to_owned();
        cx.problems.add(&uses.at, message, "needs `verify`", help);
    }
    if says_none {
        cx.set(format!("{name}.verify"), "none", Origin::Runbook);
    } else {
        cx.set(format!("{name}.verify.within"), verify.within, within_from);
        cx.set(format!("{name}.verify.every"), verify.every, every_from);
    }
    verify
}
