//! What people are asked or told of, whatever it is: a question about a plan, or a notice of something that a person has to do
//! or should know. Pure: from the run and its events.

use stanch_contract::{StepId, Timestamp};
use stanch_run::{
    Event, EventKind, Notice, NoticeKind, OpenQuestion, Post, Posted, QuestionKind, Side, State, Timer,
};

/// What it is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum About {
    /// A question about a plan.
    Plan(StepId, Side),
    /// What a person has to do or should know.
    Notice(NoticeKind, Option<StepId>),
}

/// One message's worth: it is put into a channel once, and follows what it is about.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Matter {
    pub(super) about: About,
    /// When it came up: the same may come up again later, and is another matter then.
    pub(super) asked: Timestamp,
    /// It is not over.
    pub(super) open: Option<Open>,
    /// Nothing like it came up later.
    pub(super) last: bool,
    /// Where it was put, and when.
    pub(super) posts: Vec<(Timestamp, Post)>,
}

/// A matter that is not over.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Open {
    /// The plan that a decision is about.
    pub(super) digest: Option<String>,
    /// No answer by then is one.
    pub(super) expires: Option<Timestamp>,
    /// Nobody else has to hear of it: somebody reacted, or it keeps nothing up.
    pub(super) heard: bool,
}

impl Matter {
    /// The step that it is about.
    pub(super) fn step(&self) -> Option<&StepId> {
        match &self.about {
            About::Plan(step, _) => Some(step),
            About::Notice(_, step) => step.as_ref(),
        }
    }

    /// The side of its step.
    pub(super) fn side(&self) -> Side {
        match &self.about {
            About::Plan(_, side) => *side,
            About::Notice(..) => Side::Do,
        }
    }
}

impl From<Posted> for Matter {
    fn from(posted: Posted) -> Self {
        Self {
            about: About::Plan(posted.step, posted.side),
            asked: posted.asked,
            open: posted.open.map(|open| Open {
                digest: Some(open.digest.digest().to_string()),
                expires: Some(open.expires),
                heard: open.heard,
            }),
            last: posted.last,
            posts: posted.posts,
        }
    }
}

/// Everything that people are asked or told of in this run, or were.
pub(super) fn matters(state: &State, events: &[Event]) -> Vec<Matter> {
    let mut matters: Vec<Matter> = state.posted().into_iter().map(Matter::from).collect();
    let mut notices: Vec<Matter> = Vec::new();
    for question in state.questions() {
        notices.extend(asked(&question, events));
    }
    notices.extend(escalated(state, events));
    for (at, notice, post) in state.notices() {
        let about = About::Notice(notice.kind, notice.step.clone());
        let same = |of: &&mut Matter| of.about == about && of.asked == notice.since;
        match notices.iter_mut().find(same) {
            Some(matter) => matter.posts.push((*at, post.clone())),
            None => notices.push(Matter {
                about,
                asked: notice.since,
                open: None,
                last: true,
                posts: vec![(*at, post.clone())],
            }),
        }
    }
    matters.extend(notices);
    matters
}

/// What a person has to do, where it is no decision about a plan.
fn asked(question: &OpenQuestion, events: &[Event]) -> Option<Matter> {
    let kind = match question.kind {
        QuestionKind::Decide | QuestionKind::DecideUndo => return None,
        QuestionKind::Answer => NoticeKind::Answer,
        QuestionKind::ByHand => NoticeKind::ByHand,
        QuestionKind::Settle => NoticeKind::Settle,
        QuestionKind::UndoOrLeave => NoticeKind::Choose,
    };
    Some(Matter {
        asked: since(kind, question.step.as_ref(), events)?,
        about: About::Notice(kind, question.step.clone()),
        open: Some(Open {
            digest: None,
            expires: question.expires,
            // A check by hand keeps nothing up, so nobody is woken for it.
            heard: kind == NoticeKind::Answer && question.expires.is_none(),
        }),
        last: true,
        posts: Vec::new(),
    })
}

/// That the run is escalated, which people are to hear also where it was closed at once. Who has to come is called by
/// `[[escalation]]`.
fn escalated(state: &State, events: &[Event]) -> Option<Matter> {
    let told = |(_, notice, _): &(Timestamp, Notice, Post)| notice.kind == NoticeKind::Escalated;
    let over = state.ending().is_some() && state.notices().iter().any(told);
    if state.escalated().is_empty() || state.opened().shadow || over {
        return None;
    }
    Some(Matter {
        asked: since(NoticeKind::Escalated, None, events)?,
        about: About::Notice(NoticeKind::Escalated, None),
        open: Some(Open {
            digest: None,
            expires: None,
            heard: true,
        }),
        last: true,
        posts: Vec::new(),
    })
}

/// When it came up.
fn since(kind: NoticeKind, step: Option<&StepId>, events: &[Event]) -> Option<Timestamp> {
    let first = events.first().map(|event| event.at);
    if kind == NoticeKind::Escalated {
        return first;
    }
    let is_it = |event: &&Event| match (kind, &event.kind) {
        (NoticeKind::Answer | NoticeKind::ByHand, EventKind::StepStarted { .. })
        | (NoticeKind::Settle, EventKind::InDoubt { .. }) => event.kind.step() == step,
        (
            NoticeKind::Choose,
            EventKind::RunCancelled { .. }
            | EventKind::UndoFailed { .. }
            | EventKind::RunReopened { .. }
            | EventKind::TimerDue {
                timer: Timer::GiveUp, ..
            },
        ) => true,
        _ => false,
    };
    // Without such an event it came up with the run.
    events.iter().rev().find(is_it).map(|event| event.at).or(first)
}

/// Whether an event is one after which people may have to be asked or told of something.
pub(crate) fn asks(event: &Event) -> bool {
    match &event.kind {
        EventKind::DecisionAsked { .. }
        | EventKind::DecisionRefused { .. }
        | EventKind::DecisionExpired { .. }
        | EventKind::GuardrailBlocked { .. }
        | EventKind::AttemptFailed { .. }
        | EventKind::StepFailed { .. }
        | EventKind::InDoubt { .. }
        | EventKind::UndoFailed { .. }
        | EventKind::RunCancelled { .. }
        | EventKind::RunReopened { .. }
        | EventKind::EscalationSent { .. }
        | EventKind::EscalationFailed { .. }
        | EventKind::TimerDue { .. } => true,
        // What a person does has no parameters.
        EventKind::StepStarted { params, .. } => params.is_null(),
        EventKind::StepAnswered { failure, .. } => failure.is_some(),
        _ => false,
    }
}

/// As a run remembers it.
pub(super) fn notice(about: &About, since: Timestamp) -> Option<Notice> {
    match about {
        About::Plan(..) => None,
        About::Notice(kind, step) => Some(Notice {
            kind: *kind,
            step: step.clone(),
            since,
        }),
    }
}
