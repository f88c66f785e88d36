//! Who gets to a page and to what its forms do, and what a page shows to whom. What the engine does is tested with the
//! engine; pages in a browser are in `tests/tests/web.rs`.

use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::connect_info::ConnectInfo;
use axum::http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use stanch_run::{Actor, Role as RunRole};
use tower::ServiceExt as _;
use url::form_urlencoded;

use super::*;
use crate::config::settings::Role;
use crate::control::fixtures::{Wall, settings, user};
use crate::control::followers;
use crate::control::types::RunView;
use crate::report::samples;
use crate::web::visitor::{PAGE, Visitor};

const DIGEST: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn people() -> crate::config::Settings {
    settings(vec![
        user("vera", Some("vera's"), "vera", &[], Role::Viewer),
        user("anna", Some("anna's"), "anna", &["sre"], Role::Approver),
        user("oleg", Some("oleg's"), "oleg", &[], Role::Operator),
    ])
}

fn pages() -> Router {
    pages_of(people())
}

fn pages_of(settings: crate::config::Settings) -> Router {
    router(Arc::new(Wall(settings)), followers(), CancellationToken::new())
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn to(&self) -> &str {
        self.headers
            .get(header::LOCATION)
            .map_or("", |to| to.to_str().unwrap())
    }

    /// What the browser is told to hold.
    fn cookie(&self) -> &str {
        let cookie = self.headers[header::SET_COOKIE].to_str().unwrap();
        cookie.split(';').next().unwrap()
    }
}

async fn ask(
    pages: &Router,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    form: &[(&str, &str)],
) -> Answer {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "stanch.example");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(form)
        .finish();
    let mut request = request.body(Body::from(body)).unwrap();
    let peer: Option<SocketAddr> = Some("10.0.0.7:4000".parse().unwrap());
    request.extensions_mut().insert(ConnectInfo(peer));
    let response = pages.clone().oneshot(request).await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    Answer {
        status,
        headers,
        text: String::from_utf8(bytes.to_vec()).unwrap(),
    }
}

async fn logged_in(pages: &Router, token: &str) -> String {
    let answer = ask(pages, "POST", "/login", &[], &[("token", token)]).await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    answer.cookie().to_owned()
}

/// What the forms of this session carry, as a page has it.
async fn csrf(pages: &Router, cookie: &str) -> String {
    let page = ask(pages, "GET", "/r", &[("cookie", cookie)], &[]).await;
    let (_, after) = page.text.split_once("name=\"csrf\" value=\"").expect("a form");
    after.split('"').next().unwrap().to_owned()
}

const LOOKS: [&str; 11] = [
    "/",
    "/runs",
    "/runs/r1",
    "/runs/r1/export.md",
    "/runs/r1/export.json",
    "/r",
    "/r/disk-full",
    "/a",
    "/a/f1",
    "/plugins",
    "/report?days=7",
];

/// A form: where it is sent, what it says, and the least user who may.
type Form = (&'static str, Vec<(&'static str, &'static str)>, &'static str);

/// Every form.
fn forms() -> [Form; 9] {
    [
        (
            "/runs/r1/steps/s/decision",
            vec![("decision", "yes"), ("digest", DIGEST)],
            "anna",
        ),
        ("/runs/r1/steps/s/answer", vec![("verdict", "unknown")], "anna"),
        ("/runs/r1/steps/s/by-hand", vec![("done", "no")], "anna"),
        (
            "/runs/r1/steps/s/settle",
            vec![("happened", "no"), ("go_on", "yes")],
            "oleg",
        ),
        ("/runs/r1/undo", vec![("step", "s")], "oleg"),
        ("/runs/r1/undo", vec![], "oleg"),
        (
            "/runs/r1/cancel",
            vec![("then", "leave"), ("reason", "x")],
            "oleg",
        ),
        ("/pause", vec![("scope", "all"), ("reason", "x")], "oleg"),
        ("/resume", vec![("scope", "runbook:disk-full")], "oleg"),
    ]
}

