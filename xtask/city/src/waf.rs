//! A WAF before the chat: what fits an entry of its blocklist gets 403.
//!
//! It is a service of the city, not Caddy, and speaks of Caddy's admin API what waf-block says: the list with an `ETag`, one route more
//! (`POST`) and another list (`PATCH`) under `If-Match`. That the real Caddy takes and obeys them is what the tests show.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use regex::Regex;
use serde_json::{Value, json};
use stanch_outside::http::{Connection, Message, Reply, Server};

const LIST: &str = "/id/blocklist/routes";

/// The WAF.
#[derive(Clone)]
pub(crate) struct Waf {
    /// Where requests come in.
    pub(crate) address: SocketAddr,
    /// Where its list is read and changed.
    pub(crate) admin: SocketAddr,
    state: Arc<Mutex<List>>,
}

#[derive(Default)]
struct List {
    routes: Vec<Value>,
    version: u64,
    blocked: u64,
}

impl Waf {
    /// Opens it before this place.
    pub(crate) fn open(chat: SocketAddr) -> std::io::Result<Self> {
        let state: Arc<Mutex<List>> = Arc::default();
        let (looks, changes) = (Arc::clone(&state), Arc::clone(&state));
        let front = Server::open(move |request| {
            if locked(&looks).stops(&String::from_utf8_lossy(&request.body)) {
                return (403, "This request is blocked.".to_owned());
            }
            passed(chat, request).unwrap_or_else(|why| (502, why.to_string()))
        })?;
        let admin = Server::replying(move |request| locked(&changes).administer(request))?;
        Ok(Self {
            address: front.address,
            admin: admin.address,
            state,
        })
    }

    /// How many entries are on the list, and how many requests they stopped.
    pub(crate) fn seen(&self) -> (usize, u64) {
        let list = locked(&self.state);
        (list.routes.len(), list.blocked)
    }
}

fn locked(list: &Mutex<List>) -> MutexGuard<'_, List> {
    list.lock().unwrap_or_else(PoisonError::into_inner)
}

fn passed(chat: SocketAddr, request: &Message) -> std::io::Result<(u16, String)> {
    let (method, path) = request.asked();
    let bearer = request.headers.get("authorization");
    let headers: Vec<(&str, &str)> = bearer
        .map(|bearer| ("authorization", bearer.as_str()))
        .into_iter()
        .collect();
    let body = String::from_utf8_lossy(&request.body);
    let answer = Connection::open(chat)?.send(method, path, &headers, &body)?;
    Ok((answer.status, answer.body))
}

impl List {
    fn stops(&mut self, body: &str) -> bool {
        let stops = self.routes.iter().any(|route| {
            let pattern = route.pointer("/match/0/vars_regexp/{http.request.body}/pattern");
            let pattern = pattern.and_then(Value::as_str);
            pattern.is_some_and(|pattern| Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(body)))
        });
        self.blocked += u64::from(stops);
        stops
    }

    fn administer(&mut self, request: &Message) -> Reply {
        let etag = format!("\"{LIST} {:x}\"", self.version);
        let read = request.headers.get("if-match") == Some(&etag);
        let body = || serde_json::from_slice::<Value>(&request.body).unwrap_or_default();
        let (status, said) = match request.asked() {
            ("GET", LIST) => (200, json!(self.routes).to_string()),
            ("POST" | "PATCH", LIST) if !read => {
                (412, json!({ "error": "it is not so any more" }).to_string())
            }
            ("POST", LIST) => {
                self.routes.push(body());
                self.version += 1;
                (200, String::new())
            }
            ("PATCH", LIST) => match body() {
                Value::Array(routes) => {
                    self.routes = routes;
                    self.version += 1;
                    (200, String::new())
                }
                _ => (400, json!({ "error": "a list of routes" }).to_string()),
            },
            _ => (404, json!({ "error": "not here" }).to_string()),
        };
        Reply {
            status,
            headers: vec![("etag", etag)],
            body: said,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_on_the_list_gets_403_and_stale_changes_are_refused() {
        let chat = Server::open(|_| (200, "an answer".to_owned())).unwrap();
        let waf = Waf::open(chat.address).unwrap();
        let ask = |body: &str| {
            let mut connection = Connection::open(waf.address).unwrap();
            connection.send("POST", "/v1/chat", &[], body).unwrap().status
        };
        assert_eq!(ask("a bad word"), 200);
        let mut admin = Connection::open(waf.admin).unwrap();
        let etag = admin.get(LIST).unwrap().header("etag").unwrap().to_owned();
        let route =
            json!({ "match": [{ "vars_regexp": { "{http.request.body}": { "pattern": "bad.word" } } }] });
        let mut change = |method: &str, body: &Value| {
            let headers = [("if-match", etag.as_str())];
            admin
                .send(method, LIST, &headers, &body.to_string())
                .unwrap()
                .status
        };
        assert_eq!(change("POST", &route), 200);
        assert_eq!(change("PATCH", &json!([])), 412, "it is another one by now");
        assert_eq!(
            (ask("a bad word"), ask("a good word"), waf.seen()),
            (403, 200, (1, 1))
        );
    }
}
