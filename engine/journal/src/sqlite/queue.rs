//! What waits for the writer.
//!
//! A queue of its own rather than a channel, because the writer takes everything at once, wakes for a batch that waits
//! for the disk but not for one that does not, and the room in it is counted in bytes.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::pace::Pace;
use crate::{Append, Collected, Durability, StoreError, Write};

/// How long a batch that waits for nobody may lie in the queue.
const LAZY: Duration = Duration::from_millis(50);
/// More batches than this are not left lying.
const MANY: usize = 512;
/// Room for this many KiB.
const ROOM: u32 = 64 * 1024;

/// Where an answer goes.
pub(super) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// A batch that waits.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) batch: Append,
    /// Nobody waits where there is none.
    pub(super) reply: Option<Reply<()>>,
    /// Given back when the batch is dealt with.
    pub(super) _room: OwnedSemaphorePermit,
}

/// What else the writer is asked for.
#[derive(Debug)]
pub(super) enum Chore {
    /// Drop these runs.
    DropRuns(Vec<i64>, Reply<Collected>),
    /// Drop alerts and contents from before this time, in milliseconds; the answer counts what this step dropped.
    DropLoose(i64, Reply<Collected>),
}

/// What the writer takes at once.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) batches: Vec<Pending>,
    pub(super) chores: Vec<Chore>,
    /// Nothing comes after this.
    pub(super) last: bool,
}

#[derive(Debug, Default)]
struct Inner {
    taken: Taken,
    barriers: usize,
    /// The writer is woken at this many barriers.
    wake_at: usize,
    oldest: Option<Instant>,
    /// The writer is at work on what it took.
    busy: bool,
}

/// What waits for the writer.
#[derive(Debug)]
pub(super) struct Queue {
    inner: Mutex<Inner>,
    wake: Condvar,
    room: Arc<Semaphore>,
}

impl Queue {
    pub(super) fn new() -> Self {
        Self {
            inner: Mutex::new(Inner {
                wake_at: 1,
                ..Inner::default()
            }),
            wake: Condvar::new(),
            room: Arc::new(Semaphore::new(ROOM as usize)),
        }
    }

    /// Puts a batch in, once there is room. Whoever waits gets the receiver of the answer.
    pub(super) async fn push(
        &self,
        batch: Append,
    ) -> Result<Option<oneshot::Receiver<Result<(), StoreError>>>, StoreError> {
        let weight = weight(&batch);
        let room = Arc::clone(&self.room)
            .acquire_many_owned(weight)
            .await
            .map_err(|_| StoreError::Closed)?;
        let (reply, answer) = match batch.durability {
            Durability::Barrier | Durability::Joined => {
                let (reply, answer) = oneshot::channel();
                (Some(reply), Some(answer))
            }
            Durability::Lazy => (None, None),
        };
        let mut inner = self.lock();
        if inner.taken.last {
            return Err(StoreError::Closed);
        }
        if batch.durability == Durability::Joined
            && batch.writes.is_empty()
            && inner.taken.batches.is_empty()
            && !inner.busy
        {
            // There is nothing to wait for.
            return Ok(None);
        }
        inner.barriers += usize::from(batch.durability == Durability::Barrier);
        inner.taken.batches.push(Pending {
            batch,
            reply,
            _room: room,
        });
        let first = inner.oldest.is_none();
        if first {
            inner.oldest = Some(Instant::now());
        }
        let wake = first || inner.barriers == inner.wake_at || inner.taken.batches.len() == MANY;
        drop(inner);
        if wake {
            self.wake.notify_one();
        }
        Ok(answer)
    }

    /// Asks for something else.
    pub(super) fn ask(&self, chore: Chore) -> Result<(), StoreError> {
        let mut inner = self.lock();
        if inner.taken.last {
            return Err(StoreError::Closed);
        }
        inner.taken.chores.push(chore);
        drop(inner);
        self.wake.notify_one();
        Ok(())
    }

    /// Takes no more; what is in is still dealt with.
    pub(super) fn close(&self) {
        self.lock().taken.last = true;
        self.room.close();
        self.wake.notify_one();
    }

    /// How many batches wait.
    pub(super) fn len(&self) -> usize {
        self.lock().taken.batches.len()
    }

    /// Waits for something to do, then for company if `pace` says so, and takes all there is. Returns with nothing after
    /// `idle`.
    pub(super) fn take(&self, pace: &mut Pace, idle: Duration) -> Taken {
        let idle_at = Instant::now() + idle;
        let mut inner = self.lock();
        inner.busy = false;
        loop {
            let urgent = inner.barriers > 0
                || inner.taken.last
                || !inner.taken.chores.is_empty()
                || inner.taken.batches.len() >= MANY;
            let due = inner.oldest.map_or(idle_at, |oldest| oldest + LAZY);
            let left = due.saturating_duration_since(Instant::now());
            if urgent || left.is_zero() {
                break;
            }
            inner = self.wait(inner, left);
        }
        if inner.barriers > 0
            && !inner.taken.last
            && let Some((wait, enough)) = pace.wait(inner.barriers)
        {
            let before = inner.barriers;
            let until = Instant::now() + wait;
            inner.wake_at = enough;
            while inner.barriers < enough && !inner.taken.last {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    break;
                }
                inner = self.wait(inner, left);
            }
            inner.wake_at = 1;
            pace.waited(before, inner.barriers);
        }
        inner.barriers = 0;
        inner.oldest = None;
        inner.busy = !inner.taken.batches.is_empty();
        let last = inner.taken.last;
        std::mem::replace(
            &mut inner.taken,
            Taken {
                last,
                ..Taken::default()
            },
        )
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, inner: MutexGuard<'a, Inner>, at_most: Duration) -> MutexGuard<'a, Inner> {
        self.wake
            .wait_timeout(inner, at_most)
            .unwrap_or_else(PoisonError::into_inner)
            .0
    }
}

/// How much room a batch takes, in KiB; never more than there is.
fn weight(batch: &Append) -> u32 {
    let bytes: usize = batch
        .writes
        .iter()
        .map(|write| match write {
            Write::Run(run) => run.detail.len() + 200,
            Write::Events(events) => events.payload.len(),
            Write::Alert(alert) => alert.payload.len() + 200,
            Write::Content { bytes, .. } => bytes.len(),
            Write::Pins { digests, .. } => digests.len() * 32,
            Write::Value { value, .. } => value.as_ref().map_or(0, bytes::Bytes::len),
            Write::Audit(_) => 400,
        })
        .sum();
    u32::try_from(bytes / 1024 + 1).unwrap_or(ROOM).min(ROOM)
}
