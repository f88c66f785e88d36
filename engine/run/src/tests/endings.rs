//! Every ending of a step × `on_failure` × `undo`: what happens next, how the run ends, who is told. Each row is run, and
//! docs/endings.md is this table.

use stanch_contract::{FailureCode, Verdict};

use super::sim::*;
use crate::*;

/// How the first of two steps ends.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Ends {
    Done,
    NothingToDo,
    WhenFalse,
    WhenUnknown,
    Refused,
    Expired,
    NoPlan,
    Held,
    Changed,
    ApplyNothing,
    ApplyHalf,
    NotVerified,
    DoubtHappened,
    DoubtNot,
    UndoFails,
}

impl Ends {
    fn words(self) -> &'static str {
        match self {
            Self::Done => "applied and verified",
            Self::NothingToDo => "its plan is empty",
            Self::WhenFalse => "its `when` does not hold",
            Self::WhenUnknown => "its `when` reads what is unknown",
            Self::Refused => "a person says no",
            Self::Expired => "nobody answers in time",
            Self::NoPlan => "no plan can be made",
            Self::Held => "over a limit for the whole of `hold`",
            Self::Changed => "the plan is another one each time it is asked about",
            Self::ApplyNothing => "apply fails before anything is changed",
            Self::ApplyHalf => "apply fails after something was changed",
            Self::NotVerified => "applied, and verify does not say yes in time",
            Self::DoubtHappened => "in doubt; a person says: it happened, stop",
            Self::DoubtNot => "in doubt; a person says: it did not happen, stop",
            Self::UndoFails => "applied and verified, or failed after a change, and putting it back fails",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Undo {
    /// Whatever it says.
    Any,
    No,
    OnFailure,
    WhenResolved,
    Both,
}

impl Undo {
    fn toml(self) -> &'static str {
        match self {
            Self::Any | Self::No => "[]",
            Self::OnFailure => r#"["on-failure"]"#,
            Self::WhenResolved => r#"["when-resolved"]"#,
            Self::Both => r#"["on-failure", "when-resolved"]"#,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::No => "none",
            Self::OnFailure => "on-failure",
            Self::WhenResolved => "when-resolved",
            Self::Both => "both",
        }
    }
}

/// What becomes of the change.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Change {
    None,
    Stays,
    AtOnce,
    WhenResolved,
}

impl Change {
    fn words(self) -> &'static str {
        match self {
            Self::None => "nothing was changed",
            Self::Stays => "stays",
            Self::AtOnce => "put back at once",
            Self::WhenResolved => "put back when resolved",
        }
    }
}

struct Row {
    ends: Ends,
    /// `stop`, `continue`; empty: both.
    on_failure: &'static str,
    undo: Undo,
    next_is_done: bool,
    change: Change,
    /// `None`: it stays open until a person says undo or cancel.
    run: Option<Ending>,
    told: bool,
}

macro_rules! rows {
    ($($ends:ident $on:literal $undo:ident => $next:literal, $change:ident, $run:expr, $told:literal;)*) => {
        &[$(Row {
            ends: Ends::$ends, on_failure: $on, undo: Undo::$undo, next_is_done: $next, change: Change::$change,
            run: $run, told: $told,
        }),*]
    };
}

use Ending::{Failed, Healed, Mitigated, Rejected};

