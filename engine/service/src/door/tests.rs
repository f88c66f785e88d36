//! On pipes instead of sockets. Where something is to be cut its time is short, and where it is to be answered its time is
//! long: nothing here depends on how fast the machine is.

use std::io;

use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use axum::routing::{any, get};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::*;

/// Bytes that a pipe holds.
const PIPE: usize = 1 << 10;
const WHOLE: &str = "GET /now HTTP/1.1\r\nhost: stanch\r\n\r\n";
const LARGE: &str = "GET /large HTTP/1.1\r\nhost: stanch\r\nconnection: close\r\n\r\n";
const LONG: Duration = Duration::from_secs(3_600);
const SHORT: Duration = Duration::from_millis(150);
const PAUSE: Duration = Duration::from_millis(20);

/// A door at which nothing is ever late.
fn patient(connections: usize) -> Limits {
    Limits {
        connections,
        head: LONG,
        stall: LONG,
        closing: LONG,
    }
}

struct Pipes(mpsc::UnboundedReceiver<DuplexStream>);

impl Listener for Pipes {
    type Io = DuplexStream;
    type Addr = ();

    async fn accept(&mut self) -> (DuplexStream, ()) {
        match self.0.recv().await {
            Some(pipe) => (pipe, ()),
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<()> {
        Ok(())
    }
}

struct Bench {
    pipes: mpsc::UnboundedSender<DuplexStream>,
    ending: CancellationToken,
    served: JoinHandle<()>,
    /// Lets `/later` answer.
    go: Arc<Notify>,
}

async fn whole(body: axum::body::Body, slowest: Duration) -> axum::response::Response {
    match body::read_within(body, slowest).await {
        Ok(body) => format!("{} bytes", body.len()).into_response(),
        Err(Unread::Slow) => StatusCode::REQUEST_TIMEOUT.into_response(),
        Err(Unread::TooLarge) => StatusCode::PAYLOAD_TOO_LARGE.into_response(),
        Err(Unread::Broken) => StatusCode::BAD_REQUEST.into_response(),
    }
}

impl Bench {
    fn new(limits: Limits) -> Self {
        let go = Arc::new(Notify::new());
        let later = Arc::clone(&go);
        let router = Router::new()
            .route("/now", get(|| async { "now" }))
            .route("/patient", any(|body| whole(body, LONG)))
            .route("/hasty", any(|body| whole(body, SHORT)))
            .route("/large", get(|| async { vec![b'x'; 64 * PIPE] }))
            .route(
                "/later",
                get(|| async move {
                    later.notified().await;
                    "later"
                }),
            )
            .route("/never", get(std::future::pending::<&'static str>));
        let (pipes, listener) = mpsc::unbounded_channel();
        let ending = CancellationToken::new();
        let served = tokio::spawn(serve(
            Pipes(listener),
            router,
            |_| (),
            limits,
            None,
            ending.clone(),
        ));
        Self {
            pipes,
            ending,
            served,
            go,
        }
    }

    /// Connects, and sends this much.
    async fn connect(&self, text: &str) -> DuplexStream {
        let (mut ours, theirs) = duplex(PIPE);
        self.pipes.send(theirs).unwrap();
        ours.write_all(text.as_bytes()).await.unwrap();
        ours
    }
}

/// All that comes until the connection is closed.
async fn rest(pipe: &mut DuplexStream) -> String {
    let mut text = Vec::new();
    pipe.read_to_end(&mut text).await.unwrap();
    String::from_utf8(text).unwrap()
}

/// One answer; the connection stays.
async fn answer(pipe: &mut DuplexStream) -> String {
    let mut text = vec![0; PIPE];
    let read = pipe.read(&mut text).await.unwrap();
    String::from_utf8(text[..read].to_vec()).unwrap()
}

/// Sends a text byte by byte with pauses; gives up once the connection is closed.
async fn drip(pipe: &mut DuplexStream, text: &str) {
    for byte in text.bytes() {
        sleep(PAUSE).await;
        if pipe.write_all(&[byte]).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn a_head_that_drips_beyond_its_time_is_cut_and_one_that_comes_in_time_is_answered() {
    for (head, answered) in [(LONG, true), (SHORT, false)] {
        let bench = Bench::new(Limits { head, ..patient(4) });
        // Each byte comes soon after the one before: it is the whole head that has to come in time.
        let mut pipe = bench.connect("").await;
        drip(
            &mut pipe,
            "GET /now HTTP/1.1\r\nhost: stanch\r\nconnection: close\r\n\r\n",
        )
        .await;
        let said = rest(&mut pipe).await;
        assert_eq!(
            said.starts_with("HTTP/1.1 200"),
            answered,
            "within {head:?}: {said}"
        );
        assert!(answered || said.is_empty(), "nothing is answered to half a head");
    }
}

#[tokio::test]
async fn a_body_that_drips_beyond_its_time_is_refused_and_one_that_comes_in_time_is_read() {
    let bench = Bench::new(patient(4));
    for (path, expected) in [("/patient", "200"), ("/hasty", "408")] {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: stanch\r\nconnection: close\r\ncontent-length: 30\r\n\r\n"
        );
        let mut pipe = bench.connect(&head).await;
        drip(&mut pipe, &"x".repeat(30)).await;
        let said = rest(&mut pipe).await;
        assert!(
            said.starts_with(&format!("HTTP/1.1 {expected}")),
            "{path}: {said}"
        );
    }
}

#[tokio::test]
async fn a_body_that_ends_early_or_is_too_large_is_refused() {
    let bench = Bench::new(patient(4));
    let head = |length| {
        format!(
            "POST /patient HTTP/1.1\r\nhost: stanch\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
        )
    };
    let mut short = bench.connect(&head(9)).await;
    short.write_all(b"half").await.unwrap();
    short.shutdown().await.unwrap();
    assert!(!rest(&mut short).await.starts_with("HTTP/1.1 200"));
    let large = bench.connect(&head(MOST_BODY + 1)).await;
    let (mut reads, mut writes) = tokio::io::split(large);
    let sending = tokio::spawn(async move { writes.write_all(&vec![b'x'; MOST_BODY + 1]).await });
    let mut said = Vec::new();
    reads.read_to_end(&mut said).await.unwrap();
    let said = String::from_utf8(said).unwrap();
    assert!(said.starts_with("HTTP/1.1 413"), "{said}");
    sending.abort();
}

#[tokio::test]
async fn where_all_places_are_taken_idle_connections_make_room_and_nobody_has_to_be_late() {
    let bench = Bench::new(patient(2));
    let mut idle = [bench.connect(WHOLE).await, bench.connect(WHOLE).await];
    for pipe in &mut idle {
        assert!(answer(pipe).await.ends_with("now"));
    }
    let mut third = bench.connect(WHOLE).await;
    assert!(answer(&mut third).await.ends_with("now"));
    for pipe in &mut idle {
        assert_eq!(rest(pipe).await, "", "closed, with nothing under way");
    }
    // Who came after that keeps the connection.
    third.write_all(WHOLE.as_bytes()).await.unwrap();
    assert!(answer(&mut third).await.ends_with("now"));
}

#[tokio::test]
async fn what_is_under_way_keeps_its_place_and_is_answered_before_who_waits() {
    let bench = Bench::new(patient(1));
    let mut first = bench.connect("GET /later HTTP/1.1\r\nhost: stanch\r\n\r\n").await;
    let mut waiting = bench.connect(WHOLE).await;
    bench.go.notify_one();
    assert!(rest(&mut first).await.ends_with("later"));
    assert!(answer(&mut waiting).await.ends_with("now"));
}

#[tokio::test]
async fn who_only_holds_places_is_cut_and_whoever_waits_is_answered_then() {
    let bench = Bench::new(Limits {
        head: SHORT,
        ..patient(2)
    });
    let mut silent = bench.connect("").await;
    let mut half = bench.connect("POST /patient HTTP/1.1\r\nhos").await;
    let mut waiting = bench.connect(WHOLE).await;
    assert!(answer(&mut waiting).await.ends_with("now"));
    assert_eq!(rest(&mut silent).await, "");
    assert_eq!(rest(&mut half).await, "");
}

#[tokio::test]
async fn who_takes_nothing_of_the_answer_gives_the_place_back_and_who_takes_it_slowly_has_it_whole() {
    let bench = Bench::new(Limits {
        stall: SHORT,
        ..patient(1)
    });
    let _deaf = bench.connect(LARGE).await;
    let mut waiting = bench.connect(WHOLE).await;
    assert!(answer(&mut waiting).await.ends_with("now"));
    let bench = Bench::new(patient(1));
    let mut slow = bench.connect(LARGE).await;
    let mut taken = 0;
    loop {
        sleep(Duration::from_millis(1)).await;
        match slow.read(&mut [0; PIPE]).await.unwrap() {
            0 => break,
            some => taken += some,
        }
    }
    assert!(taken > 64 * PIPE, "{taken}");
}

#[tokio::test]
async fn a_door_that_closes_answers_what_is_under_way_and_cuts_what_does_not_end() {
    let bench = Bench::new(Limits {
        closing: Duration::from_secs(1),
        ..patient(8)
    });
    let mut answered = bench.connect("GET /later HTTP/1.1\r\nhost: stanch\r\n\r\n").await;
    let mut idle = bench.connect(WHOLE).await;
    assert!(answer(&mut idle).await.ends_with("now"));
    let mut cut = Vec::new();
    for text in [
        "",
        "GET /later HTTP/1.1\r\nho",
        "POST /patient HTTP/1.1\r\nhost: stanch\r\ncontent-length: 9\r\n\r\nhalf",
        "GET /never HTTP/1.1\r\nhost: stanch\r\n\r\n",
    ] {
        cut.push((text, bench.connect(text).await));
    }
    bench.ending.cancel();
    assert_eq!(rest(&mut idle).await, "", "closed at once");
    bench.go.notify_one();
    assert!(rest(&mut answered).await.ends_with("later"));
    for (text, pipe) in &mut cut {
        assert_eq!(rest(pipe).await, "", "{text}");
    }
    bench.served.await.unwrap();
}
