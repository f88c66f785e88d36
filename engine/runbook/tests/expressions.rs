//! The rules of expressions, each with what it allows and what it denies.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod common;

use std::collections::BTreeMap;

use common::{alert, catalogue, source};
use serde_json::{Value, json};
use stanch_contract::{Alert, RunId, StepId};
use stanch_runbook::expr::{Answer, EvalError, Mapped, Scope, StepResult};
use stanch_runbook::model::{Step, StepKind, Worker};
use stanch_runbook::reading::{self, Problems};
use stanch_runbook::{Catalogue, LoadErrors, Runbook, load};

/// A runbook whose step `b` has this parameter, in a plugin that takes anything; `a` comes before it, `c` after.
fn with(value: &str) -> Result<Runbook, LoadErrors> {
    let text = format!(
        r#"name = "a"
title = "T"
owner = "o"
[impact]
severity = "high"
summary = "S"
[inputs.folder]
type = "string"
from = "alert.labels.folder"
[inputs.tail]
type = "integer"
from = "alert.labels.tail"
[inputs.given]
type = "string"
[[diagnosis]]
id = "check"
ask = "?"
uses = "prometheus-eu"
with = {{ query = "up" }}
[[mitigation]]
id = "a"
do = "A"
uses = "blind-change"
verify = "none"
[[mitigation]]
id = "b"
do = "B"
uses = "blind-change"
with = {{ value = {value} }}
verify = "none"
[[mitigation]]
id = "c"
do = "C"
"#
    );
    load(&source("a", &text), &catalogue())
}

struct World {
    alerts: Vec<Alert>,
    inputs: BTreeMap<String, Value>,
    vars: Value,
    results: BTreeMap<StepId, StepResult>,
}

impl World {
    fn new() -> Self {
        let labels = [("cluster", "b"), ("env", "prod"), ("pod", "x\u{202e}y\nz")];
        let result = |answer| StepResult {
            answer,
            summary: "97 % used".into(),
            data: json!({"ratio": 0.97, "pods": ["p1"]}),
        };
        Self {
            alerts: vec![
                alert("A", &labels, &[("p99", "2.5")]),
                alert("A", &[("cluster", "b"), ("env", "dev")], &[]),
            ],
            inputs: BTreeMap::from([
                ("tail".into(), json!(7)),
                ("folder".into(), json!("f")),
                ("given".into(), json!("g")),
            ]),
            vars: json!({"fallback_region": "us-east", "grafana": "https://grafana.example"}),
            results: BTreeMap::from([
                (StepId::from("check"), result(Answer::Yes)),
                (StepId::from("a"), result(Answer::Skipped)),
            ]),
        }
    }

    fn render(&self, value: &str) -> Result<Value, EvalError> {
        let runbook = with(value).unwrap_or_else(|errors| panic!("{value}: {errors}"));
        let (run, report) = (RunId::from("r1"), json!({"steps": 3}));
        let scope = Scope {
            alerts: &self.alerts,
            inputs: &self.inputs,
            vars: &self.vars,
            run: Some((&run, &report)),
            impact: Some(&runbook.impact),
            results: &self.results,
        };
        let StepKind::Change(change) = &runbook.mitigation[1].kind else {
            panic!()
        };
        change.with.render(&scope).map(|with| with["value"].clone())
    }
}

