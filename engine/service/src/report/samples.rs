//! Runs at each stage, for the tests of the pages.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use stanch_contract::plan::{Capability, DecisionBasis};
use stanch_contract::{
    ActionState, AlertStatus, CanonicalAction, Digest, Evidence, Failure, FailureCode, Finding, Outcome,
    PlanDigest, PluginKey, Point, RunId, Span, StepId, Timestamp, Verdict,
};
use stanch_runbook::model::{ChangePhase, Mode, Severity};

use crate::control::types::*;

/// When the samples' runs were opened.
pub(super) const OPENED: Timestamp = Timestamp(1_795_488_660_000);

/// So many seconds after.
pub(crate) fn at(seconds: i64) -> Timestamp {
    OPENED.plus(Span::from_secs(seconds))
}

fn finding(verdict: Verdict, summary: &str, evidence: Vec<Evidence>) -> Finding {
    Finding {
        verdict,
        summary: summary.into(),
        evidence,
        data: Value::Null,
        extra: Value::Null,
    }
}

fn evidence(label: &str, value: &str, unit: &str, points: &[f64]) -> Evidence {
    let points = points.iter().enumerate().map(|(i, value)| Point {
        at_ms: i as f64,
        value: *value,
    });
    Evidence {
        label: label.into(),
        value: value.into(),
        unit: Some(unit.into()),
        points: points.collect(),
        ..Evidence::default()
    }
}

fn check(id: &str, ask: &str, worker: WorkerView, state: CheckState) -> CheckView {
    CheckView {
        id: id.into(),
        ask: ask.into(),
        worker,
        by_hand: None,
        state,
        by: None,
        at: Some(at(2)),
    }
}

fn plan(step: &StepId) -> PlanView {
    let action = CanonicalAction {
        dry_run: None,
        capability: Capability::Files,
        verb: "remove".into(),
        target: "scratch/old".into(),
        identity: "/var/tmp/app/old".into(),
        expect: None,
        content: None,
        items: (0..6)
            .map(|i| format!("old/part-{i}@{}", OPENED.0 - 86_400_000 * (10 - i)))
            .collect(),
        bytes: Some(13_107_200),
        repeat_safe: true,
        before: Some("214 files, 91.0 MiB; the disk is 96 % full".into()),
        reason: "older than 7 days \u{1b}[31mtrust me".into(),
    };
    let zero = Digest::of(b"");
    let run = RunId::from("01hxk3v9qe7m2t8c");
    let params = json!({"folder": "scratch/old", "older_than": "7d"});
    let basis = DecisionBasis {
        run: &run,
        step,
        runbook: zero,
        plugin: zero,
        settings: zero,
        params: &params,
    };
    PlanView {
        digest: PlanDigest::new(&basis, std::slice::from_ref(&action)),
        actions: vec![ActionView {
            action,
            sending: false,
            progress: ActionState::NotSent,
        }],
        targets: 1,
        items: 6,
        bytes: Some(13_107_200),
        population: None,
        params,
        plugin_says: "Removes what nobody read for a week. Completely safe!".into(),
        made_at: at(3),
    }
}

