//! What a test expects: `[test.expect]`.

use crate::expr::Answer;
use crate::load::fields::{self, Fields, Got};
use crate::load::node::{Data, Node};
use crate::testfile::{Cx, ENDINGS, Expected, Role};

const ANSWERS: [(&str, Answer); 6] = [
    ("yes", Answer::Yes),
    ("no", Answer::No),
    ("unknown", Answer::Unknown),
    ("skipped", Answer::Skipped),
    ("failed", Answer::Failed),
    ("planned", Answer::Planned),
];

/// `[test.expect]`; a test that expects nothing proves nothing.
pub(super) fn expected(fields: &mut Fields<'_, '_>, has_files: bool, cx: &mut Cx<'_>) -> Expected {
    let mut expected = Expected::default();
    let Some(node) = fields.node("expect") else {
        fields.missing(
            "[test.expect]",
            "[test.expect]` with `ending = \"healed\"",
            &mut cx.problems,
        );
        return expected;
    };
    let Some(mut inner) = Fields::of(node, "`[test.expect]`", &mut cx.problems) else {
        return expected;
    };
    let before = cx.problems.count();
    expected.runs = inner.truth("runs", &mut cx.problems).map(|got| got.value);
    expected.ending = inner
        .word("ending", &ENDINGS.map(|word| (word, word)), &mut cx.problems)
        .map(|got| got.value.to_owned());
    expected.escalated = inner.truth("escalated", &mut cx.problems).map(|got| got.value);
    expected.within = inner.parsed("within", &mut cx.problems).map(|got| got.value);
    steps(&mut inner, &mut expected, cx);
    plans(&mut inner, &mut expected, cx);
    let owned = |texts: Vec<Got<&str>>| texts.into_iter().map(|got| got.value.to_owned()).collect();
    expected.questions = inner.texts("questions", &mut cx.problems).map(owned);
    if let Some(told) = inner.texts("told", &mut cx.problems) {
        for got in &told {
            if !cx
                .runbook
                .escalation
                .iter()
                .any(|notice| notice.uses.as_str() == got.value)
            {
                let message = format!(
                    "the runbook `{}` tells nobody with `{}`",
                    cx.runbook.name, got.value
                );
                cx.problems.add(&got.at, message, "not in `[[escalation]]`", None);
            }
        }
        expected.told = Some(owned(told));
    }
    if let Some(undone) = inner.texts("undone", &mut cx.problems) {
        let ids = undone
            .iter()
            .filter_map(|got| cx.step(got.value, &got.at))
            .map(|(id, _)| id);
        expected.undone = Some(ids.collect());
    }
    expected.sent = sent(&mut inner, cx);
    if let Some(left) = inner.texts("left", &mut cx.problems) {
        if !has_files && let Some(got) = left.first() {
            let message = "`left` is about files, and the test gives none";
            let help = "add a `[[test.file]]`".to_owned();
            cx.problems.add(&got.at, message, "no files", help);
        }
        let mut left: Vec<String> = owned(left);
        left.sort();
        expected.left = Some(left);
    }
    if expected == Expected::default() && cx.problems.count() == before {
        let help = "say at least how it ends: `ending = \"healed\"`".to_owned();
        cx.problems.add(
            inner.at(),
            "a test that expects nothing proves nothing",
            "nothing expected",
            help,
        );
    }
    inner.finish(&mut cx.problems);
    expected
}

fn steps(fields: &mut Fields<'_, '_>, expected: &mut Expected, cx: &mut Cx<'_>) {
    let Some(node) = fields.node("steps") else { return };
    let Data::Table(table) = &node.data else {
        fields::wrong_type::<()>(node, "`steps`", "a table: `{ ID = \"yes\" }`", &mut cx.problems);
        return;
    };
    for entry in &table.entries {
        let step = cx.step(&entry.key, &entry.key_at);
        let answer = fields::text(&entry.node, &entry.key, &mut cx.problems)
            .and_then(|got| fields::one_of(&got, &entry.key, &ANSWERS, &mut cx.problems));
        if let (Some((id, _)), Some(answer)) = (step, answer) {
            expected.steps.insert(id, answer);
        }
    }
}

fn plans(fields: &mut Fields<'_, '_>, expected: &mut Expected, cx: &mut Cx<'_>) {
    let Some(node) = fields.node("plans") else { return };
    let Data::Table(table) = &node.data else {
        fields::wrong_type::<()>(
            node,
            "`plans`",
            "a table: `{ ID = [\"remove file:scratch\"] }`",
            &mut cx.problems,
        );
        return;
    };
    for entry in &table.entries {
        let Some((id, role)) = cx.step(&entry.key, &entry.key_at) else {
            continue;
        };
        if role != Role::Changes {
            cx.problems.add(
                &entry.key_at,
                format!("`{id}` changes nothing and has no plan"),
                "no plan",
                None,
            );
        }
        let Data::List(items) = &entry.node.data else {
            fields::wrong_type::<()>(&entry.node, "a plan", "a list of `VERB TARGET`", &mut cx.problems);
            continue;
        };
        let actions: Vec<String> = items.iter().filter_map(|item| action(item, cx)).collect();
        expected.plans.insert(id, actions);
    }
}

fn sent(fields: &mut Fields<'_, '_>, cx: &mut Cx<'_>) -> Option<Vec<String>> {
    let node = fields.node("sent")?;
    let Data::List(items) = &node.data else {
        return fields::wrong_type(node, "`sent`", "a list of `VERB TARGET`", &mut cx.problems);
    };
    Some(items.iter().filter_map(|item| action(item, cx)).collect())
}

fn action(node: &Node<'_>, cx: &mut Cx<'_>) -> Option<String> {
    let got = fields::text(node, "an action", &mut cx.problems)?;
    if !got.value.contains(' ') {
        let help = "write its verb and its target, as in `remove file:scratch`".to_owned();
        cx.problems.add(
            &got.at,
            format!("`{}` is not an action", got.value),
            "verb or target?",
            help,
        );
    }
    Some(got.value.to_owned())
}
