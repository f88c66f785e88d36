//! The intake while people look: many runs wait for an answer, many pages are kept open, and runs open all the while, so that
//! what is looked at changes.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use stanch_outside::http::Connection;

use super::load::{Load, accepted};
use super::setting::VIEWER;
use crate::shell::TaskError;

/// Runs that wait for an answer.
pub(super) const RUNS: u64 = 500;
/// Pages that are kept open: half of them *Now*, half a run each.
pub(super) const VIEWERS: u64 = 200;
/// How often a run opens while alerts are counted.
const OPENS: Duration = Duration::from_millis(100);
/// The longest that it may take until all of that is there.
const PATIENCE: Duration = Duration::from_secs(120);

/// Alerts accepted a second: with nothing else there, and with all of that.
pub(super) struct Accepted {
    pub(super) alone: f64,
    pub(super) watched: f64,
    /// Pages that were sent to viewers while alerts came.
    pub(super) pages: u64,
}

/// Measures both on one engine, three times each, and takes the best: what disturbs the machine only ever makes it slower.
/// `look` is called with a run's id while all of that is there.
pub(super) fn measured(
    load: &Load,
    look: impl FnOnce(&str) -> Result<(), TaskError>,
) -> Result<Accepted, TaskError> {
    let alone = best(load)?;
    let runs = opened(load)?;
    let viewers = Viewers::open(load.listens(), &runs)?;
    let before = viewers.pages();
    let watched = best(load)?;
    let pages = viewers.pages() - before;
    if let Some(run) = runs.first() {
        look(run)?;
    }
    Ok(Accepted {
        alone,
        watched,
        pages,
    })
}

fn best(load: &Load) -> Result<f64, TaskError> {
    let counted = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let opening = scope.spawn(|| {
            while !counted.load(Ordering::Relaxed) {
                load.send("Bench", 1)?;
                std::thread::sleep(OPENS);
            }
            Ok(())
        });
        let mut best = Ok(0.0_f64);
        for _ in 0..3 {
            best = best.and_then(|best| Ok(best.max(accepted(load)?)));
        }
        counted.store(true, Ordering::Relaxed);
        let opened = opening.join();
        opened.unwrap_or_else(|_| Err(TaskError::Other("who opens runs panicked".to_owned())))?;
        best
    })
}

fn failed(why: std::io::Error) -> TaskError {
    TaskError::Other(format!("the engine does not answer a viewer: {why}"))
}

/// Has the runs opened, and waits until each has asked.
fn opened(load: &Load) -> Result<Vec<String>, TaskError> {
    load.send("Bench", RUNS)?;
    let mut viewer = Connection::open(load.listens()).map_err(failed)?;
    let authorization = format!("Bearer {VIEWER}");
    let headers = [("authorization", authorization.as_str())];
    let began = Instant::now();
    loop {
        let answer = viewer
            .send("GET", "/api/v1/runs?waiting=true&limit=1000", &headers, "")
            .map_err(failed)?;
        let runs: Vec<serde_json::Value> = serde_json::from_str(&answer.body).unwrap_or_default();
        if runs.len() as u64 >= RUNS {
            let id = |run: &serde_json::Value| run["id"].as_str().map(str::to_owned);
            return Ok(runs.iter().filter_map(id).collect());
        }
        if began.elapsed() > PATIENCE {
            let said = format!(
                "{} of {RUNS} runs ask after two minutes: {}",
                runs.len(),
                answer.body
            );
            return Err(TaskError::Other(said));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Those who look. They go when this is dropped.
struct Viewers {
    pages: Arc<AtomicU64>,
    gone: Arc<AtomicBool>,
}

impl Viewers {
    /// Logs in once and opens the pages, each on a connection of its own; back once each has shown something.
    fn open(listens: SocketAddr, runs: &[String]) -> Result<Self, TaskError> {
        let cookie = logged_in(listens)?;
        let (pages, gone) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let trouble = Arc::new(RwLock::new(None));
        let (shown, first) = mpsc::channel();
        for (at, run) in (0..VIEWERS).zip(runs) {
            let path = if at % 2 == 0 {
                "/live".to_owned()
            } else {
                format!("/runs/{run}/live")
            };
            let (cookie, pages, gone) = (cookie.clone(), Arc::clone(&pages), Arc::clone(&gone));
            let (trouble, shown) = (Arc::clone(&trouble), shown.clone());
            std::thread::spawn(move || {
                let mut told = Some(shown);
                let followed = Connection::open(listens).and_then(|mut page| {
                    page.follow(&path, &[("cookie", &cookie)], |line| {
                        if line.starts_with("data:") {
                            pages.fetch_add(1, Ordering::Relaxed);
                            if let Some(shown) = told.take() {
                                // Who counts them may have given up.
                                shown.send(()).ok();
                            }
                        }
                        gone.load(Ordering::Relaxed).then_some(())
                    })
                });
                let end = followed.map_or_else(|why| why.to_string(), |_| "the page ended".to_owned());
                *trouble.write().unwrap_or_else(PoisonError::into_inner) = Some(end);
            });
        }
        for seen in 0..VIEWERS {
            if first.recv_timeout(PATIENCE).is_err() {
                let why = trouble.read().unwrap_or_else(PoisonError::into_inner).clone();
                let why = why.unwrap_or_default();
                return Err(TaskError::Other(format!(
                    "{seen} of {VIEWERS} pages showed something: {why}"
                )));
            }
        }
        Ok(Self { pages, gone })
    }

    fn pages(&self) -> u64 {
        self.pages.load(Ordering::Relaxed)
    }
}

impl Drop for Viewers {
    fn drop(&mut self) {
        self.gone.store(true, Ordering::Relaxed);
    }
}

/// The cookie of a session.
fn logged_in(listens: SocketAddr) -> Result<String, TaskError> {
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let answer = Connection::open(listens)
        .and_then(|mut page| page.send("POST", "/login", &form, &format!("token={VIEWER}")))
        .map_err(failed)?;
    let cookie = answer
        .header("set-cookie")
        .and_then(|cookie| cookie.split(';').next());
    cookie.map(str::to_owned).ok_or_else(|| {
        TaskError::Other(format!(
            "the log-in was answered with {}: {}",
            answer.status, answer.body
        ))
    })
}
