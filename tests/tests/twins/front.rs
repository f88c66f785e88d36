//! The way to a server that speaks HTTP: toxiproxy, and behind it who counts what changes something, and answers 500 in the server's
//! place where it is told to.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use stanch_outside::http::{Connection, Message, Reply, Server};
use stanch_parts::{Toxic, Toxiproxy, until};

use crate::shape::{Trouble, Way};

/// What a request may bring along to the server, and an answer back.
const ASKS: [&str; 3] = ["content-type", "if-match", "idempotency-key"];

pub(crate) struct Front {
    way: Toxiproxy,
    fails: Arc<AtomicBool>,
    arrived: Arc<AtomicUsize>,
}

impl Front {
    pub(crate) fn before(server: SocketAddr) -> Self {
        let (fails, arrived): (Arc<AtomicBool>, Arc<AtomicUsize>) = Default::default();
        let (told, counted) = (Arc::clone(&fails), Arc::clone(&arrived));
        let front = Server::replying(move |request| {
            let looks = request.asked().0 == "GET";
            if !looks && told.load(Ordering::SeqCst) {
                return Reply {
                    status: 500,
                    ..Reply::default()
                };
            }
            counted.fetch_add(usize::from(!looks), Ordering::SeqCst);
            passed_on(server, request, looks)
        });
        Self {
            way: Toxiproxy::before(front.unwrap().address).unwrap(),
            fails,
            arrived,
        }
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.way.address)
    }
}

/// The server's answer. What only looks is asked again where a connection ended: Caddy's admin API comes up anew with each change.
fn passed_on(server: SocketAddr, request: &Message, again: bool) -> Reply {
    let (method, path) = request.asked();
    let headers: Vec<(&str, &str)> = ASKS
        .iter()
        .filter_map(|name| Some((*name, request.headers.get(*name)?.as_str())))
        .collect();
    let body = String::from_utf8_lossy(&request.body);
    let ask = || Connection::open(server)?.send(method, path, &headers, &body);
    let answer = match ask() {
        Err(_) if again => until("an answer of the server", || ask().ok()).unwrap(),
        answer => answer.unwrap(),
    };
    Reply {
        status: answer.status,
        headers: answer
            .header("etag")
            .map(|etag| ("etag", etag.to_owned()))
            .into_iter()
            .collect(),
        body: answer.body,
    }
}

impl Way for Front {
    fn set(&self, trouble: Trouble) {
        let toxic = match trouble {
            Trouble::Fails => {
                self.fails.store(true, Ordering::SeqCst);
                return;
            }
            Trouble::Gone => Toxic::Gone,
            Trouble::Silent => Toxic::Silent(200),
            Trouble::Slow => Toxic::Slow(200),
            Trouble::AnswerLost => Toxic::AnswerLost,
        };
        self.way.set(toxic).unwrap();
    }

    fn heal(&self) {
        self.fails.store(false, Ordering::SeqCst);
        self.way.heal().unwrap();
    }

    fn arrived(&self) -> usize {
        self.arrived.load(Ordering::SeqCst)
    }
}
