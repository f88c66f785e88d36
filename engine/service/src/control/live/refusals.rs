//! The executor's refusals, as problems with a hint.

use stanch_journal::StoreError;
use stanch_run::Refused;

use crate::control::types::{Code, Problem};
use crate::executor::{DryRunError, NotTheirs, Refusal, StartRefused};
use crate::intake::NotDurable;

/// A run does not take it.
pub(super) fn refused(refusal: Refusal) -> Problem {
    let detail = refusal.to_string();
    match refusal {
        Refusal::Run(Refused::Closed { .. }) => Problem::new(Code::WrongState, detail),
        Refusal::Run(Refused::NothingOpen(_)) => {
            Problem::new(Code::NothingAsked, detail).hint("`stanch runs show RUN` shows what is asked")
        }
        Refusal::Run(Refused::Stale(_)) => {
            Problem::new(Code::PlanChanged, detail).hint("look at it again with `stanch runs show RUN`")
        }
        Refusal::Run(Refused::NotAllowed(_)) => Problem::new(Code::NotYours, detail),
        Refusal::Run(Refused::Withheld { .. }) => Problem::new(Code::WrongState, detail),
        Refusal::NoRun(_) => {
            Problem::new(Code::WrongState, detail).hint("`stanch runs --open` lists open runs")
        }
        Refusal::NotTheirs(why) => not_theirs(&why),
        Refusal::NotDurable(_) | Refusal::Stopping => Problem::new(Code::Unavailable, detail),
    }
}

/// A run was not started by hand.
pub(super) fn not_started(refused: StartRefused) -> Problem {
    let detail = refused.to_string();
    match refused {
        StartRefused::NoRunbook(_) => no_runbook(detail),
        StartRefused::NotTheirs(why) => not_theirs(&why),
        StartRefused::Inputs(_) => bad_input(detail),
        StartRefused::Runs(_) => {
            Problem::new(Code::AlreadyOpen, detail).hint("`stanch runs --open` lists open runs")
        }
        StartRefused::NotDurable(_) | StartRefused::Stopping => Problem::new(Code::Unavailable, detail),
    }
}

/// It is not this person's to see or do.
pub(super) fn not_theirs(why: &NotTheirs) -> Problem {
    Problem::new(Code::Forbidden, why.to_string()).hint(why.ask())
}

/// There was no dry run.
pub(super) fn dry_run(error: DryRunError) -> Problem {
    let detail = error.to_string();
    match error {
        DryRunError::NoRunbook(_) => no_runbook(detail),
        DryRunError::Inputs(_) => bad_input(detail),
        DryRunError::Open(_) => Problem::new(Code::Internal, detail),
    }
}

/// Alerts were not recorded.
pub(super) fn not_durable(error: &NotDurable) -> Problem {
    Problem::new(Code::Unavailable, error.to_string())
}

/// The journal cannot be read.
pub(super) fn journal(error: &StoreError) -> Problem {
    Problem::new(Code::Unavailable, format!("the journal cannot be read: {error}"))
}

fn no_runbook(detail: String) -> Problem {
    Problem::new(Code::RunbookNotFound, detail).hint("`stanch status` says which files do not load")
}

fn bad_input(detail: String) -> Problem {
    Problem::new(Code::BadInput, detail).hint("give inputs as `--input NAME=VALUE`")
}
