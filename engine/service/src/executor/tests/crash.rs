//! The engine is killed at every batch of its journal, before and after it is kept, and started again: nothing is lost,
//! nothing is applied twice unless it is repeat-safe, and a doubt is settled as the rules say.

use std::sync::atomic::Ordering;
use std::time::Duration;

use stanch_contract::AlertStatus;
use stanch_run::words::Standing;
use stanch_run::{Ending, QuestionKind, RunView};

use super::world::*;
use crate::intake::AlertSink;

const TWO: &str = r#"
[[mitigation]]
id = "fix"
do = "Make two effects"
uses = "effect"
with = { url = "URL", actions = 2 }
limits = { targets = 3 }
[mitigation.verify]
within = "10s"
every = "1s"
[recovery]
stable_for = "1s"
trust = "alert"
"#;

fn settles(view: &RunView) -> bool {
    view.questions
        .iter()
        .any(|question| question.kind == QuestionKind::Settle)
}

fn is_done(view: &RunView) -> bool {
    view.steps[0].state == Standing::Done
}

/// One life that ends at the nth batch, and the one after it. `false`: the first life lasted.
fn lives(sandbox: &stanch_sandbox::Sandbox, plugin: &str, batches: i64, death: Death) -> bool {
    let context = format!("{plugin}, {death:?} batch {batches}");
    let outside = tokio::runtime::Runtime::new().unwrap();
    let world = outside.block_on(World::new(sandbox, plugin, 2, TWO));
    let store = world.mortal(batches, death);
    let first = tokio::runtime::Runtime::new().unwrap();
    let died = first.block_on(async {
        let engine = world.engine(store.clone()).await;
        let life = async {
            let run = fire(&engine, "a1").await;
            until(&engine, &run, "the first life", |view| {
                is_done(view) || settles(view)
            })
            .await;
            // What nobody waits for is kept in the end.
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        tokio::select! {
            () = life => {}
            () = async {
                while !store.dead.load(Ordering::SeqCst) {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            } => {}
        }
        store.dead.load(Ordering::SeqCst)
    });
    first.shutdown_timeout(Duration::from_secs(2));
    outside.block_on(async {
        store.release().await;
        let engine = world.engine(world.open()).await;
        assert!(
            engine.stuck_runs().is_empty(),
            "{context}: {:?}",
            engine.stuck_runs()
        );
        // The sender had no answer, or notifies again.
        let run = fire(&engine, "a1").await;
        let view = until(&engine, &run, &context, |view| is_done(view) || settles(view)).await;
        if settles(&view) {
            assert_eq!(
                plugin, "effect-once",
                "{context}: what is repeat-safe needs nobody"
            );
            let last = view.steps[0].progress.keys().max().copied().unwrap();
            let happened = world
                .effects
                .paths()
                .iter()
                .any(|path| path.ends_with(&format!("/{last}")));
            engine
                .settle(person("dana"), &run, "fix".into(), happened, true)
                .await
                .unwrap();
            until(&engine, &run, &context, is_done).await;
        }
        let resolved = vec![alert("a1", AlertStatus::Resolved)];
        engine.accept(resolved, "test").await.unwrap();
        let view = until(&engine, &run, &context, |view| view.ending.is_some()).await;
        assert_eq!(view.ending, Some(Ending::Healed), "{context}");
        let counts = world.effects.counts();
        assert_eq!(counts.len(), 2, "{context}: nothing is lost: {counts:?}");
        if plugin == "effect-once" {
            assert!(
                counts.values().all(|count| *count == 1),
                "{context}: applied twice: {counts:?}"
            );
        }
        let made = world.effects.made.lock().unwrap().clone();
        for (path, key) in &made {
            assert!(
                made.iter().all(|(p, k)| p != path || k == key),
                "{context}: a repeat has another key"
            );
        }
        engine.drain().await;
    });
    died
}

fn killed_at_every_batch(plugin: &str) {
    let outside = tokio::runtime::Runtime::new().unwrap();
    let _inside = outside.enter();
    let sandbox = sandbox();
    for death in [Death::Before, Death::After] {
        let mut batches = 0;
        while lives(&sandbox, plugin, batches, death) {
            batches += 1;
            assert!(batches < 100, "it never lives to its end");
        }
        assert!(
            batches >= 6,
            "only {batches} boundaries: opening, two actions sent and answered, the rest"
        );
    }
}

#[test]
fn what_has_an_effect_each_time_is_applied_once_wherever_the_engine_dies() {
    killed_at_every_batch("effect-once");
}

#[test]
fn what_is_repeat_safe_is_applied_wherever_the_engine_dies_and_nobody_is_asked() {
    killed_at_every_batch("effect-safe");
}
