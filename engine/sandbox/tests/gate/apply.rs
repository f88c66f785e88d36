//! Changes: exactly what the plan names, each once, durably started before it is sent.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use stanch_contract::{Action, ActionState, FailureCode};
use stanch_sandbox::gate::{Decision, EarlierAction};
use stanch_sandbox::http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::world::*;

fn post(url: &str) -> Action {
    Action {
        content: Some(r#"{"contentType":"application/json","body":{"ip":"192.0.2.1"}}"#.into()),
        ..action("POST", url)
    }
}

fn posted(url: &str) -> Request {
    json("POST", url, r#"{ "ip": "192.0.2.1" }"#)
}

#[tokio::test]
async fn a_planned_action_is_started_durably_sent_and_ended_and_only_once() {
    let server = Server::start(|_| (StatusCode::CREATED, "blocked").into_response()).await;
    let world = World::new(only_http(http(&server.url("/**"))));
    let plan = world.plan(vec![post(&server.url("/block"))]).await;
    let session = world.applying(plan, BTreeMap::new());
    let response = session.http_send(posted(&server.url("/block"))).await.unwrap();
    assert_eq!((response.status, text(&response).as_str()), (201, "blocked"));
    assert_eq!(server.last().body, r#"{"ip":"192.0.2.1"}"#);
    assert_eq!(world.log.events(), ["started 0", "ended 0 done"]);
    let failure = session
        .http_send(posted(&server.url("/block")))
        .await
        .unwrap_err();
    assert_eq!((failure.code, layer(&failure)), (FailureCode::Denied, "action"));
    assert_eq!(server.count(), 1);
    let ledger = session.finish().await;
    assert_eq!(ledger.progress[&0].as_str(), "done");
    assert_eq!(ledger.calls[0].action, Some(0));
    assert!(ledger.calls[0].request.is_some());
}

#[tokio::test]
async fn anything_beyond_the_plan_is_refused_with_what_differs() {
    let server = Server::ok().await;
    let world = World::new(only_http(http(&server.url("/**"))));
    let plan = world.plan(vec![post(&server.url("/block"))]).await;
    let session = world.applying(plan, BTreeMap::new());
    let url = server.url("/block");
    let table = [
        (json("POST", &url, r#"{"ip":"192.0.2.2"}"#), "its content is"),
        (
            json("POST", &url, r#"{"ip":"192.0.2.1","x":1}"#),
            "its content is",
        ),
        (request("POST", &url), "its content is"),
        (
            with_header(
                Request {
                    body: br#"{"ip":"192.0.2.1"}"#.to_vec(),
                    ..request("POST", &url)
                },
                "content-type",
                "text/plain",
            ),
            "its content is",
        ),
        (
            json("PUT", &url, r#"{"ip":"192.0.2.1"}"#),
            "names POST on this target",
        ),
        (request("DELETE", &url), "names POST on this target"),
        (posted(&server.url("/block?force=1")), "is not in the plan"),
        (posted(&server.url("/other")), "is not in the plan"),
    ];
    for (request, part) in table {
        let failure = session.http_send(request).await.unwrap_err();
        assert_eq!((failure.code, layer(&failure)), (FailureCode::Denied, "plan"));
        assert!(failure.message.contains(part), "{failure}");
    }
    assert_eq!((server.count(), world.log.events().len()), (0, 0));
    assert!(session.http_send(posted(&url)).await.is_ok());
}

#[tokio::test]
async fn a_change_carries_three_headers_of_the_plugins_own() {
    let server = Server::ok().await;
    let world = World::new(only_http(http(&server.url("/**"))));
    let plan = world.plan(vec![post(&server.url("/block"))]).await;
    let session = world.applying(plan, BTreeMap::new());
    for (name, value) in [
        ("x-trace", "1"),
        ("if-match", "\"a\""),
        ("range", "bytes=0-1"),
        ("x-http-method-override", "DELETE"),
    ] {
        let failure = session
            .http_send(with_header(posted(&server.url("/block")), name, value))
            .await
            .unwrap_err();
        assert_eq!(layer(&failure), "request", "{name}");
    }
    let allowed = with_header(
        with_header(posted(&server.url("/block")), "idempotency-key", "k-0"),
        "accept",
        "text/plain",
    );
    session.http_send(allowed).await.unwrap();
    assert_eq!(server.last().headers["idempotency-key"], "k-0");
    assert_eq!(server.last().headers[header::CONTENT_TYPE], "application/json");
}

#[tokio::test]
async fn the_host_adds_the_precondition_and_a_412_is_a_conflict() {
    let server = Server::start(|got| {
        let fits = got
            .headers
            .get(header::IF_MATCH)
            .is_some_and(|tag| tag == "\"v1\"");
        if fits {
            StatusCode::NO_CONTENT
        } else {
            StatusCode::PRECONDITION_FAILED
        }
        .into_response()
    })
    .await;
    let world = World::new(only_http(http(&server.url("/**"))));
    for (tag, expected) in [
        ("etag:\"v1\"", Ok(204)),
        ("etag:\"v0\"", Err(FailureCode::Conflict)),
    ] {
        let delete = Action {
            expect: Some(tag.into()),
            ..action("DELETE", &server.url("/rule/7"))
        };
        let plan = world.plan(vec![delete]).await;
        assert!(plan.actions[0].repeat_safe);
        let session = world.applying(plan, BTreeMap::new());
        let answer = session.http_send(request("DELETE", &server.url("/rule/7"))).await;
        assert_eq!(answer.map(|r| r.status).map_err(|f| f.code), expected, "{tag}");
    }
    assert_eq!(
        world.log.events(),
        ["started 0", "ended 0 done", "started 0", "ended 0 refused"]
    );
}

#[tokio::test]
async fn nothing_is_sent_where_the_journal_says_stop_and_it_can_be_sent_later() {
    let server = Server::ok().await;
    let world = World::new(only_http(http(&server.url("/**"))));
    *world.log.stop.lock().unwrap() = Some("paused by `dana`: investigating".into());
    let plan = world.plan(vec![post(&server.url("/block"))]).await;
    let session = world.applying(plan, BTreeMap::new());
    let failure = session
        .http_send(posted(&server.url("/block")))
        .await
        .unwrap_err();
    assert_eq!((failure.code, layer(&failure)), (FailureCode::Denied, "action"));
    assert!(
        failure.message.contains("paused by `dana`: investigating"),
        "{failure}"
    );
    assert_eq!(server.count(), 0);
    *world.log.stop.lock().unwrap() = None;
    assert!(session.http_send(posted(&server.url("/block"))).await.is_ok());
}

/// What each way of answering means: the state in the journal, and what the plugin gets.
#[tokio::test]
async fn each_answer_ends_the_action_as_the_table_says() {
    let table = [
        (200, "done", Ok(200)),
        (204, "done", Ok(204)),
        (303, "done", Ok(303)),
        (400, "refused", Ok(400)),
        (404, "refused", Ok(404)),
        (409, "refused", Ok(409)),
        (412, "refused", Ok(412)),
        (429, "refused", Ok(429)),
        (408, "unknown", Ok(408)),
        (500, "unknown", Ok(500)),
        (503, "unknown", Ok(503)),
    ];
    for (status, state, expected) in table {
        let server = Server::start(move |_| StatusCode::from_u16(status).unwrap().into_response()).await;
        let world = World::new(only_http(http(&server.url("/**"))));
        let plan = world.plan(vec![post(&server.url("/a"))]).await;
        let answer = world
            .applying(plan, BTreeMap::new())
            .http_send(posted(&server.url("/a")))
            .await;
        assert_eq!(answer.map(|r| r.status).map_err(|f| f.code), expected, "{status}");
        assert_eq!(world.log.events()[1], format!("ended 0 {state}"), "{status}");
    }
}

/// Listens, and does with each connection what the test says.
async fn raw<F>(deal: impl Fn(tokio::net::TcpStream) -> F + Send + 'static) -> String
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/a", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(deal(stream));
        }
    });
    url
}

#[tokio::test]
async fn a_connection_lost_after_the_request_was_written_is_a_doubt() {
    let url = raw(|mut stream| async move {
        let _ = stream.read(&mut [0; 4096]).await;
    })
    .await;
    let world = World::new(only_http(http(&url)));
    let plan = world.plan(vec![post(&url)]).await;
    let session = world.applying(plan, BTreeMap::new());
    let failure = session.http_send(posted(&url)).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::Unavailable);
    assert!(failure.message.contains("has no definite answer"), "{failure}");
    assert_eq!(world.log.events(), ["started 0", "ended 0 unknown"]);
    assert_eq!(
        layer(&session.http_send(posted(&url)).await.unwrap_err()),
        "action"
    );
}

#[tokio::test]
async fn a_connection_that_is_refused_leaves_the_action_unsent_and_free() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let url = format!("http://{address}/a");
    drop(listener);
    let world = World::new(only_http(http(&url)));
    let plan = world.plan(vec![post(&url)]).await;
    let session = world.applying(plan, BTreeMap::new());
    assert_eq!(
        session.http_send(posted(&url)).await.unwrap_err().code,
        FailureCode::Unavailable
    );
    assert_eq!(world.log.events(), ["started 0", "ended 0 not-sent"]);
    let listener = tokio::net::TcpListener::bind(address).await.unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await;
    });
    assert_eq!(session.http_send(posted(&url)).await.unwrap().status, 204);
    assert_eq!(session.finish().await.progress[&0].as_str(), "done");
}

