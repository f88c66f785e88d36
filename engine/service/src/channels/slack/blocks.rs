//! A card in Slack's Block Kit.
//!
//! All text from outside goes through [`escape`]: nothing in it is a mention, a link or an entity, whatever an alert's label
//! or a plugin says. `verbatim` keeps Slack from looking for names and links by itself. Slack's limits (50 blocks, 3,000
//! characters of a text, 150 of a header) are kept by cutting what is shown, never by leaving a block out that says what
//! would be done.

use serde_json::{Value, json};
use stanch_contract::Timestamp;

use crate::channels::{Card, Press, Standing};
use crate::control::types::Tone;
use crate::report::words;

/// Characters of one section's text; Slack takes 3,000, and an escape makes several of one.
const SECTION: usize = 2_900;
/// Characters of a header.
const HEADER: usize = 150;
/// Blocks of details.
const PARTS: usize = 12;

/// What buttons say they are for.
pub(super) const APPROVE: &str = "stanch-approve";
pub(super) const DENY: &str = "stanch-deny";
pub(super) const DETAILS: &str = "stanch-details";
pub(super) const ANSWER_YES: &str = "stanch-answer-yes";
pub(super) const ANSWER_NO: &str = "stanch-answer-no";
pub(super) const ANSWER_UNKNOWN: &str = "stanch-answer-unknown";
pub(super) const DONE: &str = "stanch-done";
pub(super) const NOT_DONE: &str = "stanch-not-done";

/// Text from outside in mrkdwn: <https://docs.slack.dev/messaging/formatting-message-text#escaping>.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            // A code span that it is put into must not end there.
            '`' => escaped.push('\u{2019}'),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Escaped, and no longer than that when escaped.
fn escape_to(text: &str, most: usize) -> String {
    let mut escaped = String::new();
    let mut length = 0;
    for c in text.chars() {
        let part = escape(c.encode_utf8(&mut [0; 4]));
        length += part.chars().count();
        if length + 1 > most {
            escaped.push('…');
            break;
        }
        escaped.push_str(&part);
    }
    escaped
}

fn section(text: String) -> Value {
    json!({ "type": "section", "text": { "type": "mrkdwn", "verbatim": true, "text": text } })
}

fn context(text: String) -> Value {
    json!({ "type": "context", "elements": [{ "type": "mrkdwn", "verbatim": true, "text": text }] })
}

/// The line that a notification shows, as mrkdwn.
pub(super) fn line(card: &Card) -> String {
    escape_to(&card.headline(), SECTION)
}

/// The whole message.
pub(super) fn message(card: &Card) -> Value {
    let (severity, _) = words::severity(card.severity);
    let title: String = format!("{}: {}", severity.to_uppercase(), card.title)
        .chars()
        .take(HEADER)
        .collect();
    let mut blocks =
        vec![json!({ "type": "header", "text": { "type": "plain_text", "emoji": false, "text": title } })];
    let mut first = format!("*{}*", escape_to(&card.ask, 600));
    if !card.impact.is_empty() {
        first = format!("{}\n{first}", escape_to(&card.impact, 600));
    }
    if let Standing::Over { what, tone } = &card.standing {
        let mark = match tone {
            Tone::Good => ":white_check_mark:",
            Tone::Bad => ":x:",
            Tone::Attention | Tone::Plain => ":arrow_right:",
        };
        first.push_str(&format!("\n{mark} {}", escape_to(what, 600)));
    }
    blocks.push(section(first));
    if !card.found.is_empty() {
        let lines = card
            .found
            .iter()
            .map(|(verdict, text)| format!("• *{}* {}", escape(verdict), escape(text)));
        blocks.push(section(fit(lines)));
    }
    if !card.facts.is_empty() {
        let lines = card.facts.iter().map(|(label, text)| match *label {
            "" => escape(text),
            label => format!("*{label}:* {}", escape(text)),
        });
        blocks.push(section(fit(lines)));
    }
    if let Standing::Open { digest, expires } = &card.standing {
        let seconds = expires.0 / 1_000;
        let until = words::clock(*expires);
        // Slack shows it in the reader's own time zone.
        blocks.push(context(format!(
            "No answer by <!date^{seconds}^{{time_secs}}|{until}> is a no."
        )));
        let value = json!({ "run": card.run, "step": card.step, "plan": digest }).to_string();
        blocks.push(json!({ "type": "actions", "elements": [
            button(APPROVE, "Yes", Some("primary"), &value),
            button(DENY, "No", Some("danger"), &value),
            button(DETAILS, "Show plan", None, &value),
        ] }));
    }
    if let Standing::Waits { until, press, how } = &card.standing {
        blocks.extend(waits(card, *until, press, how));
    }
    if let Some((plugin, says)) = &card.says {
        blocks.push(context(format!(
            "What {} says of it (nobody checked this): {}",
            escape(plugin),
            escape_to(says, 1_500)
        )));
    }
    let mut last = format!("run {}", escape(card.run.as_str()));
    if let Some(step) = &card.step {
        last.push_str(&format!(" · step {}", escape(step.as_str())));
    }
    if let Some(link) = &card.link {
        // The operator's own address, which has nothing in it that would end the link.
        last = format!("<{link}|Open the run> · {last}");
    }
    blocks.push(context(last));
    Value::Array(blocks)
}

