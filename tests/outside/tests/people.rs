//! What a person says on the command line, each of it to the real engine: what is done by hand, a no, a run that is started by
//! hand, what becomes of a change when a run is cancelled, and what is put back of a run that is over.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops there"
)]

mod world;

use std::time::{Duration, Instant};

use serde_json::Value;
use stanch_outside::counter::Counter;
use stanch_outside::run::{appeared, asked};
use stanch_outside::serve::Engine;
use world::story::runbook;
use world::{PATIENCE, World, about, packed};

const EFFECTS: usize = 2;

const BY_HAND: &str = r#"
name = "by-hand"
title = "Done by hand"
owner = "nobody"
[trigger]
alert = "ByHand"
group_by = ["case"]
[inputs.who]
type = "string"
default = "nobody"
[impact]
severity = "low"
summary = "None."
[[diagnosis]]
id = "writer"
ask = "Is there a writer?"
by_hand = "Look who writes"
[[mitigation]]
id = "tell"
do = "Tell whoever writes"
when = "diagnosis.writer.yes"
[recovery]
trust = "alert"
stable_for = "50ms"
"#;

struct Told {
    engine: Engine,
    world: World,
}

impl Told {
    fn new(runbooks: &[(&str, String)], with_effects: bool) -> Self {
        let counter = Counter::open(EFFECTS, Duration::from_millis(1)).unwrap();
        let plugins = match with_effects {
            true => vec![("effect", packed("effect-once")), ("probe", packed("http-probe"))],
            false => Vec::new(),
        };
        let world = World::new(counter, runbooks, &plugins);
        let engine = world.start();
        Self { engine, world }
    }

    /// The run that an alert about this case starts.
    fn alerted(&self, runbook: &str, alert: &str, case: &str) -> String {
        self.world.deliver(&about(alert, &[case.to_owned()], true));
        let run = appeared(&self.engine, runbook, PATIENCE).unwrap();
        assert!(self.view(&run)["group"].as_str().unwrap().contains(case));
        run
    }

    fn resolved(&self, alert: &str, case: &str) {
        self.world.deliver(&about(alert, &[case.to_owned()], false));
    }

    fn say(&self, words: &[&str]) {
        self.engine.tell(words).unwrap_or_else(|why| panic!("{why}"));
    }

    /// What is said is refused, and it is told why.
    fn refused(&self, words: &[&str], why: &str) {
        let told = self.engine.tell(words).unwrap_err().to_string();
        assert!(told.contains(why), "{told}");
    }

    fn view(&self, run: &str) -> Value {
        self.world.run(run).unwrap()
    }

