//! Who gets through the routes, and who does not.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use axum::extract::connect_info::ConnectInfo;
use axum::http::{Request, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::post;
use axum::{Json, Router};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use stanch_run::Ending;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::actor::Account;
use super::extract::Peer;
use super::fixtures::{Wall, settings, user};
use super::once::{Answers, once};
use super::openapi;
use super::routes::{Door, FOLLOWERS, Shared, router};
use super::server::Server;
use super::socket::path_in;
use super::types::Code;
use super::{followers, network};
use crate::config::settings::{Role, User};

const DIGEST: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn people() -> Vec<Arc<User>> {
    vec![
        user("vera", Some("token-9001"), "9001", &[], Role::Viewer),
        user("anna", Some("token-9002"), "9002", &[], Role::Approver),
        user("otto", Some("token-9003"), "9003", &[], Role::Operator),
        user("adam", Some("token-9004"), "9004", &[], Role::Admin),
    ]
}

fn shared() -> Shared {
    Shared {
        control: Arc::new(Wall(settings(people()))),
        door: Door::Socket(Arc::new(Account {
            uid: 9000,
            name: None,
        })),
        ending: CancellationToken::new(),
        answers: Answers::default(),
    }
}

fn request(method: &str, path: &str, body: &Value) -> Request<Body> {
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    Request::builder()
        .method(method)
        .uri(format!("/api/v1{path}"))
        .body(Body::from(body))
        .unwrap()
}

async fn answer(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

/// On the control socket, from this account.
async fn ask(method: &str, path: &str, body: Value, uid: u32) -> (u16, Value) {
    let mut request = request(method, path, &body);
    request.extensions_mut().insert(ConnectInfo(Peer(Some(uid))));
    answer(router(shared()).oneshot(request).await.unwrap()).await
}

/// Over the network, with this header. That the socket's owner seems to be at the other end must not count.
async fn ask_over_network(method: &str, path: &str, body: &Value, header: Option<&str>) -> Response {
    let mut request = request(method, path, body);
    request.extensions_mut().insert(ConnectInfo(Peer(Some(9000))));
    if let Some(header) = header {
        request
            .headers_mut()
            .insert(header::AUTHORIZATION, header.parse().unwrap());
    }
    let control = Arc::new(Wall(settings(people())));
    network(control, followers(), CancellationToken::new())
        .oneshot(request)
        .await
        .unwrap()
}

/// Every route, with the number of the least user who may.
fn every_route() -> [(&'static str, &'static str, Value, u32); 27] {
    let alert = json!({"name": "A", "fingerprint": "f", "status": "firing", "starts_at": ""});
    [
        ("GET", "/status", Value::Null, 9001),
        ("GET", "/runs?open=true&runbook=disk-full", Value::Null, 9001),
        ("GET", "/runs/r1", Value::Null, 9001),
        ("GET", "/runs/r1/events", Value::Null, 9001),
        ("GET", "/runs/r1/suggested/waf", Value::Null, 9001),
        ("GET", "/report?runbook=disk-full", Value::Null, 9001),
        ("GET", "/alerts?fate=unmatched&limit=5", Value::Null, 9001),
        ("GET", "/runbooks", Value::Null, 9001),
        ("GET", "/runbooks/disk-full", Value::Null, 9001),
        ("GET", "/plugins", Value::Null, 9001),
        ("GET", "/plugins/waf", Value::Null, 9001),
        ("POST", "/explain", json!({"fingerprint": "f"}), 9001),
        (
            "POST",
            "/alerts/read",
            json!({"intake": "/alerts", "body": {}}),
            9001,
        ),
        (
            "POST",
            "/runs/r1/steps/s/decision",
            json!({"yes": true, "digest": DIGEST}),
            9002,
        ),
        ("POST", "/runs/r1/steps/s/answer", json!({"verdict": "yes"}), 9002),
        ("POST", "/runs/r1/steps/s/by-hand", json!({"done": false}), 9002),
        (
            "POST",
            "/runs/r1/steps/s/settle",
            json!({"happened": true, "go_on": false}),
            9003,
        ),
        ("POST", "/runs", json!({"runbook": "disk-full"}), 9003),
        ("POST", "/runs/r1/undo", Value::Null, 9003),
        ("POST", "/runs/r1/cancel", json!({"undo": true}), 9003),
        ("POST", "/alerts", json!([alert]), 9003),
        ("POST", "/plan", json!({"runbook": "disk-full"}), 9003),
        (
            "POST",
            "/pauses",
            json!({"scope": "all", "reason": "maintenance"}),
            9003,
        ),
        ("DELETE", "/pauses/runbook:disk-full", Value::Null, 9003),
        ("POST", "/reload", Value::Null, 9003),
        ("POST", "/rollback", Value::Null, 9003),
        ("GET", "/audit?after=3&limit=10", Value::Null, 9003),
    ]
}

/// What one with the role of `uid` is answered where that of `least` is needed: nothing behind the door works here.
fn of_role(uid: u32, least: u32) -> (u16, &'static str) {
    if uid >= least {
        (500, "internal")
    } else {
        (403, "forbidden")
    }
}

#[tokio::test]
async fn every_route_takes_its_role_and_refuses_the_one_below() {
    for (method, path, body, least) in every_route() {
        for uid in 9001..=9004 {
            let (status, answer) = ask(method, path, body.clone(), uid).await;
            assert_eq!(
                (status, answer["code"].as_str().unwrap()),
                of_role(uid, least),
                "{method} {path} as {uid}: {answer}"
            );
        }
        let (status, answer) = ask(method, path, body.clone(), 4242).await;
        assert_eq!(
            (status, answer["code"].as_str()),
            (401, Some("not-authenticated")),
            "{method} {path}"
        );
        let (status, _) = ask(method, path, body, 9000).await;
        assert_eq!(status, 500, "the owner gets through: {method} {path}");
    }
}

#[tokio::test]
async fn over_the_network_a_token_opens_what_its_role_may_and_nothing_else_opens_anything() {
    for (method, path, body, least) in every_route() {
        for uid in 9001..=9004 {
            let token = format!("Bearer token-{uid}");
            let (status, answer) = answer(ask_over_network(method, path, &body, Some(&token)).await).await;
            assert_eq!(
                (status, answer["code"].as_str().unwrap()),
                of_role(uid, least),
                "{method} {path} as {uid}: {answer}"
            );
        }
        for header in [
            None,
            Some("Bearer wrong"),
            Some("Bearer "),
            Some("Basic dG9rZW4tOTAwNA=="),
            Some("token-9004"),
        ] {
            let response = ask_over_network(method, path, &body, header).await;
            assert_eq!(
                response.headers()[header::WWW_AUTHENTICATE],
                "Bearer realm=\"stanch\""
            );
            let (status, answer) = answer(response).await;
            assert_eq!(
                (status, answer["code"].as_str()),
                (401, Some("not-authenticated")),
                "{method} {path} with {header:?}"
            );
        }
    }
}

#[tokio::test]
async fn over_the_network_there_are_the_routes_of_the_api_and_what_they_answer_is_kept_by_nobody() {
    let token = Some("Bearer token-9004");
    for path in ["/status", "/nothing"] {
        let response = ask_over_network("GET", path, &Value::Null, token).await;
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store", "{path}");
    }
    let (status, answer) = answer(ask_over_network("GET", "/nothing", &Value::Null, token).await).await;
    assert_eq!((status, answer["code"].as_str()), (404, Some("not-found")));
}

#[test]
fn only_so_many_follow_over_the_network_and_a_place_is_given_back() {
    let door = Door::Network(Arc::new(Semaphore::new(FOLLOWERS)));
    let mut places: Vec<_> = (0..FOLLOWERS).map(|_| door.follow().unwrap().unwrap()).collect();
    let refused = door.follow().unwrap_err();
    assert_eq!(refused.code, Code::Unavailable);
    places.pop();
    assert!(door.follow().is_ok());

    let socket = shared().door;
    assert!((0..=FOLLOWERS).all(|_| socket.follow().unwrap().is_none()));
}

#[tokio::test]
async fn the_engine_is_told_who_decided() {
    let (_, answer) = ask(
        "POST",
        "/runs/r1/steps/s/decision",
        json!({"yes": true, "digest": DIGEST}),
        9002,
    )
    .await;
    assert_eq!(answer["detail"], "reached by anna");
}

#[tokio::test]
async fn a_request_that_is_not_understood_is_a_problem_that_says_so() {
    let table = [
        (
            "POST",
            "/runs/r1/steps/s/decision",
            json!({"yes": true, "digest": "e3b0c44298fc"}),
            "SHA-256",
        ),
        (
            "POST",
            "/runs/r1/steps/s/decision",
            json!({"yes": true}),
            "digest",
        ),
        (
            "POST",
            "/runs",
            json!({"runbook": "x", "input": {}}),
            "unknown field `input`",
        ),
        ("POST", "/alerts", json!({"alerts": []}), "sequence"),
        (
            "DELETE",
            "/pauses/everything",
            Value::Null,
            "`everything` is not what a pause can cover",
        ),
        ("GET", "/runs?colour=red", Value::Null, "unknown field `colour`"),
    ];
    for (method, path, body, says) in table {
        let (status, answer) = ask(method, path, body, 9004).await;
        assert_eq!(
            (status, answer["code"].as_str()),
            (400, Some("bad-request")),
            "{path}: {answer}"
        );
        assert!(
            answer["detail"].as_str().unwrap().contains(says),
            "{path}: {answer}"
        );
    }
    let (status, answer) = ask("GET", "/nothing", Value::Null, 9004).await;
    assert_eq!((status, answer["code"].as_str()), (404, Some("not-found")));
}

async fn raw(path: &Path, authorization: Option<&str>) -> String {
    let mut stream = UnixStream::connect(path).await.unwrap();
    let authorization = authorization.map(|value| format!("{}: {value}\r\n", header::AUTHORIZATION));
    let request = format!(
        "GET /api/v1/status HTTP/1.1\r\nhost: stanch\r\nconnection: close\r\n{}\r\n",
        authorization.unwrap_or_default()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn over_the_real_socket_the_kernel_says_who_is_asking() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::bind(folder.path()).unwrap();
    let ending = CancellationToken::new();
    let users = vec![user("dana", Some("s3cret"), "9001", &[], Role::Viewer)];
    let serving = tokio::spawn(server.serve(Arc::new(Wall(settings(users))), ending.clone()));
    let path = path_in(folder.path());

    let owner = raw(&path, None).await;
    assert!(
        owner.starts_with("HTTP/1.1 500") && owner.contains("reached by"),
        "{owner}"
    );
    assert!(owner.contains("application/problem+json"), "{owner}");
    assert!(
        raw(&path, Some("Bearer s3cret"))
            .await
            .starts_with("HTTP/1.1 500")
    );
    for wrong in ["Bearer wrong", "Bearer ", "Basic ZGFuYTpzM2NyZXQ=", "s3cret"] {
        assert!(
            raw(&path, Some(wrong)).await.starts_with("HTTP/1.1 401"),
            "{wrong}"
        );
    }

    ending.cancel();
    serving.await.unwrap().unwrap();
    assert!(!path.exists());
}

/// What the engine would do is to count how often it was asked; where the body says `busy` it says that it is.
fn counting(asked: Arc<AtomicUsize>) -> Router {
    let count = async move |body: String| {
        let times = asked.fetch_add(1, Ordering::Relaxed) + 1;
        let status = if body == "\"busy\"" { 503 } else { 201 };
        (StatusCode::from_u16(status).unwrap(), Json(times))
    };
    let counter = post(count.clone()).get(count);
    let router = Router::new()
        .route("/count", counter.clone())
        .route("/other", counter);
    router.layer(from_fn_with_state(shared(), once))
}

#[tokio::test]
async fn a_request_that_is_sent_again_with_its_key_is_done_once() {
    let asked = Arc::new(AtomicUsize::new(0));
    let router = counting(asked.clone());
    let send = async |method: &str, path: &str, body: &str, key: Option<&str>, uid: u32| {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .body(Body::from(body.to_owned()))
            .unwrap();
        request.extensions_mut().insert(ConnectInfo(Peer(Some(uid))));
        if let Some(key) = key {
            request
                .headers_mut()
                .insert("idempotency-key", key.parse().unwrap());
        }
        let response = router.clone().oneshot(request).await.unwrap();
        let replayed = response.headers().contains_key("idempotency-replayed");
        let (status, value) = answer(response).await;
        (
            status,
            value["code"]
                .as_str()
                .map(str::to_owned)
                .unwrap_or(value.to_string()),
            replayed,
        )
    };
    let said = |status, text: &str, replayed| (status, text.to_owned(), replayed);
    let key = Some("k");
    assert_eq!(
        send("POST", "/count", "1", key, 9003).await,
        said(201, "1", false)
    );
    assert_eq!(send("POST", "/count", "1", key, 9003).await, said(201, "1", true));
    // Another body, another route: another request.
    assert_eq!(
        send("POST", "/count", "2", key, 9003).await,
        said(422, "key-reused", false)
    );
    assert_eq!(
        send("POST", "/other", "1", key, 9003).await,
        said(422, "key-reused", false)
    );
    // Somebody else's key of the same name, another key, no key.
    assert_eq!(
        send("POST", "/count", "1", key, 9004).await,
        said(201, "2", false)
    );
    assert_eq!(
        send("POST", "/count", "1", Some("l"), 9003).await,
        said(201, "3", false)
    );
    assert_eq!(
        send("POST", "/count", "1", None, 9003).await,
        said(201, "4", false)
    );
    assert_eq!(
        send("POST", "/count", "1", None, 9003).await,
        said(201, "5", false)
    );
    // To look is never kept; nor is a «not now».
    assert_eq!(send("GET", "/count", "", key, 9003).await, said(201, "6", false));
    assert_eq!(
        send("POST", "/count", "\"busy\"", Some("m"), 9003).await,
        said(503, "7", false)
    );
    assert_eq!(
        send("POST", "/count", "\"busy\"", Some("m"), 9003).await,
        said(503, "8", false)
    );
    // Who is nobody gets nothing kept for them; a key that is none is refused.
    assert_eq!(
        send("POST", "/count", "1", key, 4242).await,
        said(401, "not-authenticated", false)
    );
    for wrong in ["", "k".repeat(256).as_str()] {
        assert_eq!(
            send("POST", "/count", "1", Some(wrong), 9003).await,
            said(400, "bad-request", false)
        );
    }
    assert_eq!(asked.load(Ordering::Relaxed), 8);
}

/// Those that the documents name: also the document itself, behind which is nothing.
fn every_named_route() -> Vec<(&'static str, &'static str, u32)> {
    let behind = every_route().map(|(method, path, _, least)| (method, path, least));
    let mut all = behind.to_vec();
    all.push(("GET", "/openapi.json", 9001));
    all
}

/// A route as the documents write it: with names for what is one run's, step's or plugin's.
fn route(path: &str, names: [&str; 5]) -> String {
    let [run, step, key, name, scope] = names;
    let path = path.split('?').next().unwrap();
    let named: Vec<&str> = path
        .split('/')
        .map(|part| match part {
            "r1" => run,
            "s" => step,
            "waf" => key,
            "disk-full" => name,
            part if path.starts_with("/pauses/") && part != "pauses" && !part.is_empty() => scope,
            part => part,
        })
        .collect();
    named.join("/")
}

fn role(least: u32) -> &'static str {
    match least {
        9001 => "viewer",
        9002 => "approver",
        9003 => "operator",
        _ => "admin",
    }
}

#[test]
fn the_page_of_the_api_names_each_route_with_the_role_that_it_takes() {
    let page = include_str!("../../../../docs/api.md");
    for (method, path, least) in every_named_route() {
        let route = format!(
            "`{method} {}`",
            route(path, ["RUN", "STEP", "KEY", "NAME", "SCOPE"])
        );
        let row = page
            .lines()
            .find(|line| line.starts_with('|') && line.contains(&route));
        let row = row.unwrap_or_else(|| panic!("docs/api.md does not name {route}"));
        let role = role(least);
        assert!(row.contains(&format!("| {role} |")), "{row}");
    }
}

#[test]
fn the_openapi_document_has_each_route_with_the_role_that_it_takes_and_no_other() {
    let document: Value = serde_json::from_str(openapi::text()).unwrap();
    let mut described = BTreeMap::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let path = path.replace("{plugin}", "{key}");
            let role = operation["security"][0]["token"][0].as_str().unwrap();
            described.insert(format!("{} {path}", method.to_uppercase()), role);
            assert!(operation["responses"]["default"].is_object(), "{method} {path}");
            assert!(operation["summary"].is_string(), "{method} {path}");
        }
    }
    let there: BTreeMap<String, &str> = every_named_route()
        .iter()
        .map(|(method, path, least)| {
            let path = route(path, ["{run}", "{step}", "{key}", "{name}", "{scope}"]);
            (format!("{method} {path}"), role(*least))
        })
        .collect();
    assert_eq!(described, there);
    assert_eq!(document["openapi"], "3.1.0");
}

