//! A run as Markdown: the draft of a post-mortem, in the order in which one is read.
//!
//! Texts from outside are escaped or put in code, so that a label or an answer cannot become a link, a heading or HTML
//! in the page that the export is pasted into.

use stanch_contract::text::{clean, clean_line};

use super::{plan, words};
use crate::control::types::{CheckState, PlanView, RunView, StepState, StepView};

/// The whole run.
pub fn run_markdown(run: &RunView) -> String {
    let mut out = Out(String::new());
    let summary = &run.summary;
    out.line(&format!("# {}", escape(&summary.title)));
    out.line("");
    out.line(&format!(
        "**{}**: {}",
        words::severity(summary.severity).0,
        escape(&run.impact)
    ));
    out.line("");
    head(&mut out, run);
    section(&mut out, "What happened");
    timeline(&mut out, run);
    checks(&mut out, run);
    steps(&mut out, run);
    calls(&mut out, run);
    out.0
}

struct Out(String);

impl Out {
    fn line(&mut self, text: &str) {
        self.0.push_str(text);
        self.0.push('\n');
    }
}

fn section(out: &mut Out, title: &str) {
    out.line("");
    out.line(&format!("## {title}"));
    out.line("");
}

fn head(out: &mut Out, run: &RunView) {
    let summary = &run.summary;
    let (state, _) = words::run_state(summary);
    let escalated = if summary.escalated { ", escalated" } else { "" };
    let mut rows = vec![
        ("Run", code(summary.id.as_str())),
        ("Ending", format!("{state}{escalated}")),
        ("Opened", words::date(summary.opened_at)),
    ];
    if let Some(closed) = summary.closed_at {
        let lasted = words::length(words::between(summary.opened_at, closed));
        rows.push(("Closed", format!("{}, after {lasted}", words::date(closed))));
    }
    rows.push((
        "Runbook",
        format!(
            "{} ({}, {})",
            code(&summary.runbook),
            words::mode(run.mode),
            escape(&run.owner)
        ),
    ));
    rows.push(("Runbook's digest", code(&run.pins.runbook.to_string())));
    for (plugin, digest) in &run.pins.plugins {
        rows.push((
            "Plugin",
            format!("{} {}", code(plugin.as_str()), code(&digest.to_string())),
        ));
    }
    if let Some(who) = &run.started_by {
        rows.push(("Started by", escape(who)));
    }
    for alert in &run.alerts {
        let labels: Vec<String> = alert
            .labels
            .iter()
            .map(|(name, value)| format!("{name}={value:?}"))
            .collect();
        let text = format!(
            "{}, {} since {}: {}",
            escape(&alert.name),
            alert.status.as_str(),
            escape(&alert.starts_at),
            code(&labels.join(" "))
        );
        rows.push(("Alert", text));
    }
    for link in &run.links {
        rows.push((
            "Link",
            format!("{}: <{}>", escape(&link.title), address(&link.url)),
        ));
    }
    out.line("| | |");
    out.line("|---|---|");
    for (name, value) in rows {
        out.line(&format!("| {name} | {value} |"));
    }
}

fn timeline(out: &mut Out, run: &RunView) {
    out.line("| time (UTC) | what | who |");
    out.line("|---|---|---|");
    for entry in &run.timeline {
        let who = entry.who.as_deref().map_or_else(|| "engine".to_owned(), escape);
        out.line(&format!(
            "| {} | {} | {who} |",
            words::date(entry.at),
            escape(&entry.text)
        ));
    }
}

fn checks(out: &mut Out, run: &RunView) {
    let recovery = run.recovery.iter().flat_map(|recovery| &recovery.checks);
    for (at, check) in run.checklist.iter().chain(recovery).enumerate() {
        if at == 0 {
            section(out, "What was found");
        }
        let (word, _) = words::check(&check.state);
        let by = check
            .by
            .as_ref()
            .map(|by| format!(" (answered by {})", escape(by)))
            .unwrap_or_default();
        out.line(&format!("- **{}** {word}{by}", escape(&check.ask)));
        match &check.state {
            CheckState::Answered { finding } => {
                out.line(&format!("  - {}", escape(&finding.summary)));
                for evidence in &finding.evidence {
                    let link = evidence
                        .link
                        .as_ref()
                        .map(|link| format!(" <{}>", address(link)))
                        .unwrap_or_default();
                    out.line(&format!("  - {}{link}", escape(&words::evidence(evidence))));
                }
            }
            CheckState::Failed { failure } => out.line(&format!("  - {}", escape(&failure.to_string()))),
            CheckState::Skipped { why } => out.line(&format!("  - {}", escape(why))),
            CheckState::Waiting | CheckState::Asked => {}
        }
    }
}

fn steps(out: &mut Out, run: &RunView) {
    if run.steps.is_empty() {
        return;
    }
    section(out, "What was done");
    for step in &run.steps {
        let (word, _) = words::step(&step.state);
        out.line(&format!("### {}: {word}", escape(&step.what)));
        out.line("");
        step_lines(out, step);
        out.line("");
    }
}

