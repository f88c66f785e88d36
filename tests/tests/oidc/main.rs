//! People by OpenID Connect, at a real provider: who comes in, each beside those who do not.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops there"
)]

mod stage;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use serde_json::{Value, json};
use stanch_parts::oidc::{CLIENT, SECRET};
use stanch_parts::{Browser, OidcProvider, until};

use stage::{Stage, TOKEN, Visitor, of, people, with};

#[test]
fn who_is_known_comes_in_by_the_provider_with_what_their_groups_are_worth_and_goes_out_again() {
    let stage = Stage::start();
    for (login, name, operates) in [
        ("eve", "eve", true),
        ("vic", "vic", false),
        // An entry of stanch.toml has the say, and its name.
        ("d.keller", "keller", true),
    ] {
        let mut visitor = Visitor::new(&stage);
        let page = visitor.get("/r");
        assert_eq!(page.header("location"), Some("/login?next=%2Fr"));
        let page = visitor.get("/login?next=%2Fr");
        assert!(
            page.body.contains("/login/provider?next=%2Fr") && page.body.contains("Test Log-in"),
            "{}",
            page.body
        );
        let came = visitor.log_in(login);
        assert_eq!(
            (came.status, came.header("location")),
            (303, Some("/r")),
            "{}",
            came.body
        );
        assert_eq!(
            visitor.jar.keys().collect::<Vec<_>>(),
            ["stanch"],
            "what was held meanwhile is gone"
        );
        let page = visitor.get("/");
        assert!(page.body.contains(&format!("{name}<span")), "{}", page.body);
        assert_eq!(page.body.contains("id=\"kill\""), operates, "{login}");
        let (_, after) = page.body.split_once("name=\"csrf\" value=\"").unwrap();
        let csrf = after.split('"').next().unwrap();
        let held = visitor.jar.clone();
        let pause = format!("csrf={csrf}&scope=runbook%3Anothing&reason=x");
        let status = visitor.send("POST", "/pause", &pause).status;
        assert_eq!(status, if operates { 303 } else { 403 }, "{login}");
        assert_eq!(
            visitor.send("POST", "/logout", &format!("csrf={csrf}")).status,
            303
        );
        visitor.jar = held;
        assert!(!visitor.is_in(), "the session is over, whoever kept the cookie");
    }
    let audit = stage.engine.ask(&["audit", "list"]).unwrap().to_string();
    for name in ["eve", "vic", "keller"] {
        assert!(audit.contains(&format!(r#""by":"{name}""#)), "{audit}");
    }
    stage.engine.stop().unwrap();
}

#[test]
fn what_comes_back_changed_again_or_to_another_browser_lets_nobody_in() {
    let stage = Stage::start();
    let provider = stage.provider();
    // The way there is changed, or the way back; the rest is as it has to be.
    type Change = fn(String) -> String;
    let as_it_is: Change = |address| address;
    let table: [(Change, Change, &str); 9] = [
        (as_it_is, as_it_is, ""),
        (|to| with(&to, "state", "another"), as_it_is, "another log-in"),
        (as_it_is, |back| with(&back, "state", "another"), "another log-in"),
        (
            |to| with(&to, "nonce", "another"),
            as_it_is,
            "belongs to another log-in",
        ),
        (
            |to| {
                with(
                    &to,
                    "code_challenge",
                    "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
                )
            },
            as_it_is,
            "invalid_grant",
        ),
        (as_it_is, |back| with(&back, "code", "another"), "invalid_grant"),
        (
            as_it_is,
            |back| with(&back, "iss", "https://evil.example"),
            "another provider",
        ),
        (
            as_it_is,
            |back| back.replace("&iss=", "&was="),
            "another provider",
        ),
        (as_it_is, |back| back.replace("code=", "error="), "says"),
    ];
    for (there, back, says) in table {
        let mut visitor = Visitor::new(&stage);
        let to = there(visitor.go("/r"));
        let came = visitor.back(&back(provider.enter(&to, "eve").unwrap()));
        assert_eq!(visitor.is_in(), says.is_empty(), "{says}: {}", came.body);
        assert!(
            says.is_empty() || came.status == 401 && came.body.to_lowercase().contains(&says.to_lowercase()),
            "{says}: {}",
            came.body
        );
    }

    // Another browser, and one that began a log-in of its own.
    let (mut eve, mut mallory, mut trudy) =
        (Visitor::new(&stage), Visitor::new(&stage), Visitor::new(&stage));
    let back = provider.enter(&eve.go("/r"), "eve").unwrap();
    assert!(mallory.back(&back).body.contains("not begun in this browser") && !mallory.is_in());
    trudy.go("/r");
    assert!(trudy.back(&back).body.contains("another log-in") && !trudy.is_in());
    // A code of somebody else's, in a log-in of one's own.
    let own = provider.enter(&trudy.go("/r"), "vic").unwrap();
    let came = trudy.back(&with(&own, "code", of(&back, "code")));
    assert!(
        came.body.contains("invalid_grant") && !trudy.is_in(),
        "{}",
        came.body
    );

    // Twice: what the browser held is gone; and where it is not, the engine knows.
    let (mut once, mut twice) = (Visitor::new(&stage), Visitor::new(&stage));
    let to = once.go("/r");
    twice.jar = once.jar.clone();
    let back = provider.enter(&to, "eve").unwrap();
    assert_eq!(once.back(&back).status, 303);
    assert!(once.is_in());
    assert!(once.back(&back).body.contains("not begun in this browser"));
    assert!(twice.back(&back).body.contains("done already") && !twice.is_in());
    // And a code that the engine did not see used: the provider knows.
    let mut third = Visitor::new(&stage);
    let fresh = provider.enter(&third.go("/r"), "eve").unwrap();
    let came = third.back(&with(&fresh, "code", of(&back, "code")));
    assert!(
        came.body.contains("invalid_grant") && !third.is_in(),
        "{}",
        came.body
    );

    // What goes back and forth is in no log.
    let log = stage.log();
    for secret in [
        SECRET,
        of(&back, "code"),
        of(&back, "state"),
        once.jar["stanch"].as_str(),
    ] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
    assert!(log.contains("did not come in"), "{log}");
    stage.engine.stop().unwrap();
}

#[test]
fn whom_nothing_here_knows_gets_nothing_and_is_told_what_to_ask_for() {
    let stage = Stage::start();
    for (login, says, hint) in [
        (
            "nina",
            "You are `nina`, in one group, and no rule here knows you",
            "[[oidc.rules]]",
        ),
        ("nobody", "no `preferred_username`", "`oidc.person`"),
        // The name of an entry that does not say that it is this person.
        (
            "dana",
            "`dana` is somebody in stanch.toml",
            "oidc = &quot;dana&quot;",
        ),
    ] {
        let mut visitor = Visitor::new(&stage);
        let came = visitor.log_in(login);
        assert_eq!(came.status, 403, "{}", came.body);
        assert!(came.body.contains(says), "{}", came.body);
        assert!(came.body.contains(hint), "{}", came.body);
        assert!(!visitor.is_in() && visitor.jar.is_empty());
        let token = stage.provider().access_token(login).unwrap();
        let (status, problem) = stage.api("GET", "/status", &token, &Value::Null);
        assert_eq!(
            (status, &problem["code"]),
            (403, &json!("forbidden")),
            "{problem}"
        );
    }
    stage.engine.stop().unwrap();
}

/// A token whose head says this, and nobody signed.
fn unsigned(algorithm: &str, signature: &str) -> String {
    let text = |value: Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let head = text(json!({ "alg": algorithm }));
    let body = text(json!({ "preferred_username": "eve", "groups": ["oncall"], "exp": 4_000_000_000_u64 }));
    format!("{head}.{body}.{signature}")
}

#[test]
fn the_api_takes_tokens_that_the_provider_made_for_it_and_no_others() {
    let stage = Stage::start();
    let provider = stage.provider();
    let eve = json!({ "sub": "eve", "preferred_username": "eve", "groups": ["oncall"] });
    let mint = |change: Value, header: Value, forged: bool| {
        let mut claims = eve.clone();
        claims
            .as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        provider.mint(&claims, &header, forged).unwrap()
    };
    let pause = json!({ "scope": "runbook:nothing", "reason": "x" });
    for (token, operates) in [
        (provider.access_token("eve").unwrap(), true),
        (provider.access_token("vic").unwrap(), false),
        (mint(json!({}), json!({}), false), true),
        (mint(json!({}), json!({ "alg": "ES256" }), false), true),
        (
            mint(
                json!({ "aud": ["other", stanch_parts::oidc::AUDIENCE] }),
                json!({}),
                false,
            ),
            true,
        ),
    ] {
        let (status, problem) = stage.api("GET", "/status", &token, &Value::Null);
        assert_eq!(status, 200, "{problem}");
        let (status, problem) = stage.api("POST", "/pauses", &token, &pause);
        assert_eq!(status, if operates { 204 } else { 403 }, "{problem}");
    }
    let seconds = |by: i64| stanch_service::clock::now().0 / 1_000 + by;
    let none = json!({});
    for (token, status, says) in [
        // An ID token, which is for the pages.
        (
            mint(json!({ "aud": CLIENT }), none.clone(), false),
            401,
            "another audience",
        ),
        (
            mint(json!({ "aud": null }), none.clone(), false),
            401,
            "another audience",
        ),
        (
            mint(json!({ "iss": "https://other.example" }), none.clone(), false),
            401,
            "another issuer",
        ),
        (
            mint(json!({ "exp": seconds(-61) }), none.clone(), false),
            401,
            "has expired",
        ),
        (
            mint(json!({ "exp": null }), none.clone(), false),
            401,
            "until when",
        ),
        (
            mint(json!({ "exp": seconds(30 * 86_400) }), none.clone(), false),
            401,
            "too long",
        ),
        (
            mint(json!({ "nbf": seconds(600) }), none.clone(), false),
            401,
            "not good yet",
        ),
        (
            mint(json!({}), none.clone(), true),
            401,
            "signature is not the provider's",
        ),
        (
            mint(json!({}), json!({ "kid": "a-new-one" }), false),
            401,
            "no such key",
        ),
        (
            mint(json!({ "preferred_username": null }), none.clone(), false),
            403,
            "does not say who you are",
        ),
        (
            mint(json!({ "groups": ["sales"] }), none.clone(), false),
            403,
            "no rule here knows you",
        ),
        (
            mint(json!({ "groups": null }), none.clone(), false),
            403,
            "in no group",
        ),
        (unsigned("none", ""), 401, "not signed in a way"),
        (unsigned("HS256", "c2lnbmVk"), 401, "not signed in a way"),
        ("a.b.c".to_owned(), 401, "no token that can be read"),
        (TOKEN.replace("dana", "eve"), 401, "none of stanch.toml's users"),
    ] {
        let (got, problem) = stage.api("GET", "/status", &token, &Value::Null);
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(got == status && detail.contains(says), "{says}: {got} {problem}");
    }
    // Whether the provider can be used is said before anybody tries.
    let found = stage.doctor();
    assert!(
        found["health"] == "good" && found["found"].as_str().unwrap().contains("2 keys"),
        "{found}"
    );
    // Tools go the same way.
    let mut status = stage.engine.command(&[
        "--server",
        &format!("http://{}", stage.listens),
        "--json",
        "status",
    ]);
    let said = status
        .env("STANCH_TOKEN", provider.access_token("vic").unwrap())
        .output()
        .unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    stage.engine.stop().unwrap();
}

#[test]
fn keys_that_turn_are_found_and_who_makes_names_of_keys_up_does_not_flood_the_provider() {
    let stage = Stage::start();
    let provider = stage.provider();
    let eve = json!({ "preferred_username": "eve", "groups": ["oncall"] });
    let before = provider.mint(&eve, &json!({}), false).unwrap();
    assert_eq!(stage.api("GET", "/status", &before, &Value::Null).0, 200);
    provider.turn().unwrap();
    let after = provider.mint(&eve, &json!({}), false).unwrap();
    until("the new key to be known", || {
        (stage.api("GET", "/status", &after, &Value::Null).0 == 200).then_some(())
    })
    .unwrap();
    assert_eq!(
        stage.api("GET", "/status", &before, &Value::Null).0,
        401,
        "the old key is gone"
    );
    // Looks are apart: of many names that nobody has, at most one leads to a look.
    let looks = provider.looks().unwrap();
    let (began, mut asked) = (std::time::Instant::now(), 0);
    for name in 0..50 {
        let token = provider
            .mint(&eve, &json!({ "kid": format!("made-up-{name}") }), false)
            .unwrap();
        assert_eq!(stage.api("GET", "/status", &token, &Value::Null).0, 401);
        asked += 1;
    }
    // Ten seconds are between two looks, however slow this machine is.
    let most = 1 + began.elapsed().as_secs() / 10;
    let looked = provider.looks().unwrap() - looks;
    assert!(
        looked <= most && looked < asked,
        "{looked} looks for {asked} tokens"
    );
    stage.engine.stop().unwrap();
}

#[test]
fn while_the_provider_is_down_tokens_go_on_and_the_page_says_so_and_it_comes_back() {
    let listens = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let redirect = format!("http://{listens}/login/callback");
    let at = OidcProvider::start(&redirect, &people()).unwrap().kill();
    let mut stage = Stage::with(listens, None, at);
    let mut visitor = Visitor::new(&stage);
    let page = visitor.get("/login/provider?next=%2Fr");
    assert_eq!(page.status, 503, "{}", page.body);
    assert!(
        page.body.contains("Test Log-in cannot say who you are"),
        "{}",
        page.body
    );
    assert!(
        page.body.contains("name=\"token\""),
        "a token works: {}",
        page.body
    );
    assert!(
        visitor
            .get("/login")
            .body
            .contains("Test Log-in does not answer now")
    );
    assert_eq!(
        visitor
            .send("POST", "/login", "token=dana%27s+token&next=%2Fr")
            .status,
        303
    );
    assert!(visitor.is_in());
    let now = visitor.get("/").body;
    assert!(now.contains("The provider of log-ins does not answer"), "{now}");
    assert_eq!(stage.api("GET", "/status", TOKEN, &Value::Null).0, 200);
    assert_eq!(stage.api("GET", "/status", "a.b.c", &Value::Null).0, 503);
    assert!(stage.log().contains("is of no use"), "{}", stage.log());

    let (_, status) = stage.api("GET", "/status", TOKEN, &Value::Null);
    let down = &status["problems"][0];
    assert_eq!(
        (&down["kind"], &down["name"]),
        (&json!("provider"), &json!("oidc")),
        "{status}"
    );
    assert!(
        down["message"]
            .as_str()
            .unwrap()
            .starts_with("nobody can log in by "),
        "{down}"
    );

    until("the metric to say so", || {
        let metrics = Visitor::new(&stage).get("/metrics").body;
        metrics
            .contains("stanch_log_in_up{kind=\"oidc\"} 0")
            .then_some(())
    })
    .unwrap();

    stage.provider = Some(OidcProvider::start_at(at, &redirect, &people()).unwrap());
    until("the provider to be of use", || {
        (Visitor::new(&stage).get("/login/provider?next=%2Fr").status == 303).then_some(())
    })
    .unwrap();
    let mut visitor = Visitor::new(&stage);
    assert_eq!(visitor.log_in("eve").status, 303);
    assert!(visitor.is_in());
    let (_, status) = stage.api("GET", "/status", TOKEN, &Value::Null);
    assert_eq!(status["problems"], json!([]));
    assert!(
        !Visitor::new(&stage)
            .get("/login")
            .body
            .contains("does not answer")
    );
    stage.engine.stop().unwrap();
}

#[test]
fn in_a_browser_one_comes_in_by_the_provider_to_the_page_that_was_asked_for_and_goes_out_again() {
    let stage = Stage::start();
    let browser = Browser::start(390, 844).unwrap();
    let shows = |selector: &str, text: &str| {
        let shown = until(text, || {
            browser.text(selector).filter(|shown| shown.contains(text))
        });
        shown.unwrap_or_else(|why| panic!("{why}: `{selector}` shows {:?}", browser.text(selector)));
    };
    let url = |path: &str| format!("http://{}{path}", stage.listens);
    browser.open(&url("/plugins")).unwrap();
    shows("h1", "Log in");
    assert_eq!(browser.barriers().unwrap(), Vec::<String>::new());
    browser.click("a.button.yes").unwrap();
    shows("h1", "Who are you?");
    browser.fill("#login", "eve").unwrap();
    browser.click("#enter").unwrap();
    shows("header.bar", "eve");
    assert_eq!(browser.address().unwrap(), url("/plugins"));
    assert_eq!(
        browser.script("return document.cookie").unwrap(),
        json!(""),
        "no script reads the session"
    );
    browser.click("form.who button").unwrap();
    shows("h1", "Log in");
    browser.open(&url("/plugins")).unwrap();
    shows("h1", "Log in");

    // Who is still logged in at the provider is asked nothing there.
    browser.click("a.button.yes").unwrap();
    shows("header.bar", "eve");
    assert_eq!(browser.complaints().unwrap(), Vec::<String>::new());
    stage.engine.stop().unwrap();
}

#[test]
fn in_a_browser_whom_nothing_here_knows_is_told_so_on_a_page_that_everybody_can_use() {
    let stage = Stage::start();
    let browser = Browser::start(390, 844).unwrap();
    browser.open(&format!("http://{}/", stage.listens)).unwrap();
    browser.click("a.button.yes").unwrap();
    until("the provider's page", || browser.fill("#login", "nina").ok()).unwrap();
    browser.click("#enter").unwrap();
    let shown = until("what nina is told", || {
        browser
            .text("main")
            .filter(|text| text.contains("no rule here knows you"))
    });
    let shown = shown.unwrap_or_else(|why| panic!("{why}: {:?}", browser.text("main")));
    assert!(shown.contains("whoever runs the engine"), "{shown}");
    assert_eq!(browser.barriers().unwrap(), Vec::<String>::new());
    stage.engine.stop().unwrap();
}
