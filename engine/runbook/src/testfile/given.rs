//! What a test gives besides the world beyond the gate: alerts, answers of plugins, what people do.

use std::collections::BTreeMap;

use serde_json::Value;
use stanch_contract::{Action, Alert, ChangePlan, Failure, FailureCode, Finding, Verdict};

use crate::convert_input;
use crate::given::{alert, at};
use crate::load::fields::{self, Fields, Got};
use crate::load::node::{Data, Node};
use crate::problem::did_you_mean;
use crate::testfile::{Answered, Call, Counted, Cx, Deed, PersonDoes, PluginAnswer, Role, TEST_START, Timed};

/// `inputs`: the run is started by hand.
pub(super) fn inputs(fields: &mut Fields<'_, '_>, cx: &mut Cx<'_>) -> Option<BTreeMap<String, Value>> {
    let node = fields.node("inputs")?;
    let Data::Table(table) = &node.data else {
        return fields::wrong_type(node, "`inputs`", "a table", &mut cx.problems);
    };
    let mut inputs = BTreeMap::new();
    for entry in &table.entries {
        let Some(input) = cx.runbook.inputs.iter().find(|input| input.name == entry.key) else {
            let help = did_you_mean(
                &entry.key,
                cx.runbook.inputs.iter().map(|input| input.name.as_str()),
            );
            let message = format!("the runbook `{}` has no input `{}`", cx.runbook.name, entry.key);
            cx.problems.add(&entry.key_at, message, "not an input", help);
            continue;
        };
        let value = entry.node.to_json(&mut cx.problems);
        match convert_input(input, value) {
            Ok(value) => {
                inputs.insert(input.name.clone(), value);
            }
            Err(error) => cx
                .problems
                .add(&entry.node.at, error.to_string(), "another type", None),
        }
    }
    Some(inputs)
}

/// `[[test.alert]]`, by time.
pub(super) fn alerts(fields: &mut Fields<'_, '_>, cx: &mut Cx<'_>) -> Vec<Timed<Alert>> {
    let mut alerts: Vec<Timed<Alert>> = Vec::new();
    for node in fields.tables("alert", "test.alert", &mut cx.problems) {
        alerts.extend(alert(node, &mut cx.problems));
    }
    alerts.sort_by_key(|alert| alert.at);
    let mut starts: BTreeMap<String, String> = BTreeMap::new();
    for Timed { at, what } in &mut alerts {
        // An alert that comes again began when it came first.
        let start = starts
            .entry(what.fingerprint.clone())
            .or_insert_with(|| TEST_START.plus(*at).to_string());
        if what.starts_at.is_empty() {
            what.starts_at.clone_from(start);
        }
    }
    alerts
}

/// `[[test.plugin]]`, by time.
pub(super) fn answers(fields: &mut Fields<'_, '_>, cx: &mut Cx<'_>) -> Vec<Timed<PluginAnswer>> {
    let mut answers: Vec<Timed<PluginAnswer>> = Vec::new();
    for node in fields.tables("plugin", "test.plugin", &mut cx.problems) {
        answers.extend(answer(node, cx));
    }
    answers.sort_by_key(|answer| answer.at);
    answers
}

fn answer(node: &Node<'_>, cx: &mut Cx<'_>) -> Option<Timed<PluginAnswer>> {
    let mut fields = Fields::of(node, "a plugin's answer", &mut cx.problems)?;
    let at = at(&mut fields, &mut cx.problems);
    let call = fields.word("call", &Call::WORDS, &mut cx.problems);
    let (of, role) = match (
        fields.text("step", &mut cx.problems),
        fields.text("uses", &mut cx.problems),
    ) {
        (Some(step), None) => {
            let (id, role) = cx.step(step.value, &step.at)?;
            (id.0, Some(role))
        }
        (None, Some(uses)) => {
            if !cx
                .runbook
                .escalation
                .iter()
                .any(|notice| notice.uses.as_str() == uses.value)
            {
                let known = cx.runbook.escalation.iter().map(|notice| notice.uses.as_str());
                let message = format!(
                    "the runbook `{}` tells nobody with `{}`",
                    cx.runbook.name, uses.value
                );
                cx.problems.add(
                    &uses.at,
                    message,
                    "not in `[[escalation]]`",
                    did_you_mean(uses.value, known),
                );
            }
            (uses.value.to_owned(), None)
        }
        _ => {
            let message =
                "a plugin's answer is of a `step`, or for `notify` of a plugin that it `uses`: one of both";
            cx.problems.add(fields.at(), message, "whose answer?", None);
            return None;
        }
    };
    let call = known_call(&fields, call, role, cx)?;
    let with = answered(&mut fields, call, cx);
    fields.finish(&mut cx.problems);
    Some(Timed {
        at,
        what: PluginAnswer {
            of,
            call,
            with: with?,
        },
    })
}

