//! Alerts, sent as fast as they are taken or a given number at a time, and what became of them.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use stanch_outside::alertmanager::notification;
use stanch_outside::http::{Came, Connection};

use super::process;
use super::setting::TOKEN;
use crate::shell::TaskError;

/// Connections, and alerts on their way, at saturation.
const IN_FLIGHT: u64 = 64;
/// How many are sent one after another.
const ONE_BY_ONE: u64 = 1_000;
/// How many are sent at saturation; before them as many are sent to warm up as there are connections, ten times.
const AT_ONCE: u64 = 10_000;
/// The longest that nothing may happen.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the engine's metrics call them.
const CLOSED: &str = "stanch_runs_closed_total";
const FLUSHES: &str = "stanch_journal_flushes";

/// Sends alerts, each another one.
#[derive(Debug, Clone)]
pub(super) struct Load {
    listens: SocketAddr,
    next: Arc<AtomicU64>,
    /// Where a run that changes something looks whether it did; such a run stays open as long as its alert fires.
    looked: Option<Arc<Came>>,
}

/// What came of saturation.
pub(super) struct Busy {
    /// Runs in the measured time.
    pub(super) runs: u64,
    /// Runs a second.
    pub(super) rate: f64,
    /// The engine's CPU for a run, in milliseconds.
    pub(super) cpu_ms: f64,
    /// Waits for the disk for a run.
    pub(super) flushes: f64,
}

impl Load {
    pub(super) fn new(listens: SocketAddr, looked: Option<Arc<Came>>) -> Self {
        Self {
            listens,
            next: Arc::default(),
            looked,
        }
    }

    /// How many runs have got to where their time is taken: closed, or their change verified.
    fn finished(&self, watcher: &mut Connection) -> Result<u64, TaskError> {
        match &self.looked {
            Some(came) => Ok(came.looks.load(Ordering::Relaxed)),
            // The first run that closes makes the counter.
            None => Ok(read(watcher, CLOSED).unwrap_or(0.0) as u64),
        }
    }

    pub(super) fn listens(&self) -> SocketAddr {
        self.listens
    }

    fn connect(&self) -> Result<Connection, TaskError> {
        Connection::open(self.listens).map_err(failed)
    }

    fn alert(&self, name: &str) -> String {
        let instance = format!("node-{}", self.next.fetch_add(1, Ordering::Relaxed));
        let labels = [
            ("instance", instance.as_str()),
            ("job", "bench"),
            ("severity", "high"),
            ("team", "platform"),
        ];
        notification(name, &labels, true, "2026-11-24T00:12:19.568Z").to_string()
    }

    fn post(&self, connection: &mut Connection, name: &str) -> Result<(), TaskError> {
        let answer = connection
            .post("/alerts/alertmanager", TOKEN, &self.alert(name))
            .map_err(failed)?;
        if answer.status == 202 {
            return Ok(());
        }
        Err(TaskError::Other(format!(
            "an alert was answered with {}: {}",
            answer.status, answer.body
        )))
    }

    /// So many alerts of this name, one after another.
    pub(super) fn send(&self, name: &str, count: u64) -> Result<(), TaskError> {
        let mut connection = self.connect()?;
        (0..count).try_for_each(|_| self.post(&mut connection, name))
    }

    /// The same work on each of these many connections at once.
    fn at_once<W>(&self, work: W) -> Result<(), TaskError>
    where
        W: Fn(&mut Connection) -> Result<(), TaskError> + Clone + Send + 'static,
    {
        let threads: Vec<_> = (0..IN_FLIGHT)
            .map(|_| {
                let (load, work) = (self.clone(), work.clone());
                std::thread::spawn(move || work(&mut load.connect()?))
            })
            .collect();
        for thread in threads {
            thread
                .join()
                .map_err(|_| TaskError::Other("a sender panicked".to_owned()))??;
        }
        Ok(())
    }
}

fn failed(why: std::io::Error) -> TaskError {
    TaskError::Other(format!("the engine does not answer: {why}"))
}

/// The value of a counter, all its labels added up.
fn counter(metrics: &str, name: &str) -> Option<f64> {
    let values = metrics.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        rest.starts_with([' ', '{'])
            .then(|| rest.rsplit(' ').next()?.parse::<f64>().ok())?
    });
    values.reduce(|sum, value| sum + value)
}

fn read(connection: &mut Connection, name: &str) -> Result<f64, TaskError> {
    let metrics = connection.get("/metrics").map_err(failed)?.body;
    counter(&metrics, name).ok_or_else(|| TaskError::Other(format!("the metrics have no `{name}`")))
}

/// Alerts that fit no runbook, a second: each is answered once it is on the disk.
pub(super) fn accepted(load: &Load) -> Result<f64, TaskError> {
    let send = |count: u64| {
        let sender = load.clone();
        load.at_once(move |connection| {
            for _ in 0..count / IN_FLIGHT {
                sender.post(connection, "FitsNothing")?;
            }
            Ok(())
        })
    };
    send(IN_FLIGHT * 10)?;
    let began = Instant::now();
    send(AT_ONCE * 2)?;
    Ok((AT_ONCE * 2 / IN_FLIGHT * IN_FLIGHT) as f64 / began.elapsed().as_secs_f64())
}

