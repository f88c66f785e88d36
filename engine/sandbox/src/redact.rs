//! Secrets, taken out of what a plugin says.
//!
//! A plugin never holds a secret, and the gate takes secrets out of what servers answer. This is the second line: should
//! one have come to a plugin in another way (a file, an encoding the gate does not know), it is still not shown, stored
//! or handed on. Targets and contents of plans stay as they are, because the gate compares them.

use crate::bindings::{common, remedy};
use crate::call::Answer;
use crate::secret::Redactor;

/// What a plugin answered, without the secrets that `redactor` knows.
pub(crate) fn answer(mut answer: Answer, redactor: &Redactor) -> Answer {
    match &mut answer {
        Answer::Finding(finding) => {
            texts(
                redactor,
                [&mut finding.summary, &mut finding.data, &mut finding.extra],
            );
            evidence(redactor, &mut finding.evidence);
        }
        Answer::Outcome(outcome) => {
            texts(
                redactor,
                [&mut outcome.summary, &mut outcome.data, &mut outcome.extra],
            );
            evidence(redactor, &mut outcome.evidence);
        }
        Answer::Plan(remedy::ChangePlan {
            summary,
            data,
            extra,
            actions,
            ..
        }) => {
            texts(redactor, [summary, data, extra]);
            for action in actions {
                texts(redactor, [&mut action.reason, &mut action.extra]);
            }
        }
        Answer::Text(_) | Answer::Told => {}
    }
    answer
}

fn evidence(redactor: &Redactor, pieces: &mut [common::Evidence]) {
    for piece in pieces {
        texts(redactor, [&mut piece.label, &mut piece.value, &mut piece.extra]);
        texts(redactor, piece.link.iter_mut().chain(&mut piece.unit));
    }
}

fn texts<'a>(redactor: &Redactor, texts: impl IntoIterator<Item = &'a mut String>) {
    for text in texts {
        *text = redactor.text(std::mem::take(text));
    }
}