/// The call, from what the step is where it is not said; one that the step does not make is told.
fn known_call(
    fields: &Fields<'_, '_>,
    call: Option<Got<Call>>,
    role: Option<Role>,
    cx: &mut Cx<'_>,
) -> Option<Call> {
    let possible: &[Call] = match role {
        None => &[Call::Notify],
        Some(Role::Asks) => &[Call::Diagnose],
        Some(Role::Changes) => &[
            Call::Plan,
            Call::Apply,
            Call::Verify,
            Call::PlanUndo,
            Call::Diagnose,
        ],
        Some(Role::AsksPerson | Role::ByHand) => &[],
    };
    match (call, possible) {
        (_, []) => {
            let help = "write what the person does as `[[test.person]]`".to_owned();
            cx.problems.add(
                fields.at(),
                "no plugin is asked here, but a person",
                "done by a person",
                help,
            );
            None
        }
        (None, [only]) => Some(*only),
        (None, several) => {
            let words: Vec<&str> = several.iter().map(|call| call.as_str()).collect();
            fields.missing(
                "call",
                &format!("call = \"{}\"", words.join("\" or \"")),
                &mut cx.problems,
            );
            None
        }
        (Some(got), possible) if possible.contains(&got.value) => Some(got.value),
        (Some(got), possible) => {
            let words: Vec<&str> = possible.iter().map(|call| call.as_str()).collect();
            let message = format!("`{}` is not called here", got.value.as_str());
            cx.problems.add(
                &got.at,
                message,
                "never called",
                format!("here: `{}`", words.join("`, `")),
            );
            None
        }
    }
}

fn answered(fields: &mut Fields<'_, '_>, call: Call, cx: &mut Cx<'_>) -> Option<Answered> {
    if let Some(node) = fields.node("failure") {
        return failure(node, cx).map(Answered::Failure);
    }
    let summary = fields
        .text("summary", &mut cx.problems)
        .map_or(String::new(), |got| got.value.to_owned());
    let data = fields
        .node("data")
        .map_or(Value::Null, |node| node.to_json(&mut cx.problems));
    match call {
        Call::Diagnose | Call::Verify => {
            let words = [
                ("yes", Verdict::Yes),
                ("no", Verdict::No),
                ("unknown", Verdict::Unknown),
            ];
            let verdict = fields
                .needed_text("verdict", "verdict = \"yes\"", &mut cx.problems)
                .and_then(|got| fields::one_of(&got, "verdict", &words, &mut cx.problems))?;
            Some(Answered::Finding(Finding {
                verdict,
                summary,
                evidence: Vec::new(),
                data,
                extra: Value::Null,
            }))
        }
        Call::Plan | Call::PlanUndo => {
            let mut actions = Vec::new();
            for node in fields.tables("actions", "test.plugin.actions", &mut cx.problems) {
                actions.extend(action(node, cx));
            }
            let population = fields
                .text("population", &mut cx.problems)
                .map(|got| got.value.to_owned());
            let counted = fields.node("counted").and_then(|node| counted(node, cx));
            let plan = ChangePlan {
                summary,
                actions,
                population,
                data,
                extra: Value::Null,
            };
            Some(Answered::Plan(plan, counted))
        }
        Call::Apply | Call::Notify => Some(Answered::Done(summary)),
    }
}

/// Of the population: nobody else counts where there is no cluster.
fn counted(node: &Node<'_>, cx: &mut Cx<'_>) -> Option<Counted> {
    let mut fields = Fields::of(node, "`counted`", &mut cx.problems)?;
    let mut needed = |key| match fields.count(key, 0, 1_000_000, &mut cx.problems) {
        None if !fields.has(key) => {
            fields.missing(key, &format!("{key} = 12"), &mut cx.problems);
            None
        }
        got => got.map(|got| got.value),
    };
    let (total, ready) = (needed("total"), needed("ready"));
    fields.finish(&mut cx.problems);
    let (total, ready) = (total?, ready?);
    if ready > total {
        let message = format!("{ready} of {total} cannot be Ready");
        cx.problems.add(&node.at, message, "more than there are", None);
        return None;
    }
    Some(Counted { total, ready })
}

