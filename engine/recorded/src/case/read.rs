//! Reads a case, and tells every mistake at its place.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use stanch_contract::{PluginKind, Timestamp};
use stanch_runbook::LoadErrors;
use stanch_runbook::given;
use stanch_runbook::reading::{At, Data, Fields, Node, Problems, one_of, parse, text, wrong_type};
use stanch_runbook::testfile::{Call, TEST_START};
use stanch_sandbox::{Limits, Message};

use super::{Case, Expect, ExpectedFailure};

/// The longest file, in bytes.
const MOST_LONG: usize = 4 << 20;

/// The functions that a plugin of a kind has.
fn functions(kind: PluginKind) -> &'static [Call] {
    match kind {
        PluginKind::Diagnosis => &[Call::Diagnose],
        PluginKind::Remediation => &[Call::Plan, Call::Apply, Call::Verify, Call::PlanUndo],
        PluginKind::Notification => &[Call::Notify],
    }
}

impl Case {
    /// Reads the case of a plugin of this kind from its text; `path` is for messages.
    ///
    /// # Errors
    /// Everything that is wrong with the file.
    pub fn read(path: &str, source: &str, kind: PluginKind) -> Result<Self, LoadErrors> {
        let mut problems = Problems::new(path, source);
        if source.len() > MOST_LONG {
            return Err(problems.whole(&format!("the file is longer than {MOST_LONG} bytes")));
        }
        let table = parse(source, &mut problems);
        if problems.count() > 0 {
            problems.finish()?;
            problems = Problems::new(path, source);
        }
        let mut fields = Fields::new(&table, &At::start(), "a case");
        let case = case(&mut fields, kind, &mut problems);
        fields.finish(&mut problems);
        match case {
            Some(case) if problems.count() == 0 => Ok(case),
            _ => {
                problems.finish()?;
                Err(Problems::new(path, source).whole("the case cannot be read"))
            }
        }
    }
}

fn case(fields: &mut Fields<'_, '_>, kind: PluginKind, problems: &mut Problems<'_>) -> Option<Case> {
    let example = "name = \"a busy page is a no\"";
    let name = fields.needed_text("name", example, problems);
    let now = fields.text("now", problems).and_then(|got| {
        let now = Timestamp::parse_rfc3339(got.value);
        if now.is_none() {
            let help = "write it as in `2026-01-01T00:00:00Z`".to_owned();
            let message = format!("`{}` is not a time", got.value);
            problems.add(&got.at, message, "no time", help);
        }
        now
    });
    let now = now.unwrap_or(TEST_START);
    let params = object(fields, "params", problems);
    let settings = object(fields, "settings", problems);
    let limits = checked(fields, "limits", problems, |limits: &Limits| {
        limits.check().map_err(|error| error.to_string())
    });
    let grant = checked(fields, "grant", problems, |_| Ok(()));
    let on = fields.text("on", problems).map(|got| got.value.to_owned());
    let mut alerts = Vec::new();
    for node in fields.tables("alert", "alert", problems) {
        let Some(mut alert) = given::alert(node, problems) else {
            continue;
        };
        if alert.at.as_millis() > 0 {
            let message = "the alerts of a case came before it: `at` has no meaning here";
            problems.add(&node.at, message, "not later", None);
        }
        if alert.what.starts_at.is_empty() {
            alert.what.starts_at = now.to_string();
        }
        alerts.push(alert.what);
    }
    let message = message(fields, kind, problems);
    let world = given::read(fields, "", problems);
    let expect = expect(fields, kind, problems);
    Some(Case {
        name: name?.value.to_owned(),
        now,
        params,
        settings,
        limits: limits.unwrap_or_default(),
        grant,
        on,
        alerts,
        message,
        world,
        expect: expect?,
    })
}

/// A table as JSON; empty where it is not said.
fn object(fields: &mut Fields<'_, '_>, key: &'static str, problems: &mut Problems<'_>) -> Value {
    match fields.node(key) {
        None => json!({}),
        Some(node) => match &node.data {
            Data::Table(_) => node.to_json(problems),
            _ => {
                wrong_type::<()>(node, &format!("`{key}`"), "a table", problems);
                json!({})
            }
        },
    }
}