#[tokio::test]
async fn who_is_not_logged_in_gets_the_log_in_page_and_comes_back_from_there() {
    let pages = pages();
    for path in LOOKS
        .into_iter()
        .chain(["/live", "/runs/r1/live", "/runs?runbook=a%26b"])
    {
        let answer = ask(&pages, "GET", path, &[("cookie", "stanch=wrong")], &[]).await;
        assert_eq!(answer.status, 303, "{path}");
        let next = form_urlencoded::Serializer::new(String::new())
            .append_pair("next", path)
            .finish();
        assert_eq!(answer.to(), format!("/login?{next}"));
        let form = ask(&pages, "GET", answer.to(), &[], &[]).await;
        assert_eq!(form.status, 200);
        let token = [("token", "vera's"), ("next", path)];
        assert_eq!(ask(&pages, "POST", "/login", &[], &token).await.to(), path);
    }
    for (path, fields, _) in forms() {
        let answer = ask(&pages, "POST", path, &[], &fields).await;
        assert_eq!(answer.status, 401, "{path}");
        assert!(answer.text.contains("nothing was done"), "{}", answer.text);
    }
}

#[tokio::test]
async fn each_page_is_reached_by_who_is_logged_in() {
    let pages = pages();
    let cookie = logged_in(&pages, "vera's").await;
    for path in LOOKS {
        let answer = ask(&pages, "GET", path, &[("cookie", &cookie)], &[]).await;
        assert!(
            answer.text.contains("Reached by a reader"),
            "{path}: {}",
            answer.text
        );
    }
}

#[tokio::test]
async fn the_audit_is_for_those_who_run_the_engine() {
    let pages = pages();
    for (token, status) in [("vera's", 403), ("anna's", 403), ("oleg's", 500)] {
        let cookie = logged_in(&pages, token).await;
        let answer = ask(&pages, "GET", "/audit", &[("cookie", &cookie)], &[]).await;
        assert_eq!(answer.status, status, "{token}: {}", answer.text);
        assert_eq!(answer.text.contains("Reached by"), status == 500, "{token}");
    }
    assert_eq!(ask(&pages, "GET", "/audit", &[], &[]).await.status, 303);
}

#[tokio::test]
async fn a_form_reaches_the_engine_in_its_own_session_with_the_role_that_it_takes_and_not_otherwise() {
    let pages = pages();
    for (path, fields, least) in forms() {
        for (name, token, rank) in [
            ("vera", "vera's", 0),
            ("anna", "anna's", 1),
            ("oleg", "oleg's", 2),
        ] {
            let cookie = logged_in(&pages, token).await;
            let csrf = csrf(&pages, &cookie).await;
            let with = |csrf: &'static str| [fields.clone(), vec![("csrf", csrf)]].concat();
            let csrf: &'static str = csrf.leak();
            let own: [&[(&str, &str)]; 2] = [
                &[("cookie", &cookie)],
                &[
                    ("cookie", &cookie),
                    ("sec-fetch-site", "same-origin"),
                    ("origin", "http://stanch.example"),
                ],
            ];
            let may = rank >= if least == "anna" { 1 } else { 2 };
            for headers in own {
                let answer = ask(&pages, "POST", path, headers, &with(csrf)).await;
                let reached = answer.text.contains(&format!("Reached by {name}"));
                assert_eq!(
                    (answer.status == 403, reached),
                    (!may, may),
                    "{path} {name}: {}",
                    answer.text
                );
            }
            let others: [(&[(&str, &str)], &'static str); 5] = [
                (&[("cookie", &cookie)], ""),
                (&[("cookie", &cookie)], "0000"),
                (&[("cookie", &cookie), ("sec-fetch-site", "cross-site")], csrf),
                (&[("cookie", &cookie), ("sec-fetch-site", "same-site")], csrf),
                (&[("cookie", &cookie), ("origin", "https://evil.example")], csrf),
            ];
            for (headers, csrf) in others {
                let answer = ask(&pages, "POST", path, headers, &with(csrf)).await;
                assert_eq!(answer.status, 403, "{path} {name}");
                assert!(!answer.text.contains("Reached"), "{path} {name}: {}", answer.text);
            }
        }
    }
}

#[tokio::test]
async fn a_form_that_says_something_else_is_refused_with_what_is_wrong() {
    let pages = pages();
    let cookie = logged_in(&pages, "oleg's").await;
    let csrf = csrf(&pages, &cookie).await;
    type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);
    let table: [Row<'_>; 6] = [
        (
            "/runs/r1/steps/s/decision",
            &[("decision", "yes")],
            "The form has no `digest`",
        ),
        (
            "/runs/r1/steps/s/decision",
            &[("decision", "y"), ("digest", DIGEST)],
            "`decision` has to be",
        ),
        (
            "/runs/r1/steps/s/decision",
            &[("decision", "yes"), ("digest", "abc")],
            "`digest` cannot be `abc`",
        ),
        (
            "/runs/r1/steps/s/answer",
            &[("verdict", "maybe")],
            "`verdict` cannot be `maybe`",
        ),
        (
            "/runs/r1/cancel",
            &[("then", "<b>")],
            "`then` cannot be `&lt;b&gt;`",
        ),
        ("/pause", &[("scope", "all")], "The form has no `reason`"),
    ];
    for (path, fields, says) in table {
        let fields = [fields, &[("csrf", csrf.as_str())]].concat();
        let answer = ask(&pages, "POST", path, &[("cookie", &cookie)], &fields).await;
        assert_eq!(answer.status, 400, "{path}");
        assert!(answer.text.contains(says), "{path}: {}", answer.text);
    }
}