const TABLE: &[Row] = rows! {
    Done          ""         No           => true,  Stays,        Some(Healed),    false;
    Done          ""         OnFailure    => true,  Stays,        Some(Healed),    false;
    Done          ""         WhenResolved => true,  WhenResolved, Some(Healed),    false;
    Done          ""         Both         => true,  WhenResolved, Some(Healed),    false;
    NothingToDo   ""         Any          => true,  None,         Some(Healed),    false;
    WhenFalse     ""         Any          => true,  None,         Some(Healed),    false;
    WhenUnknown   "stop"     Any          => false, None,         Some(Failed),    true;
    WhenUnknown   "continue" Any          => true,  None,         Some(Healed),    true;
    Refused       "stop"     Any          => false, None,         Some(Rejected),  true;
    Refused       "continue" Any          => true,  None,         Some(Mitigated), true;
    Expired       "stop"     Any          => false, None,         Some(Rejected),  true;
    Expired       "continue" Any          => true,  None,         Some(Mitigated), true;
    NoPlan        "stop"     Any          => false, None,         Some(Failed),    true;
    NoPlan        "continue" Any          => true,  None,         Some(Healed),    true;
    Held          "stop"     Any          => false, None,         Some(Failed),    true;
    Held          "continue" Any          => true,  None,         Some(Healed),    true;
    Changed       "stop"     Any          => false, None,         Some(Failed),    true;
    Changed       "continue" Any          => true,  None,         Some(Healed),    true;
    ApplyNothing  "stop"     Any          => false, None,         Some(Failed),    true;
    ApplyNothing  "continue" Any          => true,  None,         Some(Healed),    true;
    ApplyHalf     "stop"     No           => false, Stays,        Some(Failed),    true;
    ApplyHalf     "stop"     OnFailure    => false, AtOnce,       Some(Failed),    true;
    ApplyHalf     "stop"     WhenResolved => false, WhenResolved, Some(Failed),    true;
    ApplyHalf     "stop"     Both         => false, AtOnce,       Some(Failed),    true;
    ApplyHalf     "continue" No           => true,  Stays,        Some(Mitigated), true;
    ApplyHalf     "continue" OnFailure    => true,  AtOnce,       Some(Healed),    true;
    ApplyHalf     "continue" WhenResolved => true,  WhenResolved, Some(Healed),    true;
    ApplyHalf     "continue" Both         => true,  AtOnce,       Some(Healed),    true;
    NotVerified   "stop"     No           => false, Stays,        Some(Failed),    true;
    NotVerified   "stop"     OnFailure    => false, AtOnce,       Some(Failed),    true;
    NotVerified   "stop"     WhenResolved => false, WhenResolved, Some(Failed),    true;
    NotVerified   "stop"     Both         => false, AtOnce,       Some(Failed),    true;
    NotVerified   "continue" No           => true,  Stays,        Some(Mitigated), true;
    NotVerified   "continue" OnFailure    => true,  AtOnce,       Some(Healed),    true;
    NotVerified   "continue" WhenResolved => true,  WhenResolved, Some(Healed),    true;
    NotVerified   "continue" Both         => true,  AtOnce,       Some(Healed),    true;
    DoubtHappened "stop"     No           => false, Stays,        Some(Failed),    true;
    DoubtHappened "stop"     OnFailure    => false, AtOnce,       Some(Failed),    true;
    DoubtHappened "stop"     WhenResolved => false, WhenResolved, Some(Failed),    true;
    DoubtHappened "continue" No           => true,  Stays,        Some(Mitigated), true;
    DoubtHappened "continue" OnFailure    => true,  AtOnce,       Some(Healed),    true;
    DoubtHappened "continue" WhenResolved => true,  WhenResolved, Some(Healed),    true;
    DoubtNot      "stop"     Any          => false, None,         Some(Failed),    true;
    DoubtNot      "continue" Any          => true,  None,         Some(Healed),    true;
    UndoFails     ""         WhenResolved => true,  Stays,        Option::None,    true;
};

fn body(row: &Row, on_failure: &str, undo: Undo) -> String {
    let asks = matches!(row.ends, Ends::Refused | Ends::Expired | Ends::Changed);
    let approval = if asks {
        "approval = { ask = \"May it?\" }"
    } else {
        ""
    };
    let when = if matches!(row.ends, Ends::WhenFalse | Ends::WhenUnknown) {
        "when = \"diagnosis.check.yes\""
    } else {
        ""
    };
    format!(
        r#"
[[diagnosis]]
id = "check"
ask = "Is it?"
uses = "look"
with = {{}}
[[mitigation]]
id = "first"
do = "First"
uses = "change"
with = {{}}
on_failure = "{on_failure}"
undo = {undo}
{when}
{approval}
[[mitigation]]
id = "second"
do = "Second"
uses = "change"
with = {{}}
[recovery]
stable_for = "1m"
[[recovery.check]]
id = "well"
ask = "Is it well?"
uses = "look"
with = {{}}
[[escalation]]
uses = "page"
with = {{}}
"#,
        undo = undo.toml(),
    )
}