#[test]
fn everything_that_is_in_scope_can_be_read_with_its_type() {
    let world = World::new();
    let table = [
        ("'${alert.labels.cluster}'", json!("b")),
        ("'${alert.name}'", json!("A")),
        ("'${alert.status}'", json!("firing")),
        ("'${alert.labels[\"cluster\"]}'", json!("b")),
        ("'${size(alerts)}'", json!(2)),
        ("'${alerts.map(a, a.labels.env)}'", json!(["prod", "dev"])),
        (
            "'${alerts.exists(alert, alert.labels.env == \"dev\")}'",
            json!(true),
        ),
        ("'${inputs.tail + 1}'", json!(8)),
        ("'${vars.fallback_region}'", json!("us-east")),
        ("'${run.id}'", json!("r1")),
        ("'${run.report}'", json!({"steps": 3})),
        ("'${impact.severity}'", json!("high")),
        (
            "'${diagnosis.check.data}'",
            json!({"ratio": 0.97, "pods": ["p1"]}),
        ),
        ("'${diagnosis.check.data.pods[0]}'", json!("p1")),
        ("'${diagnosis.check.yes ? 1 : 2}'", json!(1)),
        ("'${mitigation.a.skipped}'", json!(true)),
        ("'${has(mitigation.a.yes)}'", json!(false)),
        ("'${has(diagnosis.check.yes)}'", json!(true)),
        ("'${has(alert.labels.nope)}'", json!(false)),
        ("'${has(vars.nope)}'", json!(false)),
        ("'${mitigation.a.yes || diagnosis.check.yes}'", json!(true)),
        ("'${mitigation.a.yes && diagnosis.check.no}'", json!(false)),
        ("'${\"A,b\".lowerAscii().split(\",\")}'", json!(["a", "b"])),
        ("'${double(\"2.5\") > 2.0}'", json!(true)),
        ("'$${literal}'", json!("${literal}")),
        (
            "'a ${inputs.tail} ${true} ${vars.fallback_region}'",
            json!("a 7 true us-east"),
        ),
        (
            "['${inputs.tail}', { x = '${1 + 1}' }, 3]",
            json!([7, {"x": 2}, 3]),
        ),
    ];
    for (value, expected) in table {
        assert_eq!(world.render(value), Ok(expected), "{value}");
    }
}

#[test]
fn what_has_no_value_is_an_error_that_names_it() {
    let world = World::new();
    let missing = |value: &str| match world.render(value) {
        Err(EvalError::Missing { what, .. }) => what,
        other => panic!("{value}: {other:?}"),
    };
    assert_eq!(missing("'${alert.labels.nope}'"), "alert.labels.nope");
    // The alerts of the group differ in it.
    assert_eq!(missing("'${alert.labels.env}'"), "alert.labels.env");
    assert_eq!(missing("'${alert.annotations.p99}'"), "alert.annotations.p99");
    assert_eq!(
        missing("'${diagnosis.check.data.nope.more}'"),
        "diagnosis.check.data.nope"
    );
    assert_eq!(missing("'${alert.labels[\"a.b\"]}'"), "alert.labels.a.b");
    let unanswered = |value: &str| match world.render(value) {
        Err(EvalError::Unanswered {
            step, field, state, ..
        }) => format!("{step}.{field} {state}"),
        other => panic!("{value}: {other:?}"),
    };
    assert_eq!(
        unanswered("'${mitigation.a.yes}'"),
        "mitigation.a.yes was skipped"
    );
    assert_eq!(unanswered("'${!mitigation.a.no}'"), "mitigation.a.no was skipped");
    assert_eq!(
        unanswered("'${mitigation.a.yes || diagnosis.check.no}'"),
        "mitigation.a.yes was skipped"
    );
    assert_eq!(
        unanswered("'${mitigation.a.yes == false}'"),
        "mitigation.a.yes was skipped"
    );
    for value in [
        "'${double(alert.labels.cluster)}'",
        "'${alerts[9].name}'",
        "'${1 / 0}'",
        "'x ${diagnosis.check.data.pods == []}${run.id.size() > 0 ? [1] : [2]}'",
    ] {
        assert!(
            matches!(world.render(value), Err(EvalError::Failed { .. })),
            "{value}"
        );
    }
}

