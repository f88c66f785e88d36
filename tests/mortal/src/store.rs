//! The journal that ships, and a process that dies at one of its appends.

use async_trait::async_trait;
use bytes::Bytes;
use stanch_contract::{Digest, RunId, Timestamp};
use stanch_journal::{
    AlertFilter, AlertRecord, Append, AuditPage, Collected, Counters, Durability, EventRow, Health,
    RunFilter, RunRecord, SqliteStore, Store, StoreError, Value, Write,
};

use crate::fuse::{Fuse, Moment};

/// The journal.
pub(crate) struct Mortal {
    inner: SqliteStore,
    fuse: Fuse,
}

impl Mortal {
    pub(crate) fn new(inner: SqliteStore, fuse: Fuse) -> Self {
        Self { inner, fuse }
    }
}

/// The names of a batch's events.
fn events(batch: &Append) -> Vec<String> {
    let rows = batch.writes.iter().filter_map(|write| match write {
        Write::Events(row) => stanch_run::decode(&row.payload).ok(),
        _ => None,
    });
    let name = |event: stanch_run::Event| {
        let kind = serde_json::to_value(&event.kind).ok()?;
        kind.as_object()?.keys().next().cloned()
    };
    rows.flatten().filter_map(name).collect()
}

#[async_trait]
impl Store for Mortal {
    async fn append(&self, batch: Append) -> Result<(), StoreError> {
        // Who only waits for others appends nothing.
        if batch.writes.is_empty() {
            return self.inner.append(batch).await;
        }
        let events = events(&batch);
        match self.fuse.strikes(&events) {
            None => self.inner.append(batch).await,
            Some(Moment::Before) => self.fuse.die(Moment::Before, &events).await,
            Some(Moment::After) => {
                let kept = Append {
                    durability: Durability::Barrier,
                    ..batch
                };
                self.inner.append(kept).await?;
                self.fuse.die(Moment::After, &events).await
            }
        }
    }

    async fn events(&self, run: &RunId, from: u64) -> Result<Vec<EventRow>, StoreError> {
        self.inner.events(run, from).await
    }

    async fn run(&self, run: &RunId) -> Result<Option<RunRecord>, StoreError> {
        self.inner.run(run).await
    }

    async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRecord>, StoreError> {
        self.inner.runs(filter).await
    }

    async fn alerts(&self, filter: &AlertFilter) -> Result<Vec<AlertRecord>, StoreError> {
        self.inner.alerts(filter).await
    }

    async fn content(&self, digest: &Digest) -> Result<Option<Bytes>, StoreError> {
        self.inner.content(digest).await
    }

    async fn value(&self, name: &str) -> Result<Option<Value>, StoreError> {
        self.inner.value(name).await
    }

    async fn values(&self, prefix: &str) -> Result<Vec<Value>, StoreError> {
        self.inner.values(prefix).await
    }

    async fn audit(&self, after: u64, limit: usize) -> Result<AuditPage, StoreError> {
        self.inner.audit(after, limit).await
    }

    async fn collect(&self, now: Timestamp) -> Result<Collected, StoreError> {
        self.inner.collect(now).await
    }

    async fn verify(&self) -> Result<(), StoreError> {
        self.inner.verify().await
    }

    fn health(&self) -> Health {
        self.inner.health()
    }

    fn counters(&self) -> Counters {
        self.inner.counters()
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.inner.close().await
    }
}
