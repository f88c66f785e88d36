//! Users: each asks, waits for the answer, and asks again. Not one request may be dropped.
//!
//! Each request has a connection of its own. Caddy closes those that are idle when its configuration changes, so that on a kept
//! one nobody could tell a request that was dropped from one that never came. A new connection that nobody has accepted yet when
//! Caddy puts its old listener down is reset by the system: such a request is asked again, as HTTP's clients do, once those who
//! would have answered it say that it never came to them.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use stanch_outside::http::{Answer, Connection};

/// Some users. They leave with this value.
#[derive(Debug)]
pub struct Users {
    told: Arc<Told>,
    threads: Vec<JoinHandle<()>>,
}

/// What became of what they asked.
#[derive(Debug, Default)]
struct Told {
    stop: AtomicBool,
    served: AtomicU64,
    never_came: AtomicU64,
    failed: Mutex<Vec<String>>,
}

/// Whether a request with this path came to one of those who answer it.
type Came = Arc<dyn Fn(&str) -> bool + Send + Sync>;

impl Users {
    /// So many, who ask at this path.
    pub fn come(count: usize, address: SocketAddr, path: &'static str) -> Self {
        Self::sent(count, address, move |_| path.to_owned(), None)
    }

    /// The same, each request with a number in its query, by which those who answer know it again.
    pub fn come_by(
        count: usize,
        address: SocketAddr,
        path: &'static str,
        came: impl Fn(&str) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self::sent(
            count,
            address,
            move |request| format!("{path}?request={request}"),
            Some(Arc::new(came)),
        )
    }

    fn sent(
        count: usize,
        address: SocketAddr,
        path: impl Fn(u64) -> String + Clone + Send + 'static,
        came: Option<Came>,
    ) -> Self {
        let (told, asked): (Arc<Told>, Arc<AtomicU64>) = Default::default();
        let threads = (0..count).map(|_| {
            let (told, asked, path, came) =
                (Arc::clone(&told), Arc::clone(&asked), path.clone(), came.clone());
            std::thread::spawn(move || {
                while !told.stop.load(Ordering::SeqCst) {
                    let path = path(asked.fetch_add(1, Ordering::SeqCst));
                    let answer = Connection::open(address).and_then(|mut connection| connection.get(&path));
                    std::thread::sleep(Duration::from_millis(100));
                    told.note(answer, || came.as_ref().is_none_or(|came| came(&path)));
                }
            })
        });
        Self {
            threads: threads.collect(),
            told,
        }
    }

    /// How many requests were answered until now.
    pub fn served(&self) -> u64 {
        self.told.served.load(Ordering::SeqCst)
    }

    /// How many requests were reset before anybody took them, and asked again.
    pub fn never_came(&self) -> u64 {
        self.told.never_came.load(Ordering::SeqCst)
    }

    /// Waits until each has his last answer; says what went wrong.
    ///
    /// # Panics
    /// Where one of them did.
    pub fn leave(mut self) -> Vec<String> {
        self.told.stop.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
        let mut failed = self.told.failed.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut failed)
    }
}

impl Told {
    fn note(&self, answer: std::io::Result<Answer>, came: impl FnOnce() -> bool) {
        let wrong = match answer {
            Ok(answer) if answer.status == 200 => {
                self.served.fetch_add(1, Ordering::SeqCst);
                return;
            }
            Ok(answer) => format!("{}: {}", answer.status, answer.body),
            Err(why) if why.kind() == ErrorKind::ConnectionReset && !came() => {
                self.never_came.fetch_add(1, Ordering::SeqCst);
                return;
            }
            Err(why) => why.to_string(),
        };
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.push(wrong);
    }
}

impl Drop for Users {
    fn drop(&mut self) {
        self.told.stop.store(true, Ordering::SeqCst);
    }
}