fn button(action: &str, text: &str, style: Option<&str>, value: &str) -> Value {
    let text = json!({ "type": "plain_text", "emoji": false, "text": text });
    match style {
        Some(style) => {
            json!({ "type": "button", "action_id": action, "value": value, "text": text, "style": style })
        }
        None => json!({ "type": "button", "action_id": action, "value": value, "text": text }),
    }
}

/// What a person is to do, other than to decide on a plan: buttons where one word says it, and the commands.
fn waits(card: &Card, until: Option<Timestamp>, press: &[Press], how: &[String]) -> Vec<Value> {
    let mut blocks = Vec::new();
    if let Some(until) = until {
        let (seconds, clock) = (until.0 / 1_000, words::clock(until));
        blocks.push(context(format!(
            "No answer by <!date^{seconds}^{{time_secs}}|{clock}> is taken for not done."
        )));
    }
    let value = json!({ "run": card.run, "step": card.step }).to_string();
    let buttons: Vec<Value> = press
        .iter()
        .map(|press| {
            let (action, text) = pressed(*press);
            button(action, text, None, &value)
        })
        .collect();
    if !buttons.is_empty() {
        blocks.push(json!({ "type": "actions", "elements": buttons }));
    }
    let commands: Vec<String> = how
        .iter()
        .map(|command| format!("`{}`", escape(command)))
        .collect();
    blocks.push(context(commands.join("\n")));
    blocks
}

fn pressed(press: Press) -> (&'static str, &'static str) {
    match press {
        Press::Yes => (ANSWER_YES, "Yes"),
        Press::No => (ANSWER_NO, "No"),
        Press::Unknown => (ANSWER_UNKNOWN, "Cannot tell"),
        Press::Done => (DONE, "Done"),
        Press::NotDone => (NOT_DONE, "Not done"),
    }
}

/// As many lines as fit; that there are more is said.
fn fit(lines: impl Iterator<Item = String>) -> String {
    let mut text = String::new();
    for line in lines {
        let line = if line.chars().count() > SECTION {
            line.chars().take(SECTION).collect()
        } else {
            line
        };
        if text.chars().count() + line.chars().count() + 40 > SECTION {
            text.push_str("… more with «Show plan»");
            break;
        }
        text.push_str(&line);
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    text
}

/// Details in code blocks.
pub(super) fn details(text: &str) -> Value {
    let mut blocks = Vec::new();
    let mut part = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        part.push_str(&escape_to(line, 1_000));
        part.push('\n');
        let next = lines.peek().map_or(0, |next| next.chars().count().min(1_000) + 1);
        if lines.peek().is_none() || part.chars().count() + next * 5 > SECTION {
            blocks.push(section(format!("```\n{part}```")));
            part.clear();
            if blocks.len() == PARTS && lines.peek().is_some() {
                blocks.push(context("… the rest with `stanch runs show`".to_owned()));
                break;
            }
        }
    }
    Value::Array(blocks)
}

#[cfg(test)]
mod tests;
