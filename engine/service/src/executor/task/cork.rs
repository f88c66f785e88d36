//! Events that are kept back for a moment, because nobody waits for them: those of one run share a row and a commit.

use std::time::Duration;

use stanch_run::Event;
use tokio::time::Instant;

use crate::executor::mail::Content;

/// How long they are kept back.
const CORK: Duration = Duration::from_millis(25);

/// Events that are not in the journal yet, with the contents that go with them.
#[derive(Default)]
pub(super) struct Cork {
    events: Vec<Event>,
    contents: Vec<Content>,
    since: Option<Instant>,
}

impl Cork {
    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    pub(super) fn put(&mut self, events: Vec<Event>, contents: Vec<Content>) {
        self.events.extend(events);
        self.contents.extend(contents);
        self.since.get_or_insert_with(Instant::now);
    }

    /// All of it, to be written or to be forgotten.
    pub(super) fn take(&mut self) -> (Vec<Event>, Vec<Content>) {
        let Self { events, contents, .. } = std::mem::take(self);
        (events, contents)
    }

    /// Comes back when they have been kept back long enough; never where there are none.
    pub(super) async fn is_over(&self) {
        match self.since {
            Some(since) => tokio::time::sleep_until(since + CORK).await,
            None => std::future::pending().await,
        }
    }
}