#[tokio::test]
async fn a_late_answer_is_not_lost_when_the_plugin_is_gone() {
    let url = raw(|mut stream| async move {
        let _ = stream.read(&mut [0; 4096]).await;
        tokio::time::sleep(Duration::from_millis(400)).await;
        let _ = stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            .await;
    })
    .await;
    // Its time is up.
    let mut world = World::new(only_http(http(&url)));
    world.wall = Duration::from_millis(100);
    let plan = world.plan(vec![post(&url)]).await;
    let session = world.applying(plan.clone(), BTreeMap::new());
    assert_eq!(
        session.http_send(posted(&url)).await.unwrap_err().code,
        FailureCode::Timeout
    );
    let ledger = session.finish().await;
    assert_eq!(ledger.progress[&0].as_str(), "done");
    assert_eq!(ledger.calls[0].answer.as_ref().unwrap().summary, "200 OK");
    // It was dropped in the middle, as by a trap.
    let world = World::new(only_http(http(&url)));
    let session = world.applying(plan, BTreeMap::new());
    let dropped = tokio::time::timeout(Duration::from_millis(100), session.http_send(posted(&url))).await;
    assert!(dropped.is_err());
    assert_eq!(session.finish().await.progress[&0].as_str(), "done");
    assert_eq!(world.log.events(), ["started 0", "ended 0 done"]);
}