#[tokio::test]
async fn a_wrong_token_opens_nothing_and_too_many_have_to_wait() {
    let pages = pages();
    for _ in 0..session::TRIES {
        let answer = ask(
            &pages,
            "POST",
            "/login",
            &[],
            &[("token", "wrong"), ("next", "/a")],
        )
        .await;
        assert_eq!(answer.status, 401);
        assert!(!answer.headers.contains_key(header::SET_COOKIE));
        assert!(
            answer.text.contains("value=\"/a\""),
            "where to go afterwards is kept"
        );
    }
    let answer = ask(&pages, "POST", "/login", &[], &[("token", "vera's")]).await;
    assert_eq!(answer.status, 429);
    assert!(!answer.headers.contains_key(header::SET_COOKIE));
    let wait: i64 = answer.headers[header::RETRY_AFTER]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!(
        (1..=session::WINDOW.as_millis() / 1_000 + 1).contains(&wait),
        "{wait}"
    );
}

#[tokio::test]
async fn another_site_cannot_log_anybody_in() {
    let pages = pages();
    for headers in [
        [("sec-fetch-site", "cross-site")],
        [("origin", "https://evil.example")],
    ] {
        let answer = ask(&pages, "POST", "/login", &headers, &[("token", "vera's")]).await;
        assert_eq!(answer.status, 403);
        assert!(!answer.headers.contains_key(header::SET_COOKIE));
    }
}

#[tokio::test]
async fn the_cookie_is_for_this_host_and_no_script_and_behind_a_proxy_with_tls_only_for_tls() {
    let answer = ask(&pages(), "POST", "/login", &[], &[("token", "vera's")]).await;
    let cookie = answer.headers[header::SET_COOKIE].to_str().unwrap();
    assert!(
        cookie.starts_with("stanch=") && cookie.contains("; Path=/; HttpOnly; SameSite=Lax; Max-Age=43200"),
        "{cookie}"
    );
    assert!(!cookie.contains("Secure"), "{cookie}");

    let mut behind = people();
    behind.server.tls_upstream = true;
    let pages = pages_of(behind);
    let answer = ask(&pages, "POST", "/login", &[], &[("token", "vera's")]).await;
    let cookie = answer.headers[header::SET_COOKIE].to_str().unwrap();
    assert!(
        cookie.starts_with("__Host-stanch=") && cookie.ends_with("; Secure"),
        "{cookie}"
    );
    let renamed = answer.cookie().replace("__Host-", "");
    assert_eq!(
        ask(&pages, "GET", "/r", &[("cookie", &renamed)], &[])
            .await
            .status,
        303
    );
}