/// A table that is read by serde.
fn checked<T: DeserializeOwned>(
    fields: &mut Fields<'_, '_>,
    key: &'static str,
    problems: &mut Problems<'_>,
    check: impl FnOnce(&T) -> Result<(), String>,
) -> Option<T> {
    let node = fields.node(key)?;
    let value = node.to_json(problems);
    let read = serde_json::from_value(value).map_err(|error| error.to_string());
    match read.and_then(|read| check(&read).map(|()| read)) {
        Ok(read) => Some(read),
        Err(why) => {
            let help = "write it as in stanch.toml".to_owned();
            problems.add(&node.at, format!("`{key}`: {why}"), "not understood", help);
            None
        }
    }
}

/// `[message]`: what is told, where it is said.
fn message(fields: &mut Fields<'_, '_>, kind: PluginKind, problems: &mut Problems<'_>) -> Message {
    let mut message = Message {
        kind: "escalation".to_owned(),
        severity: "high".to_owned(),
        title: "A runbook needs a person".to_owned(),
        text: "The disk of `node-1` is full.".to_owned(),
        link: None,
        report: json!({}),
        thread: "case000000000000".to_owned(),
        extra: Value::Null,
    };
    let Some(node) = fields.node("message") else {
        return message;
    };
    if kind != PluginKind::Notification {
        let text = format!("a {} plugin is given no message", kind.as_str());
        problems.add(&node.at, text, "not here", None);
    }
    let Some(mut inner) = Fields::of(node, "`[message]`", problems) else {
        return message;
    };
    for (key, of) in [
        ("kind", &mut message.kind),
        ("severity", &mut message.severity),
        ("title", &mut message.title),
        ("text", &mut message.text),
        ("thread", &mut message.thread),
    ] {
        if let Some(got) = inner.text(key, problems) {
            got.value.clone_into(of);
        }
    }
    message.link = inner.text("link", problems).map(|got| got.value.to_owned());
    if let Some(report) = inner.node("report") {
        message.report = report.to_json(problems);
    }
    inner.finish(problems);
    message
}

/// `[expect]`; a case that expects nothing proves nothing.
fn expect(fields: &mut Fields<'_, '_>, kind: PluginKind, problems: &mut Problems<'_>) -> Option<Expect> {
    let example = match kind {
        PluginKind::Diagnosis => "[expect.finding]` with `verdict = \"yes\"",
        PluginKind::Remediation => {
            "[expect.plan]` with `actions = [{ verb = \"remove\", target = \"file:scratch\" }]"
        }
        PluginKind::Notification => "[expect]` with `told = true",
    };
    let Some(node) = fields.node("expect") else {
        fields.missing("[expect]", example, problems);
        return None;
    };
    let mut inner = Fields::of(node, "`[expect]`", problems)?;
    let before = problems.count();
    let mut expect = Expect::default();
    match kind {
        PluginKind::Diagnosis => {
            expect.finding = value(&mut inner, "finding", &FINDING, problems);
        }
        PluginKind::Remediation => {
            expect.plan = value(&mut inner, "plan", &PLAN, problems);
            expect.outcome = value(&mut inner, "outcome", &OUTCOME, problems);
            expect.verify = value(&mut inner, "verify", &FINDING, problems);
            expect.undo = value(&mut inner, "undo", &PLAN, problems);
            expect.sent = texts(&mut inner, "sent", problems);
        }
        PluginKind::Notification => {
            expect.told = inner.truth("told", problems).is_some_and(|got| got.value);
        }
    }
    expect.failure = failure(&mut inner, kind, problems);
    expect.calls = calls(&mut inner, kind, problems);
    expect.left = texts(&mut inner, "left", problems).map(|mut left| {
        left.sort();
        left
    });
    if expect == Expect::default() && problems.count() == before {
        let message = "a case that expects nothing proves nothing";
        problems.add(
            inner.at(),
            message,
            "nothing expected",
            format!("add `{example}`"),
        );
    }
    inner.finish(problems);
    Some(expect)
}

