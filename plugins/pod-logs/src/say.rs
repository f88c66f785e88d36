//! What a person is told: what was kept, what was not and why, and the end of each log.

use stanch_plugin::kubernetes::Which;
use stanch_plugin::prelude::*;

use crate::{Data, Log, Missing};

/// Logs whose end is shown.
const SHOWN: usize = 40;
/// Of the end of each, in characters.
const END: usize = 1_500;
/// Logs that are listed as missing.
const LISTED: usize = 30;

pub(crate) fn finding(which: &Which<'_>, data: Data) -> Finding<Data> {
    let lost: Vec<&Missing> = data.missing.iter().filter(|missing| missing.lost).collect();
    let verdict = match (data.logs.is_empty(), lost.is_empty()) {
        (true, true) => Verdict::Unknown,
        (_, is_whole) if is_whole => Verdict::Yes,
        _ => Verdict::No,
    };
    let lines: usize = data.logs.iter().map(|log| log.lines).sum();
    let bytes: usize = data.logs.iter().map(|log| log.text.len()).sum();
    let mut summary = match data.logs.len() {
        0 => format!("There is no log to keep of {}", which.said(which.names().len())),
        count => format!("Kept {count} logs, {lines} lines, {}", Bytes::from(bytes as u64)),
    };
    if !data.replaced.is_empty() {
        let by: Vec<String> = data
            .replaced
            .iter()
            .map(|(name, count)| format!("{count} {name}"))
            .collect();
        summary.push_str(&format!("; replaced {}", by.join(", ")));
    }
    if let Some(first) = lost.first() {
        summary.push_str(&format!(
            "; {} are not kept, the first {}: {}",
            lost.len(),
            first.name(),
            first.why
        ));
    }
    let listed = data.missing.iter().take(LISTED);
    let missing: Vec<Evidence> = listed
        .map(|missing| Evidence::value(format!("Not kept: {}", missing.name()), &missing.why))
        .collect();
    let ends: Vec<Evidence> = data.logs.iter().take(SHOWN).map(end).collect();
    Finding::new(verdict, summary)
        .evidences(missing)
        .evidences(ends)
        .data(data)
}

fn end(log: &Log) -> Evidence {
    let which = if log.previous { ", previous" } else { "" };
    let cut = match log.cut_lines {
        0 => String::new(),
        cut => format!(", {cut} before them cut off"),
    };
    let label = format!("{}/{}{which}: {} lines{cut}", log.pod, log.container, log.lines);
    let skip = log.text.chars().count().saturating_sub(END);
    let mut end: String = log.text.chars().skip(skip).collect();
    if skip > 0 {
        // From the beginning of a line.
        let line = end.find('\n').map_or(0, |at| at + 1);
        end = format!("…\n{}", end.get(line..).unwrap_or_default());
    }
    Evidence::value(label, if end.is_empty() { "(empty)" } else { end.trim_end() })
}

impl Missing {
    fn name(&self) -> String {
        let previous = if self.previous { ", previous" } else { "" };
        match &self.container {
            Some(container) => format!("{}/{container}{previous}", self.pod),
            None => self.pod.clone(),
        }
    }
}