/// Two pods of eight that are evicted from a cluster, one at a time.
pub(crate) fn evicting() -> RunView {
    let mut run = asked();
    let pod = |name: &str, before: &str, dry_run: &str| {
        let target = format!("kubernetes:inference/_/pods/{name}");
        CanonicalAction {
            capability: Capability::Kubernetes,
            verb: "evict".into(),
            identity: format!("4c1f/{target}"),
            target,
            expect: Some("uid:6d0e7c1a-1f0b-4d5e-9a52-0a7c2a8f6c11".into()),
            content: None,
            items: vec![],
            bytes: None,
            repeat_safe: true,
            before: Some(before.into()),
            dry_run: Some(dry_run.into()),
            reason: "accepted 40 requests, answered none for 6 minutes".into(),
        }
    };
    let hung = "Running, Ready since 2026-11-23T21:40:02Z, on gpu-3, created 2026-11-23T21:38:55Z, of ReplicaSet worker-5d9";
    let budget = "refused now by its disruption budget: The disruption budget worker needs 7 healthy pods and has 7 currently";
    let actions = [
        pod("worker-5d9-x2kfp", hung, "the server would evict it now"),
        pod("worker-5d9-lq8vd", hung, budget),
    ];
    for step in &mut run.steps {
        let Some(plan) = &mut step.plan else { continue };
        plan.population = Some(stanch_contract::Population {
            what: "kubernetes:inference/_/pods?app=worker".into(),
            total: 8,
            ready: 7,
            ready_targets: actions.iter().map(|action| action.identity.clone()).collect(),
        });
        (plan.targets, plan.items, plan.bytes) = (2, 0, None);
        plan.actions = actions
            .iter()
            .map(|action| ActionView {
                action: action.clone(),
                sending: false,
                progress: ActionState::NotSent,
            })
            .collect();
        step.on = Some("eu-b".into());
        step.batch = Some(crate::control::types::BatchView {
            size: 1,
            done: 0,
            of: 2,
        });
        plan.plugin_says = "Recycles what takes requests and answers none.".into();
    }
    run
}

fn step(id: &str, phase: ChangePhase, what: &str, state: StepState) -> StepView {
    StepView {
        id: id.into(),
        phase,
        kind: StepKindView::Change,
        what: what.into(),
        worker: WorkerView::Plugin("disk-cleanup".into()),
        when: Some("diagnosis.disk_full.yes".into()),
        by_hand: Some("find /var/tmp/app/old -mtime +7 -delete".into()),
        state,
        attempt: 1,
        plan: None,
        question: None,
        decisions: vec![],
        undo: UndoPromise::default(),
        outcome: None,
        verified: None,
        on: None,
        batch: None,
        ramp: None,
        undo_plan: None,
        started_at: Some(at(2)),
        ended_at: None,
    }
}

fn entry(seconds: i64, event: &str, text: &str, who: Option<&str>, tone: Tone) -> TimelineEntry {
    TimelineEntry {
        at: at(seconds),
        event: event.into(),
        step: None,
        who: who.map(Into::into),
        text: text.into(),
        tone,
    }
}

