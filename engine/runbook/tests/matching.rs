//! Which runbooks apply to an alert: by index and by looking at each, which have to agree.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod common;

use std::sync::Arc;

use common::{alert, catalogue, source};
use proptest::prelude::*;
use stanch_contract::Timestamp;
use stanch_runbook::expr::EvalError;
use stanch_runbook::{Index, Runbook, explain, load, stopped_by};

fn runbook(name: &str, trigger: &str) -> Arc<Runbook> {
    let text = format!(
        "name = \"{name}\"\ntitle = \"T\"\nowner = \"o\"\n{trigger}\n[impact]\nseverity = \"low\"\nsummary = \"S\"\n"
    );
    Arc::new(load(&source(name, &text), &catalogue()).unwrap_or_else(|errors| panic!("{errors}")))
}

fn names(index: &Index, alert: &stanch_contract::Alert) -> Vec<String> {
    index
        .candidates(alert)
        .iter()
        .map(|runbook| runbook.name.clone())
        .collect()
}

#[test]
fn an_alert_meets_what_demands_its_name_its_labels_or_nothing() {
    let index = Index::new([
        runbook("by-name", "[trigger]\nalert = \"A\""),
        runbook("by-two-names", "[trigger]\nalert = [\"A\", \"B\"]"),
        runbook("by-label", "[trigger]\nmatch = ['env=\"prod\"']"),
        runbook("by-pattern", "[trigger]\nmatch = ['region=~\"eu-.*\"']"),
        runbook(
            "by-absence",
            "[trigger]\nmatch = ['silenced=\"\"', 'env!=\"dev\"']",
        ),
        runbook(
            "by-all",
            "[trigger]\nalert = \"A\"\nmatch = ['env=\"prod\"', 'region!~\"us.*\"']",
        ),
        runbook("by-hand", ""),
    ]);
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a [&'a str]);
    let table: [Case<'_>; 5] = [
        (
            "A",
            &[("env", "prod")],
            &["by-absence", "by-all", "by-label", "by-name", "by-two-names"],
        ),
        (
            "A",
            &[("env", "prod"), ("region", "us-1")],
            &["by-absence", "by-label", "by-name", "by-two-names"],
        ),
        (
            "B",
            &[("env", "dev"), ("region", "eu-1")],
            &["by-pattern", "by-two-names"],
        ),
        ("C", &[("silenced", "yes")], &[]),
        ("C", &[], &["by-absence"]),
    ];
    for (name, labels, expected) in table {
        assert_eq!(
            names(&index, &alert(name, labels, &[])),
            expected,
            "{name} {labels:?}"
        );
    }
    assert!(index.get("by-hand").is_some());
    assert_eq!(index.len(), 7);
}

#[test]
fn a_replaced_runbook_is_found_as_it_is_now() {
    let mut index = Index::new([
        runbook("a", "[trigger]\nalert = \"A\""),
        runbook("b", "[trigger]\nalert = \"B\""),
    ]);
    index.replace(runbook("a", "[trigger]\nmatch = ['env=~\"p.*\"']"));
    assert_eq!(names(&index, &alert("A", &[], &[])), Vec::<String>::new());
    assert_eq!(names(&index, &alert("B", &[("env", "prod")], &[])), ["a", "b"]);
    assert_eq!(index.remove("b").unwrap().name, "b");
    assert!(index.remove("b").is_none());
    assert_eq!(names(&index, &alert("B", &[("env", "prod")], &[])), ["a"]);
    index.replace(runbook("c", "[trigger]\nalert = \"B\""));
    assert_eq!(names(&index, &alert("B", &[], &[])), ["c"]);
    assert_eq!(index.len(), 2);
}

#[test]
fn an_error_in_a_condition_is_neither_yes_nor_no() {
    let index = Index::new([runbook(
        "a",
        "[trigger]\nalert = \"A\"\nwhen = 'double(alert.annotations.p99) > 2.0'",
    )]);
    let when = |annotations: &[(&str, &str)]| index.matches(&alert("A", &[], annotations))[0].when.clone();
    assert_eq!(when(&[("p99", "2.5")]), Ok(true));
    assert_eq!(when(&[("p99", "1.5")]), Ok(false));
    assert!(matches!(when(&[]), Err(EvalError::Missing { what, .. }) if what == "alert.annotations.p99"));
    assert!(matches!(when(&[("p99", "slow")]), Err(EvalError::Failed { .. })));
}

#[test]
fn an_explanation_has_each_condition_with_its_values_and_what_stopped_it() {
    let runbook = runbook(
        "a",
        "[trigger]\nalert = [\"A\", \"B\"]\nmatch = ['env=\"prod\"', 'team!=\"\"']\nwhen = 'double(alert.annotations.p99) > 2.0'\nafter = \"2m\"",
    );
    let now = Timestamp::parse_rfc3339("2026-11-24T00:13:19.568Z").unwrap();
    let told = |labels: &[(&str, &str)], annotations: &[(&str, &str)]| {
        let conditions = explain(&runbook, &alert("B", labels, annotations), now);
        let stopped = stopped_by(&conditions).map(|condition| condition.text.clone());
        let lines: Vec<String> = conditions
            .iter()
            .map(|c| format!("{} · {} · {:?}", c.text, c.value, c.holds))
            .collect();
        (lines, stopped)
    };
    let (lines, stopped) = told(&[("env", "prod")], &[("p99", "2.5")]);
    insta::assert_snapshot!(lines.join("\n"), @r#"
    the alert fires · firing · Ok(true)
    alert = ["A","B"] · the alert is "B" · Ok(true)
    env="prod" · env is "prod" · Ok(true)
    team!="" · there is no label team, which counts as "" · Ok(false)
    when = double(alert.annotations.p99) > 2.0 · alert.annotations.p99 is "2.5" · Ok(true)
    after = "2m" · it fires for 1m · Ok(false)
    "#);
    assert_eq!(stopped.as_deref(), Some("team!=\"\""));
    let (_, stopped) = told(&[("env", "prod"), ("team", "x")], &[]);
    assert_eq!(
        stopped.as_deref(),
        Some("when = double(alert.annotations.p99) > 2.0")
    );
}

#[test]
fn many_patterns_are_asked_at_once_and_say_the_same() {
    let all: Vec<Arc<Runbook>> = (0..200)
        .map(|i| {
            let op = if i % 5 == 0 { "!~" } else { "=~" };
            runbook(
                &format!("r{i}"),
                &format!("[trigger]\nmatch = ['pod{op}\"web-{}-[0-9]+|all\"']", i % 150),
            )
        })
        .collect();
    let index = Index::new(all.iter().cloned());
    for pod in ["web-7-12", "web-7-x", "all", "", "web-5-1"] {
        let alert = alert("A", &[("pod", pod)], &[]);
        let mut scan: Vec<String> = all
            .iter()
            .filter(|runbook| runbook.trigger.as_ref().unwrap().fits(&alert))
            .map(|runbook| runbook.name.clone())
            .collect();
        scan.sort();
        assert_eq!(names(&index, &alert), scan, "{pod}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is filed where: the index finds exactly what looking at every runbook finds, before and after changes.
    #[test]
    fn the_index_finds_what_a_scan_finds(
        triggers in prop::collection::vec((0_usize..4, prop::collection::vec((0_usize..3, 0_usize..4, 0_usize..3), 0..3)), 1..40),
        alerts in prop::collection::vec((0_usize..4, prop::collection::vec((0_usize..3, 0_usize..3), 0..3)), 1..10),
        changed in prop::collection::vec((0_usize..40, 0_usize..40), 0..8),
    ) {
        let write = |name: &str, (alert, matchers): &(usize, Vec<(usize, usize, usize)>)| {
            let mut trigger = String::from("[trigger]\n");
            if *alert > 0 {
                trigger.push_str(&format!("alert = \"A{alert}\"\n"));
            }
            let matchers: Vec<String> = matchers.iter().map(|(label, op, value)| {
                let (op, value) = match op {
                    0 => ("=", format!("v{value}")),
                    1 => ("!=", format!("v{value}")),
                    2 => ("=~", format!("v[{value}1]")),
                    _ => ("!~", format!("v{value}|")),
                };
                format!("'l{label}{op}\"{value}\"'")
            }).collect();
            if *alert == 0 && matchers.is_empty() {
                trigger.clear();
            } else if !matchers.is_empty() {
                trigger.push_str(&format!("match = [{}]\n", matchers.join(", ")));
            }
            runbook(name, &trigger)
        };
        let mut all: Vec<Arc<Runbook>> = triggers.iter().enumerate().map(|(i, t)| write(&format!("r{i}"), t)).collect();
        let mut index = Index::new(all.iter().cloned());
        let check = |index: &Index, all: &[Arc<Runbook>]| -> Result<(), TestCaseError> {
            for (name, labels) in &alerts {
                let labels: Vec<(String, String)> = labels.iter().map(|(l, v)| (format!("l{l}"), format!("v{v}"))).collect();
                let labels: Vec<(&str, &str)> = labels.iter().map(|(l, v)| (l.as_str(), v.as_str())).collect();
                let alert = alert(&format!("A{name}"), &labels, &[]);
                let mut scan: Vec<String> = all
                    .iter()
                    .filter(|runbook| runbook.trigger.as_ref().is_some_and(|trigger| trigger.fits(&alert)))
                    .map(|runbook| runbook.name.clone())
                    .collect();
                scan.sort();
                prop_assert_eq!(names(index, &alert), scan);
            }
            Ok(())
        };
        check(&index, &all)?;
        for (place, with) in changed {
            let (place, with) = (place % triggers.len(), with % triggers.len());
            let new = write(&format!("r{place}"), &triggers[with]);
            all[place] = Arc::clone(&new);
            index.replace(new);
        }
        check(&index, &all)?;
        index.rebuild();
        check(&index, &all)?;
    }
}
