//! What plugins answer, as the script has it.

use serde_json::{Value, json};
use stanch_contract::{
    ActionState, CanonicalAction, Failure, FailureCode, Finding, Outcome, PluginKey, Verdict,
};
use stanch_run::words::Withheld;
use stanch_run::{ApplyCall, Call, CallResult, Input, PluginCall, Refused, Slot};
use stanch_runbook::testfile::Answered;

use super::Stage;
use crate::rehearsal::plans;
use crate::rehearsal::script::{answer, function};

impl Stage<'_> {
    /// Why this action of this plugin must not be sent, whatever the run says.
    pub(super) fn withheld(&self, plugin: &PluginKey, action: Option<&CanonicalAction>) -> Option<Withheld> {
        let namespace = action.and_then(CanonicalAction::namespace);
        let namespaces: Vec<String> = namespace.map(str::to_owned).into_iter().collect();
        self.ledger
            .paused(&self.book.name, plugin, &namespaces)
            .map(|_| Withheld::Paused)
    }

    pub(super) async fn call(&mut self, call: &PluginCall) -> CallResult {
        let said = answer(self.test, call.key.step.as_str(), function(call), self.now);
        let installed = self.snapshot.plugins.get(&call.plugin);
        let misfit =
            installed.and_then(|installed| installed.installation.plugin().check_params(&call.params));
        let misfit = misfit.map(|why| Failure::new(FailureCode::InvalidParams, why));
        match &call.call {
            Call::Diagnose => CallResult::Finding(match (misfit, said) {
                (Some(failure), _) => Err(failure),
                (None, Some(Answered::Failure(failure))) => Err(failure.clone()),
                (None, Some(Answered::Finding(finding))) => Ok(finding.clone()),
                (None, _) => Err(self.unsaid(call)),
            }),
            Call::Verify(_) => CallResult::Finding(match (misfit, said) {
                (Some(failure), _) => Err(failure),
                (None, Some(Answered::Failure(failure))) => Err(failure.clone()),
                (None, Some(Answered::Finding(finding))) => Ok(finding.clone()),
                (None, _) => Ok(yes()),
            }),
            Call::Plan | Call::PlanUndo(_) => {
                let plan = match (misfit, said, &call.call) {
                    (Some(failure), ..) => Err(failure),
                    (None, Some(Answered::Failure(failure)), _) => Err(failure.clone()),
                    (None, Some(Answered::Plan(plan, counted)), _) => Ok((plan.clone(), *counted)),
                    (None, said, Call::PlanUndo(made)) if call.key.slot == Slot::Own => {
                        Ok((plans::left(made, said), None))
                    }
                    (None, _, Call::PlanUndo(made)) => Ok((plans::reverse(made), None)),
                    (None, ..) => Err(self.unsaid(call)),
                };
                CallResult::Plan(match (plan, installed) {
                    (Ok((plan, counted)), Some(installed)) => {
                        let on = call.on.as_deref();
                        plans::checked(&installed.installation, on, plan, counted).await
                    }
                    (Ok(_), None) => {
                        let why = format!("`{}` is not installed", call.plugin);
                        Err(Failure::new(FailureCode::Denied, why))
                    }
                    (Err(failure), _) => Err(failure),
                })
            }
            Call::Apply(apply) => self.apply(call, apply, said),
        }
    }

    /// The test needs an answer that it does not give.
    fn unsaid(&mut self, call: &PluginCall) -> Failure {
        let what = function(call).as_str();
        let why = format!(
            "the test does not say what `{}` answers to `{what}`",
            call.key.step
        );
        if !self.wrong.contains(&why) {
            self.wrong.push(why.clone());
        }
        Failure::new(FailureCode::Unavailable, why)
    }

    /// Each action in turn, each told to the run before and after, as the gate does.
    fn apply(&mut self, call: &PluginCall, apply: &ApplyCall, said: Option<&Answered>) -> CallResult {
        let failure = match said {
            Some(Answered::Failure(failure)) => Some(failure.clone()),
            _ => None,
        };
        let loses = failure
            .as_ref()
            .is_some_and(|failure| matches!(failure.code, FailureCode::Timeout | FailureCode::Trap));
        let result = |result, withheld| CallResult::Applied { result, withheld };
        for (action, acted) in (0_u32..).zip(&apply.plan.actions) {
            let earlier = apply
                .earlier
                .iter()
                .find(|(at, ..)| *at == action)
                .map(|(_, state, _)| state);
            if matches!(
                earlier,
                Some(ActionState::Done { .. } | ActionState::Refused { .. })
            ) {
                continue;
            }
            if failure.is_some() && !loses {
                break;
            }
            let withhold = self.withheld(&call.plugin, Some(acted));
            let starting = Input::ActionStarting {
                key: call.key.clone(),
                action,
                withhold,
            };
            if let Err(refused) = self.try_input(starting) {
                let (why, reason) = match refused {
                    Refused::Withheld { why, reason } => (Some(why), reason),
                    other => (None, other.to_string()),
                };
                return result(Err(Failure::new(FailureCode::Denied, reason)), why);
            }
            let sent = planned(&apply.plan.actions, action);
            if let Some(played) = self.played.as_mut() {
                played.sent.extend(sent);
            }
            let state = if loses {
                ActionState::Unknown {
                    detail: "no answer came".to_owned(),
                }
            } else {
                ActionState::Done {
                    detail: "done".to_owned(),
                }
            };
            self.input(Input::ActionEnded {
                key: call.key.clone(),
                action,
                state,
                answer: None,
            });
            if loses {
                break;
            }
        }
        let done = match said {
            Some(Answered::Done(summary)) => summary.clone(),
            _ => "done".to_owned(),
        };
        let outcome = Outcome {
            summary: done,
            evidence: Vec::new(),
            data: json!({}),
            extra: Value::Null,
        };
        result(failure.map_or(Ok(outcome), Err), None)
    }
}

/// An action of a plan, as tests name it.
pub(super) fn planned(actions: &[CanonicalAction], action: u32) -> Option<String> {
    let action = usize::try_from(action).ok().and_then(|at| actions.get(at))?;
    Some(format!("{} {}", action.verb, action.target))
}

fn yes() -> Finding {
    Finding {
        verdict: Verdict::Yes,
        summary: "it holds".to_owned(),
        evidence: Vec::new(),
        data: json!({}),
        extra: Value::Null,
    }
}