fn prepare(sim: &mut Sim, ends: Ends) {
    sim.script("second").plans.push_back(Ok(vec!["other"]));
    let first = sim.script("first");
    match ends {
        Ends::NothingToDo => first.plans.push_back(Ok(vec![])),
        Ends::NoPlan => first.plans.push_back(Err(FailureCode::Failed)),
        Ends::Held => first.plans.push_back(Ok(vec!["a", "b", "c", "d"])),
        Ends::Changed => first
            .plans
            .extend([["a"], ["b"], ["c"], ["d"], ["e"]].map(|one| Ok(one.to_vec()))),
        Ends::ApplyNothing => first.applies.push_back(How::Fails(0, FailureCode::Failed)),
        Ends::ApplyHalf => {
            first.plans.push_back(Ok(vec!["t1", "t2"]));
            first.applies.push_back(How::Fails(1, FailureCode::Failed));
        }
        Ends::NotVerified => first.verify.push_back(Ok(Verdict::No)),
        Ends::DoubtHappened | Ends::DoubtNot => {
            first.applies.push_back(How::Loses(0));
            first.verify.push_back(Ok(Verdict::No));
        }
        Ends::UndoFails => first.undo_plans.push_back(Err(FailureCode::Failed)),
        Ends::WhenFalse => sim.script("check").looks.push_back(Ok(Verdict::No)),
        Ends::WhenUnknown => sim.script("check").looks.push_back(Ok(Verdict::Unknown)),
        Ends::Done | Ends::Refused | Ends::Expired => {}
    }
}

fn run(row: &Row, on_failure: &str, undo: Undo) {
    let context = format!("{:?}, {on_failure}, {undo:?}", row.ends);
    let mut sim = Sim::new("auto", &body(row, on_failure, undo));
    prepare(&mut sim, row.ends);
    sim.settle();
    match row.ends {
        Ends::Refused => {
            sim.decide("dana", false).unwrap();
        }
        Ends::Changed => while sim.decide("dana", true).is_ok() {},
        Ends::DoubtHappened | Ends::DoubtNot => {
            let happened = row.ends == Ends::DoubtHappened;
            let by = person("dana");
            sim.person(Input::Settle {
                by,
                step: "first".into(),
                happened,
                go_on: false,
            })
            .unwrap();
        }
        _ => {}
    }
    // Longer than any question, hold or verify.
    sim.pass_secs(4_000);
    let at_once = sim.step("first").undone;
    sim.recover();
    assert_eq!(
        sim.standing("second") == "done",
        row.next_is_done,
        "{context}: the next step"
    );
    assert_eq!(sim.ending(), row.run, "{context}: {:#?}", sim.names());
    assert_eq!(!sim.told.is_empty(), row.told, "{context}: {:?}", sim.told);
    let first = sim.step("first");
    let changed = sim
        .sent
        .iter()
        .any(|(step, side, _)| step == "first" && *side == Side::Do)
        && row.ends != Ends::DoubtNot;
    let change = match (changed, first.undone, at_once) {
        (false, ..) => Change::None,
        (true, true, true) => Change::AtOnce,
        (true, true, false) => Change::WhenResolved,
        (true, false, _) => Change::Stays,
    };
    assert_eq!(change, row.change, "{context}: the change");
    assert!(sim.ledger.locks().next().is_none(), "{context}: no lock is left");
}

#[test]
fn every_row_of_the_table_is_so() {
    for row in TABLE {
        let ways: &[&str] = if row.on_failure.is_empty() {
            &["stop", "continue"]
        } else {
            &[row.on_failure]
        };
        let undos: &[Undo] = match row.undo {
            Undo::Any => &[Undo::No, Undo::OnFailure, Undo::WhenResolved, Undo::Both],
            ref one => std::slice::from_ref(one),
        };
        for on_failure in ways {
            for undo in undos {
                run(row, on_failure, *undo);
            }
        }
    }
}

#[test]
fn the_page_is_the_table() {
    let mut page = include_str!("endings_head.md").to_owned();
    for row in TABLE {
        let on_failure = if row.on_failure.is_empty() {
            "any"
        } else {
            row.on_failure
        };
        let next = if row.next_is_done { "goes on" } else { "skipped" };
        let run = row.run.map_or(
            "stays open until a person says `undo` or `cancel`".to_owned(),
            |ending| ending.to_string(),
        );
        let told = if row.told { "escalation" } else { "nobody" };
        page.push_str(&format!(
            "| {} | {on_failure} | {} | {next} | {} | {run} | {told} |\n",
            row.ends.words(),
            row.undo.words(),
            row.change.words(),
        ));
    }
    let kept = include_str!("../../../../docs/endings.md");
    assert!(
        kept == page,
        "docs/endings.md is not the table; it would be:\n{page}"
    );
}
