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

/// Whether the real plugin is called: the test gives a world, and does not say what this plugin of this step answers. A
/// step's plugin is one or the other in the whole test.
pub(super) fn is_real(test: &RunbookTest, of: &str, call: Call) -> bool {
    let plugin = |call| match call {
        Call::Diagnose => 0,
        Call::Plan | Call::Apply | Call::Verify | Call::PlanUndo => 1,
        Call::Notify => 2,
    };
    let mut said = test.answers.iter().map(|answer| &answer.what);
    !test.world.is_empty() && !said.any(|answer| answer.of == of && plugin(answer.call) == plugin(call))
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
