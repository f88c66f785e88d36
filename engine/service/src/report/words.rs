//! The words and numbers of pages: states, times, curves.

use stanch_contract::{ActionState, AlertStatus, ByteSize, Evidence, Point, Timestamp};
use stanch_runbook::model::{Mode, Severity};

use crate::control::types::{
    ActionView, CheckState, Ending, RecoveryView, RunSummary, RunView, StepState, StepView, Tone,
};

/// How bad, in a word.
pub fn severity(severity: Severity) -> (&'static str, Tone) {
    match severity {
        Severity::Low => ("low", Tone::Plain),
        Severity::Medium => ("medium", Tone::Attention),
        Severity::High => ("high", Tone::Bad),
        Severity::Critical => ("critical", Tone::Bad),
    }
}

/// The word that runbooks use.
pub fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Shadow => "shadow",
        Mode::Ask => "ask",
        Mode::Auto => "auto",
    }
}

/// How a run ended, in a word.
pub fn ending(ending: Ending) -> (&'static str, Tone) {
    let tone = match ending {
        Ending::Healed | Ending::ResolvedItself | Ending::Mitigated => Tone::Good,
        Ending::Failed => Tone::Bad,
        Ending::Rejected | Ending::Cancelled => Tone::Attention,
        Ending::NothingToDo | Ending::Shadow => Tone::Plain,
    };
    (ending.as_str(), tone)
}

/// Where a run is, in a word.
pub fn run_state(run: &RunSummary) -> (&'static str, Tone) {
    match run.ending {
        Some(how) => ending(how),
        None if run.needs_person => (run.phase.as_str(), Tone::Attention),
        None => (run.phase.as_str(), Tone::Plain),
    }
}

/// How far a check is, in a word. Yes and no are neither good nor bad: that depends on the question.
pub fn check(state: &CheckState) -> (&'static str, Tone) {
    match state {
        CheckState::Waiting => ("waiting", Tone::Plain),
        CheckState::Asked => ("asked", Tone::Plain),
        CheckState::Answered { finding } => match finding.verdict {
            stanch_contract::Verdict::Unknown => ("unknown", Tone::Attention),
            verdict => (verdict.as_str(), Tone::Plain),
        },
        CheckState::Failed { .. } => ("unknown", Tone::Attention),
        CheckState::Skipped { .. } => ("skipped", Tone::Plain),
    }
}

/// How far a step is, in a word or two.
pub fn step(state: &StepState) -> (&'static str, Tone) {
    match state {
        StepState::Waiting => ("waiting", Tone::Plain),
        StepState::Planning => ("planning", Tone::Plain),
        StepState::Held { .. } => ("held", Tone::Attention),
        StepState::Asked => ("asked", Tone::Attention),
        StepState::Locking { .. } => ("locking", Tone::Plain),
        StepState::Paused { .. } => ("paused", Tone::Attention),
        StepState::Applying => ("applying", Tone::Plain),
        StepState::Verifying => ("verifying", Tone::Plain),
        StepState::BetweenBatches { .. } => ("next batch", Tone::Plain),
        StepState::Holding { .. } => ("holding", Tone::Plain),
        StepState::Retrying { .. } => ("retrying", Tone::Attention),
        StepState::Answered { finding } => match finding.verdict {
            stanch_contract::Verdict::Unknown => ("unknown", Tone::Attention),
            verdict => (verdict.as_str(), Tone::Plain),
        },
        StepState::Done => ("done", Tone::Good),
        StepState::NothingToDo => ("nothing to do", Tone::Plain),
        StepState::Planned => ("planned", Tone::Plain),
        StepState::Skipped { .. } => ("skipped", Tone::Plain),
        StepState::Rejected { .. } => ("rejected", Tone::Attention),
        StepState::Failed { .. } => ("failed", Tone::Bad),
        StepState::InDoubt { .. } => ("in doubt", Tone::Bad),
        StepState::Undoing => ("undoing", Tone::Plain),
        StepState::Undone { .. } => ("undone", Tone::Good),
        StepState::UndoFailed { .. } => ("undo failed", Tone::Bad),
    }
}

/// What is to be said of where a step is, besides the word for it.
pub fn step_note(step: &StepView, now: Timestamp) -> Option<String> {
    let in_ms = |at| length(between(now, at));
    match &step.state {
        StepState::Retrying { at, why } => Some(format!("{why}; tried again in {}", in_ms(*at))),
        StepState::BetweenBatches { at } => Some(format!("the next batch in {}", in_ms(*at))),
        StepState::Holding { at } => Some(format!("verified in {}", in_ms(*at))),
        StepState::Waiting => step.when.as_ref().map(|when| format!("when {when}")),
        state => state.why().filter(|why| !why.is_empty()).map(str::to_owned),
    }
}

/// How far recovery is, in a sentence.
pub fn recovery(run: &RunView, recovery: &RecoveryView, now: Timestamp) -> String {
    let firing = run.alerts.iter().any(|alert| alert.status == AlertStatus::Firing);
    let needed = length(recovery.stable_for.as_millis());
    match recovery.stable_since {
        _ if run.summary.closed_at.is_some() => "over".to_owned(),
        Some(since) => format!("stable for {} of {needed}", length(between(since, now))),
        None if firing => format!("waits until the alert is resolved, then for {needed}"),
        None => format!("waits until every check holds, then for {needed}"),
    }
}

