//! Views of runs that the real state machine drove, with a world that always answers the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use stanch_contract::plan::Capability;
use stanch_contract::{
    ActionState, Alert, AlertStatus, CanonicalAction, ChangePlan, CheckedPlan, Digest, Failure, FailureCode,
    Finding, Manifest, Outcome, PluginKey, PluginKind, Span, StepId, Timestamp, Verdict,
};
use stanch_run::{
    Actor, Call, CallResult, Command, Event, EventKind, Input, Now, OnCancel, Opened, Pin, Role, State,
};
use stanch_runbook::model::Mode;
use stanch_runbook::{Catalogue, EngineGuardrails, PluginFacts, Runbook, RunbookSource};

use super::{run_view, summary};
use crate::control::types::{CheckState, Phase, RunView, StepState};
use crate::report::{Detail, run_page};

const BODY: &str = r#"
[[diagnosis]]
id = "full"
ask = "Is it full?"
uses = "look"
with = {}
[[diagnosis]]
id = "known"
ask = "Is somebody at it?"
by_hand = "ask in the channel"
[[mitigation]]
id = "clean"
do = "Clean up"
when = "diagnosis.full.yes"
uses = "change"
with = {}
undo = ["on-failure"]
[mitigation.approval]
ask = "Clean up?"
from = ["group:sre"]
"#;

fn book() -> Arc<Runbook> {
    let facts = |kind| PluginFacts {
        kind,
        manifest: Arc::new(Manifest {
            name: "test".into(),
            version: "1.0.0".into(),
            summary: "For tests".into(),
            params: json!({"type": "object"}),
            data: Value::Null,
            idempotent: false,
            reversible: true,
            verifies: true,
            verifies_undo: false,
            asks: Value::Null,
        }),
        may_notify: false,
        off_cluster: false,
    };
    let catalogue = Catalogue {
        plugins: BTreeMap::from([
            ("look".into(), facts(PluginKind::Diagnosis)),
            ("change".into(), facts(PluginKind::Remediation)),
        ]),
        withheld: vec![],
        slack: None,
        clusters: None,
    };
    let source = RunbookSource {
        path: "runbooks/disk.toml".into(),
        stem: "disk".into(),
        text: format!(
            "name = \"disk\"\ntitle = \"A full disk\"\nowner = \"team\"\n\
             [impact]\nseverity = \"high\"\nsummary = \"Writes fail.\"\n{BODY}"
        ),
        team: "team".into(),
        max_mode: Mode::Auto,
        defaults: json!({}),
        vars: json!({}),
    };
    Arc::new(stanch_runbook::load(&source, &catalogue).unwrap_or_else(|errors| panic!("{errors:?}")))
}

/// What becomes of the one action.
#[derive(Clone, Copy, PartialEq)]
enum World {
    Works,
    Refuses,
    Silent,
}

struct Driven {
    state: State,
    events: Vec<Event>,
    now: Timestamp,
    world: World,
    guardrails: EngineGuardrails,
}

impl Driven {
    fn new(world: World, started_by: Option<&str>) -> Self {
        let book = book();
        let pin = Pin {
            grant: Digest::of(b"grant"),
            component: Digest::of(b"c"),
            settings: Digest::of(b"s"),
            idempotent: false,
            reversible: true,
            verifies: true,
            verifies_undo: false,
        };
        let alert = Alert {
            name: "DiskFull".into(),
            fingerprint: "a1".into(),
            status: AlertStatus::Firing,
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            starts_at: "2026-11-24T00:12:19Z".into(),
            payload: Value::Null,
        };
        let opened = Opened {
            run: "01hxk3v9qe7m2t8c".into(),
            runbook: "disk".into(),
            digest: book.digest,
            generation: 1,
            plugins: ["look", "change"]
                .map(|key| (PluginKey::from(key), pin.clone()))
                .into(),
            guardrails: EngineGuardrails::default(),
            inputs: BTreeMap::new(),
            faults: Vec::new(),
            alerts: if started_by.is_some() { vec![] } else { vec![alert] },
            group_key: r#"[["instance","node-1"]]"#.into(),
            episode: 1,
            by: started_by.map(Into::into),
            shadow: false,
        };
        let now = Timestamp(1_000_000);
        let first = Event {
            at: now,
            kind: EventKind::RunOpened(Box::new(opened)),
            calls: Value::Null,
        };
        let state = State::open(book, &first).unwrap();
        let mut driven = Self {
            state,
            events: vec![first],
            now,
            world,
            guardrails: EngineGuardrails::default(),
        };
        driven.input(Input::Tick);
        driven.settle();
        driven
    }

    fn input(&mut self, input: Input) {
        let now = Now {
            at: self.now,
            guardrails: &self.guardrails,
        };
        let events = self
            .state
            .handle(input, now)
            .unwrap_or_else(|refused| panic!("{refused}"));
        self.events.extend(events);
    }

