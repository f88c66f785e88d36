//! What happens on the way to a server.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use stanch_outside::http::{Connection, Server};
use stanch_parts::{Toxic, Toxiproxy};

#[test]
fn an_answer_is_lost_or_slow_and_a_request_never_arrives() {
    let asked: Arc<AtomicU32> = Arc::default();
    let counted = Arc::clone(&asked);
    let server = Server::open(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        (200, "done".to_owned())
    })
    .unwrap();
    let between = Toxiproxy::before(server.address).unwrap();
    let ask = || Connection::open(between.address).and_then(|mut way| way.get("/"));
    let arrived = || asked.swap(0, Ordering::SeqCst);
    assert_eq!((ask().unwrap().body.as_str(), arrived()), ("done", 1));

    between.set(Toxic::AnswerLost).unwrap();
    assert!(ask().is_err());
    assert_eq!(arrived(), 1, "it was done all the same");

    between.set(Toxic::Silent(100)).unwrap();
    assert!(ask().is_err());
    assert_eq!(arrived(), 0);

    between.set(Toxic::Gone).unwrap();
    assert!(ask().is_err());
    assert_eq!(arrived(), 0);

    between.set(Toxic::Slow(300)).unwrap();
    let began = Instant::now();
    assert_eq!((ask().unwrap().body.as_str(), arrived()), ("done", 1));
    assert!(
        began.elapsed() >= Duration::from_millis(300),
        "it cannot be faster than it was told"
    );

    between.heal().unwrap();
    assert_eq!((ask().unwrap().body.as_str(), arrived()), ("done", 1));
}
