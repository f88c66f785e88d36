//! Which actions of a plan are used, and which one a call is.
//!
//! Pure: a call goes in, and out comes «send this action», «this is what it was answered», or a refusal that names what differs.

use stanch_contract::plan::{CanonicalAction, Capability};
use stanch_contract::{ActionState, Progress};

use super::answer::Reply;
use super::phase::{Apply, EarlierAction};
use super::record::{Layer, Refusal};

/// A changing call in canonical form.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ChangingCall {
    pub(crate) capability: Capability,
    pub(crate) verb: String,
    pub(crate) target: String,
    pub(crate) content: Option<String>,
    /// Sorted.
    pub(crate) items: Vec<String>,
}

impl ChangingCall {
    fn is(&self, action: &CanonicalAction) -> bool {
        self.capability == action.capability
            && self.verb == action.verb
            && self.target == action.target
            && self.content == action.content
            && self.items == action.items
    }
}

/// What is to be done with a call.
#[derive(Debug, PartialEq)]
pub(crate) enum Admission {
    /// Send it, as this action; it is marked as under way.
    Send {
        action: u32,
        /// It was sent before, and has no definite answer.
        again: bool,
    },
    /// It was answered before.
    Replay(u32, Box<Reply>),
}

/// The actions of one apply.
#[derive(Debug, Default)]
pub(crate) struct Actions(Vec<Slot>);

#[derive(Debug)]
struct Slot {
    earlier: Option<EarlierAction>,
    now: Now,
}

#[derive(Debug)]
enum Now {
    Free,
    UnderWay,
    Replayed,
    Ended(ActionState),
}

impl Actions {
    /// None is used in this call; `earlier` is what other attempts left.
    pub(crate) fn new(apply: &Apply) -> Self {
        let slot = |index: usize| Slot {
            earlier: u32::try_from(index)
                .ok()
                .and_then(|index| apply.earlier.get(&index).cloned()),
            now: Now::Free,
        };
        Self((0..apply.plan.actions.len()).map(slot).collect())
    }

    /// Finds the action that the call is, and marks it as used.
    pub(crate) fn admit(
        &mut self,
        planned: &[CanonicalAction],
        call: &ChangingCall,
    ) -> Result<Admission, Refusal> {
        let mut used = None;
        for (index, (action, slot)) in planned.iter().zip(&mut self.0).enumerate() {
            if !call.is(action) {
                continue;
            }
            let number = u32::try_from(index).unwrap_or(u32::MAX);
            match slot.now {
                Now::Free => return slot.admit(number, action),
                Now::UnderWay => used = Some("is under way".to_owned()),
                Now::Replayed => used = Some("was answered from the journal already".to_owned()),
                Now::Ended(ref state) => used = Some(format!("was used already ({})", state.as_str())),
            }
        }
        match used {
            Some(how) => {
                let why = format!(
                    "the plan's action {} {} {how}, and each is sent once",
                    call.verb, call.target
                );
                Err(Refusal::new(Layer::Action, why).hint("another action in the plan"))
            }
            None => Err(Refusal::new(Layer::Plan, difference(planned, call))
                .hint("a plan that names exactly this call")),
        }
    }

    /// The action was not sent after all.
    pub(crate) fn release(&mut self, action: u32) {
        self.set(action, Now::Free);
    }

    /// What became of it. What was not sent, or was turned away for now, can be tried again in the same call.
    pub(crate) fn end(&mut self, action: u32, state: &ActionState) {
        let now = match state {
            ActionState::NotSent => Now::Free,
            ActionState::Refused { for_now: true, .. } => {
                if let Some(slot) = self.slot(action) {
                    let (state, answer) = (state.clone(), None);
                    slot.earlier = Some(EarlierAction { state, answer });
                }
                Now::Free
            }
            _ => Now::Ended(state.clone()),
        };
        self.set(action, now);
    }

    fn set(&mut self, action: u32, now: Now) {
        if let Some(slot) = self.slot(action) {
            slot.now = now;
        }
    }

    fn slot(&mut self, action: u32) -> Option<&mut Slot> {
        usize::try_from(action)
            .ok()
            .and_then(|index| self.0.get_mut(index))
    }

