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

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::Value;
use stanch_outside::counter::{Counter, Moment};
use stanch_outside::run::{asked, changed, ending};
use stanch_outside::serve::Engine;
use world::{PATIENCE, World, about, packed};

/// Effects of one run.
const EFFECTS: usize = 2;

/// A check, a change of several actions, verify, recovery; more keys of the step.
fn runbook(name: &str, alert: &str, plugin: &str, effects: usize, more: &str) -> String {
    format!(
        r#"name = "{name}"
title = "Effects"
owner = "nobody"
mode = "auto"
[trigger]
alert = "{alert}"
group_by = ["case"]
[impact]
severity = "low"
summary = "None."
[[diagnosis]]
id = "wrong"
ask = "Is it wrong?"
uses = "probe"
with = {{ url = "URL/look", tries = 1 }}
[[mitigation]]
id = "fix"
do = "Make the effects"
when = "diagnosis.wrong.yes"
uses = "{plugin}"
with = {{ url = "URL/${{alert.labels.case}}", actions = {effects} }}
limits = {{ targets = 3 }}
{more}
[mitigation.verify]
within = "10s"
every = "200ms"
[recovery]
stable_for = "50ms"
trust = "alert"
"#
    )
}

/// When the engine is killed.
#[derive(Debug, Clone, Copy)]
enum Kill {
    /// At a moment of the nth request to the server.
    Request(u64, Moment),
    /// As soon as the journal shows n events of the run.
    Events(usize),
}

/// What was said to a run and confirmed.
#[derive(Default)]
struct Said {
    approved: BTreeSet<Option<String>>,
    resolved: bool,
}

/// What a person and Alertmanager would do now.
fn attend(world: &World, engine: &Engine, alert: &str, case: &str, view: &Value, said: &mut Said) {
    let run = view["id"].as_str().unwrap();
    if let Some(step) = doubt(view) {
        let happened = happened(world, view);
        let fact = if happened { "--happened" } else { "--not-happened" };
        engine
            .tell(&["settle", run, &step, fact, "--go-on"])
            .unwrap_or_else(|why| panic!("{case}: {why}"));
    } else if let Some(asked) = asked(view) {
        assert!(
            !said.approved.contains(&asked.digest),
            "{case}: a yes was confirmed and is lost"
        );
        asked
            .answer(engine, run, true)
            .unwrap_or_else(|why| panic!("{case}: {why}"));
        said.approved.insert(asked.digest);
    } else if changed(view) && !said.resolved {
        world.deliver(&about(alert, &[case.to_owned()], false));
        said.resolved = true;
    }
}

/// The step in doubt about which a person is asked.
fn doubt(view: &Value) -> Option<String> {
    let steps = view["steps"].as_array().unwrap();
    let step = steps
        .iter()
        .find(|step| step["state"] == "in-doubt" && step["person"] == true);
    step.map(|step| step["id"].as_str().unwrap().to_owned())
}

/// Whether the action in doubt had its effect, as a person would find out.
fn happened(world: &World, view: &Value) -> bool {
    let made = world.counter.made();
    let actions = view["steps"][0]["plan"]["actions"].as_array().unwrap();
    let unknown: Vec<&Value> = actions
        .iter()
        .filter(|action| action["progress"]["state"] == "unknown")
        .collect();
    assert_eq!(unknown.len(), 1, "one action at a time is in doubt: {actions:?}");
    let target = unknown[0]["target"].as_str().unwrap();
    made.iter().any(|effect| target.ends_with(&effect.path))
}

fn events(view: &Value) -> Vec<String> {
    let timeline = view["timeline"].as_array().unwrap();
    timeline
        .iter()
        .map(|entry| entry["event"].as_str().unwrap().to_owned())
        .collect()
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
        attend(world, engine.as_ref().unwrap(), alert, case, &view, &mut said);
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn counted(world: &World, case: &str, effects: usize, safe: bool, context: &str) {
    let counts = world.counter.counts(case);
    assert_eq!(counts.len(), effects, "{context}: lost: {counts:?}");
    if !safe {
        assert!(
            counts.values().all(|count| *count == 1),
            "{context}: done twice: {counts:?}"
        );
    }
    let mut keys = BTreeMap::new();
    for effect in world.counter.made() {
        if effect.path.split('/').nth(1) == Some(case) {
            assert!(!effect.key.is_empty(), "{context}: no key");
            let what = format!("{} {}", effect.method, effect.path);
            let key = keys.entry(what).or_insert(effect.key.clone());
            assert_eq!(*key, effect.key, "{context}: a repeat has another key");
        }
    }
    let different: BTreeSet<&String> = keys.values().collect();
    assert_eq!(
        different.len(),
        effects,
        "{context}: two effects share a key: {keys:?}"
    );
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
