//! The page: the city on one side, the engine's view of its run on the other, buttons that break things, and the question.
//!
//! A person who says yes here says it through the command line, as at any terminal: the page only runs it.

use std::net::SocketAddr;
use std::sync::{Arc, Weak};

use serde_json::{Value, json};
use stanch_outside::http::{Message, Server};
use stanch_outside::run::{Asked, asked, ending};
use stanch_outside::serve::Trouble;

use super::Demo;
use super::scenario::Scenario;
use crate::shell::TaskError;

/// Only this page's own requests have it: another site's would need a leave that nobody gives.
const HEADER: &str = "x-stanch-demo";

/// Opens it; it ends with the demo.
pub(super) fn open(demo: &Arc<Demo>) -> Result<SocketAddr, TaskError> {
    let demo: Weak<Demo> = Arc::downgrade(demo);
    let server = Server::open(move |request| match demo.upgrade() {
        Some(demo) => answered(&demo, request).unwrap_or_else(|why| (500, why.to_string())),
        None => (503, "the demo has ended".to_owned()),
    });
    let server = server.map_err(|why| TaskError::Other(format!("the page: {why}")))?;
    Ok(server.address)
}

fn answered(demo: &Demo, request: &Message) -> Result<(u16, String), TaskError> {
    let own = request.headers.contains_key(HEADER);
    match request.asked() {
        ("GET", "/") => Ok((200, include_str!("page.html").to_owned())),
        ("GET", "/state") => Ok((200, state(demo)?.to_string())),
        ("POST", "/answer") if own => {
            let said: Value = serde_json::from_slice(&request.body).unwrap_or_default();
            let text = |key: &str| said.get(key).and_then(Value::as_str).unwrap_or_default();
            let asked = Asked {
                step: text("step").to_owned(),
                ask: String::new(),
                digest: said.get("digest").and_then(Value::as_str).map(str::to_owned),
            };
            asked.answer(&demo.engine, text("run"), said.get("yes") == Some(&json!(true)))?;
            Ok((200, String::new()))
        }
        ("POST", path) if own => {
            let button = path.trim_start_matches('/');
            if !Scenario::ALL
                .iter()
                .any(|scenario| scenario.buttons().contains(&button))
            {
                return Ok((404, "no such button".to_owned()));
            }
            demo.press(button)?;
            Ok((200, String::new()))
        }
        _ => Ok((404, "not here".to_owned())),
    }
}

/// How all is now.
fn state(demo: &Demo) -> Result<Value, TaskError> {
    let city: Value = serde_json::from_str(&demo.city.state()?).unwrap_or_default();
    let runs = demo.engine.ask(&["runs"])?;
    let newest = runs.as_array().and_then(|runs| runs.first());
    let id = newest.and_then(|run| run.get("id")).and_then(Value::as_str);
    let run = id.map(|id| shown(demo, id)).transpose()?;
    Ok(json!({ "city": city, "run": run }))
}

fn shown(demo: &Demo, id: &str) -> Result<Value, Trouble> {
    let view = demo.engine.ask(&["runs", "show", id])?;
    let question =
        asked(&view).map(|asked| json!({ "step": asked.step, "ask": asked.ask, "digest": asked.digest }));
    Ok(json!({
        "id": id,
        "title": view.get("title"),
        "ending": ending(&view),
        "question": question,
        "page": demo.engine.tell(&["runs", "show", id])?,
    }))
}