/// A run whose first step is asked about, four seconds after it was opened.
pub(crate) fn asked() -> RunView {
    let mut clean = step(
        "clean",
        ChangePhase::Mitigation,
        "Delete old scratch files",
        StepState::Asked,
    );
    let planned = plan(&clean.id);
    clean.question = Some(QuestionView {
        ask: "The disk is filling up. Delete old scratch files?".into(),
        digest: planned.digest,
        undo: false,
        asked_at: at(4),
        expires_at: at(904),
        from: vec!["group:sre".into()],
        quorum: 2,
        promise: String::new(),
        except: Some("erin".into()),
        yes: vec!["dana".into()],
    });
    clean.plan = Some(planned);
    let mut rotate = step(
        "rotate",
        ChangePhase::Resolution,
        "Rotate the logs",
        StepState::Waiting,
    );
    rotate.when = Some("mitigation.clean.yes".into());
    let mut graph = check(
        "one_writer",
        "Does one process write it all?",
        WorkerView::Person,
        CheckState::Asked,
    );
    graph.by_hand = Some("iotop -o, or Grafana → Disk by process".into());
    let used = finding(
        Verdict::Yes,
        "/var is 96 % full",
        vec![
            evidence("used", "96", "%", &[71.0, 74.0, 80.5, 88.0, 93.0, 96.0]),
            evidence("free", "2.1", "GiB", &[]),
        ],
    );
    let failure = Failure::new(FailureCode::Unavailable, "http://prometheus:9090 does not answer");
    RunView {
        summary: RunSummary {
            id: "01hxk3v9qe7m2t8c".into(),
            runbook: "disk-full".into(),
            title: "A disk is filling up".into(),
            severity: Severity::High,
            shadow: false,
            phase: Phase::Mitigation,
            ending: None,
            escalated: false,
            needs_person: true,
            note: "waits for a decision on `clean`".into(),
            group: "instance=\"node-1\"".into(),
            opened_at: OPENED,
            closed_at: None,
        },
        mode: Mode::Ask,
        started_by: None,
        impact: "Writes on this node will fail within the hour. No data is lost yet.".into(),
        owner: "platform-oncall".into(),
        team: "platform".into(),
        alerts: vec![AlertView {
            name: "DiskFull".into(),
            fingerprint: "a1b2".into(),
            status: AlertStatus::Firing,
            starts_at: "2026-11-24T02:50:00Z".into(),
            labels: BTreeMap::from([("instance".into(), "node-1".into())]),
            annotations: BTreeMap::new(),
        }],
        inputs: BTreeMap::new(),
        links: vec![LinkView {
            title: "Disk".into(),
            url: "https://grafana.example/d/disk?var-node=node-1".into(),
        }],
        checklist: vec![
            check(
                "disk_full",
                "Is the disk full?",
                WorkerView::Plugin("disk-usage".into()),
                CheckState::Answered { finding: used },
            ),
            check(
                "growing",
                "Does it still grow?",
                WorkerView::Plugin("prometheus".into()),
                CheckState::Failed { failure },
            ),
            graph,
        ],
        steps: vec![clean, rotate],
        recovery: None,
        pins: PinsView {
            generation: 3,
            runbook: Digest::of(b"runbook"),
            plugins: BTreeMap::from([(PluginKey::from("disk-cleanup"), Digest::of(b"plugin"))]),
        },
        escalated_for: vec![],
        undo_or_leave: false,
        calls: vec![CallView {
            at: at(1),
            step: "disk_full".into(),
            plugin: "disk-usage".into(),
            function: "diagnose".into(),
            request: "files usage scratch".into(),
            refused: None,
            answer: "ok, 48 bytes".into(),
            took_ms: 3,
        }],
        logs: vec![],
        timeline: vec![
            entry(0, "RunOpened", "opened by the alert DiskFull", None, Tone::Plain),
            entry(
                2,
                "StepAnswered",
                "disk_full: yes, /var is 96 % full",
                None,
                Tone::Plain,
            ),
            entry(
                4,
                "DecisionAsked",
                "asked group:sre whether to do clean",
                None,
                Tone::Attention,
            ),
            entry(
                60,
                "DecisionGiven",
                "yes to clean (1 of 2)",
                Some("dana"),
                Tone::Good,
            ),
        ],
        now: at(72),
    }
}

fn decided() -> RunView {
    let mut run = asked();
    run.summary.needs_person = false;
    run.summary.note = "clean applying".into();
    run.checklist.truncate(1);
    let clean = &mut run.steps[0];
    let digest = clean.question.take().unwrap().digest;
    clean.decisions = [("dana", None), ("eli", Some("looked at the list"))]
        .into_iter()
        .map(|(by, reason)| DecisionView {
            by: by.into(),
            yes: true,
            digest: Some(digest),
            undo: false,
            reason: reason.map(Into::into),
            at: at(80),
        })
        .collect();
    run
}

fn progress(run: &mut RunView, state: ActionState) {
    run.steps[0].plan.as_mut().unwrap().actions[0].progress = state;
}

fn close(run: &mut RunView, ending: Ending, seconds: i64) {
    run.summary.phase = Phase::Closed;
    run.summary.ending = Some(ending);
    run.summary.closed_at = Some(at(seconds));
    run.summary.note = String::new();
    run.summary.needs_person = false;
    run.now = at(seconds + 60);
}

