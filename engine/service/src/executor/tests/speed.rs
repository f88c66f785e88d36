//! Not timed: counts what a run costs the journal.

use stanch_journal::Store as _;

use super::world::*;

const NOTHING: &str = r#"
[[mitigation]]
id = "fix"
do = "Make no effect"
when = "false"
uses = "effect"
with = { url = "URL", actions = 1 }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn runs_that_are_under_way_together_share_their_flushes() {
    let sandbox = sandbox();
    let world = World::new(&sandbox, "effect-once", 1, NOTHING).await;
    let mut next = world.current.load().as_ref().clone();
    let mut settings = next.settings.as_ref().clone();
    settings.guardrails.max_open = 10_000;
    next.settings = settings.into();
    world.current.swap(next);
    let store = world.open();
    let engine = world.engine(store.clone()).await;
    let before = store.counters();
    let (lanes, each) = (64, 20);
    let lane = |lane: usize| {
        let engine = engine.clone();
        async move {
            for n in 0..each {
                fire(&engine, &format!("a{lane}-{n}")).await;
            }
        }
    };
    futures_util::future::join_all((0..lanes).map(lane)).await;
    engine.drain().await;
    let after = store.counters();
    let runs = lanes * each;
    let flushes = usize::try_from(after.flushes - before.flushes).unwrap();
    assert!(
        flushes * 10 <= runs * 6,
        "{flushes} flushes for {runs} runs: {after:?}"
    );
    let batches = usize::try_from(after.batches - before.batches).unwrap();
    assert!(batches <= runs * 3, "{batches} batches for {runs} runs");
}