#[test]
fn a_value_from_outside_goes_into_a_longer_text_only_as_text_or_raw() {
    let world = World::new();
    let outside = [
        "alert.labels.pod",
        "alert.name",
        "alerts[0].labels.pod",
        "\"a\" + alert.labels.pod",
        "string(alert.labels.pod)",
        "alert.labels.pod.lowerAscii()",
        "true ? alert.labels.pod : \"x\"",
        "[alert.labels.pod].join()",
        "\"%s\".format([alert.labels.pod])",
        "alerts.map(a, a.labels.pod).join()",
        "alerts.filter(a, true)[0].labels.pod",
        "inputs.folder",
        "diagnosis.check.summary",
        "diagnosis.check.data.pods[0]",
        "run.report.steps",
        "{\"a\": alert.labels.pod}[\"a\"]",
    ];
    for expression in outside {
        assert!(with(&format!("'x ${{{expression}}}'")).is_err(), "{expression}");
        assert!(
            with(&format!("'x ${{text({expression})}}'")).is_ok(),
            "{expression}"
        );
        assert!(
            with(&format!("'x ${{raw({expression})}}'")).is_ok(),
            "{expression}"
        );
        assert!(
            with(&format!("'${{{expression}}}'")).is_ok(),
            "alone it takes the expression's type: {expression}"
        );
    }
    let ours = [
        "vars.fallback_region",
        "inputs.tail",
        "inputs.given",
        "alert.status",
        "size(alert.labels.pod)",
        "double(alert.labels.tail)",
        "alert.labels.pod == \"x\"",
        "alert.labels.pod.startsWith(\"x\")",
        "alerts.exists(a, a.labels.pod == \"x\")",
        "diagnosis.check.yes",
        "run.id",
        "impact.summary",
        "alert.labels.pod == \"x\" ? \"a\" : \"b\"",
        "{\"x\": \"y\"}[alert.labels.pod]",
    ];
    for expression in ours {
        assert!(with(&format!("'x ${{{expression}}}'")).is_ok(), "{expression}");
    }
    let mut world = world;
    world.alerts.truncate(1);
    assert_eq!(world.render("'x ${text(alert.labels.pod)}'"), Ok(json!("x xy z")));
    assert_eq!(
        world.render("'x ${raw(alert.labels.pod)}'"),
        Ok(json!("x x\u{202e}y\nz"))
    );
}

#[test]
fn a_step_reads_only_what_came_before_it() {
    for good in ["diagnosis.check.yes", "mitigation.a.failed"] {
        assert!(with(&format!("'${{{good}}}'")).is_ok(), "{good}");
    }
    for (bad, why) in [
        ("mitigation.b.yes", "cannot be read here, where it is made"),
        ("mitigation.c.yes", "cannot be read before it has run"),
        ("resolution.a.yes", "is in mitigation, not in resolution"),
        ("diagnosis.nope.yes", "known here: `check`"),
        ("diagnosis.check", "what of `diagnosis.check`?"),
        ("diagnosis", "`diagnosis` is read by name"),
        ("diagnosis[inputs.given].yes", "`diagnosis` is read by name"),
        ("has(diagnosis.nope.yes)", "known here: `check`"),
        ("diagnosis.check.?yes.orValue(true)", "not an expression"),
        ("optional.none()", "`optional` is not known"),
        ("secret.token", "cannot read secrets"),
    ] {
        let errors = with(&format!("'${{{bad}}}'")).unwrap_err().to_string();
        assert!(errors.contains(why), "{bad}: {errors}");
    }
}

#[test]
fn a_check_needs_what_its_parameters_read() {
    let text = r#"name = "a"
title = "T"
owner = "o"
[impact]
severity = "low"
summary = "S"
[[diagnosis]]
id = "later"
ask = "?"
uses = "prometheus-eu"
with = { query = "up", above = "${diagnosis.first.data.limit}" }
needs = ["person"]
[[diagnosis]]
id = "first"
ask = "?"
uses = "prometheus-eu"
with = { query = "up" }
[[diagnosis]]
id = "person"
ask = "?"
"#;
    let runbook = load(&source("a", text), &catalogue()).unwrap();
    assert_eq!(
        runbook.diagnosis[0].needs,
        [StepId::from("person"), StepId::from("first")]
    );
    assert!(matches!(runbook.diagnosis[2].worker, Worker::Person));
}

