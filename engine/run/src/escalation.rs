//! Calling for help: one message for everything that nobody was told of yet, by the first `[[escalation]]` that
//! delivers. A run does not close before it was heard, or every way was tried for a while.

use stanch_contract::{Failure, FailureCode, Span, Timestamp};

use crate::command::{Command, Notify};
use crate::event::{Event, EventKind};
use crate::scope::severity_word;
use crate::state::{Now, State};
use crate::words::*;

/// How long after a failed try the same way is tried again; after the last the next way is.
const RETRIES: [Span; 2] = [Span::from_secs(2), Span::from_secs(15)];
/// How long after the last way failed the first is tried again.
const ROUND: Span = Span::from_secs(60);
/// How often all ways are tried.
const ROUNDS: u32 = 10;

/// Why help is called for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reason {
    pub(crate) at: Timestamp,
    pub(crate) text: String,
}

/// What was told.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Telling {
    pub(crate) reasons: Vec<Reason>,
    pub(crate) told: u32,
    pub(crate) notice: u32,
    tries: u32,
    round: u32,
    pub(crate) attempt: u32,
    pub(crate) next: Option<Timestamp>,
}

impl Telling {
    pub(crate) fn count(&self) -> u32 {
        u32::try_from(self.reasons.len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn sent(&mut self, reasons: u32) {
        // The count of attempts goes on: what was begun for more reasons meanwhile is still wanted, once.
        *self = Self {
            reasons: std::mem::take(&mut self.reasons),
            told: reasons,
            attempt: self.attempt,
            ..Self::default()
        };
    }

    pub(crate) fn give_up(&mut self) {
        let all = self.count();
        self.sent(all);
    }

    pub(crate) fn failed(&mut self, at: Timestamp, notices: u32) {
        self.attempt += 1;
        let wait = usize::try_from(self.tries)
            .ok()
            .and_then(|n| RETRIES.get(n))
            .copied();
        match wait {
            Some(wait) => {
                self.tries += 1;
                self.next = Some(at.plus(wait));
            }
            None => {
                self.tries = 0;
                self.notice += 1;
                self.next = None;
                if self.notice >= notices {
                    self.notice = 0;
                    self.round += 1;
                    self.next = Some(at.plus(ROUND));
                }
            }
        }
    }

    fn is_spent(&self) -> bool {
        self.round >= ROUNDS
    }
}

impl State {
    pub(crate) fn raise(&mut self, at: Timestamp, text: String) {
        self.telling.reasons.push(Reason { at, text });
    }

    /// Why the run is escalated; empty where it is not.
    pub fn escalated(&self) -> Vec<&str> {
        self.telling
            .reasons
            .iter()
            .map(|reason| reason.text.as_str())
            .collect()
    }

    /// Somebody is still to be told.
    pub(crate) fn is_telling(&self) -> bool {
        // A shadow run sends nothing: its marks are for who looks at it.
        !self.opened.shadow && !self.book.escalation.is_empty() && self.telling.count() > self.telling.told
    }

    pub(crate) fn tell(&mut self, now: Now<'_>, out: &mut Vec<Event>) -> bool {
        if self.is_telling() && self.telling.is_spent() {
            self.emit(
                now,
                out,
                EventKind::TimerDue {
                    timer: Timer::Untold,
                    step: None,
                    side: Side::Do,
                },
            );
            return true;
        }
        false
    }

    pub(crate) fn told(
        &mut self,
        notice: u32,
        reasons: u32,
        result: Result<(), Failure>,
        now: Now<'_>,
        out: &mut Vec<Event>,
    ) {
        if !self.is_telling() || notice != self.telling.notice || reasons > self.telling.count() {
            return;
        }
        let kind = match result {
            Ok(()) => EventKind::EscalationSent {
                notice,
                reasons,
                message: self.message(),
            },
            Err(failure) => EventKind::EscalationFailed {
                notice,
                reasons,
                failure,
            },
        };
        self.emit(now, out, kind);
    }

    /// Nobody is told any more: the run's next episode begins, and calls for help itself.
    pub(crate) fn stop_telling(&mut self, now: Now<'_>, out: &mut Vec<Event>) {
        if self.is_telling() {
            let failure = Failure::new(
                FailureCode::Unavailable,
                "the alert fires again: the next run takes over",
            );
            let (notice, reasons) = (self.telling.notice, self.telling.count());
            self.emit(
                now,
                out,
                EventKind::EscalationFailed {
                    notice,
                    reasons,
                    failure,
                },
            );
            self.emit(
                now,
                out,
                EventKind::TimerDue {
                    timer: Timer::Untold,
                    step: None,
                    side: Side::Do,
                },
            );
        }
    }

    fn message(&self) -> String {
        let told = usize::try_from(self.telling.told).unwrap_or(usize::MAX);
        let new: Vec<&str> = self
            .telling
            .reasons
            .iter()
            .skip(told)
            .map(|reason| reason.text.as_str())
            .collect();
        new.join("\n")
    }

    pub(crate) fn want_notify(&self, now: Now<'_>, commands: &mut Vec<Command>) {
        if !self.is_telling() || self.telling.next.is_some_and(|next| now.at < next) {
            return;
        }
        let index = usize::try_from(self.telling.notice).unwrap_or(usize::MAX);
        let Some(notice) = self.book.escalation.get(index) else {
            return;
        };
        commands.push(Command::Notify(Box::new(Notify {
            notice: self.telling.notice,
            attempt: self.telling.attempt,
            reasons: self.telling.count(),
            plugin: notice.uses.clone(),
            params: self.render(&notice.with).map_err(|error| error.to_string()),
            title: format!("{} needs a person: {}", self.opened.run, self.book.title),
            text: self.message(),
            severity: severity_word(self.book.impact.severity).to_owned(),
            report: self.report(),
        })));
    }

    pub(crate) fn telling_due(&self) -> Option<Timestamp> {
        self.telling.next.filter(|_| self.is_telling())
    }
}
