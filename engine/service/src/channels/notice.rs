//! What a notice looks like: what a person has to do besides deciding on a plan, or should know.

use stanch_contract::ActionState;
use stanch_run::NoticeKind;

use super::card::{Card, Press, Standing, found, line, over_of_step};
use super::matter::{About, Matter};
use crate::config::settings::Server;
use crate::control::types::{CheckState, RunView, StepView, Tone};
use crate::report::words;

/// Reasons that are shown, the newest.
const REASONS: usize = 5;
/// Checks that are shown.
const CHECKS: usize = 8;

/// A notice of a run; nothing where it is a question about a plan, or the run has no such step.
pub(super) fn card(run: &RunView, matter: &Matter, server: &Server) -> Option<Card> {
    let About::Notice(kind, step) = &matter.about else {
        return None;
    };
    let id = run.summary.id.clone();
    let (mut facts, mut press, mut how) = (Vec::new(), Vec::new(), Vec::new());
    let (ask, over) = match (kind, step) {
        (NoticeKind::Answer, Some(step)) => {
            let checks = run.checklist.iter();
            let check = checks.chain(run.recovery.iter().flat_map(|recovery| &recovery.checks));
            let check = check.into_iter().find(|check| check.id == *step)?;
            facts.extend(check.by_hand.iter().map(|where_to| ("Look at", line(where_to))));
            press.extend([Press::Yes, Press::No, Press::Unknown]);
            how.push(format!("stanch answer {id} {step} yes|no|unknown"));
            (check.ask.clone(), answered(&check.state, check.by.as_deref()))
        }
        (NoticeKind::ByHand, Some(step)) => {
            let view = run.step(step)?;
            facts.extend(view.by_hand.iter().map(|how| ("How", line(how))));
            press.extend([Press::Done, Press::NotDone]);
            how.push(format!("stanch done {id} {step}"));
            how.push(format!("stanch not-done {id} {step}"));
            (format!("To be done by hand: {}", view.what), over_of_step(view))
        }
        (NoticeKind::Settle, Some(step)) => {
            let view = run.step(step)?;
            facts.extend(doubted(view));
            how.push(format!(
                "stanch settle {id} {step} --happened|--not-happened --go-on|--stop"
            ));
            let ask = format!(
                "In doubt: {}. Did it take effect? Look at the target itself",
                view.what
            );
            (ask, over_of_step(view))
        }
        (NoticeKind::Choose, _) => {
            how.push(format!("stanch undo {id}"));
            how.push(format!("stanch cancel {id} --leave"));
            let ask = "What was changed still stands: put it back, or leave it?".to_owned();
            (ask, ended(run))
        }
        (NoticeKind::Escalated, _) => {
            let reasons = run.escalated_for.iter().rev().take(REASONS).rev();
            facts.extend(reasons.map(|reason| ("Why", line(reason))));
            how.push(format!("stanch runs show {id}"));
            ("Needs a person".to_owned(), ended(run))
        }
        (NoticeKind::Answer | NoticeKind::ByHand | NoticeKind::Settle, None) => return None,
    };
    let open = matter.open.as_ref().filter(|_| run.summary.closed_at.is_none());
    let standing = match open {
        Some(open) => Standing::Waits {
            until: open.expires,
            press,
            how,
        },
        None => {
            let (what, tone) = over;
            Standing::Over {
                what: line(&what),
                tone,
            }
        }
    };
    Some(Card {
        run: id,
        step: step.clone(),
        severity: run.summary.severity,
        title: line(&run.summary.title),
        impact: line(&run.impact),
        ask: line(&ask),
        standing,
        found: run.checklist.iter().take(CHECKS).filter_map(found).collect(),
        facts,
        says: None,
        link: server.page_of(&run.summary.id),
    })
}

/// What is in doubt: the actions without a definite answer.
fn doubted(view: &StepView) -> Vec<(&'static str, String)> {
    let plan = view.undo_plan.as_ref().or(view.plan.as_ref());
    let actions = plan.into_iter().flat_map(|plan| &plan.actions);
    let unknown = actions.filter(|action| matches!(action.progress, ActionState::Unknown { .. }));
    let mut facts: Vec<(&'static str, String)> = unknown
        .take(5)
        .map(|action| {
            let action = &action.action;
            ("Was sent", line(&format!("{} {}", action.verb, action.target)))
        })
        .collect();
    if let crate::control::types::StepState::InDoubt { why, .. } = &view.state {
        facts.push(("Known", line(why)));
    }
    facts
}

fn answered(state: &CheckState, by: Option<&str>) -> (String, Tone) {
    let (word, tone) = words::check(state);
    match by {
        Some(by) => (format!("{word}, by {by}"), tone),
        None => (word.to_owned(), tone),
    }
}

fn ended(run: &RunView) -> (String, Tone) {
    let (word, tone) = words::run_state(&run.summary);
    (word.to_owned(), tone)
}
