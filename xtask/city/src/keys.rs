//! The API keys of users, and a model that answers who has one. A key is revoked when its document is gone.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::json;
use stanch_outside::http::Server;

/// The key service: `/users/USER/keys/KEY`. And a chat, `/v1/chat`, which answers who sends `authorization: Bearer USER/KEY` of a
/// key that is there.
#[derive(Debug, Clone)]
pub struct Keys {
    /// The key service.
    pub address: SocketAddr,
    /// The chat.
    pub chat: SocketAddr,
    valid: Arc<Mutex<BTreeSet<String>>>,
}

impl Keys {
    /// Opens both, with these keys: `USER/KEY`.
    ///
    /// # Errors
    /// Where there is no port for them.
    pub fn open(keys: &[&str]) -> std::io::Result<Self> {
        let valid = Arc::new(Mutex::new(keys.iter().map(ToString::to_string).collect()));
        let (kept, asked) = (Arc::clone(&valid), Arc::clone(&valid));
        let service = Server::open(move |request| {
            let (method, path) = request.asked();
            let key = path
                .strip_prefix("/users/")
                .and_then(|rest| rest.split_once("/keys/"))
                .map(|(user, key)| format!("{user}/{key}"));
            let Some(key) = key.filter(|key| locked(&kept).contains(key)) else {
                return (404, json!({ "error": "there is no such key" }).to_string());
            };
            match method {
                "GET" => (200, json!({ "id": key, "active": true }).to_string()),
                "DELETE" => {
                    locked(&kept).remove(&key);
                    (200, String::new())
                }
                _ => (405, String::new()),
            }
        })?;
        let chat = Server::open(move |request| {
            let bearer = request.headers.get("authorization");
            let key = bearer.and_then(|value| value.strip_prefix("Bearer "));
            match key {
                Some(key) if locked(&asked).contains(key) => (200, "an answer".to_owned()),
                _ => (401, "this key is not valid".to_owned()),
            }
        })?;
        Ok(Self {
            address: service.address,
            chat: chat.address,
            valid,
        })
    }

    /// Whether a key is valid.
    pub fn has(&self, key: &str) -> bool {
        locked(&self.valid).contains(key)
    }

    /// Issues a key.
    pub fn issue(&self, key: &str) {
        locked(&self.valid).insert(key.to_owned());
    }
}

fn locked(valid: &Mutex<BTreeSet<String>>) -> MutexGuard<'_, BTreeSet<String>> {
    valid.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use stanch_outside::http::Connection;

    use super::*;

    #[test]
    fn a_revoked_key_gets_no_answer_and_the_others_do() {
        let keys = Keys::open(&["mallory/k1", "dana/k2"]).unwrap();
        let chat = |key: &str| {
            let bearer = format!("Bearer {key}");
            let mut connection = Connection::open(keys.chat).unwrap();
            let headers = [("authorization", bearer.as_str())];
            connection
                .send("POST", "/v1/chat", &headers, "{}")
                .unwrap()
                .status
        };
        assert_eq!(
            (chat("mallory/k1"), chat("dana/k2"), chat("nobody/k3")),
            (200, 200, 401)
        );
        let mut service = Connection::open(keys.address).unwrap();
        let path = "/users/mallory/keys/k1";
        assert_eq!(service.get(path).unwrap().status, 200);
        assert_eq!(service.send("DELETE", path, &[], "").unwrap().status, 200);
        assert_eq!(service.get(path).unwrap().status, 404);
        assert_eq!((chat("mallory/k1"), chat("dana/k2")), (401, 200));
        keys.issue("mallory/k1");
        assert!(keys.has("mallory/k1") && chat("mallory/k1") == 200);
    }
}
