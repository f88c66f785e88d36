//! Carrying the plan out: each pod once, and those that a budget holds again, for as long as there is time.

use std::time::Duration;

use stanch_plugin::kubernetes::{age, is_budget};
use stanch_plugin::prelude::*;

use crate::{Data, Params};

/// Between two tries, where the budget does not say.
const PAUSE: Duration = Duration::from_secs(5);
/// The longest pause: a budget that lets go early is seen early.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// What is kept of the call's time, to say how it ended.
const RESERVE: Duration = Duration::from_secs(2);

/// How far it came.
#[derive(Default)]
struct Done {
    gone: Vec<String>,
    replaced: Vec<String>,
    held: Option<Failure>,
}

pub(crate) fn apply(ctx: &Context, params: &Params, plan: &Plan<Data>) -> Result<Outcome<Data>, Failure> {
    let began = host::now();
    let waited = || host::now().since(began).as_millis();
    let mut done = Done::default();
    let mut pending: Vec<usize> = (0..plan.actions.len()).collect();
    loop {
        pending = round(ctx, plan, &pending, &mut done)?;
        if pending.is_empty() {
            break;
        }
        let pause = done
            .held
            .as_ref()
            .and_then(|held| held.retry_after_ms)
            .map_or(PAUSE, |ms| Duration::from_millis(ms.into()))
            .clamp(Duration::from_secs(1), LONGEST_PAUSE);
        let over = params
            .wait
            .is_some_and(|most| waited() + pause.as_millis() as i64 > most.as_millis());
        if over || host::is_cancelled() || host::remaining() < pause + RESERVE {
            return Err(held(plan, &done, &pending, waited()));
        }
        host::sleep(pause);
    }
    if done.gone.is_empty() && !done.replaced.is_empty() {
        let message = format!("Other pods have taken the names of {}", done.replaced.join(", "));
        return Err(Failure::conflict(message));
    }
    let mut summary = match done.gone.len() {
        0 => "Nothing to evict".to_owned(),
        _ => format!("Evicted {}", done.gone.join(", ")),
    };
    if !done.replaced.is_empty() {
        summary.push_str(&format!(
            "; {} had been replaced already",
            done.replaced.join(", ")
        ));
    }
    let mut outcome = Outcome::new(summary).data(plan.data.clone().unwrap_or_default());
    if done.held.is_some() {
        outcome = outcome.evidence(Evidence::value("Waited for a budget", age(waited())));
    }
    Ok(outcome)
}

/// Tries each of them once; those that a budget holds are left for another time.
fn round(
    ctx: &Context,
    plan: &Plan<Data>,
    pending: &[usize],
    done: &mut Done,
) -> Result<Vec<usize>, Failure> {
    let mut still = Vec::new();
    for index in pending {
        let Some(action) = plan.actions.get(*index) else {
            continue;
        };
        let name = action.object().map_or("a pod", |pod| pod.name.as_str());
        match action.carry_out(&ctx.key_of(*index, plan.actions.len())) {
            Ok(_) => done.gone.push(name.to_owned()),
            Err(failure) if is_budget(&failure) => {
                info!("{name} is held: {failure}");
                done.held = Some(failure);
                still.push(*index);
            }
            // What was to go has gone, and is not to be looked for under a name that is another's now.
            Err(failure) if failure.code == FailureCode::Conflict => done.replaced.push(name.to_owned()),
            Err(failure) => {
                let so_far = format!("{} of {} evicted", done.gone.len(), plan.actions.len());
                return Err(failure.context(so_far));
            }
        }
    }
    Ok(still)
}

/// A budget is not a no for ever: what it holds is worth another try, where the runbook says `retry`.
fn held(plan: &Plan<Data>, done: &Done, pending: &[usize], waited: i64) -> Failure {
    let names: Vec<&str> = pending
        .iter()
        .filter_map(|index| Some(plan.actions.get(*index)?.object()?.name.as_str()))
        .collect();
    let why = done.held.as_ref().map_or("", |held| held.message.as_str());
    let message = format!(
        "A budget still holds {} after {}; {} of {} evicted: {why}",
        names.join(", "),
        age(waited),
        done.gone.len(),
        plan.actions.len()
    );
    let again = done.held.as_ref().and_then(|held| held.retry_after_ms);
    Failure::unavailable(message).retry_after(again.unwrap_or(10_000))
}
