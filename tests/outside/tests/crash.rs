//! The engine is killed with SIGKILL, as a program of its own, at every moment that can be told from outside, and started
//! again on what it left. What counts is what a server outside saw: nothing acknowledged is lost, nothing that is not
//! repeat-safe is done twice, and a doubt is settled as the rules say.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops there"
)]

mod world;

use std::time::{Duration, Instant};

use stanch_outside::counter::{Counter, Moment};
use stanch_outside::run::ending;
use stanch_outside::serve::Engine;
use world::story::{Said, attend, counted, doubt, events, runbook};
use world::{PATIENCE, World, about, packed};

/// Effects of one run.
const EFFECTS: usize = 2;

/// When the engine is killed.
#[derive(Debug, Clone, Copy)]
enum Kill {
    /// At a moment of the nth request to the server.
    Request(u64, Moment),
    /// As soon as the journal shows n events of the run.
    Events(usize),
}

/// What became of a case.
struct Told {
    /// The engine died in it.
    died: bool,
    /// A person settled a doubt.
    settled: bool,
    /// The last event that was kept.
    last: Option<String>,
}

/// One alert, from its coming to the end of its run, with one death in between.
fn story(world: &World, engine: &mut Option<Engine>, alert: &str, case: &str, kill: Kill) -> Told {
    let mut told = Told {
        died: false,
        settled: false,
        last: None,
    };
    if let Kill::Request(request, moment) = kill {
        world.counter.arm(request, moment);
    }
    world.deliver(&about(alert, &[case.to_owned()], true));
    let began = Instant::now();
    let mut said = Said::default();
    loop {
        assert!(
            began.elapsed() < PATIENCE,
            "{case} ({kill:?}): {:#?}",
            world.run_of(case)
        );
        let view = world.run_of(case);
        let now = match kill {
            _ if told.died => false,
            Kill::Request(..) => world.counter.is_struck(),
            Kill::Events(n) => view.as_ref().is_some_and(|view| events(view).len() >= n),
        };
        if now {
            drop(engine.take());
            world.counter.release();
            *engine = Some(world.start());
            told.died = true;
            let found = world.run_of(case);
            let found = found.unwrap_or_else(|| panic!("{case} ({kill:?}): acknowledged and lost"));
            told.last = events(&found).pop();
            continue;
        }
        let view = view.unwrap_or_else(|| panic!("{case} ({kill:?}): acknowledged and not there"));
        if let Some(ending) = ending(&view) {
            assert_eq!(ending, "healed", "{case} ({kill:?}): {:?}", events(&view));
            world.counter.release();
            return told;
        }
        told.settled |= doubt(&view).is_some();
        attend(world, engine.as_ref().unwrap(), alert, case, &view, &mut said)
            .unwrap_or_else(|why| panic!("{case}: {why}"));
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A death at each moment, one after the other, on one data folder.
fn killed_everywhere(plugin: &str, more: &str, kills: impl Fn(u64) -> Vec<Kill>) -> Vec<Told> {
    let counter = Counter::open(EFFECTS, Duration::from_millis(35)).unwrap();
    let safe = plugin == "effect-safe";
    let runbooks = [("effects", runbook("effects", "Effects", "effect", EFFECTS, more))];
    let requests = if more.contains("undo") {
        2 * EFFECTS
    } else {
        EFFECTS
    };
    let plugins = [("effect", packed(plugin)), ("probe", packed("http-probe"))];
    let world = World::new(counter, &runbooks, &plugins);
    let mut engine = Some(world.start());
    let mut all = Vec::new();
    for n in 1.. {
        let mut lasted = true;
        for (turn, kill) in kills(n).into_iter().enumerate() {
            let case = format!("case-{n:02}-{turn}");
            let told = story(&world, &mut engine, "Effects", &case, kill);
            counted(&world, &case, requests, safe, &format!("{case} ({kill:?})"));
            assert!(
                !(safe && told.settled),
                "{case} ({kill:?}): what is repeat-safe needs nobody"
            );
            eprintln!(
                "{case} {kill:?}: died {}, settled {}, kept until {:?}",
                told.died, told.settled, told.last
            );
            lasted &= !told.died;
            all.push(told);
        }
        if lasted {
            break;
        }
        assert!(n < 100, "it never lives to its end");
    }
    engine.take().unwrap().stop().unwrap();
    all
}

fn at_requests(n: u64) -> Vec<Kill> {
    [Moment::Arrived, Moment::Made, Moment::Answered]
        .map(|moment| Kill::Request(n, moment))
        .to_vec()
}

#[test]
fn what_has_an_effect_each_time_is_done_once_wherever_a_request_is_cut() {
    let all = killed_everywhere("effect-once", "", at_requests);
    let died = all.iter().filter(|told| told.died).count();
    assert!(died >= 12, "a look, two effects and verify, thrice each: {died}");
    assert!(
        all.iter().any(|told| told.settled),
        "an effect that did not arrive is in doubt, and a person is asked"
    );
}

#[test]
fn what_is_repeat_safe_needs_nobody_wherever_a_request_is_cut() {
    let all = killed_everywhere("effect-safe", "", at_requests);
    let died = all.iter().filter(|told| told.died).count();
    assert!(died >= 12, "a look, two effects and verify, thrice each: {died}");
}

fn at_events(n: u64) -> Vec<Kill> {
    vec![Kill::Events(usize::try_from(n).unwrap())]
}

const ASKED: &str = "approval = { ask = \"May it?\" }";
const ASKED_AND_UNDONE: &str = "approval = { ask = \"May it?\" }\nundo = [\"when-resolved\"]";

#[test]
fn a_run_that_asks_goes_on_after_a_death_at_each_of_its_events() {
    let all = killed_everywhere("effect-once", ASKED, at_events);
    let died = all.iter().filter(|told| told.died).count();
    assert!(died >= 10, "only {died} events");
}

#[test]
fn a_run_that_undoes_what_it_did_goes_on_after_a_death_at_each_of_its_events() {
    let all = killed_everywhere("effect-safe", ASKED_AND_UNDONE, at_events);
    let died = all.iter().filter(|told| told.died).count();
    assert!(died >= 15, "only {died} events");
}

#[test]
fn an_engine_that_is_told_to_end_in_the_middle_of_a_change_keeps_the_answer_and_goes_on_after_it() {
    // So long that it is told while a request waits for its answer.
    let counter = Counter::open(EFFECTS, Duration::from_millis(700)).unwrap();
    let runbooks = [("effects", runbook("effects", "Effects", "effect", EFFECTS, ""))];
    let plugins = [("effect", packed("effect-once")), ("probe", packed("http-probe"))];
    let world = World::new(counter, &runbooks, &plugins);
    let mut engine = world.start();
    for made in 1..=EFFECTS {
        let case = format!("case-{made}");
        let before = world.counter.made().len();
        world.deliver(&about("Effects", std::slice::from_ref(&case), true));
        let began = Instant::now();
        while world.counter.made().len() < before + made {
            assert!(began.elapsed() < PATIENCE, "{:#?}", world.run_of(&case));
            std::thread::sleep(Duration::from_millis(1));
        }
        engine.stop().unwrap();
        assert_eq!(
            world.counter.made().len(),
            before + made,
            "nothing is begun any more"
        );
        engine = world.start();
        let mut said = Said::default();
        loop {
            let view = world.run_of(&case).unwrap();
            assert_eq!(
                doubt(&view),
                None,
                "{case}: what is answered is not in doubt: {view:#}"
            );
            if let Some(ending) = ending(&view) {
                assert_eq!(ending, "healed", "{case}: {:?}", events(&view));
                break;
            }
            assert!(began.elapsed() < 2 * PATIENCE, "{case}: {view:#}");
            attend(&world, &engine, "Effects", &case, &view, &mut said).unwrap();
            std::thread::sleep(Duration::from_millis(5));
        }
        counted(&world, &case, EFFECTS, false, &case);
        let doubts = world.run_of(&case).unwrap();
        assert!(
            !events(&doubts).contains(&"InDoubt".to_owned()),
            "{case}: {:?}",
            events(&doubts)
        );
    }
    engine.stop().unwrap();
}