const FINDING: [&str; 4] = ["verdict", "summary", "evidence", "data"];
const PLAN: [&str; 4] = ["summary", "actions", "population", "data"];
const OUTCOME: [&str; 3] = ["summary", "evidence", "data"];

/// A table of which only these members are looked at.
fn value(
    fields: &mut Fields<'_, '_>,
    key: &'static str,
    known: &[&'static str],
    problems: &mut Problems<'_>,
) -> Option<Value> {
    let node = fields.node(key)?;
    let mut inner = Fields::of(node, format!("`[expect.{key}]`"), problems)?;
    let mut members = Map::new();
    for name in known {
        if let Some(node) = inner.node(name) {
            members.insert((*name).to_owned(), node.to_json(problems));
        }
    }
    inner.finish(problems);
    Some(Value::Object(members))
}

fn texts(fields: &mut Fields<'_, '_>, key: &'static str, problems: &mut Problems<'_>) -> Option<Vec<String>> {
    let texts = fields.texts(key, problems)?;
    Some(texts.into_iter().map(|got| got.value.to_owned()).collect())
}

fn failure(
    fields: &mut Fields<'_, '_>,
    kind: PluginKind,
    problems: &mut Problems<'_>,
) -> Option<ExpectedFailure> {
    let node = fields.node("failure")?;
    let mut inner = Fields::of(node, "`[expect.failure]`", problems)?;
    let functions = functions(kind);
    let of = inner.text("of", problems);
    let of = match &of {
        None => functions.first().copied(),
        Some(got) => function(got.value, &got.at, functions, problems),
    };
    let mut members = Map::new();
    for key in ["code", "message"] {
        if let Some(got) = inner.text(key, problems) {
            members.insert(key.to_owned(), got.value.into());
        }
    }
    if members.is_empty() {
        inner.missing("code", "code = \"denied\"", problems);
    }
    inner.finish(problems);
    Some(ExpectedFailure {
        of: of?,
        is: Value::Object(members),
    })
}

/// A function that a plugin of this kind has.
fn function(word: &str, at: &At, functions: &[Call], problems: &mut Problems<'_>) -> Option<Call> {
    let words: Vec<(&'static str, Call)> = functions.iter().map(|call| (call.as_str(), *call)).collect();
    let got = stanch_runbook::reading::Got {
        value: word,
        at: at.clone(),
    };
    one_of(&got, "of", &words, problems)
}

/// `calls`: a list where the plugin has one function, else a table of lists.
fn calls(
    fields: &mut Fields<'_, '_>,
    kind: PluginKind,
    problems: &mut Problems<'_>,
) -> BTreeMap<Call, Vec<String>> {
    let mut calls = BTreeMap::new();
    let Some(node) = fields.node("calls") else {
        return calls;
    };
    let functions = functions(kind);
    match (&node.data, functions) {
        (Data::List(items), [only]) => {
            calls.insert(*only, list(items, problems));
        }
        (Data::Table(table), _) => {
            for entry in &table.entries {
                let of = function(&entry.key, &entry.key_at, functions, problems);
                let Data::List(items) = &entry.node.data else {
                    wrong_type::<()>(&entry.node, "calls", "a list of `VERB TARGET`", problems);
                    continue;
                };
                if let Some(of) = of {
                    calls.insert(of, list(items, problems));
                }
            }
        }
        _ => {
            let right = "a table of lists: `{ plan = [\"usage scratch\"] }`";
            wrong_type::<()>(node, "`calls`", right, problems);
        }
    }
    calls
}

fn list(items: &[Node<'_>], problems: &mut Problems<'_>) -> Vec<String> {
    let texts = items.iter().filter_map(|item| text(item, "a call", problems));
    texts.map(|got| got.value.to_owned()).collect()
}
