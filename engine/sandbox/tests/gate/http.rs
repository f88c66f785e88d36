//! Reads and notifications: what is sent, what comes back, and what is not.

use std::time::Duration;

use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use stanch_contract::{Digest, FailureCode};
use stanch_sandbox::gate::{Decision, GrantSpec, Layer, NotifyGrantSpec, Phase, SignSpec};
use stanch_sandbox::http::{HttpSettings, Request, sign};
use stanch_sandbox::kubernetes::Object;
use stanch_sandbox::secret::Secret;

use crate::world::*;

#[tokio::test]
async fn a_read_is_sent_and_its_neighbours_are_refused_by_the_grant() {
    let server = Server::ok().await;
    let world = World::new(only_http(http(&server.url("/api/**"))));
    let session = world.reading();
    let response = session
        .http_send(get(&server.url("/api/list?x=1")))
        .await
        .unwrap();
    assert_eq!((response.status, text(&response).as_str()), (200, "fine"));
    assert_eq!(server.last().uri, "/api/list?x=1");
    assert_eq!(server.last().headers[header::HOST], server.address.to_string());
    assert_eq!(server.last().headers[header::ACCEPT_ENCODING], "identity");
    for url in [
        server.url("/other"),
        server.url("/api/../other"),
        "http://127.0.0.1:1/api/list".into(),
    ] {
        let failure = session.http_send(get(&url)).await.unwrap_err();
        assert_eq!(
            (failure.code, layer(&failure)),
            (FailureCode::Denied, "grant"),
            "{url}"
        );
        assert!(
            failure.message.contains("[[plugins.waf.grant.http]]"),
            "{failure}"
        );
    }
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn a_change_outside_of_apply_is_refused_by_the_phase_with_the_line_that_would_allow_it() {
    let server = Server::ok().await;
    let world = World::new(only_http(http(&server.url("/**"))));
    let session = world.reading();
    let failure = session
        .http_send(json("POST", &server.url("/a"), "{}"))
        .await
        .unwrap_err();
    assert_eq!((failure.code, layer(&failure)), (FailureCode::Denied, "phase"));
    assert!(failure.message.contains("this call is read-only"), "{failure}");
    assert!(
        failure
            .message
            .contains("`read = [\"POST\"]` in `[[plugins.waf.grant.http]]`"),
        "{failure}"
    );
    assert_eq!(server.count(), 0);
    // The twin: the same request, vouched for as a read.
    let vouched = stanch_sandbox::gate::HttpGrantSpec {
        read: vec!["POST".into()],
        change: vec![],
        ..http(&server.url("/**"))
    };
    let world = World::new(only_http(vouched));
    assert!(
        world
            .reading()
            .http_send(json("POST", &server.url("/a"), "{}"))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn credentials_are_added_out_of_sight_and_taken_out_of_what_comes_back() {
    let server = Server::start(|got| {
        let sent = got.headers[header::AUTHORIZATION].to_str().unwrap().to_owned();
        let coded = base64(&sent);
        (
            [("x-echo", sent.clone()), ("authorization", sent.clone())],
            format!("{sent} {coded} {{\"t\":\"{TOKEN}\"}}"),
        )
            .into_response()
    })
    .await;
    let mut entry = http(&server.url("/**"));
    entry
        .headers
        .insert("authorization".into(), "Bearer ${secret:token}".into());
    let world = World::new(only_http(entry));
    let session = world.reading();
    let response = session.http_send(get(&server.url("/a"))).await.unwrap();
    assert_eq!(
        server.last().headers[header::AUTHORIZATION],
        format!("Bearer {TOKEN}")
    );
    assert_eq!(
        response
            .headers
            .iter()
            .find(|(name, _)| name == "x-echo")
            .unwrap()
            .1,
        "Bearer [secret]"
    );
    assert!(!response.headers.iter().any(|(name, _)| name == "authorization"));
    let body = text(&response);
    assert!(
        !body.contains(TOKEN) && body.matches("[secret]").count() == 3,
        "{body}"
    );
    let failure = session
        .http_send(with_header(
            get(&server.url("/a")),
            "Authorization",
            "Bearer mine",
        ))
        .await
        .unwrap_err();
    assert_eq!(layer(&failure), "request");
    let ledger = session.finish().await;
    let kept = format!(
        "{:?} {:?}",
        ledger.calls,
        ledger
            .contents
            .values()
            .map(|c| String::from_utf8_lossy(c))
            .collect::<Vec<_>>()
    );
    assert!(!kept.contains(TOKEN), "{kept}");
}

fn base64(text: &str) -> String {
    use ::base64::Engine as _;
    ::base64::engine::general_purpose::STANDARD.encode(text)
}

#[tokio::test]
async fn a_secret_that_is_not_there_is_a_refusal_that_names_it() {
    let server = Server::ok().await;
    let mut entry = http(&server.url("/**"));
    entry.headers.insert("x-key".into(), "${secret:other}".into());
    let world = World::new(only_http(entry));
    let failure = world
        .reading()
        .http_send(get(&server.url("/a")))
        .await
        .unwrap_err();
    assert!(failure.message.contains("`other` in [secrets]"), "{failure}");
    assert_eq!(server.count(), 0);
}

#[tokio::test]
async fn an_answer_is_as_large_as_the_grant_allows_and_not_a_byte_more() {
    let server = Server::start(|got| "x".repeat(got.uri.path()[1..].parse().unwrap()).into_response()).await;
    let mut entry = http(&server.url("/**"));
    entry.max_response = Some("1KiB".parse().unwrap());
    let world = World::new(only_http(entry));
    assert_eq!(
        world
            .reading()
            .http_send(get(&server.url("/1024")))
            .await
            .unwrap()
            .body
            .len(),
        1024
    );
    let failure = world
        .reading()
        .http_send(get(&server.url("/1025")))
        .await
        .unwrap_err();
    assert_eq!((failure.code, layer(&failure)), (FailureCode::Budget, "limit"));
    assert!(failure.message.contains("larger `max_response`"), "{failure}");
}

#[tokio::test]
async fn a_compressed_answer_is_withheld() {
    let server =
        Server::start(|_| ([(header::CONTENT_ENCODING, "gzip")], "not looked at").into_response()).await;
    let world = World::new(only_http(http(&server.url("/**"))));
    let failure = world
        .reading()
        .http_send(get(&server.url("/a")))
        .await
        .unwrap_err();
    assert!(failure.message.contains("compressed (gzip)"), "{failure}");
}

#[tokio::test]
async fn a_wait_ends_with_the_request_and_with_the_call() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let mut world = World::new(only_http(http(&url)));
    let mut short = get(&url);
    short.timeout_ms = Some(50);
    let failure = world.reading().http_send(short).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::Timeout);
    world.wall = Duration::from_millis(50);
    let mut long = get(&url);
    long.timeout_ms = Some(3_600_000);
    assert_eq!(
        world.reading().http_send(long).await.unwrap_err().code,
        FailureCode::Timeout
    );
}

#[tokio::test]
async fn who_does_not_listen_is_unavailable() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let world = World::new(only_http(http(&url)));
    assert_eq!(
        world.reading().http_send(get(&url)).await.unwrap_err().code,
        FailureCode::Unavailable
    );
}