    fn until(&self, run: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let view = self.view(run);
            if is_so(&view) {
                return view;
            }
            assert!(began.elapsed() < PATIENCE, "{what}: {view:#}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn ends(&self, run: &str, ending: &str) -> Value {
        self.until(run, &format!("it ends as {ending}"), |view| {
            view["ending"] == ending
        })
    }
}

fn step(view: &Value) -> &str {
    view["steps"][0]["state"].as_str().unwrap()
}

#[test]
fn the_run_goes_by_what_a_person_answers_and_did() {
    let told = Told::new(&[("by-hand", BY_HAND.to_owned())], false);
    // The answer, what was done of what is asked for then, and how the run ends once the alert is over.
    let table: [(&str, Option<&str>, &str); 4] = [
        ("yes", Some("done"), "healed"),
        ("yes", Some("not-done"), "failed"),
        ("no", None, "nothing-to-do"),
        ("unknown", None, "failed"),
    ];
    for (index, (answer, does, ending)) in table.into_iter().enumerate() {
        let case = format!("case-{index}");
        let run = told.alerted("by-hand", "ByHand", &case);
        told.refused(&["answer", &run, "nothing", answer], "nothing");
        told.refused(&["done", &run, "tell"], "tell");
        told.say(&["answer", &run, "writer", answer]);
        if let Some(does) = does {
            let view = told.until(&run, "it is asked for", |view| asked(view).is_some());
            assert_eq!(asked(&view).unwrap().digest, None, "there is no plan to look at");
            told.say(&[does, &run, "tell"]);
            told.until(&run, "it is taken", |view| asked(view).is_none());
        } else {
            told.until(&run, "the step is over", |view| {
                matches!(step(view), "skipped" | "failed")
            });
        }
        told.resolved("ByHand", &case);
        let view = told.ends(&run, ending);
        assert_eq!(view["escalated"], ending != "healed", "{view:#}");
    }
    told.engine.stop().unwrap();
}

#[test]
fn a_run_that_is_started_by_hand_has_its_inputs_and_a_second_one_is_not_started() {
    let told = Told::new(&[("by-hand", BY_HAND.to_owned())], false);
    let start = |words: &[&str]| {
        let all = [&["run", "by-hand"], words].concat();
        told.engine.ask(&all).map(|run| run.as_str().unwrap().to_owned())
    };
    let first = start(&["--input", "who=dana"]).unwrap();
    assert_eq!(told.view(&first)["inputs"]["who"], "dana");
    let again = start(&["--input", "who=dana"]).unwrap_err().to_string();
    assert!(again.contains("runs already with these inputs"), "{again}");
    let unknown = start(&["--input", "whom=dana"]).unwrap_err().to_string();
    assert!(unknown.contains("whom"), "{unknown}");
    // Another one is another run; and of an alert that still fires after its run there is one more only with `--again`.
    let other = start(&["--input", "who=eli"]).unwrap();
    assert_ne!(first, other);
    for run in [&first, &other] {
        told.say(&["cancel", run, "--leave"]);
        told.ends(run, "cancelled");
    }
    let alerted = told.alerted("by-hand", "ByHand", "case");
    told.say(&["cancel", &alerted, "--leave", "--reason", "false alarm"]);
    told.ends(&alerted, "cancelled");
    told.world.deliver(&about("ByHand", &["case".to_owned()], true));
    assert_eq!(
        appeared(&told.engine, "by-hand", PATIENCE).unwrap(),
        alerted,
        "a repeat starts nothing"
    );
    let more = start(&["--again"]).unwrap();
    let view = told.view(&more);
    assert_eq!(
        view["group"],
        told.view(&alerted)["group"],
        "it is about the alert that still fires"
    );
    told.engine.stop().unwrap();
}

#[test]
fn after_a_no_nothing_is_sent_and_a_repeat_of_the_alert_asks_nobody_again() {
    let more = "approval = { ask = \"May it?\" }\nundo = [\"when-resolved\"]";
    let told = Told::new(
        &[("effects", runbook("effects", "Effects", "effect", EFFECTS, more))],
        true,
    );
    let run = told.alerted("effects", "Effects", "case");
    told.until(&run, "it asks", |view| asked(view).is_some());
    told.refused(&["done", &run, "fix"], "fix");
    told.say(&["deny", &run, "--reason", "not now"]);
    let view = told.ends(&run, "rejected");
    assert!(view.to_string().contains("not now"), "{view:#}");
    told.world.deliver(&about("Effects", &["case".to_owned()], true));
    assert_eq!(told.world.runs().len(), 1);
    assert!(told.world.counter.made().is_empty());
    told.refused(&["undo", &run], "nothing to put back");
    // Its twin: another case, and a yes.
    let run = told.alerted("effects", "Effects", "other");
    told.until(&run, "it asks", |view| asked(view).is_some());
    told.say(&[
        "approve",
        &run,
        "--digest",
        &asked(&told.view(&run)).unwrap().digest.unwrap(),
    ]);
    told.until(&run, "it is done", |view| step(view) == "done");
    assert_eq!(told.world.counter.made().len(), EFFECTS);
    told.engine.stop().unwrap();
}

#[test]
fn a_run_that_is_cancelled_puts_back_or_leaves_as_it_is_told_and_what_was_left_can_be_put_back_later() {
    let more = "undo = [\"when-resolved\"]";
    let told = Told::new(
        &[("effects", runbook("effects", "Effects", "effect", EFFECTS, more))],
        true,
    );
    let stand = |case: &str| {
        let made = told.world.counter.made();
        let of = made
            .iter()
            .filter(|effect| effect.path.split('/').nth(1) == Some(case));
        of.fold(0_i64, |sum, effect| {
            if effect.method == "DELETE" {
                sum - 1
            } else {
                sum + 1
            }
        })
    };
    let changed = |case: &str| {
        let run = told.alerted("effects", "Effects", case);
        told.until(&run, "it is done", |view| step(view) == "done");
        run
    };

    let undone = changed("undone");
    told.say(&["cancel", &undone, "--undo", "--reason", "wrong place"]);
    told.ends(&undone, "cancelled");
    assert_eq!(stand("undone"), 0);
    told.refused(&["undo", &undone], "nothing to put back");

    // Not said what becomes of the change: the run waits until it is.
    let left = changed("left");
    told.say(&["cancel", &left]);
    told.until(&left, "it asks what becomes of it", |view| {
        view["undo_or_leave"] == true
    });
    assert_eq!(told.view(&left)["ending"], Value::Null);
    told.say(&["cancel", &left, "--leave"]);
    told.ends(&left, "cancelled");
    assert_eq!(stand("left"), 2);
    told.refused(&["cancel", &left, "--undo"], &left);
    told.say(&["undo", &left]);
    told.until(&left, "it is put back", |view| {
        step(view) == "undone" && view["ending"] == "cancelled"
    });
    assert_eq!(stand("left"), 0);
    told.engine.stop().unwrap();
}
