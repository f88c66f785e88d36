//! The language from outside: good files load, and what they say is what runs.

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
use stanch_contract::{Alert, RunId, Share, Span, StepId};
use stanch_runbook::expr::{Answer, EvalError, Scope, StepResult};
use stanch_runbook::model::{Mode, OnFailure, Severity, StepKind, Worker};
use stanch_runbook::{Runbook, load};

fn good(stem: &str) -> Runbook {
    let text = std::fs::read_to_string(format!("tests/good/{stem}.toml")).unwrap();
    load(&source(stem, &text), &catalogue()).unwrap_or_else(|errors| panic!("{}", errors.render(false, 110)))
}

#[test]
fn every_good_file_loads() {
    let mut count = 0;
    for entry in std::fs::read_dir("tests/good").unwrap() {
        let path = entry.unwrap().path();
        good(path.file_stem().unwrap().to_str().unwrap());
        count += 1;
    }
    assert!(count >= 2, "the corpus is not where it was: {count}");
}

#[test]
fn what_only_a_few_may_see_is_given_to_plugins_and_the_page_says_who_they_are() {
    let runbook = good("told-to-a-few");
    let few = ["group:trust-and-safety".to_owned(), "dana".to_owned()];
    assert_eq!(runbook.inputs[0].visible_to.as_deref(), Some(few.as_slice()));
    let page = stanch_runbook::render::page(&runbook);
    assert!(
        page.contains("- `prompt`, text, shown to `group:trust-and-safety` and `dana` only"),
        "{page}"
    );
}

#[test]
fn what_a_file_says_is_in_the_runbook() {
    let runbook = good("high-latency-cluster-b");
    assert_eq!(runbook.mode, Mode::Ask);
    assert_eq!(runbook.impact.severity, Severity::Medium);
    let trigger = runbook.trigger.as_ref().unwrap();
    assert_eq!(trigger.alerts, ["HighLatency_Cluster_B"]);
    assert_eq!(trigger.group_by, ["cluster"]);
    assert_eq!((trigger.after, trigger.again), (Some(Span::from_secs(120)), None));
    let StepKind::Change(reroute) = &runbook.mitigation[0].kind else {
        panic!()
    };
    assert!(reroute.undo.on_failure && reroute.undo.when_resolved);
    assert!(reroute.verify.own);
    assert_eq!(reroute.verify.within, Span::from_secs(300));
    assert_eq!(reroute.verify.also.as_ref().unwrap().0.as_str(), "prometheus-eu");
    let approval = reroute.approval.as_ref().unwrap();
    assert_eq!(
        (approval.from.as_slice(), approval.quorum),
        (&["group:sre".to_owned()][..], 1)
    );
    assert_eq!(
        runbook.mitigation[0].when.as_ref().unwrap().reads(),
        [StepId::from("gpu_memory_full")]
    );
    assert!(matches!(
        &runbook.resolution[0].kind,
        StepKind::Look {
            worker: Worker::Plugin { .. },
            ..
        }
    ));
    assert_eq!(runbook.resolution[0].on_failure, OnFailure::Continue);
    let StepKind::Change(restart) = &runbook.resolution[1].kind else {
        panic!()
    };
    assert_eq!(
        (restart.limits.targets, restart.limits.share),
        (Some(3), Some(Share::percent(25)))
    );
    // In `ask` every change is asked for, with the step's own words where it has no question.
    assert_eq!(restart.approval.as_ref().unwrap().ask, "Restart the hung pods?");
    assert!(matches!(runbook.diagnosis[1].worker, Worker::Person));
    assert_eq!(runbook.guardrails.rate.unwrap().to_string(), "3/1h");
    let by_hand = good("by-hand-only");
    let StepKind::ByHand { expires, .. } = by_hand.mitigation[0].kind else {
        panic!()
    };
    assert_eq!(expires, Span::from_secs(3600));
    assert!(by_hand.trigger.is_none());
}

struct World {
    alerts: Vec<Alert>,
    inputs: BTreeMap<String, Value>,
    vars: Value,
    results: BTreeMap<StepId, StepResult>,
    run: RunId,
    report: Value,
}

impl World {
    fn new() -> Self {
        Self {
            alerts: vec![alert(
                "HighLatency_Cluster_B",
                &[("cluster", "b\"} or vector(1) #")],
                &[("p99_seconds", "2.5")],
            )],
            inputs: BTreeMap::from([("tail".to_owned(), json!(7))]),
            vars: json!({"fallback_region": "us-east"}),
            results: BTreeMap::new(),
            run: RunId::from("r1"),
            report: json!({"steps": []}),
        }
    }

    fn scope(&self) -> Scope<'_> {
        Scope {
            alerts: &self.alerts,
            inputs: &self.inputs,
            vars: &self.vars,
            run: Some((&self.run, &self.report)),
            impact: None,
            results: &self.results,
        }
    }

    fn answered(mut self, id: &str, answer: Answer) -> Self {
        let result = StepResult {
            answer,
            summary: format!("{id} it is"),
            data: json!({"ratio": 0.97}),
        };
        self.results.insert(StepId::from(id), result);
        self
    }
}