/// What became of an action, in a word or two.
pub fn action(action: &ActionView) -> (&'static str, Tone) {
    match &action.progress {
        _ if action.sending => ("sending", Tone::Plain),
        ActionState::NotSent => ("not sent", Tone::Plain),
        ActionState::Done { .. } => ("done", Tone::Good),
        ActionState::Refused { .. } => ("refused", Tone::Bad),
        ActionState::Unknown { .. } => ("in doubt", Tone::Bad),
    }
}

/// A length of time, to the second, in at most two units: `14m 12s`, `2h 5m`, `0s`.
pub fn length(ms: i64) -> String {
    let seconds = ms.max(0) / 1000;
    let units = [
        ("d", seconds / 86_400),
        ("h", seconds / 3_600 % 24),
        ("m", seconds / 60 % 60),
        ("s", seconds % 60),
    ];
    let shown: Vec<String> = units
        .iter()
        .skip_while(|(_, count)| *count == 0)
        .take(2)
        .filter(|(_, count)| *count > 0)
        .map(|(unit, count)| format!("{count}{unit}"))
        .collect();
    if shown.is_empty() {
        "0s".into()
    } else {
        shown.join(" ")
    }
}

/// From one time to another, in milliseconds.
pub fn between(from: Timestamp, to: Timestamp) -> i64 {
    to.0.saturating_sub(from.0)
}

/// The time of day, UTC: `02:51:09Z`.
pub fn clock(at: Timestamp) -> String {
    let text = at.to_string();
    match text.split_once('T').and_then(|(_, time)| time.split('.').next()) {
        Some(time) => format!("{time}Z"),
        None => text,
    }
}

/// Date and time to the second, UTC: `2026-11-24 02:51:09Z`.
pub fn date(at: Timestamp) -> String {
    let text = at.to_string();
    text.split('.')
        .next()
        .map(|whole| format!("{}Z", whole.replace('T', " ")))
        .unwrap_or(text)
}

/// A count and its noun: `1 file`, `3 files`.
pub fn count(n: u64, one: &str) -> String {
    if n == 1 {
        format!("1 {one}")
    } else {
        format!("{n} {one}s")
    }
}

/// A size.
pub fn bytes(n: u64) -> String {
    ByteSize(n).to_string()
}

/// Evidence in one line: label, value, unit, curve.
pub fn evidence(evidence: &Evidence) -> String {
    let mut text = if evidence.label.is_empty() {
        String::new()
    } else {
        format!("{}: ", evidence.label)
    };
    text.push_str(&evidence.value);
    if let Some(unit) = evidence.unit.as_deref().filter(|unit| !unit.is_empty()) {
        text.push(' ');
        text.push_str(unit);
    }
    if let Some(curve) = curve(&evidence.points, 24) {
        text.push_str("  ");
        text.push_str(&curve);
    }
    text
}

/// A curve as a row of blocks, with its lowest and highest value; nothing for fewer than two points.
pub fn curve(points: &[Point], most: usize) -> Option<String> {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    if points.len() < 2 || most == 0 {
        return None;
    }
    let (low, high) = points
        .iter()
        .map(|point| point.value)
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        });
    let columns = points.len().min(most);
    let blocks = (0..columns).filter_map(|column| {
        // The highest of the points that share a column: a peak must not be lost.
        let from = column * points.len() / columns;
        let to = (column + 1) * points.len() / columns;
        let value = points
            .get(from..to)?
            .iter()
            .map(|point| point.value)
            .fold(f64::NEG_INFINITY, f64::max);
        let share = if high > low {
            (value - low) / (high - low)
        } else {
            0.0
        };
        BLOCKS.get(((share * 7.0).round() as usize).min(7)).copied()
    });
    Some(format!(
        "{}  {} to {}",
        blocks.collect::<String>(),
        number(low),
        number(high)
    ))
}

/// At most four significant digits after which nobody looks.
pub(crate) fn number(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return format!("{value}");
    }
    let digits = (3.0 - value.abs().log10().floor()).clamp(0.0, 6.0) as usize;
    let text = format!("{value:.digits$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_short() {
        let table = [
            (0, "0s"),
            (-5, "0s"),
            (999, "0s"),
            (59_000, "59s"),
            (852_000, "14m 12s"),
            (7_500_000, "2h 5m"),
        ];
        for (ms, text) in table {
            assert_eq!(length(ms), text);
        }
        assert_eq!(length(3_600_000), "1h");
        assert_eq!(length(90_000_000), "1d 1h");
    }

    #[test]
    fn times_of_day_are_utc_and_say_so() {
        let at = Timestamp::parse_rfc3339("2026-11-24T02:51:09.250Z").unwrap();
        assert_eq!(
            (clock(at).as_str(), date(at).as_str()),
            ("02:51:09Z", "2026-11-24 02:51:09Z")
        );
    }

    #[test]
    fn a_curve_keeps_its_peak() {
        let mut points: Vec<Point> = (0..100)
            .map(|i| Point {
                at_ms: f64::from(i),
                value: 1.0,
            })
            .collect();
        points[50].value = 9.5;
        let text = curve(&points, 10).unwrap();
        assert_eq!(text, "▁▁▁▁▁█▁▁▁▁  1 to 9.5");
        assert_eq!(curve(&points[..1], 10), None);
    }

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (0.961_234, "0.9612"),
            (123_456.0, "123456"),
            (2.50, "2.5"),
            (-0.5, "-0.5"),
        ] {
            assert_eq!(number(value), text);
        }
    }
}
