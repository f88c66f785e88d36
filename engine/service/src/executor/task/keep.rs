//! What happened goes into the journal, and who waits for that is answered.

use stanch_journal::{Append, Write};
use stanch_run::{Event, EventKind};

use super::Task;
use super::reply::{Reply, answer, reject};
use crate::audit;
use crate::clock;
use crate::executor::mail::{Content, Letter, Refusal};
use crate::executor::{board, rows};

/// What goes into the journal at once.
pub(super) struct Batch {
    pub(super) events: Vec<Event>,
    pub(super) replies: Vec<Reply>,
    pub(super) contents: Vec<Content>,
    /// Whether somebody waits for the disk who is not named by the events.
    pub(super) wait: bool,
}

impl Batch {
    pub(super) fn of(events: Vec<Event>) -> Self {
        Self {
            events,
            replies: Vec::new(),
            contents: Vec::new(),
            wait: false,
        }
    }
}

impl Task {
    /// Puts events into the journal and answers who waits for them. What nobody waits for is kept back for a moment.
    pub(super) async fn keep(&mut self, batch: Batch) -> Result<(), ()> {
        let Batch {
            events,
            replies,
            contents,
            wait,
        } = batch;
        if events.is_empty() {
            replies.into_iter().for_each(answer);
            return Ok(());
        }
        let pressing = wait || !replies.is_empty() || events.iter().any(|event| is_pressing(&event.kind));
        self.noticed(&events);
        self.cork.put(events, contents);
        if !pressing {
            return Ok(());
        }
        match self.flush(wait).await {
            Ok(()) => {
                replies.into_iter().for_each(answer);
                Ok(())
            }
            Err(refusal) => {
                replies.into_iter().for_each(|reply| reject(reply, &refusal));
                Err(())
            }
        }
    }

    /// Puts what is kept back into the journal, as one row.
    pub(super) async fn flush(&mut self, wait: bool) -> Result<(), Refusal> {
        let (events, left) = self.cork.take();
        if events.is_empty() {
            return Ok(());
        }
        let count = u64::try_from(events.len()).unwrap_or(u64::MAX);
        let first_seq = self.state.seq().saturating_sub(count);
        let record = self.record();
        let mut writes = rows::contents(self.state.id(), left);
        writes.push(rows::events(&self.state, first_seq, &events));
        writes.extend(audit::of_run(self.state.id(), &events));
        if self.listed.as_ref() != Some(&record) {
            writes.push(Write::Run(record.clone()));
        }
        let batch = rows::batch(clock::now(), &events, wait, writes);
        match self.engine.inner.store.append(batch).await {
            Ok(()) => {
                self.listed = Some(record);
                // Only now: whoever takes what is set free here must come after it in the journal.
                self.engine.inner.board.fold(self.state.id(), &events);
                self.after(&events);
                Ok(())
            }
            Err(error) => {
                tracing::error!(run = %self.state.id(), %error, "the journal did not keep what happened in the run");
                Err(Refusal::NotDurable(error.to_string()))
            }
        }
    }

    /// The listing columns.
    fn record(&self) -> stanch_journal::RunRecord {
        let settled = self.ended_for_good();
        match &self.listed {
            Some(listed) if self.retired => stanch_journal::RunRecord {
                settled,
                ..listed.clone()
            },
            _ => rows::record(&self.state, settled),
        }
    }

    /// What follows from events before they are in the journal.
    fn noticed(&mut self, events: &[Event]) {
        let of_alert = |event: &Event| {
            matches!(
                event.kind,
                EventKind::AlertRepeated { .. } | EventKind::AlertResolved { .. }
            )
        };
        if events.iter().any(of_alert) && !self.retired {
            self.alerts = self.state.alerts().into();
        }
        self.changes.send_modify(|version| *version += 1);
    }

    fn after(&mut self, events: &[Event]) {
        self.engine.inner.observer.recorded(self.state.id(), events);
        if self.state.ending().is_none() {
            self.closed = false;
        } else if !self.closed {
            let (store, own) = (self.engine.inner.store.clone(), self.own.clone());
            tokio::spawn(async move {
                let kept = store.append(Append::joined(clock::now())).await.is_ok();
                let _ = own.send(Letter::Closed(kept));
            });
        }
        let asks = !self.state.questions().is_empty();
        self.engine.inner.board.lock().note_asking(self.state.id(), asks);
        if let Some(ending) = self.state.ending()
            && !self.state.is_reopened()
            && events
                .iter()
                .any(|event| matches!(event.kind, EventKind::RunClosed { .. }))
        {
            self.engine.inner.observer.closed(&self.state, ending);
            self.engine.watch_for_again(&self.state);
        }
        self.changes.send_modify(|version| *version += 1);
    }
}

/// What others wait for: the disk, or what is set free.
fn is_pressing(kind: &EventKind) -> bool {
    kind.barrier() == stanch_run::Barrier::Durable || board::sets_free(kind)
}
