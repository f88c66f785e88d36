//! Questions and who is told: `[[diagnosis]]`, `[recovery]`, `[[escalation]]`; and the ids of everything that can be read.

use std::collections::BTreeMap;

use stanch_contract::{PluginKey, PluginKind, Span, StepId};

use crate::expr::{Params, Part, StepFacts, Steps};
use crate::load::fields::{Fields, Got};
use crate::load::node::{Data, Node, Table};
use crate::load::params::With;
use crate::load::{Cx, is_snake, params, text};
use crate::model::{Check, Notice, Origin, Recovery, Worker};
use crate::problem::{At, Problems, did_you_mean};

/// Alerts resolved and checks good for this long.
const STABLE_FOR: Span = Span::from_secs(5 * 60);
/// Then somebody is told.
const GIVE_UP_AFTER: Span = Span::from_secs(24 * 3_600);

/// The ids of all checks and steps, in the order of the file; those that are not unique or not names are told.
pub(crate) fn ids(table: &Table<'_>, problems: &mut Problems<'_>) -> Steps {
    let mut steps = Steps::new();
    for part in [
        Part::Diagnosis,
        Part::Mitigation,
        Part::Resolution,
        Part::Recovery,
    ] {
        let Some(entry) = table.get(part.word()) else {
            continue;
        };
        let list = match (&entry.node.data, part) {
            (Data::Table(recovery), Part::Recovery) => recovery.get("check").map(|entry| &entry.node.data),
            (data, _) => Some(data),
        };
        let Some(Data::List(items)) = list else { continue };
        for (index, item) in items.iter().enumerate() {
            let Data::Table(step) = &item.data else { continue };
            let Some(entry) = step.get("id") else { continue };
            let Data::Text(id) = &entry.node.data else {
                continue;
            };
            let at = &entry.node.at;
            if !is_snake(id) {
                let help =
                    "write lower-case letters, digits and `_`: expressions say `diagnosis.ID`".to_owned();
                problems.add(
                    at,
                    format!("the id `{id}` is not snake_case"),
                    "not snake_case",
                    help,
                );
            }
            let step = StepFacts { part, index };
            if let Some(first) = steps.get(id.as_ref()) {
                let message = format!("the id `{id}` is used twice: first in {}", first.part.word());
                problems.add(
                    at,
                    message,
                    "used again",
                    "ids are unique in the whole runbook".to_owned(),
                );
            } else {
                steps.insert(id.clone().into_owned(), step);
            }
        }
    }
    steps
}

/// The id of a check or step.
pub(crate) fn id(fields: &mut Fields<'_, '_>, cx: &mut Cx<'_>) -> Option<StepId> {
    fields
        .needed_text("id", "id = \"gpu_memory_full\"", &mut cx.problems)
        .map(|got| StepId::from(got.value))
}

/// Keys of a check that it shares with a step that looks.
pub(crate) struct Question {
    pub(crate) ask: Option<String>,
    pub(crate) worker: Option<Worker>,
    pub(crate) by_hand: Option<String>,
    pub(crate) on: Option<String>,
}

/// `ask`, `uses`, `with`, `by_hand`.
pub(crate) fn question(
    fields: &mut Fields<'_, '_>,
    before: StepFacts,
    place: &str,
    cx: &mut Cx<'_>,
) -> Question {
    let on = on(fields, cx);
    let ask = text::line(fields, "ask", "ask = \"Is the GPU memory full?\"", cx);
    let uses = fields.text("uses", &mut cx.problems);
    let with = fields.node("with");
    let by_hand = fields
        .text("by_hand", &mut cx.problems)
        .map(|got| got.value.to_owned());
    let worker = match uses {
        Some(uses) => {
            on_of_plugin(&uses, on.as_deref(), cx);
            worker(&uses, with, fields.at(), PluginKind::Diagnosis, before, place, cx)
        }
        None => {
            if let Some(with) = with {
                let help = "name the plugin: `uses = \"…\"`".to_owned();
                cx.problems.add(
                    &with.at,
                    "`with` without `uses`: there is no plugin to give it to",
                    "for whom?",
                    help,
                );
            }
            Some(Worker::Person)
        }
    };
    if matches!(worker, Some(Worker::Person)) {
        on_of_person(fields, cx);
    }
    Question {
        ask,
        worker,
        by_hand,
        on,
    }
}

