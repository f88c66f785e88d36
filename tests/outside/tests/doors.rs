//! The doors of the real program: who is slow, or holds places, keeps neither an alert out nor the engine from ending.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops there"
)]

mod world;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use stanch_outside::counter::Counter;
use stanch_outside::http::Connection;
use world::{PATIENCE, TOKEN, World, about};

/// More than the door for alerts has.
const MANY: usize = 520;

const BY_HAND: &str = r#"name = "by-hand"
title = "By hand"
owner = "nobody"
[trigger]
alert = "ByHand"
group_by = ["case"]
[impact]
severity = "low"
summary = "None."
[[mitigation]]
id = "fix"
do = "Fix it"
"#;

fn world() -> World {
    let counter = Counter::open(1, Duration::ZERO).unwrap();
    World::new(counter, &[("by-hand", BY_HAND.to_owned())], &[])
}

#[allow(
    clippy::disallowed_methods,
    reason = "not the engine's socket, but that of one who talks to the engine"
)]
fn connect(world: &World, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(world.listens).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

#[test]
fn half_a_request_on_either_door_does_not_hold_up_the_end() {
    let world = world();
    let engine = world.start();
    let mut idle = Connection::open(world.listens).unwrap();
    assert_eq!(idle.get("/healthz").unwrap().status, 200);
    let body = format!(
        "POST /alerts/alertmanager HTTP/1.1\r\nhost: stanch\r\nauthorization: Bearer {TOKEN}\r\n\
         content-length: 1000\r\n\r\n{{\"version\":"
    );
    let mut halves = [
        connect(&world, ""),
        connect(&world, "POST /alerts/alertmanager HT"),
        connect(&world, &body),
    ];
    let mut socket = UnixStream::connect(world.scratch.path().join("data/control.sock")).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.write_all(b"GET /api/v1/status HTTP/1.1\r\nho").unwrap();
    // What is whole is answered and kept, whoever else is slow.
    world.deliver(&about("ByHand", &["kept".to_owned()], true));
    engine.stop().unwrap_or_else(|why| panic!("{why}"));
    for (n, half) in halves.iter_mut().enumerate() {
        let mut said = Vec::new();
        let _ = half.read_to_end(&mut said);
        let said = String::from_utf8_lossy(&said);
        assert!(
            !said.contains(" 202 "),
            "half a request is not taken: {n}: {said}"
        );
    }
    let mut said = Vec::new();
    let _ = socket.read_to_end(&mut said);
    assert!(said.is_empty(), "{}", String::from_utf8_lossy(&said));
    let engine = world.start();
    assert!(world.run_of("kept").is_some(), "acknowledged and lost");
    engine.stop().unwrap();
}

#[test]
fn connections_that_only_hold_places_do_not_keep_an_alert_out() {
    let world = world();
    let engine = world.start();
    let mut held = Vec::new();
    for _ in 0..MANY {
        let mut one = Connection::open(world.listens).unwrap();
        assert_eq!(one.get("/healthz").unwrap().status, 200);
        held.push(one);
    }
    world.deliver(&about("ByHand", &["among-many".to_owned()], true));
    assert!(world.run_of("among-many").is_some());
    let closed = held
        .iter_mut()
        .filter_map(|one| one.get("/healthz").err())
        .count();
    assert!(closed > 0, "idle connections made room");
    engine.stop().unwrap();
}

#[test]
fn an_engine_that_is_told_to_end_the_moment_it_serves_ends_as_any_other() {
    let world = world();
    for _ in 0..10 {
        world.start().stop().unwrap_or_else(|why| panic!("{why}"));
    }
}
