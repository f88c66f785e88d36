//! What the journal is given: rows of events, a run's listing columns, contents.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use stanch_contract::{RunId, Timestamp};
use stanch_journal::{Append, Durability, NewEvents, RunRecord, Write};
use stanch_run::event::Barrier;
use stanch_run::{Event, State};

use super::mail::Content;

/// What a run waits for, in its listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WaitingFor {
    /// Nothing that a person could do.
    #[default]
    Nothing,
    /// A decision, an answer, a deed or the settling of a doubt.
    Person,
}

/// The listing's free column.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Listed {
    /// The runbook's title.
    pub title: String,
    /// The runbook's severity.
    pub severity: String,
    /// What it waits for.
    #[serde(default)]
    pub waiting: WaitingFor,
    /// One line: where it stands, or how it ended.
    #[serde(default)]
    pub line: String,
    /// It only looked and planned.
    #[serde(default)]
    pub shadow: bool,
}

impl Listed {
    /// Of a run; empty where the column is of another version.
    pub fn of(record: &RunRecord) -> Self {
        serde_json::from_str(&record.detail).unwrap_or_default()
    }
}

/// Contents, which the run needs as long as it is kept.
pub(super) fn contents(run: &RunId, contents: Vec<Content>) -> Vec<Write> {
    if contents.is_empty() {
        return Vec::new();
    }
    let digests = contents.iter().map(|content| content.digest).collect();
    let content = |Content { digest, bytes }| Write::Content { digest, bytes };
    contents
        .into_iter()
        .map(content)
        .chain([Write::Pins {
            run: run.clone(),
            digests,
        }])
        .collect()
}

/// One row of events.
pub(super) fn events(state: &State, first_seq: u64, events: &[Event]) -> Write {
    Write::Events(NewEvents {
        run: state.id().clone(),
        first_seq,
        count: u32::try_from(events.len()).unwrap_or(u32::MAX),
        payload: Bytes::from(stanch_run::encode(events)),
    })
}

/// A run's listing columns.
pub(super) fn record(state: &State, settled: bool) -> RunRecord {
    let opened = state.opened();
    let detail = Listed {
        title: state.runbook().title.clone(),
        severity: severity(state),
        waiting: if !state.questions().is_empty() {
            WaitingFor::Person
        } else {
            WaitingFor::Nothing
        },
        line: state.summary(),
        shadow: opened.shadow,
    };
    RunRecord {
        id: opened.run.clone(),
        runbook: opened.runbook.clone(),
        group_key: opened.group_key.clone(),
        episode: opened.episode,
        generation: opened.generation,
        opened_at: state.opened_at(),
        state: state.phase().as_str().to_owned(),
        closed_at: state.closed_at(),
        ending: state.ending().map(|ending| ending.as_str().to_owned()),
        escalated: !state.escalated().is_empty(),
        settled,
        detail: serde_json::to_string(&detail).unwrap_or_default(),
    }
}

/// The runbook's severity, as a word.
pub(super) fn severity(state: &State) -> String {
    super::notify::severity(state.runbook().impact.severity).to_owned()
}

/// A batch with the wait that its events ask for.
pub(super) fn batch(at: Timestamp, kinds: &[Event], wait: bool, writes: Vec<Write>) -> Append {
    let durable = wait || kinds.iter().any(|event| event.kind.barrier() == Barrier::Durable);
    let durability = if durable {
        Durability::Barrier
    } else {
        Durability::Lazy
    };
    Append {
        at,
        durability,
        uses_reserve: true,
        writes,
    }
}
