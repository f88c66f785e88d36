//! What people say to a run.

use stanch_contract::Digest;
use stanch_service::control::types::{
    AnswerCheck, ByHand, CancelRun, Code, Decide, Problem, QuestionView, RunView, Settle, StepView, UndoRun,
};
use stanch_service::report::{Detail, run_page};

use super::runs::fetch;
use crate::args;
use crate::client::{Client, segment};
use crate::console::Console;
use crate::error::{CliError, Exit};
use crate::live;

/// A yes is about a plan that somebody looked at: named by its digest, or shown here and asked about.
pub async fn approve(client: &Client, console: &Console, approve: args::Approve) -> Result<Exit, CliError> {
    let run = fetch(client, &approve.run).await?;
    let (step, question) = asked(&run, approve.step.as_deref())?;
    let digest = match approve.digest {
        Some(digest) => digest,
        None if console.is_interactive() => {
            console.page(&run_page(&run, run.now, console.width(), Detail::Short))?;
            if !console.confirm("\nIs this to be done?")? {
                console.say("nothing was decided; `stanch deny` says no")?;
                return Ok(Exit::Failed);
            }
            question.digest.digest()
        }
        None => {
            return Err(CliError::Usage {
                message: "nobody is here to look at the plan".to_owned(),
                hint: "name the plan with --digest; `stanch runs show` prints it".to_owned(),
            });
        }
    };
    let request = Decide {
        yes: true,
        digest,
        reason: approve.reason,
        break_glass: approve.break_glass,
    };
    client.act(&path(&run, step, "decision"), &request).await?;
    if approve.follow {
        return live::follow(client, console, run.summary.id.as_str()).await;
    }
    let so_far = question.yes.len() + 1;
    let count = if question.quorum > 1 {
        format!(" ({so_far} of {})", question.quorum)
    } else {
        String::new()
    };
    console.done(&format!("yes to `{}` of run {}{count}", step.id, run.summary.id))?;
    Ok(Exit::Done)
}

pub async fn deny(client: &Client, console: &Console, deny: args::Deny) -> Result<Exit, CliError> {
    let run = fetch(client, &deny.run).await?;
    let (step, question) = asked(&run, deny.step.as_deref())?;
    let digest: Digest = deny.digest.unwrap_or(question.digest.digest());
    let request = Decide {
        yes: false,
        digest,
        reason: deny.reason,
        break_glass: false,
    };
    client.act(&path(&run, step, "decision"), &request).await?;
    console.done(&format!("no to `{}` of run {}", step.id, run.summary.id))?;
    Ok(Exit::Done)
}

/// The step that is asked about: the named one, else the only one.
fn asked<'a>(run: &'a RunView, step: Option<&str>) -> Result<(&'a StepView, &'a QuestionView), CliError> {
    let mut open = run
        .steps
        .iter()
        .filter_map(|step| Some((step, step.question.as_ref()?)));
    let id = &run.summary.id;
    let nothing = |detail: String| {
        CliError::from(
            Problem::new(Code::NothingAsked, detail)
                .hint(format!("`stanch runs show {id}` shows where it is")),
        )
    };
    let found = match step {
        Some(name) => open.find(|(step, _)| step.id.as_str() == name),
        None => open.next(),
    };
    let first = found.ok_or_else(|| match step {
        Some(name) => nothing(format!("run {id} asks nothing about `{name}`")),
        None => nothing(format!("run {id} asks nothing")),
    })?;
    if step.is_none()
        && let Some((other, _)) = open.next()
    {
        return Err(CliError::Usage {
            message: format!("run {id} asks about `{}` and `{}`", first.0.id, other.id),
            hint: "name the step after the run".to_owned(),
        });
    }
    Ok(first)
}

fn path(run: &RunView, step: &StepView, what: &str) -> String {
    step_path(run.summary.id.as_str(), step.id.as_str(), what)
}

fn step_path(run: &str, step: &str, what: &str) -> String {
    format!("/runs/{}/steps/{}/{what}", segment(run), segment(step))
}

pub async fn answer(client: &Client, console: &Console, answer: args::AnswerCheck) -> Result<Exit, CliError> {
    let request = AnswerCheck {
        verdict: answer.verdict.into(),
    };
    client
        .act(&step_path(&answer.run, &answer.check, "answer"), &request)
        .await?;
    console.done(&format!("{} to `{}`", request.verdict.as_str(), answer.check))?;
    Ok(Exit::Done)
}

pub async fn by_hand(
    client: &Client,
    console: &Console,
    said: args::ByHand,
    done: bool,
) -> Result<Exit, CliError> {
    let request = ByHand { done };
    client
        .act(&step_path(&said.run, &said.step, "by-hand"), &request)
        .await?;
    console.done(&format!(
        "`{}` is {}",
        said.step,
        if done { "done" } else { "not done" }
    ))?;
    Ok(Exit::Done)
}

pub async fn settle(client: &Client, console: &Console, settle: args::Settle) -> Result<Exit, CliError> {
    let request = Settle {
        happened: settle.happened,
        go_on: settle.go_on,
    };
    client
        .act(&step_path(&settle.run, &settle.step, "settle"), &request)
        .await?;
    let fact = if request.happened {
        "happened"
    } else {
        "did not happen"
    };
    let then = if request.go_on {
        "the run goes on"
    } else {
        "the step stops here"
    };
    console.done(&format!("`{}` {fact}; {then}", settle.step))?;
    Ok(Exit::Done)
}

pub async fn undo(client: &Client, console: &Console, undo: args::Undo) -> Result<Exit, CliError> {
    let request = UndoRun {
        step: undo.step.as_deref().map(Into::into),
    };
    client
        .act(&format!("/runs/{}/undo", segment(&undo.run)), &request)
        .await?;
    if undo.follow {
        return live::follow(client, console, &undo.run).await;
    }
    let what = undo
        .step
        .map_or_else(|| "everything".to_owned(), |step| format!("`{step}`"));
    console.done(&format!("{what} is being put back"))?;
    Ok(Exit::Done)
}

pub async fn cancel(client: &Client, console: &Console, cancel: args::Cancel) -> Result<Exit, CliError> {
    let undo = match (cancel.undo, cancel.leave) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    };
    let request = CancelRun {
        undo,
        reason: cancel.reason,
    };
    client
        .act(&format!("/runs/{}/cancel", segment(&cancel.run)), &request)
        .await?;
    console.done("the run is being ended")?;
    Ok(Exit::Done)
}