fn failure(node: &Node<'_>, cx: &mut Cx<'_>) -> Option<Failure> {
    let mut fields = Fields::of(node, "`failure`", &mut cx.problems)?;
    let codes = [
        FailureCode::InvalidParams,
        FailureCode::Denied,
        FailureCode::NotFound,
        FailureCode::Conflict,
        FailureCode::Unavailable,
        FailureCode::Timeout,
        FailureCode::Budget,
        FailureCode::Trap,
        FailureCode::Failed,
    ]
    .map(|code| (code.as_str(), code));
    let code = fields
        .needed_text("code", "code = \"unavailable\"", &mut cx.problems)
        .and_then(|got| fields::one_of(&got, "code", &codes, &mut cx.problems));
    let message = fields
        .text("message", &mut cx.problems)
        .map_or("in the test", |got| got.value)
        .to_owned();
    fields.finish(&mut cx.problems);
    Some(Failure::new(code?, message))
}

fn action(node: &Node<'_>, cx: &mut Cx<'_>) -> Option<Action> {
    let mut fields = Fields::of(node, "an action", &mut cx.problems)?;
    let verb = fields.needed_text("verb", "verb = \"remove\"", &mut cx.problems);
    let target = fields.needed_text("target", "target = \"file:scratch\"", &mut cx.problems);
    let expect = fields
        .text("expect", &mut cx.problems)
        .map(|got| got.value.to_owned());
    let content = fields.node("content").map(|node| match &node.data {
        Data::Text(text) => text.clone().into_owned(),
        _ => stanch_contract::canonical::to_string(&node.to_json(&mut cx.problems)),
    });
    let items = fields.texts("items", &mut cx.problems).unwrap_or_default();
    let items = items.into_iter().map(|got| got.value.to_owned()).collect();
    let reason = fields
        .text("reason", &mut cx.problems)
        .map_or(String::new(), |got| got.value.to_owned());
    fields.finish(&mut cx.problems);
    let (verb, target) = (verb?.value.to_owned(), target?.value.to_owned());
    Some(Action {
        verb,
        target,
        expect,
        content,
        items,
        reason,
        extra: Value::Null,
    })
}

/// `[[test.person]]`, by time.
pub(super) fn people(fields: &mut Fields<'_, '_>, cx: &mut Cx<'_>) -> Vec<Timed<PersonDoes>> {
    let mut people: Vec<Timed<PersonDoes>> = Vec::new();
    for node in fields.tables("person", "test.person", &mut cx.problems) {
        people.extend(person(node, cx));
    }
    people.sort_by_key(|deed| deed.at);
    people
}

fn person(node: &Node<'_>, cx: &mut Cx<'_>) -> Option<Timed<PersonDoes>> {
    const DEEDS: [(&str, Deed); 14] = [
        ("approve", Deed::Approve),
        ("deny", Deed::Deny),
        ("yes", Deed::Yes),
        ("no", Deed::No),
        ("unknown", Deed::Unknown),
        ("done", Deed::Done),
        ("not-done", Deed::NotDone),
        ("happened", Deed::Happened),
        ("not-happened", Deed::NotHappened),
        ("undo", Deed::Undo),
        ("cancel-and-undo", Deed::CancelAndUndo),
        ("cancel-and-leave", Deed::CancelAndLeave),
        ("pause", Deed::Pause),
        ("resume", Deed::Resume),
    ];
    let mut fields = Fields::of(node, "what a person does", &mut cx.problems)?;
    let at = at(&mut fields, &mut cx.problems);
    let by = fields
        .text("by", &mut cx.problems)
        .map_or("dana", |got| got.value)
        .to_owned();
    let step = fields.text("step", &mut cx.problems);
    let deed = fields.needed_text("does", "does = \"approve\"", &mut cx.problems);
    fields.finish(&mut cx.problems);
    let deed = deed?;
    let what = fields::one_of(&deed, "does", &DEEDS, &mut cx.problems)?;
    let step = match step {
        Some(step) => Some(cx.step(step.value, &step.at)?),
        None => None,
    };
    let fitting: Option<Role> = match what {
        Deed::Approve | Deed::Deny | Deed::Happened | Deed::NotHappened => Some(Role::Changes),
        Deed::Yes | Deed::No | Deed::Unknown => Some(Role::AsksPerson),
        Deed::Done | Deed::NotDone => Some(Role::ByHand),
        _ => None,
    };
    match (fitting, &step) {
        (Some(_), None) => {
            let message = format!("`{}` needs the `step` that it is about", deed.value);
            cx.problems.add(&deed.at, message, "of what?", None);
        }
        (Some(role), Some((id, is))) if role != *is => {
            let what = match is {
                Role::Asks => "is answered by a plugin",
                Role::AsksPerson => "is a question that a person answers: yes, no or unknown",
                Role::Changes => "is a change: approve or deny",
                Role::ByHand => "is done by a person: done or not-done",
            };
            cx.problems
                .add(&deed.at, format!("`{id}` {what}"), "does not fit the step", None);
        }
        _ => {}
    }
    Some(Timed {
        at,
        what: PersonDoes {
            by,
            step: step.map(|(id, _)| id),
            what,
        },
    })
}