/// `on`: the cluster of stanch.toml that is looked at or acted on.
pub(crate) fn on(fields: &mut Fields<'_, '_>, cx: &mut Cx<'_>) -> Option<String> {
    let got = fields.text("on", &mut cx.problems)?;
    if got.value.contains("${") {
        let message = "`on` names a cluster as it is written: an alert cannot choose what is acted on";
        let help = "write a name of `[clusters]` in stanch.toml, and one runbook for each cluster".to_owned();
        cx.problems.add(&got.at, message, "takes no expression", help);
        return None;
    }
    if let Some(clusters) = &cx.loader.catalogue.clusters
        && !clusters.contains(got.value)
    {
        let help = did_you_mean(got.value, clusters.iter().map(String::as_str))
            .unwrap_or_else(|| format!("add `[clusters.{}]` to stanch.toml", got.value));
        let message = format!("there is no cluster `{}`", got.value);
        cx.problems.add(&got.at, message, "not in stanch.toml", help);
    }
    Some(got.value.to_owned())
}

/// A plugin that says it needs a cluster is bound to one: there is no default, so that nobody acts on the wrong one. One that can
/// work without, and is granted none, is at none.
pub(crate) fn on_of_plugin(uses: &Got<&str>, on: Option<&str>, cx: &mut Cx<'_>) {
    let facts = cx.loader.catalogue.plugins.get(&PluginKey::from(uses.value));
    let facts = facts.filter(|facts| !facts.off_cluster);
    let asks = facts.and_then(|facts| facts.manifest.asks.get("kubernetes")?.as_array());
    if on.is_some() || asks.is_none_or(Vec::is_empty) {
        return;
    }
    let names = cx
        .loader
        .catalogue
        .clusters
        .iter()
        .flatten()
        .map(|name| format!("`on = \"{name}\"`"));
    let names: Vec<String> = names.collect();
    let help = match names.as_slice() {
        [] => "add `[clusters.NAME]` to stanch.toml, and `on = \"NAME\"` here".to_owned(),
        [one] => format!("add {one}"),
        several => format!("add one of {}", several.join(", ")),
    };
    let message = format!("`{}` works in a cluster, and it is not said in which", uses.value);
    cx.problems.add(&uses.at, message, "without `on`", help);
}

/// A person needs no cluster: `by_hand` says where.
pub(crate) fn on_of_person(fields: &mut Fields<'_, '_>, cx: &mut Cx<'_>) {
    let help = "take it away, or name the plugin: `uses = \"…\"`";
    fields.not_here("on", "without `uses` is for nobody", help, &mut cx.problems);
}

/// A plugin with its parameters.
pub(crate) fn worker(
    uses: &Got<&str>,
    with: Option<&Node<'_>>,
    owner: &At,
    kind: PluginKind,
    before: StepFacts,
    place: &str,
    cx: &mut Cx<'_>,
) -> Option<Worker> {
    let (key, _) = cx.plugin(uses, kind)?;
    let with = With {
        node: with,
        owner,
        plugin: &key,
    };
    let with = params::params(
        &with,
        cx.loader,
        &cx.known.in_run(Some(before), place),
        &mut cx.problems,
    )?;
    Some(Worker::Plugin { uses: key, with })
}

