//! A server on loopback that keeps what was done to it, and the clock by which an engine is killed.
//!
//! It answers as the plugins of tests/effects expect. What is true is what it keeps, whatever the engine believes: an
//! effect is made when its request was read, verify says whether all of a case were made, and a look whether one stands.
//! [`Counter::arm`] stops it at a moment of a request, with the engine in the middle of whatever it does, until
//! [`Counter::release`].

use std::collections::BTreeMap;
use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::http::message;

/// When, during one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// It was read and had no effect.
    Arrived,
    /// It had its effect and has no answer.
    Made,
    /// It was answered.
    Answered,
}

/// An effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    /// `POST`, `PUT` or `DELETE`.
    pub method: String,
    /// `/CASE/INDEX`.
    pub path: String,
    /// The idempotency key.
    pub key: String,
    /// The credential that came with it.
    pub authorization: String,
}

#[derive(Debug, Default)]
struct Inner {
    made: Mutex<Vec<Effect>>,
    armed: Mutex<Option<(u64, Moment)>>,
    requests: AtomicU64,
    struck: AtomicBool,
}

/// The server. Its threads end with the program.
#[derive(Debug)]
pub struct Counter {
    /// Where it is.
    pub address: SocketAddr,
    inner: Arc<Inner>,
}

impl Counter {
    /// Opens it; a case has so many effects, and a request is answered after so long.
    pub fn open(effects: usize, takes: Duration) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let inner = Arc::new(Inner::default());
        let shared = Arc::clone(&inner);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let inner = Arc::clone(&shared);
                std::thread::spawn(move || inner.serve(stream, effects, takes));
            }
        });
        Ok(Self { address, inner })
    }

    /// Every effect, in order.
    pub fn made(&self) -> Vec<Effect> {
        locked(&self.inner.made).clone()
    }

    /// The effects of one case, counted by method and path.
    pub fn counts(&self, case: &str) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for effect in locked(&self.inner.made).iter() {
            if effect.path.split('/').nth(1) == Some(case) {
                *counts
                    .entry(format!("{} {}", effect.method, effect.path))
                    .or_default() += 1;
            }
        }
        counts
    }

    /// Stops at this moment of the nth request from now, counted from 1.
    pub fn arm(&self, request: u64, moment: Moment) {
        self.inner.requests.store(0, Ordering::SeqCst);
        *locked(&self.inner.armed) = Some((request, moment));
    }

    /// Whether it stopped.
    pub fn is_struck(&self) -> bool {
        self.inner.struck.load(Ordering::SeqCst)
    }

    /// Goes on; the stopped request has no answer.
    pub fn release(&self) {
        *locked(&self.inner.armed) = None;
        self.inner.struck.store(false, Ordering::SeqCst);
    }
}

impl Inner {
    fn serve(&self, stream: TcpStream, effects: usize, takes: Duration) {
        let _ = stream.set_nodelay(true);
        let mut stream = BufReader::new(stream);
        while let Ok(request) = message(&mut stream) {
            let mut words = request.first.split(' ').map(str::to_owned);
            let (Some(method), Some(path)) = (words.next(), words.next()) else {
                return;
            };
            let number = self.requests.fetch_add(1, Ordering::SeqCst) + 1;
            if self.strikes(number, Moment::Arrived) {
                return;
            }
            let looks = method == "GET";
            if !looks {
                let header = |name: &str| request.headers.get(name).cloned().unwrap_or_default();
                let effect = Effect {
                    method,
                    path: path.clone(),
                    key: header("idempotency-key"),
                    authorization: header("authorization"),
                };
                locked(&self.made).push(effect);
            }
            if self.strikes(number, Moment::Made) {
                return;
            }
            std::thread::sleep(takes);
            let is = |so| if so { "yes" } else { "no" };
            let body = match path.strip_suffix("/verify") {
                Some(case) => is(self.is_whole(case, effects)),
                None if looks => is(self.stands(&path)),
                None => "{}",
            };
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            if stream.get_mut().write_all(answer.as_bytes()).is_err() {
                return;
            }
            if self.strikes(number, Moment::Answered) {
                return;
            }
        }
    }

    /// Whether the effect was made and not taken back after that.
    fn stands(&self, path: &str) -> bool {
        let made = locked(&self.made);
        let last = made.iter().rfind(|effect| effect.path == path);
        last.is_some_and(|effect| effect.method != "DELETE")
    }

    fn is_whole(&self, case: &str, effects: usize) -> bool {
        let made = locked(&self.made);
        let is_made = |path: String| {
            made.iter()
                .any(|effect| effect.method != "DELETE" && effect.path == path)
        };
        (0..effects).all(|index| is_made(format!("{case}/{index}")))
    }

    /// Whether this is the moment; if so, only after the release.
    fn strikes(&self, request: u64, moment: Moment) -> bool {
        if *locked(&self.armed) != Some((request, moment)) {
            return false;
        }
        self.struck.store(true, Ordering::SeqCst);
        let began = Instant::now();
        while self.struck.load(Ordering::SeqCst) && began.elapsed() < Duration::from_secs(60) {
            std::thread::sleep(Duration::from_millis(1));
        }
        true
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Connection;

    #[test]
    fn verify_says_yes_once_all_effects_of_the_case_were_made() {
        let counter = Counter::open(2, Duration::ZERO).unwrap();
        let mut connection = Connection::open(counter.address).unwrap();
        for (posted, said) in [("/a/0", "no"), ("/b/1", "no"), ("/a/1", "yes")] {
            connection.post(posted, "t", "{}").unwrap();
            assert_eq!(connection.get("/a/verify").unwrap().body, said, "{posted}");
        }
        assert_eq!(counter.counts("a").values().copied().collect::<Vec<_>>(), [1, 1]);
    }

    #[test]
    fn it_stops_before_or_after_the_effect_as_it_was_told_and_gives_no_answer() {
        for (moment, effects) in [(Moment::Arrived, 0), (Moment::Made, 1)] {
            let counter = Counter::open(1, Duration::ZERO).unwrap();
            counter.arm(1, moment);
            let address = counter.address;
            let sender =
                std::thread::spawn(move || Connection::open(address).unwrap().post("/a/0", "t", "{}"));
            while !counter.is_struck() {
                std::thread::sleep(Duration::from_millis(1));
            }
            assert_eq!(counter.made().len(), effects, "{moment:?}");
            counter.release();
            assert!(sender.join().unwrap().is_err(), "{moment:?}");
        }
    }
}