#[tokio::test]
async fn no_page_elsewhere_shows_one_in_a_frame_but_those_that_the_operator_names() {
    let of = |answer: &Answer, name: header::HeaderName| {
        answer
            .headers
            .get(name)
            .map(|value| value.to_str().unwrap().to_owned())
    };
    let closed = ask(&pages(), "GET", "/login", &[], &[]).await;
    let policy = of(&closed, header::CONTENT_SECURITY_POLICY).unwrap();
    assert!(policy.ends_with("; frame-ancestors 'none'"), "{policy}");
    assert_eq!(of(&closed, header::X_FRAME_OPTIONS).as_deref(), Some("DENY"));

    let mut framed = people();
    framed.server.frame_ancestors = vec!["https://desk.example".into(), "http://127.0.0.1:8080".into()];
    let open = ask(&pages_of(framed), "GET", "/login", &[], &[]).await;
    let named = of(&open, header::CONTENT_SECURITY_POLICY).unwrap();
    let rest = policy.strip_suffix("'none'").unwrap();
    assert_eq!(named, format!("{rest}https://desk.example http://127.0.0.1:8080"));
    assert_eq!(of(&open, header::X_FRAME_OPTIONS), None);
}

#[tokio::test]
async fn anybody_reads_what_a_problem_means() {
    let pages = pages();
    for path in ["/problems", "/problems/plan-changed"] {
        let answer = ask(&pages, "GET", path, &[], &[]).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.text.contains("decide on what is there now"), "{path}");
    }
    assert_eq!(
        ask(&pages, "GET", "/problems/nothing", &[], &[]).await.status,
        404
    );
}

#[tokio::test]
async fn who_logs_out_is_out() {
    let pages = pages();
    let cookie = logged_in(&pages, "vera's").await;
    let csrf = csrf(&pages, &cookie).await;
    let answer = ask(
        &pages,
        "POST",
        "/logout",
        &[("cookie", &cookie)],
        &[("csrf", &csrf)],
    )
    .await;
    assert_eq!((answer.status.as_u16(), answer.to()), (303, "/login"));
    assert!(
        answer.headers[header::SET_COOKIE]
            .to_str()
            .unwrap()
            .contains("Max-Age=0")
    );
    assert_eq!(
        ask(&pages, "GET", "/r", &[("cookie", &cookie)], &[]).await.status,
        303
    );
}

#[tokio::test]
async fn a_browser_is_told_to_run_and_load_nothing_else_and_to_keep_nothing_but_our_files() {
    let pages = pages();
    for path in ["/login", "/", "/r/x", "/assets/none"] {
        let headers = ask(&pages, "GET", path, &[], &[]).await.headers;
        let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(
            policy.starts_with("default-src 'none';") && !policy.contains("unsafe"),
            "{path}: {policy}"
        );
        assert_eq!(headers[header::CACHE_CONTROL], "no-store", "{path}");
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff", "{path}");
    }
    for asset in [&assets::STYLE, &assets::SCRIPT] {
        let answer = ask(&pages, "GET", &asset.path, &[], &[]).await;
        assert_eq!(answer.status, 200);
        assert!(
            answer.headers[header::CACHE_CONTROL]
                .to_str()
                .unwrap()
                .contains("immutable")
        );
        assert!(
            !answer.text.contains("http://") && !answer.text.contains("https://"),
            "nothing from elsewhere"
        );
    }
}

fn visitor(name: &str, role: RunRole, groups: &[&str]) -> Visitor {
    Visitor::like(Actor {
        name: name.into(),
        role,
        bounds: Vec::new(),
        via: PAGE.into(),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
    })
}

fn shown(run: &RunView, who: &Visitor) -> String {
    run::parts(run, who, &people()).into_string()
}

