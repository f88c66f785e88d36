//! The corpus of ways around an outgoing filter. Each is refused before a socket is opened to what it aims at.

use std::sync::Arc;

use axum::http::header;
use axum::response::IntoResponse;
use stanch_sandbox::gate::HttpGrantSpec;
use stanch_sandbox::http::HttpSettings;

use crate::world::*;

/// A grant for exactly this URL, with every network named that a grant can name.
fn everything(url: &str) -> HttpGrantSpec {
    HttpGrantSpec {
        addresses: vec!["0.0.0.0/0".into(), "::/0".into()],
        ..http(url)
    }
}

fn named(entry: HttpGrantSpec, names: Arc<Names>) -> World {
    World::with(
        only_http(entry),
        HttpSettings {
            resolver: names,
            extra_ca_pem: vec![],
            system_roots: false,
        },
    )
}

#[tokio::test]
async fn metadata_and_link_local_are_not_reached_even_where_a_grant_names_everything() {
    let literals = [
        "http://169.254.169.254/latest",
        "http://100.100.100.200/",
        "http://168.63.129.16/",
        "http://192.0.0.192/",
        "http://0.0.0.0/",
        "http://255.255.255.255/",
        "http://224.0.0.1/",
        "http://[::]/",
        "http://[fe80::1]/",
        "http://[fd00:ec2::254]/",
        "http://[::ffff:a9fe:a9fe]/",
        "http://[64:ff9b::a9fe:a9fe]/",
        "http://[2002:a9fe:a9fe::]/",
        "http://[ff02::1]/",
    ];
    for url in literals {
        let world = World::new(only_http(everything(url)));
        let failure = world.reading().http_send(get(url)).await.unwrap_err();
        assert_eq!(layer(&failure), "address", "{url}: {failure}");
        assert!(!failure.message.contains("to allow it"), "{url}: {failure}");
    }
}

#[tokio::test]
async fn a_name_is_no_way_to_an_address_that_is_not_reached() {
    let table: [&[&str]; 6] = [
        &["169.254.169.254"],
        &["::ffff:169.254.169.254"],
        &["fd00:ec2::254"],
        &["64:ff9b::7f00:1"],
        &["169.254.169.254", "fe80::1"],
        &["0.0.0.0"],
    ];
    for ips in table {
        let world = named(
            everything("http://inside.example/"),
            Names::with("inside.example", &[ips]),
        );
        let failure = world
            .reading()
            .http_send(get("http://inside.example/"))
            .await
            .unwrap_err();
        assert_eq!(layer(&failure), "address", "{ips:?}");
    }
}