/// How long each run took, from the first byte of its alert until it is finished. That a run is closed is seen by reading the
/// metrics again and again, so each is too long by up to one such reading.
pub(super) fn one_by_one(load: &Load) -> Result<Vec<Duration>, TaskError> {
    let (mut sender, mut watcher) = (load.connect()?, load.connect()?);
    let mut took = Vec::new();
    for turn in 0..ONE_BY_ONE + 50 {
        let before = load.finished(&mut watcher)?;
        let began = Instant::now();
        load.post(&mut sender, "Bench")?;
        while load.finished(&mut watcher)? <= before {
            if began.elapsed() > PATIENCE {
                return Err(TaskError::Other(
                    "a run did not finish within a minute".to_owned(),
                ));
            }
        }
        if turn >= 50 {
            took.push(began.elapsed());
        }
    }
    Ok(took)
}

/// Many at a time: the next alert is sent when a run has finished.
pub(super) fn saturated(load: &Load, process: u32) -> Result<Busy, TaskError> {
    // A connection of its own for each reading: one that is idle while ten thousand runs go by is closed by the engine.
    let counted = || Ok::<_, TaskError>((read(&mut load.connect()?, FLUSHES)?, process::cpu(process)?));
    let mut watcher = load.connect()?;
    run_all(load, &mut watcher, IN_FLIGHT * 10)?;
    let before = counted()?;
    let began = Instant::now();
    run_all(load, &mut watcher, AT_ONCE)?;
    let took = began.elapsed().as_secs_f64();
    let after = counted()?;
    let runs = AT_ONCE as f64;
    Ok(Busy {
        runs: AT_ONCE,
        rate: runs / took,
        cpu_ms: (after.1.saturating_sub(before.1)).as_secs_f64() * 1e3 / runs,
        flushes: (after.0 - before.0) / runs,
    })
}

/// How many runs have finished, for those who wait to send more. They sleep, as the processors are the engine's.
#[derive(Default)]
struct Finished {
    runs: Mutex<Option<u64>>,
    moved: Condvar,
}

impl Finished {
    fn lock(&self) -> MutexGuard<'_, Option<u64>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// So many now; `None`: nobody waits for more.
    fn set(&self, runs: Option<u64>) {
        *self.lock() = runs;
        self.moved.notify_all();
    }

    /// Waits until this many are left to be sent at most; whether it is worth going on.
    fn allows(&self, turn: u64) -> bool {
        let mut runs = self.lock();
        while runs.is_some_and(|runs| turn >= runs + IN_FLIGHT) {
            runs = self.moved.wait(runs).unwrap_or_else(PoisonError::into_inner);
        }
        runs.is_some()
    }
}

fn run_all(load: &Load, watcher: &mut Connection, count: u64) -> Result<(), TaskError> {
    let first = load.finished(watcher)?;
    let (sent, finished) = (Arc::new(AtomicU64::new(0)), Arc::new(Finished::default()));
    finished.set(Some(0));
    let senders = {
        let (load, sent, finished) = (load.clone(), Arc::clone(&sent), Arc::clone(&finished));
        std::thread::spawn(move || {
            let sender = load.clone();
            load.at_once(move |connection| {
                loop {
                    let turn = sent.fetch_add(1, Ordering::Relaxed);
                    if turn >= count || !finished.allows(turn) {
                        return Ok(());
                    }
                    sender.post(connection, "Bench")?;
                }
            })
        })
    };
    let (mut progressed, mut runs) = (Instant::now(), 0);
    while runs < count && progressed.elapsed() < PATIENCE {
        // Often enough to keep the number in flight, seldom enough not to be part of what is measured.
        std::thread::sleep(Duration::from_millis(4));
        let now = load.finished(watcher)?.saturating_sub(first);
        if now != runs {
            progressed = Instant::now();
            runs = now;
            finished.set(Some(runs));
        }
    }
    finished.set(None);
    senders
        .join()
        .map_err(|_| TaskError::Other("the senders panicked".to_owned()))??;
    if runs >= count {
        return Ok(());
    }
    Err(TaskError::Other(format!(
        "{runs} of {count} runs finished, and then none for a minute"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_the_sum_over_its_labels() {
        let metrics = "# TYPE runs counter\nruns_total{ending=\"healed\"} 3\nruns_total{ending=\"failed\"} 4\n\
                       runs_total_more 9\nother_total 5\n";
        assert_eq!(counter(metrics, "runs_total"), Some(7.0));
        assert_eq!(counter(metrics, "other_total"), Some(5.0));
        assert_eq!(counter(metrics, "absent_total"), None);
    }
}