#[test]
fn an_expression_cannot_exhaust_the_engine() {
    for (bad, why) in [
        (
            format!("'${{{}1{}}}'", "(".repeat(40), ")".repeat(40)),
            "nested more than",
        ),
        (format!("'${{\"{}\"}}'", "a".repeat(5_000)), "longer than"),
        (
            "'${alerts.map(a, alerts.map(b, alerts.map(c, alerts.map(d, 1))))}'".to_owned(),
            "loops within each other",
        ),
    ] {
        let errors = with(&bad).unwrap_err().to_string();
        assert!(errors.contains(why), "{bad}: {errors}");
    }
    assert!(with("'${alerts.map(a, alerts.map(b, a.name + b.name))}'").is_ok());
    // One loop after the other is not one in the other.
    let chain = "'${alerts.filter(a, true).filter(a, true).filter(a, true).filter(a, true).map(a, a.name)}'";
    assert!(with(chain).is_ok());
}

fn mapped(source: &str, names: &[&str]) -> Result<Mapped, LoadErrors> {
    let text = format!("name = {source:?}\n");
    let mut problems = Problems::new("stanch.toml", &text);
    let table = reading::parse(&text, &mut problems);
    let mapped = reading::text(&table.get("name").unwrap().node, "name", &mut problems)
        .and_then(|got| Mapped::read(&got, names, "an intake's mapping", &mut problems));
    problems.finish()?;
    Ok(mapped.unwrap())
}

#[test]
fn a_mapping_reads_what_came_by_its_name_and_says_what_is_missing() {
    let body = json!({ "check": "disk", "n": 3, "on": true, "tags": [{ "key": "env", "value": "prod" }], "a-b": null });
    let item = json!({ "id": 7, "deep": { "er": "x" } });
    let given = [("body", &body), ("item", &item)];
    for (source, expected) in [
        ("body.check", json!("disk")),
        ("item.id", json!(7)),
        ("item", item.clone()),
        ("string(item.id) + '/' + body.check", json!("7/disk")),
        ("body.n > 2 ? 'firing' : 'resolved'", json!("firing")),
        ("body.tags.filter(t, t.key == 'env')[0].value", json!("prod")),
        ("has(body.nothing) ? body.nothing : 'none'", json!("none")),
        ("body['a-b'] == null", json!(true)),
        ("item.deep.er == 'x' && body.on", json!(true)),
    ] {
        assert_eq!(
            mapped(source, &["body", "item"]).unwrap().value(&given).unwrap(),
            expected,
            "{source}"
        );
    }
    for (source, why) in [
        (
            "body.nothing",
            "`body.nothing` needs `body.nothing`, which is not there",
        ),
        ("item.deep.none.at.all", "needs `item.deep.none`"),
        ("body.check + 1", "body.check + 1"),
        ("body.tags[3].key", "body.tags[3].key"),
    ] {
        let error = mapped(source, &["body", "item"])
            .unwrap()
            .value(&given)
            .unwrap_err()
            .to_string();
        assert!(error.contains(why), "{source}: {error}");
    }
    let error = mapped("body.tags", &["body"])
        .unwrap()
        .text(&given)
        .unwrap_err()
        .to_string();
    assert!(error.contains("its value is a list"), "{error}");
}

#[test]
fn a_mapping_knows_nothing_of_a_runbook_and_loops_once() {
    for (source, why) in [
        ("alert.name", "`alert` is not known"),
        ("vars.region", "`vars` is not known"),
        ("inputs.a", "`inputs` is not known"),
        ("diagnosis.a.yes", "`diagnosis` is not known"),
        ("has(diagnosis.a.yes)", "`diagnosis` is not known"),
        ("item.id", "in an intake's mapping there is `body`"),
        ("secret:waf", "a mapping cannot read secrets"),
        ("${body.a}", "this is an expression already"),
        ("body.a ==", "this is not an expression"),
        ("nope(body.a)", "there is no function `nope`"),
        ("body.a.map(x, body.b.map(y, x + y))", "a loop within a loop"),
    ] {
        let error = mapped(source, &["body"]).unwrap_err().to_string();
        assert!(
            error.contains(why) && error.starts_with("stanch.toml:1:"),
            "{source}: {error}"
        );
    }
    assert!(mapped("body.a.filter(x, x > 1).map(x, x + 1)", &["body"]).is_ok());
}