#[test]
fn parameters_are_rendered_with_types_and_escaped_for_their_place() {
    let runbook = good("high-latency-cluster-b");
    let world = World::new();
    let Worker::Plugin { with, .. } = &runbook.diagnosis[0].worker else {
        panic!()
    };
    assert_eq!(
        with.render(&world.scope()).unwrap(),
        json!({"query": "max(gpu_memory_used_ratio{cluster=\"b\\\"} or vector(1) #\"})", "above": 0.95})
    );
    let StepKind::Look {
        worker: Worker::Plugin { with, .. },
        ..
    } = &runbook.resolution[0].kind
    else {
        panic!()
    };
    assert_eq!(
        with.render(&world.scope()).unwrap(),
        json!({"selector": "app=worker", "tail": 7, "previous": true})
    );
    assert_eq!(
        runbook.links[0].url.render(&world.scope()).unwrap(),
        "https://grafana.example/d/lat?var-cluster=b%22%7D%20or%20vector%281%29%20%23"
    );
    assert_eq!(
        runbook
            .guardrails
            .lock
            .as_ref()
            .unwrap()
            .render(&world.scope())
            .unwrap(),
        "cluster/b\"} or vector(1) #"
    );
    let when = runbook.trigger.as_ref().unwrap().when.as_ref().unwrap();
    assert!(when.eval_bool(&world.scope()).unwrap());
}

#[test]
fn an_answer_that_is_none_is_an_error_and_the_other_side_can_decide() {
    let when = |runbook: &Runbook, world: &World| {
        runbook.mitigation[0]
            .when
            .as_ref()
            .unwrap()
            .eval_bool(&world.scope())
    };
    let strict = good("high-latency-cluster-b");
    assert_eq!(
        when(&strict, &World::new().answered("gpu_memory_full", Answer::Yes)),
        Ok(true)
    );
    assert_eq!(
        when(&strict, &World::new().answered("gpu_memory_full", Answer::No)),
        Ok(false)
    );
    for (answer, state) in [
        (Answer::Unknown, "is unknown"),
        (Answer::Skipped, "was skipped"),
        (Answer::Failed, "failed"),
        (Answer::Planned, "was only planned"),
    ] {
        assert_eq!(
            when(&strict, &World::new().answered("gpu_memory_full", answer)),
            Err(EvalError::Unanswered {
                expression: "diagnosis.gpu_memory_full.yes".into(),
                step: "diagnosis.gpu_memory_full".into(),
                field: "yes".into(),
                state: state.into()
            })
        );
    }
    assert!(matches!(
        when(&strict, &World::new()),
        Err(EvalError::Unanswered { .. })
    ));
    let absorbing = good("by-hand-only");
    assert_eq!(
        when(&absorbing, &World::new().answered("queue_full", Answer::Unknown)),
        Ok(true)
    );
    assert!(matches!(
        when(&absorbing, &World::new().answered("queue_full", Answer::Failed)),
        Err(EvalError::Unanswered { .. })
    ));
}

#[test]
fn a_missing_label_is_named_and_never_empty() {
    let runbook = good("high-latency-cluster-b");
    let mut world = World::new();
    for labels in [vec![], vec![("cluster", "")]] {
        world.alerts = vec![alert("HighLatency_Cluster_B", &labels, &[])];
        let error = runbook.links[0].url.render(&world.scope()).unwrap_err();
        assert_eq!(
            error,
            EvalError::Missing {
                expression: "alert.labels.cluster".into(),
                what: "alert.labels.cluster".into()
            }
        );
    }
    // Alerts of one group that differ in it have it not in common.
    world.alerts = vec![
        alert("A", &[("cluster", "a")], &[]),
        alert("A", &[("cluster", "b")], &[]),
    ];
    assert!(matches!(
        runbook.links[0].url.render(&world.scope()),
        Err(EvalError::Missing { .. })
    ));
}

#[test]
fn inputs_come_from_the_alert_or_their_default_in_their_type() {
    let runbook = good("high-latency-cluster-b");
    let mut world = World::new();
    assert_eq!(runbook.inputs_from_alert(&world.scope()).0["tail"], json!(5000));
    world.alerts = vec![alert("A", &[], &[("tail", "200")])];
    assert_eq!(runbook.inputs_from_alert(&world.scope()).0["tail"], json!(200));
    world.alerts = vec![alert("A", &[], &[("tail", "many")])];
    let (values, errors) = runbook.inputs_from_alert(&world.scope());
    assert!(values.is_empty(), "{values:?}");
    assert_eq!(
        errors[0].to_string(),
        "the input `tail` has to be a whole number; it is \"many\""
    );
    let given = BTreeMap::from([("tail".to_owned(), json!("12")), ("tial".to_owned(), json!(1))]);
    let errors = runbook.inputs_with(given, None).unwrap_err();
    assert_eq!(errors.len(), 1);
    assert!(errors[0].to_string().contains("has only `tail`"), "{}", errors[0]);
}

/// The TOML of the reference.
fn reference() -> Vec<String> {
    let page = std::fs::read_to_string("../../docs/runbook-reference.md").unwrap();
    let blocks = page.split("```toml\n").skip(1);
    blocks
        .map(|rest| rest.split("```").next().unwrap().to_owned())
        .collect()
}

#[test]
fn the_examples_of_the_reference_load() {
    let examples = reference();
    let runbook = load(&source("high-latency-cluster-b", &examples[0]), &catalogue())
        .unwrap_or_else(|errors| panic!("{}", errors.render(false, 110)));
    for example in &examples[1..] {
        let tests = stanch_runbook::testfile::RunbookTest::read("a.test.toml", example, &runbook)
            .unwrap_or_else(|errors| panic!("{}", errors.render(false, 110)));
        assert_eq!(tests.len(), 1);
    }
    assert_eq!(examples.len(), 4);
}
