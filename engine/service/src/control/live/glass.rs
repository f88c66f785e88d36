//! Deciding alone: where the operator allows it, with a reason, audited, told to everybody.

use stanch_contract::{PlanDigest, RunId, StepId};
use stanch_run::{Actor, Role};

use super::refusals::refused;
use super::{Answer, Control as _, Live};
use crate::config::settings::BreakGlass;
use crate::control::actor::{must_be, role_of};
use crate::control::types::{Code, Decide, Problem};

/// Whether this person may decide alone.
fn may(glass: Option<BreakGlass>, actor: &Actor, request: &Decide) -> Answer<()> {
    let Some(glass) = glass else {
        return Err(Problem::new(
            Code::Forbidden,
            "nobody may decide alone here: the operator did not allow it",
        )
        .hint("have whom the question asks decide, or have `approvals.break_glass` set in stanch.toml"));
    };
    must_be(actor, role_of(glass.role), "decide alone")?;
    if !request.yes {
        return Err(Problem::new(Code::BadRequest, "a no needs no broken glass")
            .hint("deny it as anybody who is asked may, or cancel the run"));
    }
    if glass.reason && request.reason.as_deref().unwrap_or_default().trim().is_empty() {
        return Err(Problem::new(Code::BadRequest, "who decides alone has to say why").hint("give a reason"));
    }
    Ok(())
}

impl Live {
    pub(super) async fn decide_alone(
        &self,
        actor: &Actor,
        run: &RunId,
        step: &StepId,
        request: Decide,
    ) -> Answer<()> {
        let glass = self.engine.current().load().settings.break_glass;
        may(glass, actor, &request)
            .inspect_err(|why| self.not_taken(actor, run.as_str(), step, &request, why))?;
        let least = glass.map_or(Role::Admin, |glass| role_of(glass.role));
        let digest = Some(PlanDigest::from(request.digest));
        let reason = request.reason.unwrap_or_default();
        let decided = self
            .engine
            .break_glass(actor.clone(), least, run, Some(step.clone()), digest, reason);
        decided.await.map_err(refused)
    }
}

#[cfg(test)]
mod tests {
    use stanch_contract::Digest;

    use super::*;
    use crate::config::settings;

    #[test]
    fn alone_decides_who_has_the_role_that_the_operator_named_with_a_yes_and_a_reason() {
        let glass = Some(BreakGlass {
            role: settings::Role::Admin,
            reason: true,
        });
        let without = glass.map(|glass| BreakGlass {
            reason: false,
            ..glass
        });
        let table = [
            (glass, Role::Admin, true, "nobody else is awake", true),
            (None, Role::Admin, true, "nobody else is awake", false),
            (glass, Role::Operator, true, "nobody else is awake", false),
            (glass, Role::Admin, false, "nobody else is awake", false),
            (glass, Role::Admin, true, " ", false),
            (without, Role::Admin, true, "", true),
            (without, Role::Operator, true, "", false),
        ];
        for (glass, role, yes, reason, expected) in table {
            let actor = Actor {
                name: "dana".into(),
                groups: vec![],
                role,
                bounds: Vec::new(),
                via: String::new(),
            };
            let request = Decide {
                yes,
                digest: Digest::of(b""),
                reason: Some(reason.into()),
                break_glass: true,
            };
            assert_eq!(
                may(glass, &actor, &request).is_ok(),
                expected,
                "{role:?} {yes} {reason:?}"
            );
        }
    }
}
