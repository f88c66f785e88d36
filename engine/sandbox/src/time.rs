//! What time it is for plugins, and how they wait.
//!
//! The machine's clock; or, for tests, one that is given and that stands still while a plugin computes. Whatever tells a
//! plugin the time, or waits for it, comes through here, so that in a test's world hours pass in milliseconds and an answer
//! is the same each time. What stays the machine's are the guards: processor time, and a real clock around each call.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use stanch_contract::{Span, Timestamp};
use tokio::time::timeout_at;

use crate::clock;

/// A clock that is given, as one call sees it.
#[async_trait]
pub trait GivenTime: Send + Sync {
    /// What it says.
    fn now(&self) -> Timestamp;

    /// Comes back when it says `at` or later. Whoever waits here does nothing else meanwhile: that is how the world knows
    /// that it may go on.
    async fn wait(&self, at: Timestamp);

    /// What the random numbers of the call are drawn from.
    fn seed(&self) -> [u8; 32];

    /// As [`GivenTime::wait`], for a limit beside work that goes on: it does not say that nothing is done meanwhile.
    async fn limit(&self, at: Timestamp);
}

/// Where the time comes from.
#[derive(Clone, Default)]
pub enum Time {
    /// The machine's clock.
    #[default]
    Machine,
    /// A clock that is given.
    Given(Arc<dyn GivenTime>),
}

impl Time {
    /// What it says.
    pub fn now(&self) -> Timestamp {
        match self {
            Self::Machine => clock::now(),
            Self::Given(time) => time.now(),
        }
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Machine => "Machine",
            Self::Given(_) => "Given",
        })
    }
}

/// The time of one plugin call: since when, until when, and what it is now. Cheap to clone.
#[derive(Debug, Clone)]
pub struct CallTime {
    time: Time,
    began: Instant,
    /// On a given clock.
    began_at: Timestamp,
    wall: Span,
}

/// Until when somebody waits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Until {
    /// On the machine's clock. In a given world it is only a guard.
    pub(crate) instant: tokio::time::Instant,
    /// On a given clock.
    pub(crate) at: Timestamp,
}

impl CallTime {
    /// Of a call that begins now and may take so long.
    pub fn begin(time: &Time, wall: Span) -> Self {
        Self {
            began: Instant::now(),
            began_at: time.now(),
            time: time.clone(),
            wall,
        }
    }

    /// What the clock says.
    pub fn now(&self) -> Timestamp {
        self.time.now()
    }

    /// What the clock says, as precisely as it knows.
    pub(crate) fn since_1970(&self) -> Duration {
        match &self.time {
            Time::Machine => clock::since_1970(),
            Time::Given(time) => Duration::from_millis(u64::try_from(time.now().0).unwrap_or(0)),
        }
    }

    /// Since the call began.
    pub(crate) fn elapsed(&self) -> Duration {
        match &self.time {
            Time::Machine => self.began.elapsed(),
            Time::Given(time) => time.now().since(self.began_at).to_std(),
        }
    }

    /// What is left of the call.
    pub(crate) fn left(&self) -> Duration {
        self.wall.to_std().saturating_sub(self.elapsed())
    }

    /// Until the call's end, and no longer than `own` from now.
    pub(crate) fn until(&self, own: Option<Duration>) -> Until {
        let end = Until {
            instant: (self.began + self.wall.to_std()).into(),
            at: self.began_at.plus(self.wall),
        };
        match (own, &self.time) {
            (None, _) => end,
            (Some(own), Time::Machine) => Until {
                instant: end.instant.min(tokio::time::Instant::now() + own),
                ..end
            },
            // Real time passes while a test's world computes, and means nothing in it.
            (Some(own), Time::Given(time)) => Until {
                at: end.at.min(time.now().plus(span(own))),
                ..end
            },
        }
    }

    /// Whether that time is over.
    pub(crate) fn is_over(&self, until: Until) -> bool {
        match &self.time {
            Time::Machine => tokio::time::Instant::now() >= until.instant,
            Time::Given(time) => time.now() >= until.at,
        }
    }

    /// What comes of `work`, or nothing where the time is over before.
    pub(crate) async fn within<T>(&self, until: Until, work: impl Future<Output = T>) -> Option<T> {
        let guarded = timeout_at(until.instant, work);
        match &self.time {
            Time::Machine => guarded.await.ok(),
            Time::Given(time) => tokio::select! {
                biased;
                done = guarded => done.ok(),
                () = time.limit(until.at) => None,
            },
        }
    }

    /// Comes back so much later.
    pub(crate) async fn sleep(&self, long: Duration) {
        match &self.time {
            Time::Machine => tokio::time::sleep(long).await,
            Time::Given(time) => time.wait(time.now().plus(span(long))).await,
        }
    }

    /// The clock that is given, for what waits on it.
    pub(crate) fn given(&self) -> Option<&Arc<dyn GivenTime>> {
        match &self.time {
            Time::Machine => None,
            Time::Given(time) => Some(time),
        }
    }
}

/// In whole milliseconds, rounded up: what is waited for is over then.
pub(crate) fn span(time: Duration) -> Span {
    Span::from_millis(i64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(i64::MAX))
}