#[test]
fn only_who_may_decide_has_the_buttons_and_everybody_else_reads_why_not() {
    let mut run = samples::asked();
    let question = run
        .steps
        .iter_mut()
        .find_map(|step| step.question.as_mut())
        .unwrap();
    question.from = vec!["group:sre".into(), "dana".into()];
    question.except = Some("erin".into());
    question.yes = vec!["finn".into()];
    let table = [
        (visitor("anna", RunRole::Approver, &["sre"]), None),
        (visitor("dana", RunRole::Admin, &[]), None),
        (
            visitor("vera", RunRole::Viewer, &["sre"]),
            Some("to decide takes role approver"),
        ),
        (
            visitor("omar", RunRole::Admin, &["dba"]),
            Some("this asks group:sre or dana"),
        ),
        (
            visitor("erin", RunRole::Admin, &["sre"]),
            Some("you asked for this run"),
        ),
        (
            visitor("finn", RunRole::Approver, &["sre"]),
            Some("it takes another person"),
        ),
    ];
    for (who, why_not) in table {
        let page = shown(&run, &who);
        assert_eq!(
            page.contains("name=\"decision\" value=\"yes\""),
            why_not.is_none(),
            "{}",
            who.name
        );
        if let Some(why_not) = why_not {
            assert!(page.contains(why_not), "{}: {page}", who.name);
        }
    }
}

#[test]
fn a_question_says_what_would_be_done_what_it_touches_how_it_is_undone_and_is_about_that_digest() {
    let run = samples::asked();
    let (step, question) = run.asked().unwrap();
    let page = shown(&run, &visitor("anna", RunRole::Approver, &["sre"]));
    let plan = step.plan.as_ref().unwrap();
    let digest = question.digest.digest().to_string();
    for text in [
        run.impact.as_str(),
        question.ask.as_str(),
        plan.actions[0].action.target.as_str(),
        "no answer is a no",
        "nobody checked this",
        &format!("name=\"digest\" value=\"{digest}\""),
        &format!("data-until=\"{}\"", question.expires_at.0),
    ] {
        assert!(
            page.contains(&maud::html! { (text) }.into_string()) || page.contains(text),
            "{text}\n{page}"
        );
    }
}

#[test]
fn what_comes_from_outside_stays_text_wherever_it_is_shown() {
    let evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>";
    for mut run in [
        samples::asked(),
        samples::healed(),
        samples::in_doubt(),
        samples::failed(),
        samples::shadow(),
    ] {
        let mut value = serde_json::to_value(&run).unwrap();
        spoil(&mut value, evil);
        run = serde_json::from_value(value).unwrap();
        let page = shown(&run, &visitor("anna", RunRole::Admin, &["sre"]));
        assert!(page.contains("&lt;script&gt;"), "the text is shown");
        assert!(!page.contains("<script") && !page.contains("<img"), "{page}");
        // Nothing leaves an attribute either.
        assert!(!page.contains("\"'>"), "{page}");
    }
}

/// Puts `evil` behind every text that came from outside.
fn spoil(value: &mut serde_json::Value, evil: &str) {
    const OUTSIDE: [&str; 22] = [
        "title",
        "impact",
        "note",
        "group",
        "ask",
        "what",
        "summary",
        "label",
        "value",
        "unit",
        "target",
        "before",
        "content",
        "dry_run",
        "expect",
        "reason",
        "plugin_says",
        "text",
        "why",
        "by_hand",
        "detail",
        "answer",
    ];
    match value {
        serde_json::Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    serde_json::Value::String(text) if OUTSIDE.contains(&name.as_str()) => {
                        text.push_str(evil)
                    }
                    other => spoil(other, evil),
                }
            }
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(|item| spoil(item, evil)),
        _ => {}
    }
}

#[test]
fn every_state_of_a_run_has_its_forms_and_no_other() {
    let who = visitor("oleg", RunRole::Operator, &["sre"]);
    let table = [
        (samples::asked(), "/decision\"", true),
        (samples::in_doubt(), "/settle\"", true),
        (samples::recovering(), "/undo\"", true),
        (samples::recovering(), "/cancel\"", true),
        (samples::healed(), "<form", false),
        (samples::shadow(), "/decision\"", false),
    ];
    for (run, form, there) in table {
        let page = shown(&run, &who);
        assert_eq!(page.contains(form), there, "{form}: {page}");
    }
    // A viewer has none.
    for run in [samples::asked(), samples::in_doubt(), samples::recovering()] {
        assert!(!shown(&run, &visitor("vera", RunRole::Viewer, &[])).contains("<form"));
    }
}
