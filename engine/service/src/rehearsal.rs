//! `stanch test`: a runbook's tests, played with the real state machine.
//!
//! Matching, inputs, expressions, schemas, limits, locks, decisions and endings are the engine's own; time is a virtual
//! clock. What plugins answer is one of two things, for each plugin of each step:
//!
//! - Where the test gives a world (servers, files) and does not say what the plugin answers, the real plugin is called, in
//!   the real sandbox, at the real gate, and its plans go through the run as in production. The world is
//!   [`stanch_recorded`]'s: what it does not give fails the test.
//! - Else it is read from the test. A plan that is given for HTTP is checked by the gate against the operator's grant; one
//!   for files or for a cluster against the grant's names only, because there are no such files and no such objects. Where the test does not say: an apply is
//!   done, verify answers yes, the way back is the same actions in reverse order, a message is delivered. A plan or an
//!   answer that is needed and not given is a mistake of the test. An apply that fails with `timeout` or `trap` loses the
//!   answer to its first action; any other failure comes before anything is sent.

mod compare;
mod live;
mod plans;
mod script;
mod stage;

use std::sync::Arc;

use stanch_run::State;
use stanch_runbook::testfile::RunbookTest;

use self::stage::Stage;
use crate::control::types::RunView;
use crate::report::compose::run_view;
use crate::snapshot::{LoadedRunbook, Snapshot};

/// How one test went.
#[derive(Debug, Clone, PartialEq)]
pub struct Rehearsed {
    /// What the test shows, in its words.
    pub test: String,
    /// What came out otherwise than expected; empty: it passed.
    pub wrong: Vec<String>,
    /// The run at the end; absent where none was started.
    pub run: Option<RunView>,
}

/// Plays one test of a runbook that is loaded.
pub async fn rehearse(snapshot: &Snapshot, loaded: &Arc<LoadedRunbook>, test: &RunbookTest) -> Rehearsed {
    let mut stage = Stage::new(snapshot, loaded, test);
    stage.play().await;
    let (played, now, mut wrong) = stage.finish();
    wrong.extend(compare::differences(test, played.as_ref()));
    let run = played
        .as_ref()
        .map(|played| run_view(&played.state, &played.events, now));
    Rehearsed {
        test: test.name.clone(),
        wrong,
        run,
    }
}

/// A run that was played.
struct Played {
    state: State,
    events: Vec<stanch_run::Event>,
    /// Plugins that delivered a message, in order.
    told: Vec<String>,
    /// Actions that were sent, in order.
    sent: Vec<String>,
    /// The files of the test's world at the end.
    left: Vec<String>,
}