#[tokio::test]
async fn a_repeat_gets_the_answers_of_before_and_sends_only_the_rest() {
    let served = Arc::new(AtomicUsize::new(0));
    let counter = served.clone();
    let server = Server::start(move |got| {
        counter.fetch_add(1, Ordering::Relaxed);
        let mut headers = HeaderMap::new();
        headers.insert("x-rule", "7".parse().unwrap());
        let status = if got.uri.path() == "/no" {
            StatusCode::FORBIDDEN
        } else {
            StatusCode::CREATED
        };
        (status, headers, format!("{TOKEN} made")).into_response()
    })
    .await;
    let mut entry = http(&server.url("/**"));
    entry.headers.insert("x-api-key".into(), "${secret:token}".into());
    let world = World::new(only_http(entry));
    let actions = ["/a", "/no", "/b"].map(|path| post(&server.url(path))).to_vec();
    let plan = world.plan(actions).await;
    let first = world.applying(plan.clone(), BTreeMap::new());
    let answers = [
        first.http_send(posted(&server.url("/a"))).await,
        first.http_send(posted(&server.url("/no"))).await,
    ];
    assert_eq!(served.load(Ordering::Relaxed), 2);

    let again = world.applying(plan, world.log.earlier());
    for (path, before) in ["/a", "/no"].iter().zip(answers) {
        assert_eq!(again.http_send(posted(&server.url(path))).await, before, "{path}");
    }
    assert_eq!(served.load(Ordering::Relaxed), 2);
    let kept = world.log.earlier()[&0].answer.clone().unwrap();
    let kept = String::from_utf8(kept).unwrap();
    assert!(
        !kept.contains(TOKEN) && !kept.contains("Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5"),
        "{kept}"
    );
    assert_eq!(
        again.http_send(posted(&server.url("/b"))).await.unwrap().status,
        201
    );
    assert_eq!(served.load(Ordering::Relaxed), 3);
    let ledger = again.finish().await;
    assert_eq!(
        ledger
            .progress
            .values()
            .map(ActionState::as_str)
            .collect::<Vec<_>>(),
        ["done", "refused", "done"]
    );
    assert_eq!(
        ledger
            .calls
            .iter()
            .filter(|call| call.decision == Decision::Replayed)
            .count(),
        2
    );
}