#[test]
fn a_long_chain_is_answered_on_a_small_stack() {
    // Each once far too long and once as long as it may be.
    let chains = [2_000, 190].into_iter().flat_map(|count| {
        [
            format!("1{}", "+1".repeat(count)),
            format!("{}true", "!".repeat(count)),
            format!("{}1", "-".repeat(count)),
            format!("true{}", "||true".repeat(count / 2)),
            format!("{}1", "true?1:".repeat(count / 2)),
            format!("alert{}", ".a".repeat(count)),
            format!("alert.payload{}", ".a".repeat(count - 1)),
            format!("alerts{}", "[0]".repeat(count / 2)),
            format!("1{}", " in []".repeat(count / 4)),
            format!("\"a\"{}", ".trim()".repeat(count / 3)),
            format!("1{}", "<1".repeat(count)),
            format!("{}1{}", "(".repeat(count.min(32)), ")".repeat(count.min(32))),
            format!("{}1{}", "[".repeat(count.min(32)), "]".repeat(count.min(32))),
            format!(
                "{}1{}",
                "size(string(".repeat(count.min(16)),
                "))".repeat(count.min(16))
            ),
        ]
    });
    for chain in chains {
        let one = chain.clone();
        // As much as a worker thread of the engine has, in a build that needs more of it.
        let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(move || {
            if let Ok(runbook) = with(&format!("'${{{one}}}'")) {
                let _ = runbook;
                let _ = World::new().render(&format!("'${{{one}}}'"));
            }
        });
        assert!(thread.unwrap().join().is_ok(), "{chain}");
    }
}

#[test]
fn a_steps_own_channels_are_its_own_else_the_folders_and_slack_has_to_be_set_up() {
    let text = |approval: &str| {
        format!(
            r#"name = "a"
title = "T"
owner = "o"
[impact]
severity = "high"
summary = "S"
[[mitigation]]
id = "fix"
do = "Fix it"
uses = "blind-change"
verify = "none"
{approval}
[[mitigation]]
id = "call"
do = "Call the vendor"
"#
        )
    };
    let loaded = |approval: &str, defaults: Value, slack: Option<bool>| {
        let mut source = source("a", &text(approval));
        source.defaults = defaults;
        let catalogue = Catalogue { slack, ..catalogue() };
        load(&source, &catalogue).map(|runbook| {
            let steps = runbook.mitigation.iter();
            let names = |step: &Step| {
                step.channels
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(" ")
            };
            steps.map(names).collect::<Vec<_>>()
        })
    };
    let own = "approval = { channels = [\"slack:#payments\", \"page:dba\"] }";
    let folder = || json!({ "approval": { "channels": ["slack:#team"] } });
    assert_eq!(loaded("", json!({}), Some(true)).unwrap(), ["", ""]);
    assert_eq!(
        loaded(own, json!({}), Some(true)).unwrap(),
        ["slack:#payments page:dba", ""]
    );
    assert_eq!(
        loaded(own, folder(), Some(true)).unwrap(),
        ["slack:#payments page:dba", "slack:#team"]
    );
    assert_eq!(
        loaded("", folder(), Some(true)).unwrap(),
        ["slack:#team", "slack:#team"]
    );
    let mut source = source("a", &text(own));
    source.defaults = folder();
    let page = stanch_runbook::render::page(&load(&source, &catalogue()).unwrap());
    assert!(
        page.contains("people hear of it in: slack:#payments, then page:dba, then where"),
        "{page}"
    );
    // What a run pinned goes on, whatever stanch.toml has by now.
    assert_eq!(
        loaded(own, json!({}), None).unwrap(),
        ["slack:#payments page:dba", ""]
    );
    let error = loaded(own, json!({}), Some(false)).unwrap_err().to_string();
    assert!(error.contains("a.toml:12:26: Slack is not set up"), "{error}");
    let error = loaded("", folder(), Some(false)).unwrap_err().to_string();
    assert!(
        error.contains("Slack is not set up") && error.contains("folder's defaults"),
        "{error}"
    );
}
