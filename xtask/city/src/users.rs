//! Users of the service, who never stop asking; and what they notice.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use stanch_outside::http::Connection;

/// How far back it is looked.
const WINDOW: Duration = Duration::from_secs(4);

struct Asked {
    at: Instant,
    took: Duration,
    /// The region that answered; none where nobody did.
    by: Option<String>,
}

/// What users noticed of late.
#[derive(Clone, Default)]
pub(crate) struct Noticed {
    asked: Arc<Mutex<VecDeque<Asked>>>,
    failed: Arc<std::sync::atomic::AtomicU64>,
}

impl Noticed {
    /// So many users come to this place, and stay; they ask for this.
    pub(crate) fn of(users: usize, address: SocketAddr, path: &'static str) -> Self {
        let noticed = Self::default();
        for _ in 0..users {
            let noticed = noticed.clone();
            std::thread::spawn(move || {
                loop {
                    let began = Instant::now();
                    let answer = Connection::open(address).and_then(|mut place| place.get(path));
                    let by = answer
                        .ok()
                        .filter(|answer| answer.status == 200)
                        .map(|answer| answer.body);
                    noticed.add(Asked {
                        at: Instant::now(),
                        took: began.elapsed(),
                        by,
                    });
                    std::thread::sleep(Duration::from_millis(150));
                }
            });
        }
        noticed
    }

    fn add(&self, asked: Asked) {
        if asked.by.is_none() {
            self.failed.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        }
        let mut all = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        while all.front().is_some_and(|first| first.at.elapsed() > WINDOW) {
            all.pop_front();
        }
        all.push_back(asked);
    }

    /// Of a region: how many were answered of late, and the slowest of them.
    pub(crate) fn of_region(&self, region: &str) -> (usize, Option<Duration>) {
        let all = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let own = all
            .iter()
            .filter(|asked| asked.at.elapsed() <= WINDOW && asked.by.as_deref() == Some(region));
        (own.clone().count(), own.map(|asked| asked.took).max())
    }

    /// How many were not answered of late.
    pub(crate) fn failed_of_late(&self) -> usize {
        let all = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = all
            .iter()
            .filter(|asked| asked.at.elapsed() <= WINDOW && asked.by.is_none());
        failed.count()
    }

    /// How many were not answered at all, ever.
    pub(crate) fn failed(&self) -> u64 {
        self.failed.load(std::sync::atomic::Ordering::SeqCst)
    }
}