fn step_lines(out: &mut Out, step: &StepView) {
    if let StepState::Answered { finding } = &step.state {
        out.line(&format!("- {}", escape(&finding.summary)));
    } else if let Some(why) = step.state.why() {
        out.line(&format!("- Why: {}", escape(why)));
    }
    for line in super::plan::where_and_how(step) {
        out.line(&format!("- {}", escape(&line)));
    }
    for decision in &step.decisions {
        let word = if decision.yes { "Yes" } else { "No" };
        let about = if decision.undo { " to putting it back" } else { "" };
        let reason = decision
            .reason
            .as_ref()
            .map(|why| format!(": {}", escape(why)))
            .unwrap_or_default();
        let digest = decision
            .digest
            .map(|digest| format!("; plan {}", code(&digest.digest().to_string())));
        out.line(&format!(
            "- {word}{about} by {} at {}{reason}{}",
            escape(&decision.by),
            words::date(decision.at),
            digest.unwrap_or_default()
        ));
    }
    if let Some(plan) = &step.plan {
        actions(out, "Plan", plan);
    }
    if let Some(outcome) = &step.outcome {
        out.line(&format!("- The plugin said: {}", escape(&outcome.summary)));
    }
    if let Some(verified) = &step.verified {
        out.line(&format!(
            "- Verify: {}, {}",
            verified.verdict.as_str(),
            escape(&verified.summary)
        ));
    }
    if let Some(plan) = &step.undo_plan {
        actions(out, "The way back", plan);
    }
}

fn actions(out: &mut Out, name: &str, plan: &PlanView) {
    out.line(&format!(
        "- {name} {}: {}",
        code(&plan.digest.digest().short()),
        escape(&plan::touches(plan))
    ));
    for view in &plan.actions {
        let (word, _) = words::action(view);
        let detail = view.progress.detail();
        let detail = if detail.is_empty() {
            String::new()
        } else {
            format!(", {}", escape(detail))
        };
        out.line(&format!(
            "  - {} {word}{detail}",
            code(&format!("{} {}", view.action.verb, view.action.target))
        ));
        if let Some(before) = &view.action.before {
            out.line(&format!("    - before: {}", code(before)));
        }
        if let Some(dry_run) = &view.action.dry_run {
            out.line(&format!("    - the server's dry run: {}", code(dry_run)));
        }
        if let Some(content) = &view.action.content {
            out.line(&format!("    - content: {}", code(content)));
        }
        for item in &view.action.items {
            out.line(&format!("    - {}", code(item)));
        }
    }
}

fn calls(out: &mut Out, run: &RunView) {
    if run.calls.is_empty() {
        return;
    }
    section(out, "Calls out of the sandbox");
    out.line("| time (UTC) | step | plugin | call | answer |");
    out.line("|---|---|---|---|---|");
    for call in &run.calls {
        let answer = call
            .refused
            .as_ref()
            .map_or_else(|| call.answer.clone(), |why| format!("refused: {why}"));
        out.line(&format!(
            "| {} | {} | {} | {}: {} | {} ({} ms) |",
            words::date(call.at),
            escape(call.step.as_str()),
            code(call.plugin.as_str()),
            escape(&call.function),
            code(&call.request),
            escape(&answer),
            call.took_ms
        ));
    }
}

/// `text` as text: nothing in it is markup, and it is one line.
fn escape(text: &str) -> String {
    let text = clean_line(&clean(text));
    let mut out = String::with_capacity(text.len());
    let starts_block = text.starts_with(['-', '+', '=']) || text.starts_with(|c: char| c.is_ascii_digit());
    for (at, c) in text.chars().enumerate() {
        let block = starts_block
            && (at == 0 && matches!(c, '-' | '+' | '=') || matches!(c, '.' | ')') && ordinal(&text, at));
        if block
            || matches!(
                c,
                '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '#' | '~' | '&' | '$'
            )
        {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// Whether everything before is digits and a space follows: `1. ` begins a list.
fn ordinal(text: &str, at: usize) -> bool {
    at > 0
        && text.chars().take(at).all(|c| c.is_ascii_digit())
        && text.chars().nth(at + 1).is_none_or(|c| c == ' ')
}

/// `text` as code, in a fence that it cannot close; a bar is escaped for the table around it.
fn code(text: &str) -> String {
    let text = clean_line(text).replace('|', "\\|");
    let mut longest = 0;
    let mut run = 0;
    for c in text.chars() {
        run = if c == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    let fence = "`".repeat(longest + 1);
    let pad = if longest > 0 { " " } else { "" };
    if text.is_empty() {
        String::new()
    } else {
        format!("{fence}{pad}{text}{pad}{fence}")
    }
}

/// A URL between `<` and `>`, which it cannot leave.
fn address(url: &str) -> String {
    clean_line(url)
        .replace('<', "%3C")
        .replace('>', "%3E")
        .replace('|', "%7C")
        .replace(' ', "%20")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_is_text() {
        let table = [
            (
                "[click](https://evil.example)",
                "\\[click\\](https://evil.example)",
            ),
            ("<script>", "\\<script\\>"),
            ("a | b\nc", "a \\| b c"),
            ("# not a heading", "\\# not a heading"),
            ("- no item", "\\- no item"),
            ("1. no item", "1\\. no item"),
            ("96.4 % of 2.1 GiB", "96.4 % of 2.1 GiB"),
            ("a *b* _c_ `d`", "a \\*b\\* \\_c\\_ \\`d\\`"),
            ("plain words, well-known", "plain words, well-known"),
        ];
        for (text, expected) in table {
            assert_eq!(escape(text), expected);
        }
    }

    #[test]
    fn code_cannot_be_left() {
        assert_eq!(code("a`b``c"), "``` a`b``c ```");
        assert_eq!(code("plain"), "`plain`");
        assert_eq!(code("a|b"), "`a\\|b`");
    }

    #[test]
    fn an_address_cannot_be_left() {
        assert_eq!(address("https://a/> <b>|"), "https://a/%3E%20%3Cb%3E%7C");
    }
}
