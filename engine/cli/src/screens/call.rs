//! One call of a plugin: what came of it, what it asked of the gate, what it logged.

use serde_json::Value;
use stanch_contract::{CheckedPlan, Finding, Verdict};
use stanch_recorded::case::Played;
use stanch_sandbox::LogLevel;
use stanch_sandbox::gate::{Decision, RecordedCall};
use stanch_service::control::types::Tone;
use stanch_service::report::{Page, Piece, Style, words};

use crate::commands::{Called, Came};

/// Columns before what came of it.
const BESIDE: usize = 10;

/// A call.
pub fn called(called: &Called, width: usize) -> Page {
    let mut page = Page::new(width);
    match &called.came {
        Ok(Came::Finding(found)) => finding(&mut page, found),
        Ok(Came::Plan(planned)) => plan(&mut page, planned),
        Ok(Came::Told) => page.beside(
            0,
            Piece::new("told", Style::State(Tone::Good)),
            BESIDE,
            "the message was delivered",
            Style::Plain,
        ),
        Err(failure) => page.beside(
            0,
            Piece::new(failure.code.as_str(), Style::State(Tone::Bad)),
            BESIDE,
            &failure.message,
            Style::Plain,
        ),
    }
    gate(&mut page, &called.calls);
    if !called.logs.is_empty() {
        page.heading("Log");
        for line in &called.logs {
            let (word, style) = match line.level {
                LogLevel::Debug => ("debug", Style::Faint),
                LogLevel::Info => ("info", Style::Plain),
                LogLevel::Warn => ("warn", Style::State(Tone::Attention)),
                LogLevel::Error => ("error", Style::State(Tone::Bad)),
            };
            page.beside(2, Piece::new(word, style), 8, &line.message, Style::Plain);
        }
    }
    page.gap();
    page.text(
        0,
        &format!("{} ms, {} ms of the processor", called.took_ms, called.cpu_ms),
        Style::Faint,
    );
    page
}

/// What came of a case, and what was asked of its world.
pub fn played(played: &Played, width: usize) -> Page {
    let mut page = Page::new(width);
    page.text(0, &played.name, Style::Strong);
    for (function, came) in &played.came {
        let label = Piece::plain(function.as_str());
        match came {
            Err(failure) => {
                let text = format!("{}: {}", failure.code, failure.message);
                page.beside(2, label, BESIDE, &text, Style::State(Tone::Bad));
            }
            Ok(value) => {
                let said = |member: &str| value.get(member).and_then(Value::as_str);
                let words = [said("verdict"), said("summary")].into_iter().flatten();
                page.beside(
                    2,
                    label,
                    BESIDE,
                    &words.collect::<Vec<_>>().join("  "),
                    Style::Plain,
                );
                let rest = value.as_object().into_iter().flatten();
                for (name, value) in rest.filter(|(name, _)| !["verdict", "summary"].contains(&name.as_str()))
                {
                    if !is_nothing(value) {
                        page.text(BESIDE + 2, &format!("{name} {value}"), Style::Faint);
                    }
                }
            }
        }
    }
    gate(&mut page, &played.calls);
    page
}

fn gate(page: &mut Page, calls: &[RecordedCall]) {
    if !calls.is_empty() {
        page.heading("At the gate");
        for call in calls {
            at_the_gate(page, call);
        }
    }
}

fn is_nothing(value: &Value) -> bool {
    value.is_null()
        || value.as_object().is_some_and(serde_json::Map::is_empty)
        || value.as_array().is_some_and(Vec::is_empty)
}

fn finding(page: &mut Page, finding: &Finding) {
    let tone = match finding.verdict {
        Verdict::Unknown => Tone::Attention,
        Verdict::Yes | Verdict::No => Tone::Plain,
    };
    page.beside(
        0,
        Piece::new(finding.verdict.as_str(), Style::State(tone)),
        BESIDE,
        &finding.summary,
        Style::Strong,
    );
    for evidence in &finding.evidence {
        page.text(BESIDE, &words::evidence(evidence), Style::Plain);
    }
    data(page, &finding.data);
}

fn plan(page: &mut Page, plan: &CheckedPlan) {
    page.beside(
        0,
        Piece::new("plan", Style::Plain),
        BESIDE,
        &plan.summary,
        Style::Strong,
    );
    if plan.actions.is_empty() {
        page.text(BESIDE, "no actions: there is nothing to do", Style::Plain);
    }
    for action in &plan.actions {
        page.text(
            BESIDE,
            &format!("{} {}", action.verb, action.target),
            Style::Plain,
        );
        let more = [
            ("only where", action.expect.as_deref()),
            ("with", action.content.as_deref()),
            (
                "because",
                Some(action.reason.as_str()).filter(|reason| !reason.is_empty()),
            ),
        ];
        for (word, text) in more {
            if let Some(text) = text {
                page.text(BESIDE + 2, &format!("{word} {text}"), Style::Faint);
            }
        }
        for item in &action.items {
            page.text(BESIDE + 2, item, Style::Faint);
        }
    }
    data(page, &plan.offered.data);
    page.text(BESIDE, "nothing was changed: a run does that", Style::Faint);
}

fn data(page: &mut Page, data: &Value) {
    if !is_nothing(data) {
        page.text(BESIDE, &format!("data {data}"), Style::Faint);
    }
}

fn at_the_gate(page: &mut Page, call: &RecordedCall) {
    let what = format!("{} {}", call.verb, call.target);
    match &call.decision {
        Decision::Refused(refusal) => {
            page.beside(
                2,
                Piece::new("refused", Style::State(Tone::Bad)),
                8,
                &what,
                Style::Plain,
            );
            page.text(10, &refusal.why, Style::Plain);
            if let Some(hint) = &refusal.allow_hint {
                page.text(10, hint, Style::Faint);
            }
        }
        Decision::Allowed | Decision::Replayed => {
            let answer = call
                .answer
                .as_ref()
                .map_or("no answer", |answer| answer.summary.as_str());
            let said = format!("{what} → {answer}, {} ms", call.took_ms);
            page.beside(
                2,
                Piece::new("ok", Style::State(Tone::Good)),
                8,
                &said,
                Style::Plain,
            );
        }
    }
}