#[tokio::test]
async fn the_calls_of_a_plugin_are_counted() {
    let server = Server::ok().await;
    let mut world = World::new(only_http(http(&server.url("/**"))));
    world.calls = 2;
    let session = world.reading();
    for _ in 0..2 {
        session.http_send(get(&server.url("/a"))).await.unwrap();
    }
    for _ in 0..50 {
        let failure = session.http_send(get(&server.url("/a"))).await.unwrap_err();
        assert_eq!((failure.code, layer(&failure)), (FailureCode::Budget, "limit"));
    }
    assert_eq!(server.count(), 2);
    assert_eq!(session.finish().await.calls.len(), 3);
}

#[tokio::test]
async fn each_call_is_recorded_with_its_decision_and_answer() {
    let server = Server::ok().await;
    let world = World::new(only_http(http(&server.url("/a/**"))));
    let session = world.reading();
    session.http_send(get(&server.url("/a/%62?q"))).await.unwrap();
    session.http_send(get(&server.url("/b"))).await.unwrap_err();
    let pod = Object {
        api_version: "v1".into(),
        kind: "Pod".into(),
        namespace: Some("ns".into()),
        name: "a".into(),
    };
    session.kubernetes_evict(pod, None).await.unwrap_err();
    let ledger = session.finish().await;
    let [sent, refused, kubernetes] = &ledger.calls[..] else {
        panic!("{:?}", ledger.calls)
    };
    assert_eq!(
        (sent.verb.as_str(), sent.target.clone()),
        ("GET", server.url("/a/b?q"))
    );
    assert_eq!(sent.decision, Decision::Allowed);
    let answer = sent.answer.as_ref().unwrap();
    assert_eq!((answer.summary.as_str(), answer.bytes), ("200", 4));
    assert_eq!(ledger.contents[&answer.digest.unwrap()], b"fine");
    for (call, layer) in [(refused, Layer::Grant), (kubernetes, Layer::Grant)] {
        assert!(
            matches!(&call.decision, Decision::Refused(refusal) if refusal.layer == layer),
            "{call:?}"
        );
        assert_eq!(call.answer, None);
    }
    let json = serde_json::to_string(&ledger.calls).unwrap();
    assert_eq!(
        serde_json::from_str::<Vec<stanch_sandbox::gate::RecordedCall>>(&json).unwrap(),
        ledger.calls
    );
}