    /// What is known of each action; one that is missing was not sent.
    pub(crate) fn progress(&self) -> Progress {
        let mut progress = Progress::new();
        for (index, slot) in self.0.iter().enumerate() {
            let state = match &slot.now {
                Now::UnderWay => Some(ActionState::Unknown {
                    detail: "it was sent and has no answer yet".to_owned(),
                }),
                Now::Ended(state) => Some(state.clone()),
                Now::Free | Now::Replayed => slot.earlier.as_ref().map(|earlier| earlier.state.clone()),
            };
            if let (Ok(index), Some(state)) = (u32::try_from(index), state) {
                progress.insert(index, state);
            }
        }
        progress
    }
}

impl Slot {
    fn admit(&mut self, number: u32, action: &CanonicalAction) -> Result<Admission, Refusal> {
        let mut again = false;
        if let Some(earlier) = &self.earlier {
            match &earlier.state {
                ActionState::NotSent | ActionState::Refused { for_now: true, .. } => {}
                ActionState::Done { .. } | ActionState::Refused { .. } => {
                    self.now = Now::Replayed;
                    let kept = earlier.answer.as_deref().and_then(Reply::from_bytes);
                    let reply = kept.unwrap_or_else(|| Reply::of_state(&earlier.state, action));
                    return Ok(Admission::Replay(number, Box::new(reply)));
                }
                ActionState::Unknown { .. } if action.repeat_safe => again = true,
                ActionState::Unknown { detail } => {
                    let why = format!(
                        "{} {} is in doubt ({detail}) and not safe to repeat",
                        action.verb, action.target
                    );
                    return Err(Refusal::new(Layer::Action, why).hint("a person who settles the doubt"));
                }
            }
        }
        self.now = Now::UnderWay;
        Ok(Admission::Send {
            action: number,
            again,
        })
    }
}

/// What tells the call from the action that is nearest to it.
fn difference(planned: &[CanonicalAction], call: &ChangingCall) -> String {
    let what = format!("{} {}", call.verb, call.target);
    if planned.is_empty() {
        return format!("{what} is not in the plan, which is empty");
    }
    let same_target: Vec<_> = planned
        .iter()
        .filter(|action| action.target == call.target)
        .collect();
    if same_target.is_empty() {
        let named: Vec<String> = planned
            .iter()
            .take(3)
            .map(|a| format!("{} {}", a.verb, a.target))
            .collect();
        let more = if planned.len() > 3 { ", …" } else { "" };
        return format!(
            "{what} is not in the plan, which names {}{more}",
            named.join(", ")
        );
    }
    let Some(action) = same_target.iter().find(|action| action.verb == call.verb) else {
        let verbs: Vec<&str> = same_target.iter().map(|action| action.verb.as_str()).collect();
        return format!(
            "{what} is not in the plan, which names {} on this target",
            verbs.join(", ")
        );
    };
    let mut differs = Vec::new();
    if action.content != call.content {
        let show = |content: &Option<String>| match content {
            Some(content) => format!("`{}`", stanch_contract::text::clean_line_to(content, 120)),
            None => "none".to_owned(),
        };
        differs.push(format!(
            "its content is {} where the plan has {}",
            show(&call.content),
            show(&action.content)
        ));
    }
    if action.items != call.items {
        let extra = call.items.iter().filter(|item| !action.items.contains(item));
        let left: Vec<_> = action
            .items
            .iter()
            .filter(|item| !call.items.contains(item))
            .take(1)
            .collect();
        match (
            extra.take(3).map(String::as_str).collect::<Vec<_>>(),
            left.first(),
        ) {
            (extra, _) if !extra.is_empty() => {
                let extra = stanch_contract::text::clean_line_to(&extra.join(", "), 200);
                differs.push(format!("the plan does not name {extra}"));
            }
            (_, Some(left)) => {
                let left = stanch_contract::text::clean_line_to(left, 200);
                differs.push(format!(
                    "it leaves out {left}, and the plan's items are acted on in one call"
                ));
            }
            _ => {}
        }
    }
    format!("{what} differs from the plan: {}", differs.join("; "))
}

#[cfg(test)]
mod tests;