/// Applied, verified and healed.
pub(crate) fn healed() -> RunView {
    let mut run = decided();
    progress(
        &mut run,
        ActionState::Done {
            detail: "6 files, 12.5 MiB".into(),
        },
    );
    let clean = &mut run.steps[0];
    clean.state = StepState::Done;
    clean.outcome = Some(Outcome {
        summary: "Freed 12.5 MiB".into(),
        evidence: vec![],
        data: Value::Null,
        extra: Value::Null,
    });
    clean.verified = Some(finding(Verdict::Yes, "the disk is 71 % full", vec![]));
    run.steps[1].state = StepState::NothingToDo;
    run.alerts[0].status = AlertStatus::Resolved;
    run.recovery = Some(RecoveryView {
        since: at(90),
        stable_since: Some(at(100)),
        stable_for: Span::from_secs(300),
        give_up_at: at(86_490),
        checks: vec![],
    });
    run.timeline.push(entry(
        85,
        "ActionEnded",
        "clean: remove scratch/old: done",
        None,
        Tone::Good,
    ));
    run.timeline
        .push(entry(400, "RunClosed", "healed", None, Tone::Good));
    close(&mut run, Ending::Healed, 400);
    run
}

/// The same, waiting in recovery.
pub(crate) fn recovering() -> RunView {
    let mut run = healed();
    run.summary.phase = Phase::Recovery;
    run.summary.ending = None;
    run.summary.closed_at = None;
    run.steps[0].undo = UndoPromise {
        possible: true,
        on_failure: true,
        when_resolved: true,
    };
    run.timeline.pop();
    run.now = at(240);
    run
}

/// The target refused, and the run ended.
pub(crate) fn failed() -> RunView {
    let mut run = decided();
    progress(&mut run, ActionState::refused("permission denied"));
    run.steps[0].state = StepState::Failed {
        why: "the folder `scratch/old` cannot be written: permission denied".into(),
    };
    run.steps[1].state = StepState::Skipped {
        why: "`clean` failed, and it says `on_failure = \"stop\"`".into(),
    };
    run.summary.escalated = true;
    run.escalated_for = vec!["clean failed: permission denied".into()];
    close(&mut run, Ending::Failed, 95);
    run
}

/// The answer was lost, and a person is asked.
pub(crate) fn in_doubt() -> RunView {
    let mut run = decided();
    progress(
        &mut run,
        ActionState::Unknown {
            detail: "the engine was restarted while it was sent".into(),
        },
    );
    let clean = &mut run.steps[0];
    clean.plan.as_mut().unwrap().actions[0].action.repeat_safe = false;
    clean.state = StepState::InDoubt {
        why: "it was started and has no answer; verify could not tell".into(),
        person: true,
    };
    run.summary.needs_person = true;
    run.summary.note = "waits for somebody who knows whether `clean` happened".into();
    run.summary.escalated = true;
    run
}

/// Put back after it did not help.
pub(crate) fn undone() -> RunView {
    let mut run = decided();
    progress(
        &mut run,
        ActionState::Done {
            detail: "200 OK".into(),
        },
    );
    let clean = &mut run.steps[0];
    clean.state = StepState::Undone {
        why: "nothing is left to be put back".into(),
    };
    clean.verified = Some(finding(Verdict::No, "latency is still 4.1 s", vec![]));
    let mut back = plan(&clean.id);
    back.actions[0].action.verb = "write".into();
    back.actions[0].action.items.clear();
    back.actions[0].action.content = Some("{\"weight\":100}".into());
    back.actions[0].action.bytes = None;
    back.actions[0].progress = ActionState::Done {
        detail: "200 OK".into(),
    };
    clean.undo_plan = Some(back);
    clean.undo = UndoPromise {
        possible: true,
        on_failure: true,
        when_resolved: false,
    };
    run.steps.truncate(1);
    run.summary.escalated = true;
    close(&mut run, Ending::Failed, 300);
    run
}

/// Planned only.
pub(crate) fn shadow() -> RunView {
    let mut run = decided();
    run.mode = Mode::Shadow;
    run.summary.shadow = true;
    run.steps[0].decisions.clear();
    run.steps[0].state = StepState::Planned;
    run.steps.truncate(1);
    close(&mut run, Ending::Shadow, 5);
    run
}
