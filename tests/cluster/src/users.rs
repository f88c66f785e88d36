//! Users: each asks, waits for the answer, and asks again. Not one request may be dropped.
//!
//! Each request has a connection of its own. Caddy closes those that are idle when its configuration changes, so that on a kept
//! one nobody could tell a request that was dropped from one that never came.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use stanch_outside::http::Connection;

/// Some users. They leave with this value.
#[derive(Debug)]
pub struct Users {
    stop: Arc<AtomicBool>,
    served: Arc<AtomicU64>,
    failed: Arc<Mutex<Vec<String>>>,
    threads: Vec<JoinHandle<()>>,
}

impl Users {
    /// So many, who ask at this path.
    pub fn come(count: usize, address: SocketAddr, path: &'static str) -> Self {
        let mut users = Self {
            stop: Arc::default(),
            served: Arc::default(),
            failed: Arc::default(),
            threads: Vec::new(),
        };
        for _ in 0..count {
            let (stop, served, failed) = (
                Arc::clone(&users.stop),
                Arc::clone(&users.served),
                Arc::clone(&users.failed),
            );
            users.threads.push(std::thread::spawn(move || {
                while !stop.load(Ordering::SeqCst) {
                    let wrong =
                        match Connection::open(address).and_then(|mut connection| connection.get(path)) {
                            Ok(answer) if answer.status == 200 => None,
                            Ok(answer) => Some(format!("{}: {}", answer.status, answer.body)),
                            Err(why) => Some(why.to_string()),
                        };
                    match wrong {
                        None => _ = served.fetch_add(1, Ordering::SeqCst),
                        Some(wrong) => failed.lock().unwrap_or_else(PoisonError::into_inner).push(wrong),
                    }
                    std::thread::sleep(Duration::from_millis(100));
                }
            }));
        }
        users
    }

    /// How many requests were answered until now.
    pub fn served(&self) -> u64 {
        self.served.load(Ordering::SeqCst)
    }

    /// Waits until each has his last answer; says what went wrong.
    ///
    /// # Panics
    /// Where one of them did.
    pub fn leave(mut self) -> Vec<String> {
        self.stop.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut failed)
    }
}

impl Drop for Users {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
    }
}
