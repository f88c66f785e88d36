//! What people do on pages. Each form is one operation of the API, by the same rules; afterwards the page is shown anew.

use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use stanch_contract::{RunId, StepId};
use stanch_run::Role;
use stanch_run::ledger::PauseScope;

use super::visitor::{Fields, Sent, Visitor};
use super::{Web, frame};
use crate::control::Answer;
use crate::control::actor::{must_be, to_decide};
use crate::control::types::{
    AnswerCheck, ByHand, CancelRun, Code, Decide, PauseRequest, Problem, Settle, UndoRun,
};

/// Back to the run's page, or why nothing was done.
fn back(who: &Visitor, run: &str, done: Answer<()>) -> Response {
    match done {
        Ok(()) => Redirect::to(&format!("/runs/{run}")).into_response(),
        Err(problem) => frame::problem(Some(who), &problem),
    }
}

async fn found(web: &Web, who: &Visitor, least: Role, what: &str, run: &str) -> Answer<RunId> {
    must_be(who, least, what)?;
    web.control.find_run(who, run).await
}

fn unread(name: &str, value: &str) -> Problem {
    let value = stanch_contract::text::clean_line_to(value, 40);
    Problem::new(Code::BadRequest, format!("`{name}` cannot be `{value}`"))
}

/// Yes or no to a question, about the digest that the page showed.
pub(super) async fn decide(
    State(web): State<Web>,
    Path((run, step)): Path<(String, StepId)>,
    Sent { who, fields }: Sent,
) -> Response {
    let done = async {
        let digest = fields.need("digest")?;
        let request = Decide {
            yes: fields.yes("decision")?,
            digest: digest.parse().map_err(|_| unread("digest", digest))?,
            reason: fields.text("reason").map(str::to_owned),
            break_glass: fields.text("alone").is_some(),
        };
        let run = to_decide(web.control.as_ref(), &who, &run, &step, &request).await?;
        web.control.decide(&who, &run, &step, request).await
    };
    let done = done.await;
    back(&who, &run, done)
}

/// A person's answer to a check.
pub(super) async fn answer(
    State(web): State<Web>,
    Path((run, check)): Path<(String, StepId)>,
    Sent { who, fields }: Sent,
) -> Response {
    let done = async {
        let run = found(&web, &who, Role::Approver, "answer a check", &run).await?;
        let word = fields.need("verdict")?;
        let verdict = serde_json::from_value(word.into()).map_err(|_| unread("verdict", word))?;
        web.control
            .answer(&who, &run, &check, AnswerCheck { verdict })
            .await
    };
    let done = done.await;
    back(&who, &run, done)
}

/// What a person says of a step done by hand.
pub(super) async fn by_hand(
    State(web): State<Web>,
    Path((run, step)): Path<(String, StepId)>,
    Sent { who, fields }: Sent,
) -> Response {
    let done = async {
        let run = found(&web, &who, Role::Approver, "say what was done by hand", &run).await?;
        let done = fields.yes("done")?;
        web.control.by_hand(&who, &run, &step, ByHand { done }).await
    };
    let done = done.await;
    back(&who, &run, done)
}

/// A person settles a doubt.
pub(super) async fn settle(
    State(web): State<Web>,
    Path((run, step)): Path<(String, StepId)>,
    Sent { who, fields }: Sent,
) -> Response {
    let done = async {
        let run = found(&web, &who, Role::Operator, "settle a doubt", &run).await?;
        let request = Settle {
            happened: fields.yes("happened")?,
            go_on: fields.yes("go_on")?,
        };
        web.control.settle(&who, &run, &step, request).await
    };
    let done = done.await;
    back(&who, &run, done)
}

/// Puts back what a run changed.
pub(super) async fn undo(
    State(web): State<Web>,
    Path(run): Path<String>,
    Sent { who, fields }: Sent,
) -> Response {
    let done = async {
        let run = found(&web, &who, Role::Operator, "undo", &run).await?;
        let step = fields.text("step").map(StepId::from);
        web.control.undo(&who, &run, UndoRun { step }).await
    };
    let done = done.await;
    back(&who, &run, done)
}

/// Ends a run.
pub(super) async fn cancel(
    State(web): State<Web>,
    Path(run): Path<String>,
    Sent { who, fields }: Sent,
) -> Response {
    let done = async {
        let run = found(&web, &who, Role::Operator, "cancel a run", &run).await?;
        let undo = match fields.text("then") {
            None => None,
            Some("undo") => Some(true),
            Some("leave") => Some(false),
            Some(other) => return Err(unread("then", other)),
        };
        let reason = fields.text("reason").map(str::to_owned);
        web.control.cancel(&who, &run, CancelRun { undo, reason }).await
    };
    let done = done.await;
    back(&who, &run, done)
}

fn home(who: &Visitor, done: Answer<()>) -> Response {
    match done {
        Ok(()) => Redirect::to("/").into_response(),
        Err(problem) => frame::problem(Some(who), &problem),
    }
}

fn scope(fields: &Fields) -> Answer<PauseScope> {
    let word = fields.need("scope")?;
    word.parse().map_err(|_| unread("scope", word))
}

/// Stops changes.
pub(super) async fn pause(State(web): State<Web>, Sent { who, fields }: Sent) -> Response {
    let done = async {
        must_be(&who, Role::Operator, "pause")?;
        let request = PauseRequest {
            scope: scope(&fields)?,
            reason: fields.need("reason")?.to_owned(),
        };
        web.control.pause(&who, request).await
    };
    let done = done.await;
    home(&who, done)
}

/// Lets changes go on.
pub(super) async fn resume(State(web): State<Web>, Sent { who, fields }: Sent) -> Response {
    let done = async {
        must_be(&who, Role::Operator, "resume")?;
        web.control.resume(&who, &scope(&fields)?).await
    };
    let done = done.await;
    home(&who, done)
}