#[tokio::test]
async fn a_private_network_is_reached_where_the_grant_names_it_and_its_twin_is_told_the_line() {
    let server = Server::ok().await;
    let url = format!("http://inside.example:{}/", server.address.port());
    let world = named(http(&url), Names::with("inside.example", &[&["127.0.0.1"]]));
    assert!(world.reading().http_send(get(&url)).await.is_ok());
    assert_eq!(
        server.last().headers[header::HOST],
        format!("inside.example:{}", server.address.port())
    );
    let unnamed = HttpGrantSpec {
        addresses: vec!["10.0.0.0/8".into()],
        ..http(&url)
    };
    let world = named(unnamed, Names::with("inside.example", &[&["127.0.0.1"]]));
    let failure = world.reading().http_send(get(&url)).await.unwrap_err();
    assert_eq!(layer(&failure), "address");
    assert!(
        failure.message.contains("`addresses = [\"127.0.0.1\"]`"),
        "{failure}"
    );
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn of_several_addresses_only_those_that_may_be_reached_are_connected_to() {
    let server = Server::ok().await;
    let url = format!("http://inside.example:{}/", server.address.port());
    let world = named(
        http(&url),
        Names::with("inside.example", &[&["169.254.169.254", "10.0.0.1", "127.0.0.1"]]),
    );
    let started = std::time::Instant::now();
    assert!(world.reading().http_send(get(&url)).await.is_ok());
    assert!(
        started.elapsed().as_secs() < 4,
        "an address that must not be reached was tried"
    );
}

#[tokio::test]
async fn a_name_that_changes_its_answer_is_filtered_each_time_and_looked_up_once_for_each_connection() {
    let server = Server::start(|_| ([(header::CONNECTION, "close")], "fine").into_response()).await;
    let url = format!("http://turns.example:{}/", server.address.port());
    let names = Names::with(
        "turns.example",
        &[
            &["127.0.0.1"],
            &["169.254.169.254"],
            &["127.0.0.1"],
            &["10.9.9.9"],
        ],
    );
    let world = named(http(&url), names.clone());
    assert!(world.reading().http_send(get(&url)).await.is_ok());
    assert_eq!(
        names.0.lock().unwrap()["turns.example"].len(),
        3,
        "looked up once"
    );
    assert_eq!(
        layer(&world.reading().http_send(get(&url)).await.unwrap_err()),
        "address"
    );
    assert!(world.reading().http_send(get(&url)).await.is_ok());
    assert_eq!(
        layer(&world.reading().http_send(get(&url)).await.unwrap_err()),
        "address"
    );
    assert_eq!(server.count(), 2);
}

#[tokio::test]
async fn a_redirect_is_handed_back_and_its_target_is_a_call_of_its_own() {
    let inner = Server::ok().await;
    let aim = inner.url("/metadata");
    let location = aim.clone();
    let outer = Server::start(move |_| {
        (
            axum::http::StatusCode::FOUND,
            [(header::LOCATION, location.clone())],
        )
            .into_response()
    })
    .await;
    let world = World::new(only_http(http(&outer.url("/**"))));
    let session = world.reading();
    let response = session.http_send(get(&outer.url("/a"))).await.unwrap();
    assert_eq!(response.status, 302);
    let location = response
        .headers
        .iter()
        .find(|(name, _)| name == "location")
        .unwrap()
        .1
        .clone();
    assert_eq!(
        layer(&session.http_send(get(&location)).await.unwrap_err()),
        "grant"
    );
    assert_eq!((outer.count(), inner.count()), (1, 0));
}

#[tokio::test]
async fn odd_urls_are_refused_before_anything_is_matched() {
    let server = Server::ok().await;
    let port = server.address.port();
    let world = World::new(only_http(http(&server.url("/safe/**"))));
    let session = world.reading();
    let table = [
        format!("http://2130706433:{port}/safe/a"),
        format!("http://0x7f.1:{port}/safe/a"),
        format!("http://127.1:{port}/safe/a"),
        format!("http://user@127.0.0.1:{port}/safe/a"),
        format!("http://127.0.0.1:{port}@evil.example/safe/a"),
        format!("http://127.0.0.1:{port}\\@evil/safe/a"),
        server.url("/safe/%2e%2e/admin"),
        server.url("/safe/..%2fadmin"),
        server.url("/safe/%2E%2E%5cadmin"),
        server.url("/safe/..;/admin"),
        server.url("/safe/%252e%252e/admin"),
        server.url("/safe/%c0%ae%c0%ae/admin"),
        server.url("/safe/a#b"),
        server.url("/safe/a b"),
        server.url("/safe/a\r\nx: y"),
        server.url("/safe\\..\\admin"),
        format!("file://127.0.0.1:{port}/safe/a"),
        "http:///safe/a".into(),
        "/safe/a".into(),
        String::new(),
    ];
    for url in table {
        assert_eq!(
            layer(&session.http_send(get(&url)).await.unwrap_err()),
            "request",
            "{url}"
        );
    }
    for url in [
        server.url("/safe/../admin"),
        server.url("/safe"),
        server.url("//safe/a"),
    ] {
        assert_eq!(
            layer(&session.http_send(get(&url)).await.unwrap_err()),
            "grant",
            "{url}"
        );
    }
    assert_eq!(server.count(), 0);
    assert!(
        session
            .http_send(get(&server.url("/safe/a/./b/../c%7E")))
            .await
            .is_ok()
    );
    assert_eq!(server.last().uri, "/safe/a/c~");
}

#[tokio::test]
async fn headers_do_not_smuggle() {
    let server = Server::ok().await;
    let mut entry = http(&server.url("/**"));
    entry.headers.insert("x-api-key".into(), "${secret:token}".into());
    let world = World::new(only_http(entry));
    let session = world.reading();
    let table = [
        ("host", "evil"),
        ("Host", "evil"),
        ("authorization", "a"),
        ("Cookie", "a"),
        ("Proxy-Authorization", "a"),
        ("X-Forwarded-For", "127.0.0.1"),
        ("x_forwarded_for", "127.0.0.1"),
        ("X-HTTP-Method-Override", "DELETE"),
        ("x-method-override", "DELETE"),
        ("X-Original-URL", "/admin"),
        ("X-Rewrite-URL", "/admin"),
        ("if-match", "*"),
        ("transfer-encoding", "chunked"),
        ("content-length", "5"),
        ("connection", "x-api-key"),
        ("te", "trailers"),
        ("upgrade", "h2c"),
        ("X-Api-Key", "mine"),
        ("x_api_key", "mine"),
        ("x-a\r\nhost", "evil"),
        ("x-a", "b\r\nhost: evil"),
        ("x-a", "b\nhost: evil"),
        ("x-a", "b\0"),
        ("expect", "100-continue"),
        ("accept-encoding", "gzip"),
        ("", "a"),
    ];
    for (name, value) in table {
        let request = with_header(get(&server.url("/a")), name, value);
        assert_eq!(
            layer(&session.http_send(request).await.unwrap_err()),
            "request",
            "{name}: {value}"
        );
    }
    assert_eq!(server.count(), 0);
    session
        .http_send(with_header(get(&server.url("/a")), "x-trace", "1"))
        .await
        .unwrap();
    assert_eq!(server.last().headers["x-api-key"], TOKEN);
}

#[tokio::test]
async fn odd_methods_are_refused() {
    let server = Server::ok().await;
    let world = World::new(only_http(http(&server.url("/**"))));
    for method in [
        "get",
        "CONNECT",
        "TRACE",
        "",
        "GET /admin HTTP/1.1\r\nx:",
        "GE T",
        "\u{0261}ET",
    ] {
        let failure = world
            .reading()
            .http_send(request(method, &server.url("/a")))
            .await
            .unwrap_err();
        assert_eq!(layer(&failure), "request", "{method:?}");
    }
    assert_eq!(
        layer(
            &world
                .reading()
                .http_send(request("OPTIONS", &server.url("/a")))
                .await
                .unwrap_err()
        ),
        "grant"
    );
}

#[tokio::test]
async fn a_pool_is_of_one_installation_under_one_grant() {
    // Two entries for one server: what one opened must not serve the other, which may not reach the address.
    let server = Server::ok().await;
    let url = |path: &str| format!("http://inside.example:{}{path}", server.address.port());
    let closed = HttpGrantSpec {
        addresses: vec![],
        ..http(&url("/closed"))
    };
    let spec = stanch_sandbox::gate::GrantSpec {
        http: vec![http(&url("/open")), closed],
        ..Default::default()
    };
    let names = Names::with("inside.example", &[&["127.0.0.1"]]);
    let world = World::with(
        spec,
        HttpSettings {
            resolver: names,
            extra_ca_pem: vec![],
            system_roots: false,
        },
    );
    let session = world.reading();
    assert!(session.http_send(get(&url("/open"))).await.is_ok());
    assert_eq!(
        layer(&session.http_send(get(&url("/closed"))).await.unwrap_err()),
        "address"
    );
    assert!(session.http_send(get(&url("/open"))).await.is_ok());
}
