//! What sends prompts to the regions, by weight.
//!
//! It is a service of the city, not Caddy, and speaks of Caddy's admin API the two calls that traffic-reroute makes: the proxy
//! with an ETag, and the weights under `If-Match`. That the real Caddy takes them is what the tests show.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::json;
use stanch_outside::http::{Connection, Message, Reply, Server};

const PROXY: &str = "/id/inference";
const WEIGHTS: &str = "/id/inference/load_balancing/selection_policy/weights";

/// The router.
#[derive(Clone)]
pub(crate) struct Router {
    /// Where prompts come in.
    pub(crate) address: SocketAddr,
    /// Where its weights are read and changed.
    pub(crate) admin: SocketAddr,
    state: Arc<Mutex<State>>,
}

struct State {
    regions: Vec<SocketAddr>,
    weights: Vec<u32>,
    /// How often the weights were changed.
    version: u64,
    turn: u32,
}

impl Router {
    /// Opens it before these regions.
    pub(crate) fn open(regions: &[SocketAddr], weights: &[u32]) -> std::io::Result<Self> {
        let state = Arc::new(Mutex::new(State {
            regions: regions.to_vec(),
            weights: weights.to_vec(),
            version: 1,
            turn: 0,
        }));
        let (routes, changes) = (Arc::clone(&state), Arc::clone(&state));
        let front = Server::open(move |request| {
            let Some(region) = locked(&routes).next() else {
                return (503, "no region has any weight".to_owned());
            };
            let answer = Connection::open(region).and_then(|mut region| region.get(request.asked().1));
            answer.map_or_else(
                |why| (502, why.to_string()),
                |answer| (answer.status, answer.body),
            )
        })?;
        let admin = Server::replying(move |request| locked(&changes).administer(request))?;
        Ok(Self {
            address: front.address,
            admin: admin.address,
            state,
        })
    }

    /// What each region gets of a hundred.
    pub(crate) fn shares(&self) -> Vec<u32> {
        let state = locked(&self.state);
        let all = state.weights.iter().sum::<u32>().max(1);
        state.weights.iter().map(|weight| weight * 100 / all).collect()
    }
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    /// Whose turn it is.
    fn next(&mut self) -> Option<SocketAddr> {
        let all = self.weights.iter().sum::<u32>();
        let mut at = self.turn.checked_rem(all)?;
        self.turn = self.turn.wrapping_add(1);
        for (region, weight) in self.regions.iter().zip(&self.weights) {
            if at < *weight {
                return Some(*region);
            }
            at -= weight;
        }
        None
    }

    fn etag(&self) -> String {
        format!("\"{PROXY} {:016x}\"", self.version)
    }

    fn administer(&mut self, request: &Message) -> Reply {
        let reply = |status: u16, body: String| Reply {
            status,
            body,
            ..Reply::default()
        };
        match request.asked() {
            ("GET", PROXY) => {
                let dials: Vec<_> = self
                    .regions
                    .iter()
                    .map(|region| json!({ "dial": region.to_string() }))
                    .collect();
                let policy = json!({ "policy": "weighted_round_robin", "weights": self.weights });
                let proxy = json!({
                    "@id": "inference",
                    "handler": "reverse_proxy",
                    "upstreams": dials,
                    "load_balancing": { "selection_policy": policy },
                });
                Reply {
                    headers: vec![("etag", self.etag())],
                    ..reply(200, proxy.to_string())
                }
            }
            ("PATCH", WEIGHTS) if request.headers.get("if-match") != Some(&self.etag()) => {
                reply(412, json!({ "error": "it is not so any more" }).to_string())
            }
            ("PATCH", WEIGHTS) => match serde_json::from_slice::<Vec<u32>>(&request.body) {
                Ok(weights) if weights.len() == self.regions.len() => {
                    self.weights = weights;
                    self.version += 1;
                    reply(200, String::new())
                }
                _ => reply(400, json!({ "error": "a weight for each region" }).to_string()),
            },
            _ => reply(404, json!({ "error": "not here" }).to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn router() -> Router {
        let regions = ["eu", "us-east"].map(|name| {
            let server = Server::open(move |_| (200, name.to_owned()));
            server.unwrap().address
        });
        Router::open(&regions, &[3, 1]).unwrap()
    }

    #[test]
    fn prompts_go_by_the_weights_and_stale_changes_are_refused() {
        let router = router();
        let far = || {
            let ask = || {
                Connection::open(router.address)
                    .unwrap()
                    .get("/v1/generate")
                    .unwrap()
            };
            (0..8).filter(|_| ask().body == "us-east").count()
        };
        assert_eq!((far(), router.shares()), (2, vec![75, 25]));
        let mut admin = Connection::open(router.admin).unwrap();
        let etag = admin.get(PROXY).unwrap().header("etag").unwrap().to_owned();
        let mut change = |etag: &str, weights: &str| {
            let headers = [("if-match", etag)];
            admin.send("PATCH", WEIGHTS, &headers, weights).unwrap().status
        };
        assert_eq!(change("\"another\"", "[0,1]"), 412);
        assert_eq!(change(&etag, "[1]"), 400);
        assert_eq!(change(&etag, "[0,1]"), 200);
        assert_eq!(change(&etag, "[1,0]"), 412, "it is another one by now");
        assert_eq!(far(), 8);
    }
}