    /// Does what the run wants until it wants the same again.
    fn settle(&mut self) {
        let mut done = Vec::new();
        loop {
            let now = Now {
                at: self.now,
                guardrails: &self.guardrails,
            };
            let commands = self.state.commands(now);
            let Some(command) = commands.into_iter().find(|command| !done.contains(&command.id())) else {
                return;
            };
            done.push(command.id());
            self.obey(command);
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Enter => self.input(Input::Entered(None)),
            Command::Consult(key, _) => self.input(Input::Consulted { key, blocked: None }),
            Command::Claim(key, _) => self.input(Input::Claimed { key, blocked: None }),
            Command::Notify(_) => {}
            Command::Call(call) => {
                let key = call.key;
                let result = match call.call {
                    Call::Diagnose | Call::Verify(_) => CallResult::Finding(Ok(finding())),
                    Call::Plan | Call::PlanUndo(_) => CallResult::Plan(Ok(plan())),
                    Call::Apply(_) => {
                        self.input(Input::ActionStarting {
                            key: key.clone(),
                            action: 0,
                            withhold: None,
                        });
                        let (state, result) = self.applied();
                        if let Some(state) = state {
                            self.input(Input::ActionEnded {
                                key: key.clone(),
                                action: 0,
                                state,
                                answer: None,
                            });
                        }
                        CallResult::Applied {
                            result,
                            withheld: None,
                        }
                    }
                };
                let call = json!({
                    "at": self.now, "capability": "files", "verb": "scan", "target": "scratch",
                    "decision": "allowed", "answer": { "summary": "ok" }, "took_ms": 2,
                });
                let calls = json!({
                    "function": "diagnose", "plugin": "look", "calls": [call],
                    "logs": [{ "level": "warn", "message": "slow" }],
                });
                self.input(Input::Called { key, result, calls });
            }
        }
    }

    fn applied(&self) -> (Option<ActionState>, Result<Outcome, Failure>) {
        let detail = "permission denied".to_owned();
        match self.world {
            World::Works => (
                Some(ActionState::Done {
                    detail: "3 files".into(),
                }),
                Ok(Outcome {
                    summary: "freed it".into(),
                    evidence: vec![],
                    data: Value::Null,
                    extra: Value::Null,
                }),
            ),
            World::Refuses => (
                Some(ActionState::refused(detail)),
                Err(Failure::new(FailureCode::Denied, "it was refused")),
            ),
            World::Silent => (None, Err(Failure::new(FailureCode::Timeout, "no answer came"))),
        }
    }

    fn decide(&mut self, yes: bool) {
        let digest = self.view().asked().map(|(_, question)| question.digest);
        let by = Actor {
            name: "dana".into(),
            groups: vec!["sre".into()],
            role: Role::Approver,
            bounds: Vec::new(),
            via: String::new(),
        };
        self.input(Input::Decide {
            by,
            step: None,
            digest,
            yes,
            reason: "seen".into(),
        });
        self.settle();
    }

    fn view(&self) -> RunView {
        run_view(&self.state, &self.events, self.now)
    }
}

fn finding() -> Finding {
    Finding {
        verdict: Verdict::Yes,
        summary: "96 % full".into(),
        evidence: vec![],
        data: Value::Null,
        extra: Value::Null,
    }
}

fn plan() -> CheckedPlan {
    let action = CanonicalAction {
        dry_run: None,
        capability: Capability::Files,
        verb: "remove".into(),
        target: "scratch".into(),
        identity: "/srv/scratch".into(),
        expect: None,
        content: None,
        items: vec!["a@1".into(), "b@2".into()],
        bytes: Some(2048),
        repeat_safe: false,
        before: None,
        reason: String::new(),
    };
    let offered = ChangePlan {
        summary: String::new(),
        actions: vec![],
        population: None,
        data: Value::Null,
        extra: Value::Null,
    };
    CheckedPlan {
        population: None,
        summary: "removes two files".into(),
        actions: vec![action],
        offered,
    }
}

fn texts(view: &RunView) -> String {
    view.timeline
        .iter()
        .map(|entry| format!("{}\n", entry.text))
        .collect()
}

