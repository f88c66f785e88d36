//! The page: the city on one side, with buttons that break things, and the engine's own pages on the other, in a frame.
//!
//! Whoever opens it is robin, an operator of the engine: this program logs robin in as the engine's log-in page does, and hands the session
//! on. It may do so because a browser sends one host's cookies to all its ports; the engine knows nothing of it, but for the line of
//! stanch.toml that lets this page, and no other, have its pages in a frame.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock, Weak};

use serde_json::{Value, json};
use stanch_outside::http::{Connection, Message, Reply, Server};

use super::scenario::Scenario;
use super::{Demo, settings};
use crate::shell::TaskError;

/// Only this page's own requests have it: another site's would need a leave that nobody gives.
const HEADER: &str = "x-stanch-demo";

/// The page, before there is anything to show on it.
pub(super) struct Page {
    pub(super) address: SocketAddr,
    shows: Arc<OnceLock<Weak<Demo>>>,
}

impl Page {
    /// Opens it. It is there before the engine is, which has to know where.
    pub(super) fn open() -> Result<Self, TaskError> {
        let shows: Arc<OnceLock<Weak<Demo>>> = Arc::default();
        let shown = Arc::clone(&shows);
        let server = Server::replying(move |request| match shown.get().map(Weak::upgrade) {
            Some(Some(demo)) => answered(&demo, request).unwrap_or_else(|why| reply(500, why.to_string())),
            _ => reply(503, "the demo has ended, or has not begun".to_owned()),
        });
        let server = server.map_err(|why| TaskError::Other(format!("the page: {why}")))?;
        Ok(Self {
            address: server.address,
            shows,
        })
    }

    /// Has it show this demo, until that ends.
    pub(super) fn show(&self, demo: &Arc<Demo>) {
        // There is one demo in the life of a page.
        let _ = self.shows.set(Arc::downgrade(demo));
    }
}

fn reply(status: u16, body: String) -> Reply {
    Reply {
        status,
        body,
        ..Reply::default()
    }
}

fn answered(demo: &Demo, request: &Message) -> Result<Reply, TaskError> {
    let own = request.headers.contains_key(HEADER);
    match request.asked() {
        ("GET", "/") => Ok(Reply {
            headers: vec![("set-cookie", logged_in(demo)?)],
            ..reply(200, include_str!("page.html").to_owned())
        }),
        ("GET", "/state") => Ok(reply(200, state(demo)?.to_string())),
        ("POST", path) if own => {
            let button = path.trim_start_matches('/');
            if !Scenario::ALL
                .iter()
                .any(|scenario| scenario.buttons().contains(&button))
            {
                return Ok(reply(404, "no such button".to_owned()));
            }
            demo.press(button)?;
            Ok(reply(200, String::new()))
        }
        _ => Ok(reply(404, "not here".to_owned())),
    }
}

/// What the engine has a browser hold of who logs in with robin's token.
fn logged_in(demo: &Demo) -> Result<String, TaskError> {
    let failed = |why: &dyn std::fmt::Display| TaskError::Other(format!("robin's log-in: {why}"));
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let form = format!("token={}", settings::ROBIN);
    let answer = Connection::open(demo.listens)
        .and_then(|mut engine| engine.send("POST", "/login", &headers, &form))
        .map_err(|why| failed(&why))?;
    let held = answer.header("set-cookie").map(str::to_owned);
    held.ok_or_else(|| failed(&format!("{} and no session", answer.status)))
}

/// How all is now: the city, where the engine's pages are, and its newest run.
fn state(demo: &Demo) -> Result<Value, TaskError> {
    let failed = |why: &dyn std::fmt::Display| TaskError::Other(format!("the runs: {why}"));
    let city: Value = serde_json::from_str(&demo.city.state()?).unwrap_or_default();
    let bearer = format!("Bearer {}", settings::ROBIN);
    let runs = Connection::open(demo.listens)
        .and_then(|mut engine| engine.send("GET", "/api/v1/runs?limit=1", &[("authorization", &bearer)], ""))
        .map_err(|why| failed(&why))?;
    let runs: Value = serde_json::from_str(&runs.body).map_err(|why| failed(&why))?;
    let newest = runs.as_array().and_then(|runs| runs.first());
    let newest = newest.and_then(|run| run.get("id")).and_then(Value::as_str);
    Ok(json!({ "city": city, "engine": format!("http://{}", demo.listens), "run": newest }))
}