#[tokio::test]
async fn what_is_in_doubt_is_sent_again_only_where_that_is_safe() {
    let server = Server::ok().await;
    let world = World::new(only_http(http(&server.url("/**"))));
    let doubt = || {
        let state = ActionState::Unknown {
            detail: "the engine was killed".into(),
        };
        BTreeMap::from([(0, EarlierAction { state, answer: None })])
    };
    let unsafe_plan = world.plan(vec![post(&server.url("/a"))]).await;
    let session = world.applying(unsafe_plan.clone(), doubt());
    let failure = session.http_send(posted(&server.url("/a"))).await.unwrap_err();
    assert_eq!(layer(&failure), "action");
    assert!(
        failure.message.contains("in doubt (the engine was killed)"),
        "{failure}"
    );
    assert_eq!(server.count(), 0);
    assert_eq!(session.finish().await.progress[&0].as_str(), "unknown");

    let idempotent = stanch_sandbox::gate::check_plan(
        offer(vec![post(&server.url("/a"))]),
        &world.grant,
        &world.facilities,
        None,
        true,
    );
    let session = world.applying(idempotent.await.unwrap(), doubt());
    assert!(session.http_send(posted(&server.url("/a"))).await.is_ok());
    let etag = Action {
        expect: Some("etag:\"v1\"".into()),
        ..post(&server.url("/a"))
    };
    let session = world.applying(world.plan(vec![etag]).await, doubt());
    assert!(session.http_send(posted(&server.url("/a"))).await.is_ok());
    assert_eq!(server.count(), 2);
}

#[tokio::test]
async fn reads_go_on_during_an_apply_and_use_up_nothing() {
    let server = Server::ok().await;
    let world = World::new(only_http(http(&server.url("/**"))));
    let session = world.applying(world.plan(vec![post(&server.url("/a"))]).await, BTreeMap::new());
    for _ in 0..2 {
        assert!(session.http_send(get(&server.url("/a"))).await.is_ok());
    }
    assert!(session.http_send(posted(&server.url("/a"))).await.is_ok());
    assert_eq!(world.log.events().len(), 2);
}

#[tokio::test]
async fn two_calls_at_the_same_time_are_still_one_action() {
    let server = Server::start(|_| "fine".into_response()).await;
    let world = World::new(only_http(http(&server.url("/**"))));
    let session = world.applying(world.plan(vec![post(&server.url("/a"))]).await, BTreeMap::new());
    let url = server.url("/a");
    let calls = (0..8).map(|_| session.http_send(posted(&url)));
    let answers = futures_util::future::join_all(calls).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn a_body_that_is_too_large_or_compressed_does_not_undo_what_was_done() {
    let big = Server::start(|_| "x".repeat(2 << 20).into_response()).await;
    let world = World::new(only_http(http(&big.url("/**"))));
    let session = world.applying(world.plan(vec![post(&big.url("/a"))]).await, BTreeMap::new());
    assert_eq!(
        session
            .http_send(posted(&big.url("/a")))
            .await
            .unwrap()
            .body
            .len(),
        1 << 20
    );
    let zipped = Server::start(|_| ([(header::CONTENT_ENCODING, "br")], "x").into_response()).await;
    let world = World::new(only_http(http(&zipped.url("/**"))));
    let session = world.applying(world.plan(vec![post(&zipped.url("/a"))]).await, BTreeMap::new());
    assert!(
        session
            .http_send(posted(&zipped.url("/a")))
            .await
            .unwrap()
            .body
            .is_empty()
    );
    assert_eq!(world.log.events(), ["started 0", "ended 0 done"]);
}
