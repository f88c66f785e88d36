//! SIGKILL at every boundary of the journal: before each append is kept and after it is on the disk, in a process of its
//! own, with real plugins whose effects a server outside counts.
//!
//! What is between two appends is on the disk as a whole or not at all, so these are all the states that a death can
//! leave. A story is told again for each of them, until it is told to its end without a death.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops there"
)]

mod world;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use stanch_outside::counter::Counter;
use stanch_outside::run::{asked, ending};
use stanch_outside::serve::Engine;
use world::story::{Said, attend, counted, doubt, events, runbook};
use world::{PATIENCE, World, about, packed};

/// Effects of one run.
const EFFECTS: usize = 2;
const ALERT: &str = "Effects";
const ASKED: &str = "approval = { ask = \"May it?\" }";

/// What is told again and again.
struct Tale {
    plugin: &'static str,
    /// More keys of the step.
    more: &'static str,
    /// The plugin traps after its first action.
    traps: bool,
    /// Effects and what takes them back.
    requests: usize,
    ends: &'static str,
}

impl Tale {
    fn runbook(&self) -> String {
        let text = runbook("effects", ALERT, "effect", EFFECTS, self.more);
        match self.traps {
            true => text.replace("actions = 2 }", "actions = 2, trap_after = 1 }"),
            false => text,
        }
    }

    fn is_safe(&self) -> bool {
        self.plugin == "effect-safe"
    }
}

/// What the deaths of a tale left.
#[derive(Debug, Default)]
struct Deaths {
    count: usize,
    /// The side, and an event of the append.
    at: BTreeSet<(String, String)>,
    /// What was said to the engine and not answered when it died.
    unanswered: BTreeSet<&'static str>,
    /// What a person had to settle.
    settled: usize,
}

/// One telling, with at most one death.
struct Telling<'a> {
    world: &'a World,
    tale: &'a Tale,
    case: &'a str,
    context: String,
    engine: &'a mut Engine,
    deaths: &'a mut Deaths,
    died: bool,
}

