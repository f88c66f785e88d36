//! What makes a plan one that people can decide on, and what makes it none.

use stanch_contract::{Action, ChangePlan};
use stanch_sandbox::gate::{
    Access, FilesGrantSpec, GrantSpec, HttpGrantSpec, Layer, PlanRefusal, check_plan,
};

use crate::world::*;

fn world() -> World {
    let waf = HttpGrantSpec {
        addresses: vec![],
        ..http("https://waf.internal:8443/api/**")
    };
    let query = HttpGrantSpec {
        read: vec!["POST".into()],
        change: vec![],
        ..http("https://waf.internal:8443/api/query")
    };
    let mut bound = http("https://keys.internal/**");
    bound
        .headers
        .insert("authorization".into(), "Bearer ${secret:gone}".into());
    let files = vec![FilesGrantSpec {
        path: "/nowhere/at/all".into(),
        at: "gone".into(),
        access: Access::Change,
    }];
    World::new(GrantSpec {
        http: vec![waf, query, bound],
        files,
        ..Default::default()
    })
}

async fn check(actions: Vec<Action>) -> Result<stanch_contract::CheckedPlan, PlanRefusal> {
    let world = world();
    check_plan(offer(actions), &world.grant, &world.facilities, None, false).await
}

fn post(url: &str, body: &str) -> Action {
    let content = format!(r#"{{ "contentType": "application/json; charset=utf-8", "body": {body} }}"#);
    Action {
        content: Some(content),
        ..action("POST", url)
    }
}

#[tokio::test]
async fn a_plan_comes_out_in_canonical_form() {
    let mut one = post(
        "https://WAF.internal:8443/api/./%62lock?ip=%2e1",
        r#"{"b": 1.0, "a": []}"#,
    );
    one.reason = "because\u{1b}[31m of\nthis".into();
    let plan = ChangePlan {
        summary: "Block\u{202e} it".into(),
        ..offer(vec![one, action("DELETE", "https://waf.internal:8443/api/x")])
    };
    let world = world();
    let checked = check_plan(plan.clone(), &world.grant, &world.facilities, None, false)
        .await
        .unwrap();
    assert_eq!(checked.summary, "Block it");
    assert_eq!(checked.offered, plan);
    let [one, two] = &checked.actions[..] else {
        panic!()
    };
    assert_eq!(one.target, "https://waf.internal:8443/api/block?ip=.1");
    assert_eq!(one.identity, one.target);
    assert_eq!(
        one.content.as_deref(),
        Some(r#"{"body":{"a":[],"b":1},"contentType":"application/json"}"#)
    );
    assert_eq!(one.reason, "because[31m of this");
    assert!(!one.repeat_safe && !two.repeat_safe);
    assert_eq!(two.content, None);
    let idempotent = check_plan(plan, &world.grant, &world.facilities, None, true)
        .await
        .unwrap();
    assert!(idempotent.actions.iter().all(|action| action.repeat_safe));
}

#[tokio::test]
async fn an_empty_plan_is_nothing_to_do() {
    assert!(check(vec![]).await.unwrap().actions.is_empty());
}

#[tokio::test]
async fn a_plan_with_one_wrong_action_is_refused_whole_and_the_action_is_named() {
    let good = || post("https://waf.internal:8443/api/a", "1");
    let url = "https://waf.internal:8443/api/b";
    let expecting = |expect: &str| Action {
        expect: Some(expect.into()),
        ..post(url, "1")
    };
    let table = [
        (
            post("https://other.internal/api/b", "1"),
            Layer::Grant,
            "no grant of `waf` names",
        ),
        (action("PATCH", url), Layer::Grant, "may not send PATCH"),
        (action("GET", url), Layer::Grant, "under `read`"),
        (
            post("https://waf.internal:8443/api/query", "1"),
            Layer::Grant,
            "under `read`",
        ),
        (
            post("https://keys.internal/a", "1"),
            Layer::Grant,
            "secret `gone` is not there",
        ),
        (
            post("https://waf.internal:8443/api/%2e%2e/b", "1"),
            Layer::Request,
            "encoded dot",
        ),
        (
            post("https://u@waf.internal:8443/api/b", "1"),
            Layer::Request,
            "user name",
        ),
        (action("post", url), Layer::Request, "in capitals"),
        (action("POST", url), Layer::Request, "needs its content"),
        (
            Action {
                content: Some("nonsense".into()),
                ..action("POST", url)
            },
            Layer::Request,
            "is not JSON",
        ),
        (
            Action {
                items: vec!["a@1".into()],
                ..post(url, "1")
            },
            Layer::Request,
            "no items",
        ),
        (expecting("etag:W/\"weak\""), Layer::Request, "strong entity tag"),
        (expecting("etag:unquoted"), Layer::Request, "strong entity tag"),
        (expecting("etag:\"a\r\nb\""), Layer::Request, "strong entity tag"),
        (
            expecting("etag:\"a\", \"b\""),
            Layer::Request,
            "strong entity tag",
        ),
        (expecting("version:7"), Layer::Request, "etag:"),
        (good(), Layer::Plan, "the same as action 1"),
        (
            action("evict", "kubernetes:ns/_/pods/a"),
            Layer::Grant,
            "bound to no cluster",
        ),
        (
            action("remove", "file:other"),
            Layer::Grant,
            "names a folder `other`",
        ),
        (action("remove", "file:gone"), Layer::Grant, "cannot be opened"),
        (action("remove", "file:gone/../x"), Layer::Request, "`.` or `..`"),
        (
            action("chmod", "file:gone/x"),
            Layer::Request,
            "`write` or `remove`",
        ),
        (action("POST", "nonsense"), Layer::Request, "not absolute"),
        (
            Action {
                content: Some("x".repeat((1 << 20) + 1)),
                ..action("POST", url)
            },
            Layer::Limit,
            "1 MiB",
        ),
    ];
    for (wrong, layer, part) in table {
        let refusal = check(vec![good(), wrong]).await.unwrap_err();
        assert_eq!(
            (refusal.action, refusal.refusal.layer),
            (Some(1), layer),
            "{refusal}"
        );
        assert!(
            refusal.to_string().starts_with("action 2 of the plan ("),
            "{refusal}"
        );
        assert!(refusal.refusal.why.contains(part), "{refusal}");
    }
    assert!(
        check(vec![good(), expecting("etag:\"v1\"")])
            .await
            .unwrap()
            .actions[1]
            .repeat_safe
    );
}

#[tokio::test]
async fn two_actions_that_the_gate_could_not_tell_apart_are_one_too_many() {
    let url = "https://waf.internal:8443/api/a";
    let tagged = |tag: &str| Action {
        expect: Some(format!("etag:\"{tag}\"")),
        ..post(url, "1")
    };
    assert!(check(vec![tagged("a"), tagged("b")]).await.is_err());
    assert!(
        check(vec![
            post(url, "{\"a\":1,\"b\":2}"),
            post(url, "{\"b\":2.0,\"a\":1}")
        ])
        .await
        .is_err()
    );
    assert!(check(vec![post(url, "1"), post(url, "2")]).await.is_ok());
}

#[tokio::test]
async fn a_plan_too_large_to_look_at_is_refused_and_never_trimmed() {
    let many = |count: usize| {
        (0..count)
            .map(|i| post(&format!("https://waf.internal:8443/api/{i}"), "1"))
            .collect::<Vec<_>>()
    };
    assert_eq!(check(many(256)).await.unwrap().actions.len(), 256);
    let refusal = check(many(257)).await.unwrap_err();
    assert_eq!((refusal.action, refusal.refusal.layer), (None, Layer::Limit));
    let items = Action {
        items: vec!["gone/a@1".into(); 100_001],
        ..action("remove", "file:gone")
    };
    assert_eq!(check(vec![items]).await.unwrap_err().refusal.layer, Layer::Limit);
}
