use super::super::spec::{FilesGrantSpec, HttpGrantSpec, NotifyGrantSpec, SignSpec};
use super::*;

fn http(url: &str) -> HttpGrantSpec {
    HttpGrantSpec {
        url: url.into(),
        read: vec!["GET".into()],
        change: vec!["POST".into()],
        ..Default::default()
    }
}

fn grant(http: Vec<HttpGrantSpec>) -> Result<Grant, GrantError> {
    Grant::new(
        "waf".into(),
        GrantSpec {
            http,
            ..Default::default()
        },
    )
}

fn folder(path: &str, at: &str, access: Access) -> FilesGrantSpec {
    FilesGrantSpec {
        path: path.into(),
        at: at.into(),
        access,
    }
}

fn ask(grant: &Grant, method: &str, url: &str) -> Result<Use, Refusal> {
    let target = HttpTarget::parse(url).unwrap();
    grant
        .http(false, &method.parse().unwrap(), &target)
        .map(|permit| permit.usage)
}

#[test]
fn a_grant_is_read_as_stanch_toml_writes_it() {
    let json = serde_json::json!({
        "http": [{ "url": "https://waf.internal:8443/api/**", "read": ["GET"], "change": ["POST", "DELETE"],
                   "headers": { "authorization": "Bearer ${secret:waf_token}" }, "addresses": ["10.2.0.0/16"],
                   "max_response": "1MiB" }],
        "files": [{ "path": "/var/tmp/app", "at": "scratch", "access": "change" }],
        "notify": [{ "url": "https://events.example/v2/enqueue",
                     "sign": { "header": "x-stanch-signature", "hmac_sha256": "${secret:webhook}" } }],
    });
    let grant = Grant::new("waf".into(), serde_json::from_value(json).unwrap()).unwrap();
    assert_eq!(grant.secret_names(), ["waf_token", "webhook"]);
    assert!(serde_json::from_str::<GrantSpec>(r#"{"http":[{"url":"https://a/","reads":["GET"]}]}"#).is_err());
}

#[test]
fn each_line_that_is_wrong_is_named_with_what_would_be_right() {
    let with = |change: fn(&mut HttpGrantSpec)| {
        let mut spec = http("https://a/");
        change(&mut spec);
        grant(vec![http("https://b/"), spec]).unwrap_err()
    };
    let bind = |name: &'static str, value: &'static str| {
        let mut spec = http("https://a/");
        spec.headers.insert(name.into(), value.into());
        grant(vec![http("https://b/"), spec]).unwrap_err()
    };
    let table = [
        (with(|s| s.url = "https://*/".into()), "url", "are exact"),
        (with(|s| s.read = vec!["get".into()]), "read", "in capitals"),
        (with(|s| s.change = vec!["TRACE".into()]), "change", "never sent"),
        (
            with(|s| s.change = vec!["GET".into()]),
            "change",
            "either changes something",
        ),
        (
            with(|s| (s.read, s.change) = (vec![], vec![])),
            "read",
            "names a method",
        ),
        (
            with(|s| s.addresses = vec!["169.254.0.0/16".into()]),
            "addresses",
            "no grant can open",
        ),
        (
            with(|s| s.max_response = Some(stanch_contract::ByteSize(0))),
            "max_response",
            "from 1B",
        ),
        (bind("host", "a"), "headers", "gate's own"),
        (bind("content-type", "a"), "headers", "belongs to the request"),
        (bind("x-key", "${vars.key}"), "headers", "secret:NAME"),
        (bind("bad name", "x"), "headers", "not a header name"),
    ];
    for (error, key, part) in table {
        assert_eq!((error.table, error.index, error.key), ("http", 1, key), "{error}");
        assert!(error.why.contains(part), "{error}");
    }
}

#[test]
fn folders_signatures_and_kubernetes_are_checked_too() {
    let files = |path, at| {
        let spec = GrantSpec {
            files: vec![folder(path, at, Access::Read)],
            ..Default::default()
        };
        Grant::new("p".into(), spec).map_err(|error| error.key)
    };
    assert!(files("/var/tmp", "scratch").is_ok());
    assert_eq!(files("var/tmp", "scratch").unwrap_err(), "path");
    assert_eq!(files("/var/../etc", "scratch").unwrap_err(), "path");
    assert_eq!(files("/", "scratch").unwrap_err(), "path");
    assert_eq!(files("/var/tmp", "a/b").unwrap_err(), "at");
    assert_eq!(files("/var/tmp", "..").unwrap_err(), "at");
    let twice = vec![folder("/a", "x", Access::Read), folder("/b", "x", Access::Read)];
    assert_eq!(
        Grant::new(
            "p".into(),
            GrantSpec {
                files: twice,
                ..Default::default()
            }
        )
        .unwrap_err()
        .key,
        "at"
    );

    let sign = |header: &str, key: &str| {
        let sign = Some(SignSpec {
            header: header.into(),
            hmac_sha256: key.into(),
        });
        let entry = NotifyGrantSpec {
            url: "https://a/".into(),
            sign,
            ..Default::default()
        };
        Grant::new(
            "p".into(),
            GrantSpec {
                notify: vec![entry],
                ..Default::default()
            },
        )
    };
    assert!(sign("x-stanch-signature", "${secret:k}").is_ok());
    assert_eq!(sign("x-sig", "literal").unwrap_err().key, "sign");
    assert_eq!(sign("host", "${secret:k}").unwrap_err().key, "sign");

    let kubernetes = GrantSpec {
        kubernetes: vec![Default::default()],
        ..Default::default()
    };
    let error = Grant::new("p".into(), kubernetes).unwrap_err();
    assert_eq!(
        (error.table, error.index, error.key),
        ("kubernetes", 0, "clusters")
    );
}

#[test]
fn a_method_is_a_read_or_a_change_or_refused_with_the_line_that_would_allow_it() {
    let grant = grant(vec![http("https://waf/api/**")]).unwrap();
    assert_eq!(ask(&grant, "GET", "https://waf/api/a").unwrap(), Use::Read);
    assert_eq!(ask(&grant, "POST", "https://waf/api/a").unwrap(), Use::Change);
    let method = ask(&grant, "DELETE", "https://waf/api/a").unwrap_err();
    assert_eq!(method.layer, Layer::Grant);
    assert!(
        method
            .allow_hint
            .unwrap()
            .starts_with("`change = [\"DELETE\"]` in `[[plugins.waf.grant.http]]`")
    );
    let url = ask(&grant, "GET", "https://waf/other?x=1").unwrap_err();
    assert!(
        url.allow_hint
            .unwrap()
            .contains("url = \"https://waf/other\" and read = [\"GET\"]")
    );
    let nothing = Grant::nothing("waf".into());
    assert!(ask(&nothing, "GET", "https://waf/api/a").is_err());
}

#[test]
fn what_one_entry_vouches_for_as_a_read_is_a_read() {
    let wide = HttpGrantSpec {
        read: vec![],
        ..http("https://waf/**")
    };
    let query = HttpGrantSpec {
        read: vec!["POST".into()],
        change: vec![],
        ..http("https://waf/query")
    };
    let grant = grant(vec![wide, query]).unwrap();
    assert_eq!(ask(&grant, "POST", "https://waf/query").unwrap(), Use::Read);
    assert_eq!(ask(&grant, "POST", "https://waf/other").unwrap(), Use::Change);
}

#[test]
fn notify_and_http_do_not_stand_in_for_each_other() {
    let entry = NotifyGrantSpec {
        url: "https://hook/in".into(),
        ..Default::default()
    };
    let spec = GrantSpec {
        http: vec![http("https://waf/")],
        notify: vec![entry],
        ..Default::default()
    };
    let grant = Grant::new("p".into(), spec).unwrap();
    let (hook, waf) = (
        HttpTarget::parse("https://hook/in").unwrap(),
        HttpTarget::parse("https://waf/").unwrap(),
    );
    assert!(grant.http(true, &Method::POST, &hook).is_ok());
    assert!(grant.http(true, &Method::GET, &hook).is_err());
    assert!(grant.http(false, &Method::POST, &hook).is_err());
    assert!(grant.http(true, &Method::POST, &waf).is_err());
    assert!(grant.http(false, &Method::POST, &waf).is_ok());
}

#[test]
fn a_run_is_held_to_the_stricter_of_then_and_now() {
    let then = Arc::new(grant(vec![http("https://waf/a/**")]).unwrap());
    let now = grant(vec![http("https://waf/**")]).unwrap().and(then.clone());
    assert!(ask(&now, "GET", "https://waf/a/x").is_ok());
    assert!(
        ask(&now, "GET", "https://waf/b")
            .unwrap_err()
            .why
            .contains("the run started with")
    );
    let narrower = HttpGrantSpec {
        change: vec![],
        ..http("https://waf/a/**")
    };
    let now = grant(vec![narrower]).unwrap().and(then.clone());
    assert!(ask(&now, "GET", "https://waf/a/x").is_ok());
    assert!(ask(&now, "POST", "https://waf/a/x").is_err());
    let vouched = HttpGrantSpec {
        read: vec!["GET".into(), "POST".into()],
        change: vec![],
        ..http("https://waf/a/**")
    };
    let now = grant(vec![vouched]).unwrap().and(then);
    assert_eq!(ask(&now, "POST", "https://waf/a/x").unwrap(), Use::Change);

    let files = |path, access| {
        Grant::new(
            "p".into(),
            GrantSpec {
                files: vec![folder(path, "x", access)],
                ..Default::default()
            },
        )
        .unwrap()
    };
    let both = files("/a", Access::Change).and(Arc::new(files("/a", Access::Read)));
    assert!(both.files("x", Use::Read).is_ok());
    assert!(both.files("x", Use::Change).is_err());
    assert!(
        files("/b", Access::Read)
            .and(Arc::new(files("/a", Access::Read)))
            .files("x", Use::Read)
            .is_err()
    );
}

#[test]
fn a_folder_is_read_or_changed_as_its_access_says() {
    let files = vec![
        folder("/a", "look", Access::Read),
        folder("/b", "work", Access::Change),
    ];
    let grant = Grant::new(
        "p".into(),
        GrantSpec {
            files,
            ..Default::default()
        },
    )
    .unwrap();
    assert!(grant.files("look", Use::Read).is_ok());
    assert!(
        grant
            .files("look", Use::Change)
            .unwrap_err()
            .allow_hint
            .unwrap()
            .contains("access = \"change\"")
    );
    assert!(grant.files("work", Use::Change).is_ok());
    assert!(
        grant
            .files("other", Use::Read)
            .unwrap_err()
            .allow_hint
            .unwrap()
            .contains("at = \"other\"")
    );
}
