//! A JSON document behind HTTP: the status page's banner, a flag. It is read with an `ETag` and written under `If-Match`, so that
//! who writes what he did not read is told 412.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use stanch_outside::http::{Message, Reply, Server};

/// A document.
#[derive(Debug, Clone)]
pub struct Document {
    /// Where it is, whatever the path.
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    body: Value,
    version: u64,
}

impl Document {
    /// Opens it.
    ///
    /// # Errors
    /// Where there is no port for it.
    pub fn open(body: Value) -> std::io::Result<Self> {
        let state = Arc::new(Mutex::new(State { body, version: 1 }));
        let own = Arc::clone(&state);
        let server = Server::replying(move |request| locked(&own).answer(request))?;
        Ok(Self {
            address: server.address,
            state,
        })
    }

    /// What it says now.
    pub fn body(&self) -> Value {
        locked(&self.state).body.clone()
    }
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn answer(&mut self, request: &Message) -> Reply {
        let etag = format!("\"{}\"", self.version);
        let (status, body) = match request.asked().0 {
            "GET" => (200, self.body.to_string()),
            "PUT" if request.headers.get("if-match") != Some(&etag) => {
                (412, json!({ "error": "it is not so any more" }).to_string())
            }
            "PUT" => match serde_json::from_slice(&request.body) {
                Ok(body) => {
                    self.body = body;
                    self.version += 1;
                    (200, String::new())
                }
                Err(why) => (400, why.to_string()),
            },
            _ => (405, String::new()),
        };
        Reply {
            status,
            headers: vec![("etag", format!("\"{}\"", self.version))],
            body,
        }
    }
}

#[cfg(test)]
mod tests {
    use stanch_outside::http::Connection;

    use super::*;

    #[test]
    fn it_is_written_by_who_read_it_last_and_by_nobody_else() {
        let document = Document::open(json!({ "text": "" })).unwrap();
        let mut connection = Connection::open(document.address).unwrap();
        let etag = connection.get("/").unwrap().header("etag").unwrap().to_owned();
        let mut put = |headers: &[(&str, &str)], text: &str| {
            let body = json!({ "text": text }).to_string();
            connection.send("PUT", "/", headers, &body).unwrap().status
        };
        assert_eq!(put(&[], "unread"), 412);
        assert_eq!(put(&[("if-match", &etag)], "mine"), 200);
        assert_eq!(put(&[("if-match", &etag)], "stale"), 412);
        assert_eq!(document.body(), json!({ "text": "mine" }));
    }
}