#[test]
fn a_question_has_all_that_a_person_needs_to_decide() {
    let driven = Driven::new(World::Works, None);
    let view = driven.view();
    let (step, question) = view.asked().unwrap();
    assert_eq!((step.id.as_str(), &step.state), ("clean", &StepState::Asked));
    assert_eq!((question.ask.as_str(), question.quorum), ("Clean up?", 1));
    assert_eq!(question.from, ["group:sre"]);
    assert!(
        question.promise.contains("if the step fails"),
        "{}",
        question.promise
    );
    assert!(question.expires_at > driven.now);
    let plan = step.plan.as_ref().unwrap();
    assert_eq!((plan.targets, plan.items, plan.bytes), (1, 2, Some(2048)));
    assert_eq!(plan.digest, question.digest);
    assert!(matches!(view.checklist[0].state, CheckState::Answered { .. }));
    assert_eq!(view.checklist[1].state, CheckState::Asked);
    assert_eq!(view.summary.group, "instance=\"node-1\"");
    assert_eq!(
        view.summary.note,
        "waits for an answer to `known`, a decision on `clean`"
    );
    assert_eq!(view.calls[0].request, "files scan scratch");
    assert_eq!(view.logs[0].message, "slow");
    assert_eq!(view.summary, summary(&driven.state));
}

#[test]
fn a_yes_and_what_came_of_it_are_seen() {
    let mut driven = Driven::new(World::Works, None);
    driven.decide(true);
    let view = driven.view();
    let step = view.step(&StepId::from("clean")).unwrap();
    assert_eq!(step.state, StepState::Done);
    assert_eq!(
        (step.decisions[0].by.as_str(), step.decisions[0].yes),
        ("dana", true)
    );
    assert_eq!(step.plan.as_ref().unwrap().actions[0].progress.as_str(), "done");
    assert_eq!(view.summary.phase, Phase::Recovery);
    assert!(view.recovery.is_some());
    for text in [
        "opened by the alert DiskFull",
        "yes to clean: seen",
        "clean: remove scratch: done: 3 files",
    ] {
        assert!(texts(&view).contains(text), "{text}\n{}", texts(&view));
    }
}

#[test]
fn a_no_is_told_with_its_reason() {
    let mut driven = Driven::new(World::Works, None);
    driven.decide(false);
    let view = driven.view();
    let step = view.step(&StepId::from("clean")).unwrap();
    assert!(
        matches!(step.state, StepState::Rejected { .. }),
        "{:?}",
        step.state
    );
    assert!(texts(&view).contains("no to clean: seen"), "{}", texts(&view));
    assert_eq!(
        step.plan.as_ref().unwrap().actions[0].progress,
        ActionState::NotSent
    );
}

#[test]
fn a_refusal_by_the_target_is_a_failure_that_escalates() {
    let mut driven = Driven::new(World::Refuses, None);
    driven.decide(true);
    let view = driven.view();
    let step = view.step(&StepId::from("clean")).unwrap();
    assert!(
        matches!(&step.state, StepState::Failed { why } if !why.is_empty()),
        "{:?}",
        step.state
    );
    assert_eq!(
        step.plan.as_ref().unwrap().actions[0].progress.as_str(),
        "refused"
    );
    assert!(view.summary.escalated);
    assert!(!view.escalated_for.is_empty());
}

#[test]
fn a_lost_answer_is_a_doubt_that_names_its_cause() {
    let mut driven = Driven::new(World::Silent, None);
    driven.decide(true);
    assert!(
        texts(&driven.view()).contains("clean is in doubt"),
        "{}",
        texts(&driven.view())
    );
}

#[test]
fn who_asked_for_a_run_must_not_decide_and_the_question_says_so() {
    let driven = Driven::new(World::Works, Some("erin"));
    let view = driven.view();
    assert_eq!(view.asked().unwrap().1.except.as_deref(), Some("erin"));
    assert!(texts(&view).contains("started by hand"));
}

#[test]
fn a_cancelled_run_is_told_with_who_did_it() {
    let mut driven = Driven::new(World::Works, None);
    let by = Actor {
        name: "otto".into(),
        groups: vec![],
        role: Role::Operator,
        bounds: Vec::new(),
        via: String::new(),
    };
    driven.input(Input::Cancel {
        by,
        then: OnCancel::Ask,
        reason: "false alarm".into(),
    });
    driven.settle();
    let view = driven.view();
    assert_eq!(view.summary.ending, Some(stanch_run::Ending::Cancelled));
    let last = view
        .timeline
        .iter()
        .find(|entry| entry.event == "RunCancelled")
        .unwrap();
    assert_eq!(
        (last.who.as_deref(), last.text.as_str()),
        (Some("otto"), "cancelled: false alarm")
    );
}

#[test]
fn every_stage_is_a_page() {
    for world in [World::Works, World::Refuses, World::Silent] {
        let mut driven = Driven::new(world, None);
        for _ in 0..2 {
            let page = run_page(
                &driven.view(),
                driven.now.plus(Span::from_secs(5)),
                100,
                Detail::All,
            )
            .to_plain();
            assert!(page.starts_with("HIGH  A full disk\nWrites fail.\n"), "{page}");
            if driven.view().asked().is_some() {
                driven.decide(true);
            }
        }
    }
}