impl Telling<'_> {
    /// From the alert to the end of the run.
    fn tell(&mut self) {
        let began = Instant::now();
        let (mut acknowledged, mut said) = (false, Said::default());
        let mut doubted = false;
        loop {
            let context = &self.context;
            assert!(
                began.elapsed() < PATIENCE,
                "{context}: {:#?}",
                self.world.run_of(self.case)
            );
            if self.engine.is_gone() {
                self.restart(acknowledged);
                continue;
            }
            if !acknowledged {
                acknowledged = self.world.post(&about(ALERT, &[self.case.to_owned()], true));
                if !acknowledged && self.soon_gone() {
                    self.deaths.unanswered.insert("alert");
                }
                continue;
            }
            let Some(view) = self.world.run_of(self.case) else {
                assert!(self.soon_gone(), "{}: acknowledged and not there", self.context);
                continue;
            };
            if let Some(ending) = ending(&view) {
                assert_eq!(ending, self.tale.ends, "{context}: {:?}", events(&view));
                break;
            }
            let saying = match () {
                () if doubt(&view).is_some() => "settle",
                () if asked(&view).is_some() => "approve",
                () => "resolve",
            };
            doubted |= saying == "settle";
            assert!(
                !(doubted && self.tale.is_safe()),
                "{context}: what is repeat-safe needs nobody: {view:#}"
            );
            if let Err(why) = attend(self.world, self.engine, ALERT, self.case, &view, &mut said) {
                assert!(self.soon_gone(), "{}: {why}", self.context);
                self.deaths.unanswered.insert(saying);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        self.deaths.settled += usize::from(doubted);
    }

    /// Whether the engine is ending: a moment passes between its last answer and its end.
    fn soon_gone(&mut self) -> bool {
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(5) {
            if self.engine.is_gone() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        false
    }

    fn restart(&mut self, acknowledged: bool) {
        self.world.unlay();
        *self.engine = self.world.start_mortal();
        assert!(!self.died, "{}: it died twice", self.context);
        self.died = true;
        self.deaths.count += 1;
        let found = self.world.run_of(self.case);
        assert!(
            found.is_some() || !acknowledged,
            "{}: acknowledged and lost",
            self.context
        );
    }
}

/// Tells a tale with a death at each boundary, one after the other, on one data folder: at each append that it has, on both
/// sides; and around each of these events, where it was another append by a hair.
fn killed_at_every_boundary(tale: &Tale, around: &[&str]) -> Deaths {
    let counter = Counter::open(EFFECTS, Duration::from_millis(20)).unwrap();
    let plugins = [("effect", packed(tale.plugin)), ("probe", packed("http-probe"))];
    let world = World::new(counter, &[("effects", tale.runbook())], &plugins);
    let mut engine = world.start_mortal();
    let mut deaths = Deaths::default();
    let mut told = |append: &str, deaths: &mut Deaths| {
        let mut died = false;
        for side in ["before", "after"] {
            let case = format!("case-{append}-{side}").to_lowercase();
            let context = format!("{side} append {append}");
            world.lay(side, append);
            let mut telling = Telling {
                world: &world,
                tale,
                case: &case,
                context: context.clone(),
                engine: &mut engine,
                deaths,
                died: false,
            };
            telling.tell();
            died |= telling.died;
            counted(&world, &case, tale.requests, tale.is_safe(), &context);
        }
        died
    };
    for append in 1.. {
        if !told(&format!("{append:02}"), &mut deaths) {
            break;
        }
        assert!(append < 100, "it is never told to its end");
    }
    for event in around {
        assert!(told(event, &mut deaths), "there is no {event}");
    }
    world.unlay();
    engine.stop().unwrap();
    let struck = std::fs::read_to_string(world.scratch.path().join("struck")).unwrap();
    for line in struck.lines() {
        let mut words = line.split(' ').map(str::to_owned);
        let side = words.next().unwrap();
        deaths.at.extend(words.map(|event| (side.clone(), event)));
    }
    for (event, side) in around
        .iter()
        .flat_map(|event| ["before", "after"].map(|side| (event, side)))
    {
        let at = (side.to_owned(), (*event).to_owned());
        assert!(deaths.at.contains(&at), "no death {side} {event}: {deaths:#?}");
    }
    deaths
}

#[test]
fn what_has_an_effect_each_time_is_done_once_and_undone_once_wherever_the_engine_dies() {
    let tale = Tale {
        plugin: "effect-once",
        more: "approval = { ask = \"May it?\" }\nundo = [\"when-resolved\"]",
        traps: false,
        requests: 2 * EFFECTS,
        ends: "healed",
    };
    let around = [
        "RunOpened",
        "StepPlanned",
        "DecisionAsked",
        "DecisionGiven",
        "LockTaken",
        "ActionStarted",
        "ActionEnded",
        "StepApplied",
        "StepVerified",
        "LockReleased",
        "AlertResolved",
        "UndoStarted",
        "UndoPlanned",
        "StepUndone",
        "RunClosed",
    ];
    let deaths = killed_at_every_boundary(&tale, &around);
    for what in ["alert", "approve"] {
        assert!(deaths.unanswered.contains(what), "{what}: {deaths:#?}");
    }
    assert!(
        deaths.settled > 0,
        "an effect that did not arrive is in doubt, and a person is asked"
    );
}

#[test]
fn what_is_repeat_safe_is_done_and_undone_wherever_the_engine_dies_and_nobody_is_asked_what_happened() {
    let tale = Tale {
        plugin: "effect-safe",
        more: "approval = { ask = \"May it?\" }\nundo = [\"when-resolved\"]",
        traps: false,
        requests: 2 * EFFECTS,
        ends: "healed",
    };
    let deaths = killed_at_every_boundary(&tale, &["ActionStarted", "ActionEnded", "StepUndone"]);
    assert_eq!(deaths.settled, 0);
}

#[test]
fn half_an_apply_is_put_back_wherever_the_engine_dies() {
    let tale = Tale {
        plugin: "effect-once",
        more: "undo = [\"on-failure\"]",
        traps: true,
        requests: 2,
        ends: "failed",
    };
    let around = [
        "ActionStarted",
        "ActionEnded",
        "StepFailed",
        "UndoStarted",
        "UndoPlanned",
        "StepUndone",
    ];
    let deaths = killed_at_every_boundary(&tale, &around);
    assert!(deaths.settled > 0, "{deaths:#?}");
}

#[test]
fn many_runs_in_flight_go_on_after_each_of_several_deaths() {
    let counter = Counter::open(EFFECTS, Duration::from_millis(20)).unwrap();
    let runbooks = [
        ("once", runbook("once", "Once", "once", EFFECTS, "")),
        ("safe", runbook("safe", "Safe", "safe", EFFECTS, ASKED)),
    ];
    let plugins = [
        ("once", packed("effect-once")),
        ("safe", packed("effect-safe")),
        ("probe", packed("http-probe")),
    ];
    let world = World::new(counter, &runbooks, &plugins);
    let mut engine = world.start_mortal();
    let cases: Vec<(String, &str)> = (0..20)
        .map(|n| match n % 2 {
            0 => (format!("once-{n:02}"), "Once"),
            _ => (format!("safe-{n:02}"), "Safe"),
        })
        .collect();
    let mut said: Vec<Said> = cases.iter().map(|_| Said::default()).collect();
    let mut fuses = [
        ("after", "2"),
        ("before", "31"),
        ("after", "17"),
        ("before", "9"),
        ("after", "23"),
    ]
    .into_iter();
    let (mut acknowledged, mut deaths) = ([false; 2], 0);
    let (side, append) = fuses.next().unwrap();
    world.lay(side, append);
    let began = Instant::now();
    let mut open = cases.len();
    while open > 0 {
        assert!(
            began.elapsed() < 3 * PATIENCE,
            "{open} of 20 runs are open: {:#?}",
            world.runs()
        );
        if engine.is_gone() {
            deaths += 1;
            world.unlay();
            engine = world.start_mortal();
            if let Some((side, append)) = fuses.next() {
                world.lay(side, append);
            }
        }
        for (taken, alert) in acknowledged.iter_mut().zip(["Once", "Safe"]) {
            let of: Vec<String> = cases
                .iter()
                .filter(|(_, a)| *a == alert)
                .map(|(c, _)| c.clone())
                .collect();
            *taken |= !*taken && world.post(&about(alert, &of, true));
        }
        open = 0;
        for ((case, alert), said) in cases.iter().zip(&mut said) {
            let view = world.run_of(case);
            match view.as_ref().map(ending) {
                Some(Some(ending)) => assert_eq!(ending, "healed", "{case}: {view:#?}"),
                // Not there yet, or the engine is dying.
                _ => open += 1,
            }
            if let Some(view) = view.filter(|view| ending(view).is_none()) {
                let settles = doubt(&view).is_some();
                assert!(
                    !settles || *alert == "Once",
                    "{case}: what is repeat-safe needs nobody"
                );
                let _ = attend(&world, &engine, alert, case, &view, said);
            }
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(deaths, 5);
    for (case, alert) in &cases {
        counted(&world, case, EFFECTS, *alert == "Safe", case);
    }
    engine.stop().unwrap();
}