#[test]
fn the_openapi_document_has_the_words_that_are_sent() {
    let document: Value = serde_json::from_str(openapi::text()).unwrap();
    let words = |name: &str| document["components"]["schemas"][name]["enum"].clone();
    assert_eq!(words("Code"), json!(Code::ALL));
    assert!(
        words("Ending")
            .as_array()
            .unwrap()
            .contains(&json!(Ending::Healed))
    );
}

/// Everything that is referred to is there, and every schema can be compiled: what makes clients of it can read it.
#[test]
fn every_schema_of_the_openapi_document_compiles() {
    let document: Value = serde_json::from_str(openapi::text()).unwrap();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    assert!(schemas.len() > 50, "{}", schemas.len());
    for name in schemas.keys() {
        let schema = json!({
            "$ref": format!("#/components/schemas/{name}"),
            "components": document["components"],
        });
        jsonschema::draft202012::new(&schema).unwrap_or_else(|why| panic!("{name}: {why}"));
    }
}

#[tokio::test]
async fn the_openapi_document_is_for_who_may_read_and_for_nobody_else() {
    for (header, expected) in [
        (Some("Bearer token-9001"), 200),
        (Some("Bearer wrong"), 401),
        (None, 401),
    ] {
        let response = ask_over_network("GET", "/openapi.json", &Value::Null, header).await;
        let (status, document) = answer(response).await;
        assert_eq!(status, expected, "{header:?}");
        assert_eq!(document["openapi"] == "3.1.0", expected == 200, "{header:?}");
    }
}

#[test]
#[allow(
    clippy::disallowed_methods,
    reason = "the document is written anew where that is asked for"
)]
fn the_openapi_document_that_is_checked_in_is_the_one_that_is_served() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    if std::env::var_os("STANCH_UPDATE_DOCS").is_some() {
        std::fs::write(&path, openapi::text()).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == openapi::text(),
        "docs/openapi.json is old: STANCH_UPDATE_DOCS=1 cargo test --workspace --lib openapi writes it anew"
    );
}
