//! Rules that need the real parts: lost answers, pauses, revoked plugins, an alert that comes back as its run closes.

use std::collections::BTreeMap;
use std::time::Duration;

use stanch_contract::AlertStatus;
use stanch_run::ledger::PauseScope;
use stanch_run::words::{OnCancel, Standing};
use stanch_run::{Ending, EventKind, QuestionKind};

use super::world::*;
use crate::executor::Refusal;
use crate::intake::AlertSink;
use crate::snapshot::Snapshot;

const ONE: &str = r#"
[[mitigation]]
id = "fix"
do = "Make one effect"
uses = "effect"
with = { url = "URL", actions = 1 }
[mitigation.verify]
within = "10s"
every = "1s"
[recovery]
stable_for = "1s"
trust = "alert"
"#;

const FAILS: &str = r#"
[[mitigation]]
id = "fix"
do = "Make one effect"
uses = "effect"
with = { url = "URL", actions = 1 }
[mitigation.verify]
within = "1s"
every = "1s"
"#;

const ASKED: &str = r#"
[[mitigation]]
id = "fix"
do = "Make one effect"
uses = "effect"
with = { url = "URL", actions = 1 }
approval = { ask = "May it?" }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_lost_after_the_effect_is_settled_by_verify_and_nothing_is_sent_again() {
    let sandbox = sandbox();
    let world = World::new(&sandbox, "effect-once", 1, ONE).await;
    world.effects.mute(1);
    let engine = world.engine(world.open()).await;
    let run = fire(&engine, "a1").await;
    let view = until(&engine, &run, "verify settles it", |view| {
        view.steps[0].state == Standing::Done
    })
    .await;
    assert!(
        view.escalated.iter().any(|why| why.contains("doubt")),
        "{:?}",
        view.escalated
    );
    assert_eq!(world.effects.paths().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_keeps_what_was_decided_from_being_sent_until_it_is_cleared_also_over_a_restart() {
    let sandbox = sandbox();
    let world = World::new(&sandbox, "effect-once", 1, ASKED).await;
    let engine = world.engine(world.open()).await;
    let run = fire(&engine, "a1").await;
    until(&engine, &run, "it asks", |view| !view.questions.is_empty()).await;
    engine
        .pause(&person("eli"), PauseScope::Plugin("effect".into()), "wait".into())
        .await
        .unwrap();
    engine
        .decide(person("dana"), &run, None, None, true, String::new())
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(world.effects.paths().is_empty());
    engine.drain().await;
    drop(engine);
    let engine = world.engine(world.open()).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(world.effects.paths().is_empty());
    assert_eq!(engine.pauses().len(), 1);
    engine
        .resume(&person("eli"), &PauseScope::Plugin("effect".into()))
        .await
        .unwrap();
    until(&engine, &run, "it goes on", |view| {
        view.steps[0].state == Standing::Done
    })
    .await;
    assert_eq!(world.effects.paths().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_was_removed_is_refused_at_once_and_one_that_was_swapped_stays_as_pinned() {
    let sandbox = sandbox();
    let world = World::new(&sandbox, "effect-once", 1, ASKED).await;
    let engine = world.engine(world.open()).await;
    let (kept, removed) = (fire(&engine, "a1").await, fire(&engine, "a2").await);
    for run in [&kept, &removed] {
        until(&engine, run, "it asks", |view| !view.questions.is_empty()).await;
    }
    let pinned = engine.state(&kept).await.unwrap().unwrap().opened().plugins[&"effect".into()].component;
    world.load(2, &packed(&sandbox, "effect-safe").await, ONE).await;
    engine.reloaded();
    engine
        .decide(person("dana"), &kept, None, None, true, String::new())
        .await
        .unwrap();
    let view = until(&engine, &kept, "the pinned one acts", |view| {
        view.steps[0].state == Standing::Done
    })
    .await;
    assert_eq!(view.questions, []);
    assert_ne!(world.current.load().plugins[&"effect".into()].digest, pinned);
    let now = world.current.load();
    world.current.swap(Snapshot {
        generation: 3,
        plugins: Default::default(),
        ..Snapshot::clone(&now)
    });
    engine.reloaded();
    engine
        .decide(person("dana"), &removed, None, None, true, String::new())
        .await
        .unwrap();
    let view = until(&engine, &removed, "it is refused", |view| view.ending.is_some()).await;
    assert_eq!(view.ending, Some(Ending::Failed));
    assert!(
        view.steps[0].summary.contains("removed"),
        "{}",
        view.steps[0].summary
    );
    assert_eq!(world.effects.paths().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_replaced_while_the_engine_was_down_does_not_change_a_run_under_way() {
    let mut world = World::new(&sandbox(), "effect-once", 1, ASKED).await;
    let engine = world.engine(world.open()).await;
    let run = fire(&engine, "a1").await;
    until(&engine, &run, "it asks", |view| !view.questions.is_empty()).await;
    let opened = engine.state(&run).await.unwrap().unwrap().opened().clone();
    engine.drain().await;

    // Another plugin under the same key, and a runbook that asks nobody and does more; nothing compiled is left.
    world.sandbox = sandbox();
    let other = packed(&world.sandbox, "effect-safe").await;
    world
        .load(2, &other, &ONE.replace("actions = 1", "actions = 2"))
        .await;
    let engine = world.engine(world.open()).await;
    let loaded = world.current.load();
    assert_ne!(
        loaded.plugins[&"effect".into()].digest,
        opened.plugins[&"effect".into()].component
    );
    until(&engine, &run, "it still asks", |view| !view.questions.is_empty()).await;
    engine
        .decide(person("dana"), &run, None, None, true, String::new())
        .await
        .unwrap();
    until(&engine, &run, "the pinned one acts", |view| {
        view.steps[0].state == Standing::Done
    })
    .await;
    let paths = world.effects.paths();
    assert_eq!(paths.len(), 1, "as the runbook said then: {paths:?}");
    // The next run is by what is loaded now.
    let next = fire(&engine, "a2").await;
    until(&engine, &next, "the loaded one acts", |view| {
        view.steps[0].state == Standing::Done
    })
    .await;
    assert_eq!(world.effects.paths().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_said_no_is_not_asked_again_by_a_repeat_and_the_next_episode_asks() {
    let sandbox = sandbox();
    let world = World::new(&sandbox, "effect-once", 1, ASKED).await;
    let engine = world.engine(world.open()).await;
    let run = fire(&engine, "a1").await;
    until(&engine, &run, "it asks", |view| {
        view.questions.iter().any(|q| q.kind == QuestionKind::Decide)
    })
    .await;
    engine
        .decide(person("dana"), &run, None, None, false, String::new())
        .await
        .unwrap();
    until(&engine, &run, "it ends", |view| {
        view.ending == Some(Ending::Rejected)
    })
    .await;
    assert_eq!(fire(&engine, "a1").await, run);
    // Nor after a restart.
    engine.drain().await;
    let engine = world.engine(world.open()).await;
    assert_eq!(fire(&engine, "a1").await, run);
    engine
        .accept(vec![alert("a1", AlertStatus::Resolved)], "test")
        .await
        .unwrap();
    assert_ne!(fire(&engine, "a1").await, run);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_whose_runbook_gets_no_input_from_it_opens_a_run_that_says_so_and_fails() {
    let sandbox = sandbox();
    let body = format!(
        "[inputs.tail]\ntype = \"integer\"\nfrom = \"alert.labels.tail\"\n[inputs.size]\ntype = \"integer\"\ndefault = 7\n{ONE}"
    );
    let world = World::new(&sandbox, "effect-once", 1, &body).await;
    let engine = world.engine(world.open()).await;
    let run = fire(&engine, "a1").await;
    let view = until(&engine, &run, "it ends", |view| view.ending.is_some()).await;
    assert_eq!(view.ending, Some(Ending::Failed));
    assert!(
        view.summary.contains("the input `tail` is needed"),
        "{}",
        view.summary
    );
    assert_eq!(view.escalated.len(), 1);
    assert_eq!(
        view.inputs,
        BTreeMap::from([("size".to_owned(), serde_json::json!(7))])
    );
    assert!(world.effects.paths().is_empty());
    // The alert is with its run, and its record says why.
    assert_eq!(fire(&engine, "a1").await, run);
    let record = engine
        .store()
        .alerts(&Default::default())
        .await
        .unwrap()
        .pop()
        .unwrap();
    let payload: serde_json::Value = serde_json::from_slice(&record.payload).unwrap();
    assert_eq!(record.fate, "opened");
    assert!(
        payload["errors"][0].as_str().unwrap().contains("`tail`"),
        "{payload}"
    );
    // With the label it runs.
    let mut told = alert("a2", AlertStatus::Firing);
    told.labels.insert("tail".into(), "5".into());
    let accepted = engine.accept(vec![told], "test").await.unwrap();
    until(&engine, &accepted.runs[0], "it is done", |view| {
        view.steps[0].state == Standing::Done
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_run_is_opened_again_for_an_undo_and_ends_as_it_had_ended() {
    let sandbox = sandbox();
    let world = World::new(&sandbox, "effect-once", 1, ONE).await;
    let engine = world.engine(world.open()).await;
    let run = fire(&engine, "a1").await;
    until(&engine, &run, "it is done", |view| {
        view.steps[0].state == Standing::Done
    })
    .await;
    engine
        .accept(vec![alert("a1", AlertStatus::Resolved)], "test")
        .await
        .unwrap();
    until(&engine, &run, "it is over", |view| {
        view.ending == Some(Ending::Healed)
    })
    .await;
    // Over for good: not in mind any more, and neither after a restart.
    engine.drain().await;
    let engine = world.engine(world.open()).await;
    assert_eq!(engine.open_runs(), 0);
    engine.undo(person("dana"), &run, None).await.unwrap();
    let view = until(&engine, &run, "it is put back", |view| view.ending.is_some()).await;
    assert_eq!((view.ending, view.steps[0].undone), (Some(Ending::Healed), true));
    assert_eq!(world.effects.paths(), ["/0", "/0"], "made, and taken back");
    let events = engine.events(&run).await.unwrap();
    let closed = events
        .iter()
        .filter(|event| matches!(event.kind, EventKind::RunClosed { .. }));
    assert_eq!(closed.count(), 2);
    let again = engine.undo(person("dana"), &run, None).await;
    assert!(again.unwrap_err().to_string().contains("nothing to put back"));
    let nobody = engine
        .undo(person("dana"), &"0000000000000000".into(), None)
        .await;
    assert!(matches!(nobody, Err(Refusal::NoRun(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_opened_again_and_not_put_back_outlasts_the_engine_and_closes_when_a_person_leaves_it()
{
    let sandbox = sandbox();
    let world = World::new(&sandbox, "effect-once", 2, FAILS).await;
    let engine = world.engine(world.open()).await;
    let run = fire(&engine, "a1").await;
    // Closed while the alert fires: it is still in mind for that.
    until(&engine, &run, "verify does not hold", |view| {
        view.ending == Some(Ending::Failed)
    })
    .await;
    let component = packed(&sandbox, "effect-once").await;
    world.load_granting(2, &component, FAILS, &["POST"]).await;
    engine.reloaded();
    engine.undo(person("dana"), &run, None).await.unwrap();
    let view = until(&engine, &run, "the grant does not allow it any more", |view| {
        view.steps[0].undo_failed
    })
    .await;
    assert_eq!(view.ending, None);
    assert_eq!(view.questions[0].kind, QuestionKind::UndoOrLeave);
    engine.drain().await;
    let engine = world.engine(world.open()).await;
    assert_eq!(engine.open_runs(), 1);
    engine
        .cancel(person("dana"), &run, OnCancel::Leave, String::new())
        .await
        .unwrap();
    until(&engine, &run, "left", |view| view.ending == Some(Ending::Failed)).await;
    assert_eq!(world.effects.paths(), ["/0"], "nothing was taken back");
    assert_eq!(fire(&engine, "a1").await, run, "the episode goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_looks_finds_all_that_the_run_says_in_the_journal_and_who_follows_it_to_its_end_finds_it_closed()
 {
    let sandbox = sandbox();
    let world = World::new(&sandbox, "effect-once", 1, ONE).await;
    let engine = world.engine(world.open()).await;
    for n in 0..10 {
        let name = format!("a{n}");
        let run = fire(&engine, &name).await;
        let mut changes = engine.changes(&run).unwrap();
        let mut resolved = false;
        loop {
            let told = changes.changed().await;
            let state = engine.state(&run).await.unwrap().unwrap();
            let kept = engine.events(&run).await.unwrap().len();
            assert!(
                u64::try_from(kept).unwrap() >= state.seq(),
                "{kept} of {}",
                state.seq()
            );
            if told.is_err() {
                assert!(state.ending().is_some(), "nothing more is told, and it is open");
                break;
            }
            if !resolved && state.view().steps[0].state == Standing::Done {
                let over = vec![alert(&name, AlertStatus::Resolved)];
                engine.accept(over, "test").await.unwrap();
                resolved = true;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_notifications_of_one_alert_at_the_same_time_open_one_run() {
    let sandbox = sandbox();
    let world = World::new(&sandbox, "effect-once", 1, ASKED).await;
    let engine = world.engine(world.open()).await;
    let both = futures_util::future::join_all((0..16).map(|_| fire(&engine, "a1"))).await;
    assert!(both.iter().all(|run| *run == both[0]));
}
