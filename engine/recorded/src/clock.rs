//! A clock that stands still while anybody is at work, and goes to the next time that somebody waits for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use stanch_contract::Timestamp;
use stanch_sandbox::GivenTime;
use tokio::sync::{Notify, oneshot};

/// The clock of a world. Cheap to clone; all clones are the same clock.
#[derive(Clone)]
pub struct Clock(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    somebody_waits: Notify,
}

struct State {
    now: Timestamp,
    /// How many calls there were.
    visitors: u64,
    /// How often somebody began to wait.
    waits: u64,
    /// Who waits, by when and in the order in which they came.
    waiting: BTreeMap<(Timestamp, u64), Waiter>,
}

struct Waiter {
    visitor: u64,
    /// A limit beside work that goes on, and not work that waits.
    limit: bool,
    wake: oneshot::Sender<()>,
}

impl Clock {
    pub(crate) fn new(now: Timestamp) -> Self {
        let state = State {
            now,
            visitors: 0,
            waits: 0,
            waiting: BTreeMap::new(),
        };
        Self(Arc::new(Inner {
            state: Mutex::new(state),
            somebody_waits: Notify::new(),
        }))
    }

    /// What it says.
    pub fn now(&self) -> Timestamp {
        self.state().now
    }

    /// Sets it, never back. Wakes nobody: that is [`Clock::wake`].
    pub fn advance(&self, to: Timestamp) {
        let mut state = self.state();
        state.now = state.now.max(to);
    }

    /// How many calls wait; one that waits for several things is one.
    pub fn waiting(&self) -> usize {
        let state = self.state();
        let waiting = state.waiting.values().filter(|one| !one.limit);
        waiting.map(|one| one.visitor).collect::<BTreeSet<_>>().len()
    }

    /// The next time that a call waits for.
    pub fn next(&self) -> Option<Timestamp> {
        let state = self.state();
        let mut waiting = state.waiting.iter();
        waiting.find(|(_, one)| !one.limit).map(|((at, _), _)| *at)
    }

    /// Wakes one call whose time has come, the first; false where there is none. It is at work from then on.
    pub fn wake(&self) -> bool {
        let mut state = self.state();
        let due = (state.now, u64::MAX);
        let mut waiting = state.waiting.range(..=due);
        let Some(visitor) = waiting.find(|(_, one)| !one.limit).map(|(_, one)| one.visitor) else {
            return false;
        };
        // A call's limits are never before what it waits for: they come with it.
        let keys = state.waiting.range(..=due);
        let keys: Vec<_> = keys
            .filter(|(_, one)| one.visitor == visitor)
            .map(|(key, _)| *key)
            .collect();
        for key in keys {
            if let Some(waiter) = state.waiting.remove(&key) {
                let _ = waiter.wake.send(());
            }
        }
        true
    }

    /// Comes back after a call began to wait.
    pub async fn somebody_waits(&self) {
        self.0.somebody_waits.notified().await;
    }

    /// A call's own view of it.
    pub(crate) fn visitor(&self, who: &str) -> Visitor {
        let mut state = self.state();
        state.visitors += 1;
        Visitor {
            id: state.visitors,
            who: who.to_owned(),
            clock: self.clone(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call's view of the clock.
pub(crate) struct Visitor {
    id: u64,
    who: String,
    clock: Clock,
}

impl Visitor {
    /// Who asks, for messages.
    pub(crate) fn who(&self) -> &str {
        &self.who
    }

    async fn until(&self, at: Timestamp, limit: bool) {
        let (wake, woken) = oneshot::channel();
        let key = {
            let mut state = self.clock.state();
            if state.now >= at && limit {
                return;
            }
            state.waits += 1;
            let key = (at, state.waits);
            let visitor = self.id;
            state.waiting.insert(key, Waiter { visitor, limit, wake });
            key
        };
        let _place = Place {
            clock: &self.clock,
            key,
        };
        if !limit {
            self.clock.0.somebody_waits.notify_one();
        }
        let _ = woken.await;
    }
}

/// Who gives up waiting leaves the line.
struct Place<'c> {
    clock: &'c Clock,
    key: (Timestamp, u64),
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.clock.state().waiting.remove(&self.key);
    }
}

#[async_trait]
impl GivenTime for Visitor {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn seed(&self) -> [u8; 32] {
        let mut seed = [0; 32];
        if let Some(first) = seed.first_chunk_mut() {
            *first = self.id.to_le_bytes();
        }
        seed
    }

    async fn wait(&self, at: Timestamp) {
        self.until(at, false).await;
    }

    async fn limit(&self, at: Timestamp) {
        self.until(at, true).await;
    }
}