#[tokio::test]
async fn of_what_is_recorded_each_answer_has_its_digest_and_its_content_is_kept_as_far_as_the_budget_reaches()
{
    let server = Server::start(|got| {
        let (letter, size) = got.uri.path()[1..].split_once('/').unwrap();
        letter
            .repeat(size.parse::<usize>().unwrap() << 10)
            .into_response()
    })
    .await;
    let world = World::new(only_http(http(&server.url("/**"))));
    let session = world.reading();
    // In KiB, of at most 64 each and 256 together.
    let table = [
        ("a", 65, false),
        ("b", 64, true),
        ("c", 64, true),
        ("d", 64, true),
        ("e", 60, true),
        ("f", 5, false),
        ("g", 4, true),
        ("b", 64, true),
    ];
    for (letter, size, _) in table {
        let url = server.url(&format!("/{letter}/{size}"));
        session.http_send(get(&url)).await.unwrap();
    }
    let ledger = session.finish().await;
    assert_eq!(ledger.calls.len(), table.len());
    for (call, (letter, size, kept)) in ledger.calls.iter().zip(table) {
        let answer = call.answer.as_ref().unwrap();
        let content = letter.repeat(size << 10);
        assert_eq!(answer.bytes, content.len() as u64, "{letter}");
        assert_eq!(answer.digest, Some(Digest::of(content.as_bytes())), "{letter}");
        assert_eq!(
            ledger.contents.contains_key(&answer.digest.unwrap()),
            kept,
            "{letter}"
        );
    }
}

fn hook(url: String, sign: bool) -> GrantSpec {
    let sign = sign.then(|| SignSpec {
        header: "x-stanch-signature".into(),
        hmac_sha256: "${secret:token}".into(),
    });
    let entry = NotifyGrantSpec {
        url,
        addresses: vec!["127.0.0.0/8".into()],
        sign,
        ..Default::default()
    };
    GrantSpec {
        notify: vec![entry],
        ..Default::default()
    }
}