/// `[[diagnosis]]`.
pub(crate) fn diagnosis(top: &mut Fields<'_, '_>, cx: &mut Cx<'_>) -> Vec<Check> {
    let mut checks = Vec::new();
    let mut places: BTreeMap<StepId, At> = BTreeMap::new();
    for (index, node) in top
        .tables("diagnosis", "diagnosis", &mut cx.problems)
        .iter()
        .enumerate()
    {
        let Some(mut fields) = Fields::of(node, "a check", &mut cx.problems) else {
            continue;
        };
        let before = StepFacts {
            part: Part::Diagnosis,
            index,
        };
        let id = id(&mut fields, cx);
        let question = question(&mut fields, before, "a check", cx);
        let mut needs: Vec<StepId> = Vec::new();
        for got in fields.texts("needs", &mut cx.problems).unwrap_or_default() {
            let is_check = cx
                .known
                .steps
                .get(got.value)
                .is_some_and(|step| step.part == Part::Diagnosis && *step != before);
            if is_check {
                needs.push(StepId::from(got.value));
            } else {
                let checks = cx
                    .known
                    .steps
                    .iter()
                    .filter(|(_, step)| step.part == Part::Diagnosis && **step != before);
                let help = did_you_mean(got.value, checks.map(|(id, _)| id.as_str()));
                let message = format!("`needs` names `{}`, which is no other check", got.value);
                cx.problems.add(&got.at, message, "not a check", help);
            }
        }
        fields.finish(&mut cx.problems);
        let (Some(id), Some(ask), Some(worker)) = (id, question.ask, question.worker) else {
            continue;
        };
        if let Worker::Plugin { with, .. } = &worker {
            for read in with.reads() {
                if !needs.contains(read) {
                    needs.push(read.clone());
                }
            }
        }
        places.insert(id.clone(), node.at.clone());
        checks.push(Check {
            id,
            ask,
            worker,
            on: question.on,
            by_hand: question.by_hand,
            needs,
        });
    }
    tell_circles(&checks, &places, &mut cx.problems);
    checks
}

/// Checks that need each other are never asked.
fn tell_circles(checks: &[Check], places: &BTreeMap<StepId, At>, problems: &mut Problems<'_>) {
    let mut left: Vec<&Check> = checks.iter().collect();
    loop {
        let before = left.len();
        let waiting: Vec<&StepId> = left.iter().map(|check| &check.id).collect();
        let is_free = |check: &&Check| !check.needs.iter().any(|need| waiting.contains(&need));
        let free: Vec<StepId> = left
            .iter()
            .copied()
            .filter(is_free)
            .map(|check| check.id.clone())
            .collect();
        left.retain(|check| !free.contains(&check.id));
        if left.is_empty() {
            return;
        }
        if left.len() == before {
            break;
        }
    }
    // Follow the needs of one until one comes again: that is the circle.
    let mut circle: Vec<&StepId> = Vec::new();
    let mut here = left.first().copied();
    while let Some(check) = here {
        if let Some(start) = circle.iter().position(|id| **id == check.id) {
            circle.drain(..start);
            break;
        }
        circle.push(&check.id);
        here = check
            .needs
            .iter()
            .find_map(|need| left.iter().copied().find(|other| other.id == *need));
    }
    if let Some(at) = circle.first().and_then(|id| places.get(*id)) {
        let names: Vec<&str> = circle
            .iter()
            .chain(circle.first())
            .map(|id| id.as_str())
            .collect();
        let message = format!("these checks wait for each other: {}", names.join(" → "));
        problems.add(
            at,
            message,
            "never asked",
            "take one of the `needs` away".to_owned(),
        );
    }
}

/// `[recovery]`.
pub(crate) fn recovery(top: &mut Fields<'_, '_>, cx: &mut Cx<'_>) -> Recovery {
    let mut recovery = Recovery {
        stable_for: STABLE_FOR,
        give_up_after: GIVE_UP_AFTER,
        checks: Vec::new(),
        trust_alert: false,
    };
    let (mut stable_from, mut give_up_from) = (Origin::Engine, Origin::Engine);
    if let Some(node) = top.node("recovery")
        && let Some(mut fields) = Fields::of(node, "`[recovery]`", &mut cx.problems)
    {
        if let Some(got) = fields.parsed("stable_for", &mut cx.problems) {
            (recovery.stable_for, stable_from) = (got.value, Origin::Runbook);
        }
        if let Some(got) = fields.parsed("give_up_after", &mut cx.problems) {
            (recovery.give_up_after, give_up_from) = (got.value, Origin::Runbook);
        }
        if recovery.give_up_after <= recovery.stable_for {
            let message = format!(
                "`give_up_after` ({}) is not longer than `stable_for` ({}): every recovery would be given up",
                recovery.give_up_after, recovery.stable_for
            );
            cx.problems.add(fields.at(), message, "never recovers", None);
        }
        recovery.trust_alert = fields
            .word("trust", &[("alert", true)], &mut cx.problems)
            .is_some_and(|got| got.value);
        for (index, node) in fields
            .tables("check", "recovery.check", &mut cx.problems)
            .iter()
            .enumerate()
        {
            recovery.checks.extend(recovery_check(node, index, cx));
        }
        fields.finish(&mut cx.problems);
    }
    cx.set("recovery.stable_for".to_owned(), recovery.stable_for, stable_from);
    cx.set(
        "recovery.give_up_after".to_owned(),
        recovery.give_up_after,
        give_up_from,
    );
    let written = cx.known.steps.values().any(|step| step.part == Part::Recovery);
    cx.knows_recovery = recovery.trust_alert || written;
    recovery
}

