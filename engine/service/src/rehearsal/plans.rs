//! Plans of a test, as the gate would make them.

use stanch_contract::plan::Capability;
use stanch_contract::{
    Action, ActionState, AttemptMade, CanonicalAction, ChangePlan, CheckedPlan, Failure, FailureCode,
    Population, Verdict,
};
use stanch_runbook::testfile::{Answered, Counted};
use stanch_sandbox::Installation;
use stanch_sandbox::gate;

/// Checks a plan against the grant; `counted` is what the host would count of its population.
pub(super) async fn checked(
    installation: &Installation,
    on: Option<&str>,
    plan: ChangePlan,
    counted: Option<Counted>,
) -> Result<CheckedPlan, Failure> {
    let idempotent = installation.plugin().manifest().idempotent;
    let is_given = |action: &Action| {
        ["file:", "kubernetes:"]
            .iter()
            .any(|kind| action.target.starts_with(kind))
    };
    if !plan.actions.iter().any(is_given) {
        let (grant, facilities) = (installation.grant(), installation.facilities());
        return gate::check_plan(plan, grant, facilities, None, idempotent)
            .await
            .map_err(|refused| Failure::new(FailureCode::Denied, refused.to_string()));
    }
    let actions = plan
        .actions
        .iter()
        .map(|action| match action.target.starts_with("file:") {
            true => file_action(installation, action, idempotent),
            false => object_action(installation, on, action, idempotent),
        });
    let actions = actions.collect::<Result<Vec<_>, _>>()?;
    let counts = plan.population.clone().zip(counted);
    Ok(CheckedPlan {
        // A pod that hangs may look Ready: all that are acted on are taken for it, which is the stricter reading.
        population: counts.map(|(what, Counted { total, ready })| Population {
            what,
            total,
            ready,
            ready_targets: actions.iter().map(|action| action.identity.clone()).collect(),
        }),
        summary: plan.summary.clone(),
        actions,
        offered: plan,
    })
}

/// An action on files that are not there: its folder must be granted for changes.
fn file_action(
    installation: &Installation,
    action: &Action,
    idempotent: bool,
) -> Result<CanonicalAction, Failure> {
    let target = action.target.trim_start_matches("file:");
    let at = target.split('/').next().unwrap_or_default();
    let spec = installation.grant().spec();
    let granted = spec
        .files
        .iter()
        .find(|entry| entry.at == at && entry.access == gate::Access::Change);
    let Some(granted) = granted else {
        let why = format!(
            "`{}` may not change `{at}`: no `grant.files` of it has this `at` with access = \"change\"",
            installation.key()
        );
        return Err(Failure::new(FailureCode::Denied, why));
    };
    let mut items = action.items.clone();
    items.sort();
    Ok(CanonicalAction {
        dry_run: None,
        capability: Capability::Files,
        verb: action.verb.clone(),
        target: format!("file:{target}"),
        identity: granted.path.clone(),
        expect: action.expect.clone(),
        content: action.content.clone(),
        items,
        bytes: None,
        repeat_safe: idempotent || action.verb == "remove",
        before: None,
        reason: action.reason.clone(),
    })
}

/// An action on an object that is not there: the grant has to cover it by its name.
fn object_action(
    installation: &Installation,
    on: Option<&str>,
    action: &Action,
    idempotent: bool,
) -> Result<CanonicalAction, Failure> {
    let Some(on) = on else {
        let why = format!(
            "{} {}: the step is bound to no cluster: add `on`",
            action.verb, action.target
        );
        return Err(Failure::new(FailureCode::Denied, why));
    };
    let mut named = gate::named(action, installation.grant(), on)
        .map_err(|refused| Failure::new(FailureCode::Denied, refused.why))?;
    named.repeat_safe |= idempotent;
    Ok(named)
}

/// The way back where the test does not say it: what was done, the last first.
pub(super) fn reverse(made: &AttemptMade) -> ChangePlan {
    let done = |at: u32| {
        matches!(
            made.progress.get(&at),
            Some(ActionState::Done { .. } | ActionState::Unknown { .. })
        )
    };
    let offered = (0_u32..)
        .zip(&made.plan.offered.actions)
        .filter(|(at, _)| done(*at));
    let mut actions: Vec<Action> = offered.map(|(_, action)| action.clone()).collect();
    actions.reverse();
    ChangePlan {
        summary: "put back".to_owned(),
        actions,
        ..made.plan.offered.clone()
    }
}

/// What is left to be put back after the way back was applied: nothing, unless the test says that the change's verify answers
/// no by then.
pub(super) fn left(made: &AttemptMade, said: Option<&Answered>) -> ChangePlan {
    let all = reverse(made);
    match said {
        Some(Answered::Finding(found)) if found.verdict != Verdict::Yes => all,
        _ => ChangePlan {
            actions: Vec::new(),
            ..all
        },
    }
}
