//! Where questions were put to people. Which channels there are is not the run's to know: it remembers what became of each
//! post, so that a restart goes on with the messages that are there.

use serde::{Deserialize, Serialize};
use stanch_contract::{Failure, PlanDigest, StepId, Timestamp};
use stanch_runbook::Channel;

use crate::event::{Event, EventKind};
use crate::state::{Now, State};
use crate::words::*;

/// A post to a channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Post {
    /// The change, or putting it back.
    pub side: Side,
    /// When the question was asked: which of the step's questions it is.
    pub asked: Timestamp,
    /// The channel, as the operator wrote it.
    pub channel: String,
    /// What was posted.
    pub what: Posting,
    /// What the channel knows the message by; empty where it cannot be changed any more.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reference: String,
    /// Why it is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// Something that people are told of, besides questions about plans: each once, in a message that follows it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Notice {
    /// What it is about.
    pub kind: NoticeKind,
    /// The check or step; absent for the run as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<StepId>,
    /// When it came up: which of several it is.
    pub since: Timestamp,
}

/// A question with its posts.
#[derive(Debug, Clone, PartialEq)]
pub struct Posted {
    /// About which step.
    pub step: StepId,
    /// The change, or putting it back.
    pub side: Side,
    /// When it was asked.
    pub asked: Timestamp,
    /// It waits for an answer.
    pub open: Option<Awaited>,
    /// No later question was asked about it.
    pub last: bool,
    /// What was posted of it, and when.
    pub posts: Vec<(Timestamp, Post)>,
}

/// What an open question waits for.
#[derive(Debug, Clone, PartialEq)]
pub struct Awaited {
    /// A decision on this plan.
    pub digest: PlanDigest,
    /// No answer by then is a no.
    pub expires: Timestamp,
    /// Somebody said yes, and more are needed.
    pub heard: bool,
}

impl State {
    /// The questions that are open or were posted, with what was posted of them, in the order of the steps.
    pub fn posted(&self) -> Vec<Posted> {
        let sides = self
            .steps
            .iter()
            .flat_map(|step| [Side::Do, Side::Undo].map(|side| (step, side)));
        let mut all = Vec::new();
        for (step, side) in sides {
            let Some(work) = step.side(side) else { continue };
            let mine = || step.posts.iter().filter(|(_, post)| post.side == side);
            let mut asked: Vec<Timestamp> = mine().map(|(_, post)| post.asked).collect();
            let question = work.question.as_ref().filter(|_| self.closed.is_none());
            asked.extend(question.map(|_| work.asked_at));
            asked.sort_unstable();
            asked.dedup();
            all.extend(asked.into_iter().map(|asked| {
                let last = asked == work.asked_at;
                Posted {
                    step: step.id.clone(),
                    side,
                    asked,
                    open: question.filter(|_| last).map(|question| Awaited {
                        digest: question.digest,
                        expires: question.expires,
                        heard: !work.given.is_empty(),
                    }),
                    last,
                    posts: mine().filter(|(_, post)| post.asked == asked).cloned().collect(),
                }
            }));
        }
        all
    }

    /// What was posted of notices, and when.
    pub fn notices(&self) -> &[(Timestamp, Notice, Post)] {
        &self.notices
    }

    /// Where people are asked about a step and told of it, before the operator's own channels.
    pub fn channels_of(&self, step: &StepId) -> &[Channel] {
        let all = self.book.mitigation.iter().chain(&self.book.resolution);
        let mut all = all.filter(|known| known.id == *step);
        all.next().map_or(&[], |step| step.channels.as_slice())
    }

    /// What became of a post of a notice.
    pub(crate) fn was_noticed(&mut self, notice: Notice, post: Post, now: Now<'_>, out: &mut Vec<Event>) {
        let post = Box::new(post);
        self.emit(now, out, EventKind::NoticePosted { notice, post });
    }

    /// What became of a post. One to a question that is over is remembered too: its message is still to be changed.
    pub(crate) fn was_posted(&mut self, step: StepId, post: Post, now: Now<'_>, out: &mut Vec<Event>) {
        if self.steps.iter().any(|known| known.id == step) {
            let post = Box::new(post);
            self.emit(now, out, EventKind::DecisionPosted { step, post });
        }
    }
}
