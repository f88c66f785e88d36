//! What the test says that plugins answer.

use stanch_contract::Timestamp;
use stanch_run::{PluginCall, Side, Slot};
use stanch_runbook::testfile::{Answered, Call, RunbookTest, TEST_START};

/// The function that a command asks for, in the test's words.
pub(super) fn function(call: &PluginCall) -> Call {
    match (call.key.slot, call.key.side) {
        (Slot::Plan | Slot::Fresh, Side::Do) => Call::Plan,
        (Slot::Plan | Slot::Fresh, Side::Undo) => Call::PlanUndo,
        (Slot::Apply, _) => Call::Apply,
        (Slot::Own, _) => Call::Verify,
        _ => Call::Diagnose,
    }
}

/// The word that tests use.
pub(super) fn word(call: Call) -> &'static str {
    match call {
        Call::Diagnose => "diagnose",
        Call::Plan => "plan",
        Call::Apply => "apply",
        Call::Verify => "verify",
        Call::PlanUndo => "plan-undo",
        Call::Notify => "notify",
    }
}

/// What it answers now: the latest answer before or at this time.
pub(super) fn answer<'t>(
    test: &'t RunbookTest,
    of: &str,
    call: Call,
    now: Timestamp,
) -> Option<&'t Answered> {
    let answers = test.answers.iter().rev();
    let mut due = answers.filter(|answer| TEST_START.plus(answer.at) <= now);
    due.find(|answer| answer.what.of == of && answer.what.call == call)
        .map(|answer| &answer.what.with)
}
