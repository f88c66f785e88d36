//! The fake host's gate: read-only, unless a plan is being applied or a message delivered.

use stanch_contract::plan::{Action, ActionState, ChangePlan};
use stanch_contract::{FailureCode, Outcome};

use crate::Failure;
use crate::http::Response;

#[derive(Debug)]
pub(crate) struct Gate {
    pub(super) plan: ChangePlan,
    pub(super) progress: Vec<ActionState>,
    pub(super) outcome: Option<Outcome>,
    pub(super) notifying: bool,
    applying: bool,
}

impl Default for Gate {
    fn default() -> Self {
        let plan = ChangePlan {
            summary: String::new(),
            actions: Vec::new(),
            population: None,
            data: Default::default(),
            extra: Default::default(),
        };
        Self {
            plan,
            progress: Vec::new(),
            outcome: None,
            notifying: false,
            applying: false,
        }
    }
}

impl Gate {
    pub(super) fn open(&mut self, plan: &ChangePlan) {
        self.plan = plan.clone();
        self.progress = vec![ActionState::NotSent; plan.actions.len()];
        self.applying = true;
    }

    pub(super) fn close(&mut self) {
        self.applying = false;
    }

    /// The place in the plan of the action that this call is, which is used up by it; none under a grant of its own.
    pub(super) fn pass(&mut self, call: &Action) -> Result<Option<usize>, Failure> {
        if self.notifying {
            return Ok(None);
        }
        if !self.applying {
            return Err(Failure::denied(format!(
                "`{} {}` is a change, and this call is read-only",
                call.verb, call.target
            )));
        }
        let index = self
            .plan
            .actions
            .iter()
            .zip(&self.progress)
            .position(|(action, state)| may_be_sent(state) && same(action, call))
            .ok_or_else(|| {
                Failure::denied(format!(
                    "`{} {}` is not an unused action of the plan",
                    call.verb, call.target
                ))
            })?;
        let detail = "no answer".into();
        self.ended(index, ActionState::Unknown { detail });
        Ok(Some(index))
    }

    /// What an action expects of its target.
    pub(super) fn expected(&self, index: usize) -> Option<String> {
        self.plan.actions.get(index)?.expect.clone()
    }

    /// The target turned it away for now.
    pub(super) fn not_now(&mut self, index: usize, failure: &Failure) {
        let detail = failure.to_string();
        self.ended(
            index,
            ActionState::Refused {
                detail,
                for_now: true,
            },
        );
    }

    pub(super) fn answered(&mut self, index: usize, answer: &Result<Response, Failure>) {
        let state = match answer {
            Ok(response) if response.is_success() => ActionState::Done {
                detail: response.status.to_string(),
            },
            Ok(response) => ActionState::refused(response.status.to_string()),
            Err(failure) if failure.code == FailureCode::Denied => ActionState::refused(failure.to_string()),
            Err(failure) => ActionState::Unknown {
                detail: failure.to_string(),
            },
        };
        self.ended(index, state);
    }

    pub(super) fn done(&mut self, index: Option<usize>) {
        if let Some(index) = index {
            let detail = String::new();
            self.ended(index, ActionState::Done { detail });
        }
    }

    pub(super) fn ended(&mut self, index: usize, state: ActionState) {
        if let Some(slot) = self.progress.get_mut(index) {
            *slot = state;
        }
    }
}

/// What was turned away for now may be sent again.
fn may_be_sent(state: &ActionState) -> bool {
    matches!(
        state,
        ActionState::NotSent | ActionState::Refused { for_now: true, .. }
    )
}

fn same(planned: &Action, call: &Action) -> bool {
    let sorted = |action: &Action| {
        let mut items = action.items.clone();
        items.sort();
        items
    };
    planned.verb == call.verb
        && planned.target == call.target
        && planned.content == call.content
        && sorted(planned) == sorted(call)
}
