//! What a person is told: one sentence, then each pod, then what the cluster noted.

use std::collections::BTreeMap;

use stanch_plugin::kubernetes::{Found, Pod, Sick, Trouble, Which, age, events_of};
use stanch_plugin::prelude::*;

use crate::Data;

/// Pods that the sentence names.
const NAMED: usize = 3;
/// Pods that have evidence of their own.
const SHOWN: usize = 20;
/// Pods whose events are read.
const ASKED: usize = 5;

/// A pod that the answer is about, and the trouble that it is in.
pub(crate) struct Shown<'a> {
    pub(crate) pod: &'a Pod,
    pub(crate) sick: Option<Sick>,
}

impl Shown<'_> {
    pub(crate) fn id(&self) -> String {
        format!("{}@{}", self.pod.name(), self.pod.uid())
    }
}

pub(crate) fn summary(
    which: &Which<'_>,
    what: &[Trouble],
    shown: &[Shown<'_>],
    data: &Data,
    found: &Found,
    now: Timestamp,
) -> String {
    let all = which.said(data.looked_at);
    let mut said = match (shown, what) {
        ([], _) if data.looked_at == 0 && which.pods.is_empty() => {
            format!("There are {all} that run: is the selector right?")
        }
        ([], _) if data.looked_at == 0 => format!("Of {} none is there", which.said(which.names().len())),
        ([], _) => {
            let asked: Vec<&str> = what.iter().map(|what| what.verb(true)).collect();
            format!("Of {all} none {}; {} Ready", asked.join(" or "), are(data.ready))
        }
        (_, []) => {
            let of = if which.pods.is_empty() {
                all
            } else {
                which.said(which.names().len())
            };
            let names = list(
                shown
                    .iter()
                    .map(|shown| format!("{} ({})", shown.pod.name(), state(shown.pod))),
            );
            format!("Of {of} {} there: {names}", are(shown.len()))
        }
        (_, _) => {
            let mut by: BTreeMap<Trouble, Vec<&Shown<'_>>> = BTreeMap::new();
            for shown in shown {
                by.entry(shown.sick.as_ref().map_or(Trouble::NotReady, |sick| sick.trouble))
                    .or_default()
                    .push(shown);
            }
            let groups = by.iter().map(|(trouble, shown)| {
                let names = list(shown.iter().map(|shown| {
                    let lasts = shown.sick.as_ref().map_or(0, |sick| sick.lasts(now));
                    let since = if *trouble == Trouble::CrashLooping {
                        "last crash "
                    } else {
                        "for "
                    };
                    let ago = if *trouble == Trouble::CrashLooping {
                        " ago"
                    } else {
                        ""
                    };
                    format!("{} ({since}{}{ago})", shown.pod.name(), age(lasts))
                }));
                format!("{} {}: {names}", shown.len(), trouble.verb(shown.len() == 1))
            });
            format!("Of {all} {}", groups.collect::<Vec<_>>().join("; "))
        }
    };
    if !found.whole {
        said.push_str("; there are more, which were not looked at");
    }
    match found.left.len() {
        0 => {}
        1 => said.push_str("; 1 named pod is not meant any more"),
        left => said.push_str(&format!("; {left} named pods are not meant any more")),
    }
    said
}

fn are(count: usize) -> String {
    if count == 1 {
        "1 is".to_owned()
    } else {
        format!("{count} are")
    }
}

/// The first few, and how many more.
fn list(names: impl ExactSizeIterator<Item = String>) -> String {
    let more = names.len().saturating_sub(NAMED);
    let mut said = names.take(NAMED).collect::<Vec<_>>().join(", ");
    if more > 0 {
        said.push_str(&format!(" and {more} more"));
    }
    said
}

fn state(pod: &Pod) -> &'static str {
    if pod.gone_by().is_some() {
        "being deleted"
    } else if pod.ready().is {
        "Ready"
    } else {
        "not Ready"
    }
}

/// Each pod: where it is, how old, what is wrong with it.
pub(crate) fn pods(shown: &[Shown<'_>], now: Timestamp) -> Vec<Evidence> {
    let each = shown.iter().take(SHOWN).map(|Shown { pod, sick }| {
        let mut said = vec![state(pod).to_owned()];
        said.push(
            pod.node()
                .map_or_else(|| "on no node".to_owned(), |node| format!("on {node}")),
        );
        said.extend(
            pod.created()
                .map(|created| format!("{} old", age(now.since(created).as_millis()))),
        );
        said.push(format!("{} restarts", pod.restarts()));
        said.push(match pod.controller() {
            Some(owner) => format!("of {owner}"),
            None => "of no controller: nothing would make it again".to_owned(),
        });
        let mut said = said.join(", ");
        if let Some(sick) = sick {
            said.push_str(&format!(". It {}: {}", sick.trouble.verb(true), sick.why));
        }
        Evidence::value(pod.name(), said)
    });
    let mut evidence: Vec<Evidence> = each.collect();
    let more = shown.len().saturating_sub(SHOWN);
    if more > 0 {
        evidence.push(Evidence::value("More pods", more));
    }
    let mut nodes: BTreeMap<&str, usize> = BTreeMap::new();
    for shown in shown {
        *nodes.entry(shown.pod.node().unwrap_or("no node")).or_default() += 1;
    }
    if shown.len() > 1 {
        let nodes: Vec<String> = nodes
            .iter()
            .map(|(node, count)| format!("{node}: {count}"))
            .collect();
        evidence.push(Evidence::value("By node", nodes.join(", ")));
    }
    evidence
}

pub(crate) fn left(found: &Found) -> impl Iterator<Item = Evidence> {
    let left = found.left.iter().take(SHOWN);
    left.map(|left| Evidence::value(format!("Not meant: {}", left.name), &left.why))
}

/// What the cluster noted of the first few, the newest first. That it cannot be read changes no answer.
pub(crate) fn events(shown: &[Shown<'_>], most: usize, now: Timestamp) -> Vec<Evidence> {
    let asked = if most == 0 { 0 } else { ASKED };
    let events = match events_of(shown.iter().take(asked).map(|shown| &**shown.pod)) {
        Ok(events) => events,
        Err(failure) => {
            return vec![Evidence::value(
                "Events",
                format!("not read: {}", failure.message),
            )];
        }
    };
    let each = events.into_iter().take(most).map(|event| {
        let ago = event.at.map_or_else(String::new, |at| {
            format!(", {} ago", age(now.since(at).as_millis()))
        });
        let times = if event.count > 1 {
            format!(", {} times", event.count)
        } else {
            String::new()
        };
        let label = format!("Event of {}: {}{ago}{times}", event.about, event.reason);
        Evidence::value(label, event.message)
    });
    each.collect()
}
