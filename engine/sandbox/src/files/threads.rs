//! Threads that look at folders.
//!
//! A look takes microseconds, and waking a thread for it costs more than the look. Tokio's pool for blocking work wakes one for each
//! piece of work that finds an idle one, and begins another where none is: with 64 runs in flight it had forty threads, and more than
//! half of all the engine's waits and wake-ups were theirs. Here a few threads take what waits, one after another, and are woken only
//! where all of them sleep. A thread that a file system does not answer (a share whose server is gone) holds up nobody for longer than
//! [`SLOW`]: another one is begun for what waits behind it, up to [`MOST`]; and none of them is missing to anything else in the engine.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

/// This many threads stay.
const FEW: usize = 2;
/// This many there are at most: as many calls of plugins as run at one time.
const MOST: usize = 256;
/// Who waits longer than this has another thread begun.
const SLOW: Duration = Duration::from_millis(20);

type Job = Box<dyn FnOnce() + Send>;

/// A number of threads and what they have to do.
struct Threads {
    inner: Mutex<Inner>,
    wake: Condvar,
}

#[derive(Default)]
struct Inner {
    waiting: VecDeque<Job>,
    threads: usize,
    /// Threads that sleep and were not told to wake.
    asleep: usize,
    /// Threads that were told to wake and have not done so yet.
    woken: usize,
}

/// Does this on one of the threads. The error is that the thread could not be begun, or that `look` panicked.
pub(crate) async fn look<T: Send + 'static>(look: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    static THREADS: LazyLock<Arc<Threads>> = LazyLock::new(Threads::new);
    THREADS.look(look).await
}

impl Threads {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            inner: Mutex::default(),
            wake: Condvar::new(),
        })
    }

    async fn look<T: Send + 'static>(
        self: &Arc<Self>,
        look: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        let (done, mut found) = oneshot::channel();
        self.push(Box::new(move || {
            // Nobody waits any more where this fails.
            let _ = done.send(look());
        }))?;
        loop {
            match tokio::time::timeout(SLOW, &mut found).await {
                Ok(found) => return found.map_err(|_| io::Error::other("the look panicked")),
                Err(_) => self.relieve()?,
            }
        }
    }

    fn push(self: &Arc<Self>, job: Job) -> io::Result<()> {
        let mut inner = self.lock();
        inner.waiting.push_back(job);
        if inner.asleep > 0 {
            inner.asleep -= 1;
            inner.woken += 1;
            drop(inner);
            self.wake.notify_one();
            return Ok(());
        }
        if inner.threads < FEW {
            self.begin(inner)
        } else {
            Ok(())
        }
    }

    /// Begins another thread where something waits and nobody is there to take it.
    fn relieve(self: &Arc<Self>) -> io::Result<()> {
        let inner = self.lock();
        if inner.waiting.is_empty() || inner.asleep > 0 || inner.threads >= MOST {
            return Ok(());
        }
        self.begin(inner)
    }

    fn begin(self: &Arc<Self>, mut inner: MutexGuard<'_, Inner>) -> io::Result<()> {
        inner.threads += 1;
        drop(inner);
        let threads = Arc::clone(self);
        let begun = thread::Builder::new()
            .name("stanch-files".to_owned())
            .spawn(move || threads.work());
        if let Err(error) = begun {
            let mut inner = self.lock();
            inner.threads -= 1;
            // What waits is done by those that are there, if there are any.
            if inner.threads == 0 {
                inner.waiting.clear();
                return Err(error);
            }
        }
        Ok(())
    }

    /// What a thread does: whatever waits, then it sleeps, or goes where there are more than a few.
    fn work(&self) {
        let mut inner = self.lock();
        loop {
            if let Some(job) = inner.waiting.pop_front() {
                drop(inner);
                // Who asked is told by the end of its channel; the thread goes on.
                let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
                inner = self.lock();
            } else if inner.threads > FEW {
                inner.threads -= 1;
                return;
            } else {
                inner.asleep += 1;
                while inner.woken == 0 {
                    inner = self.wake.wait(inner).unwrap_or_else(PoisonError::into_inner);
                }
                inner.woken -= 1;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use futures_util::future::join_all;

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_thousand_looks_at_once_are_all_answered_by_a_few_threads() {
        let threads = Threads::new();
        let looks = (0..1000).map(|n| threads.look(move || n * 2));
        let found: Vec<usize> = join_all(looks).await.into_iter().map(Result::unwrap).collect();
        assert_eq!(found, (0..1000).map(|n| n * 2).collect::<Vec<_>>());
        assert!(threads.lock().waiting.is_empty());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn looks_that_never_come_back_hold_up_no_others_and_their_threads_go_when_they_do() {
        let threads = Threads::new();
        let stuck = Arc::new(AtomicUsize::new(0));
        let ends: Vec<mpsc::Sender<()>> = (0..8)
            .map(|_| {
                let (end, ended) = mpsc::channel::<()>();
                let (threads, stuck) = (threads.clone(), stuck.clone());
                tokio::spawn(async move {
                    let hangs = move || {
                        stuck.fetch_add(1, Ordering::SeqCst);
                        let _ = ended.recv();
                    };
                    threads.look(hangs).await
                });
                end
            })
            .collect();
        while stuck.load(Ordering::SeqCst) < 8 {
            tokio::task::yield_now().await;
        }
        assert_eq!(threads.look(|| 7).await.unwrap(), 7);
        drop(ends);
        while threads.lock().threads > FEW {
            tokio::task::yield_now().await;
        }
        assert_eq!(threads.look(|| 8).await.unwrap(), 8);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_look_that_panics_is_an_error_and_takes_no_thread_down() {
        let threads = Threads::new();
        for _ in 0..FEW * 2 {
            let error = threads.look(|| panic!("a flaw")).await.unwrap_err();
            assert!(error.to_string().contains("panicked"), "{error}");
        }
        assert_eq!(threads.look(|| 7).await.unwrap(), 7);
    }
}