#[tokio::test]
async fn a_credential_in_the_body_is_the_gates_to_add_and_no_plugins_to_set() {
    let server = Server::ok().await;
    let mut spec = hook(server.url("/hook"), true);
    spec.notify[0].members = [("routing_key".to_owned(), "${secret:token}".to_owned())].into();
    let world = World::new(spec);
    let session = world.session(Phase::Notify);
    let sent = session
        .http_send(json("POST", &server.url("/hook"), r#"{"a":1}"#))
        .await;
    sent.unwrap();
    let got = server.last();
    let body: serde_json::Value = serde_json::from_slice(got.body.as_ref()).unwrap();
    assert_eq!(body, serde_json::json!({ "a": 1, "routing_key": TOKEN }));
    // What is signed is what is sent.
    let signature = got.headers["x-stanch-signature"].to_str().unwrap();
    let at = stanch_contract::Timestamp(signature[2..12].parse::<i64>().unwrap() * 1000);
    assert_eq!(
        signature,
        sign::signature(&Secret::new(TOKEN).unwrap(), at, &got.body)
    );
    for body in [r#"{"routing_key":"mine"}"#, "[1]", "text", ""] {
        let refused = session.http_send(json("POST", &server.url("/hook"), body)).await;
        assert_eq!(layer(&refused.unwrap_err()), "request", "{body}");
    }
    assert_eq!(server.count(), 1);
    let kept = format!("{:?}", session.finish().await);
    assert!(!kept.contains(TOKEN), "{kept}");
}

#[tokio::test]
async fn a_notification_is_sent_where_its_grant_says_and_signed() {
    let server = Server::ok().await;
    let world = World::new(hook(server.url("/hook"), true));
    let session = world.session(Phase::Notify);
    session
        .http_send(json("POST", &server.url("/hook"), "{ \"a\": 1 }"))
        .await
        .unwrap();
    let got = server.last();
    assert_eq!(got.body, "{ \"a\": 1 }");
    let signature = got.headers["x-stanch-signature"].to_str().unwrap();
    let at = stanch_contract::Timestamp(signature[2..12].parse::<i64>().unwrap() * 1000);
    assert_eq!(
        signature,
        sign::signature(&Secret::new(TOKEN).unwrap(), at, &got.body)
    );
    let refused = [
        (json("POST", &server.url("/other"), "{}"), "grant"),
        (get(&server.url("/hook")), "grant"),
        (
            with_header(
                json("POST", &server.url("/hook"), "{}"),
                "x-stanch-signature",
                "t=1,v1=00",
            ),
            "request",
        ),
    ];
    for (request, expected) in refused {
        assert_eq!(layer(&session.http_send(request).await.unwrap_err()), expected);
    }
    assert_eq!(server.count(), 1);
    assert_eq!(
        layer(&session.files_read("scratch/a", 10).await.unwrap_err()),
        "phase"
    );
}

#[tokio::test]
async fn a_notify_grant_is_no_way_out_for_a_check() {
    let server = Server::ok().await;
    let world = World::new(hook(server.url("/hook"), false));
    let failure = world
        .reading()
        .http_send(json("POST", &server.url("/hook"), "{}"))
        .await
        .unwrap_err();
    assert_eq!(layer(&failure), "grant");
    assert_eq!(server.count(), 0);
}

struct Tls {
    address: std::net::SocketAddr,
    ca_pem: String,
}

async fn tls_server(name: &str, h2: bool) -> Tls {
    use std::sync::{Arc, Mutex};
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec![]).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca = rcgen::CertifiedIssuer::self_signed(params, ca_key).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let leaf = rcgen::CertificateParams::new(vec![name.to_owned()])
        .unwrap()
        .signed_by(&key, &ca)
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key.serialize_der().try_into().unwrap())
        .unwrap();
    if h2 {
        config.alpn_protocols = vec![b"h2".to_vec()];
    }
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = app(
        Arc::new(Mutex::new(vec![])),
        Arc::new(|got: &Got| format!("{} {}", got.method, got.uri).into_response()),
    );
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, app) = (acceptor.clone(), app.clone());
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else {
                    return;
                };
                let io = hyper_util::rt::TokioIo::new(stream);
                let service = hyper_util::service::TowerToHyperService::new(app);
                let _ = if h2 {
                    let executor = hyper_util::rt::TokioExecutor::new();
                    hyper::server::conn::http2::Builder::new(executor)
                        .serve_connection(io, service)
                        .await
                } else {
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(io, service)
                        .await
                };
            });
        }
    });
    Tls {
        address,
        ca_pem: ca.pem(),
    }
}

#[tokio::test]
async fn tls_is_checked_against_the_roots_and_the_name_over_both_versions_of_http() {
    for h2 in [false, true] {
        let server = tls_server("waf.internal", h2).await;
        let url = |name: &str| format!("https://{name}:{}/a", server.address.port());
        let settings = |pem: &str, name: &str| HttpSettings {
            resolver: Names::with(name, &[&["127.0.0.1"]]),
            extra_ca_pem: pem.as_bytes().to_vec(),
            system_roots: false,
        };
        let world = World::with(
            only_http(http(&url("waf.internal"))),
            settings(&server.ca_pem, "waf.internal"),
        );
        let response = world
            .reading()
            .http_send(get(&url("waf.internal")))
            .await
            .unwrap();
        assert_eq!(response.status, StatusCode::OK.as_u16(), "h2: {h2}");
        // A change goes another way to the same place.
        let delete = action("DELETE", &url("waf.internal"));
        let session = world.applying(world.plan(vec![delete]).await, Default::default());
        let response = session
            .http_send(request("DELETE", &url("waf.internal")))
            .await
            .unwrap();
        assert!(text(&response).starts_with("DELETE "), "h2: {h2}");

        let another_name = World::with(
            only_http(http(&url("evil.internal"))),
            settings(&server.ca_pem, "evil.internal"),
        );
        let failure = another_name
            .reading()
            .http_send(get(&url("evil.internal")))
            .await
            .unwrap_err();
        assert!(failure.message.contains("no TLS connection"), "{failure}");
        let other = tls_server("waf.internal", h2).await;
        let another_root = World::with(
            only_http(http(&url("waf.internal"))),
            settings(&other.ca_pem, "waf.internal"),
        );
        let failure = another_root
            .reading()
            .http_send(get(&url("waf.internal")))
            .await
            .unwrap_err();
        assert!(failure.message.contains("no TLS connection"), "{failure}");
    }
}

#[tokio::test]
async fn a_body_on_a_get_is_refused() {
    let server = Server::ok().await;
    let world = World::new(only_http(http(&server.url("/**"))));
    let request = Request {
        body: b"smuggled".to_vec(),
        ..get(&server.url("/a"))
    };
    assert_eq!(
        layer(&world.reading().http_send(request).await.unwrap_err()),
        "request"
    );
}