fn recovery_check(node: &Node<'_>, index: usize, cx: &mut Cx<'_>) -> Option<Check> {
    let mut fields = Fields::of(node, "a recovery check", &mut cx.problems)?;
    let id = id(&mut fields, cx);
    let question = question(
        &mut fields,
        StepFacts {
            part: Part::Recovery,
            index,
        },
        "a recovery check",
        cx,
    );
    if matches!(question.worker, Some(Worker::Person)) {
        let message = "a recovery check is asked again and again, so a plugin has to answer it";
        cx.problems.add(
            fields.at(),
            message,
            "needs `uses`",
            "add `uses` with a diagnosis plugin".to_owned(),
        );
    }
    fields.finish(&mut cx.problems);
    Some(Check {
        id: id?,
        ask: question.ask?,
        worker: question.worker?,
        on: question.on,
        by_hand: question.by_hand,
        needs: Vec::new(),
    })
}

/// `[[escalation]]`, else the folder's.
pub(crate) fn escalation(top: &mut Fields<'_, '_>, cx: &mut Cx<'_>) -> Vec<Notice> {
    let own = top.tables("escalation", "escalation", &mut cx.problems);
    let folder = cx.defaults.escalation.take();
    let (notices, origin) = match &folder {
        Some(Node {
            data: Data::List(items),
            ..
        }) if own.is_empty() => {
            let notices: Vec<Notice> = items.iter().filter_map(|node| notice(node, cx)).collect();
            (notices, Origin::Folder)
        }
        Some(node) if own.is_empty() => {
            crate::load::fields::wrong_type::<()>(node, "`escalation`", "a list of tables", &mut cx.problems);
            (Vec::new(), Origin::Folder)
        }
        _ => {
            let origin = if own.is_empty() {
                Origin::Engine
            } else {
                Origin::Runbook
            };
            (own.iter().filter_map(|node| notice(node, cx)).collect(), origin)
        }
    };
    let names: Vec<&str> = notices.iter().map(|notice| notice.uses.as_str()).collect();
    let shown = if names.is_empty() {
        "nobody".to_owned()
    } else {
        names.join(", then ")
    };
    cx.set("escalation".to_owned(), shown, origin);
    notices
}

fn notice(node: &Node<'_>, cx: &mut Cx<'_>) -> Option<Notice> {
    let mut fields = Fields::of(node, "an escalation", &mut cx.problems)?;
    let uses = fields.needed_text("uses", "uses = \"page\"", &mut cx.problems);
    let with = fields.node("with");
    fields.finish(&mut cx.problems);
    let uses = uses?;
    let (key, facts) = cx.plugin(&uses, PluginKind::Notification)?;
    if !facts.may_notify {
        let message = format!("the plugin `{key}` is not granted to tell anybody, so nobody would be called");
        let help = format!("add `[[plugins.{key}.grant.notify]]` to stanch.toml");
        cx.problems.add(&uses.at, message, "no `grant.notify`", help);
    }
    // When help is called, everything may have happened.
    let before = StepFacts {
        part: Part::Recovery,
        index: usize::MAX,
    };
    let with = With {
        node: with,
        owner: fields_at(node),
        plugin: &key,
    };
    let with: Params = params::params(
        &with,
        cx.loader,
        &cx.known.in_run(Some(before), "an escalation"),
        &mut cx.problems,
    )?;
    Some(Notice { uses: key, with })
}

fn fields_at<'n>(node: &'n Node<'_>) -> &'n At {
    &node.at
}
