use super::*;
use stanch_plugin::http::Response;
use stanch_plugin::kubernetes::CONFIG_MAP;
use stanch_plugin::testing::{Host, Planned, reply};

const URL: &str = "https://status.example/api/banner";

/// A status page that says this, one after the other; the last for ever.
fn page(texts: &[Value]) -> Host {
    let host = Host::new();
    host.set_settings(json!({ "url": URL }));
    for (at, text) in texts.iter().enumerate() {
        host.answer("GET", URL, document(text, at));
    }
    host.answer("PUT", URL, reply(200, ""));
    host
}

fn document(text: &Value, version: usize) -> Result<Response, Failure> {
    let mut answer = reply(200, json!({ "text": text }))?;
    answer.headers.push(("etag".into(), format!("\"{version}\"")));
    Ok(answer)
}

fn up(text: &str) -> Value {
    json!({ "text": text })
}

fn planned(host: &Host, params: Value) -> Result<Planned, Failure> {
    host.plan::<StatusBanner>(params)
}

#[test]
fn what_is_put_up_is_text_and_never_markup() {
    let plan = planned(
        &page(&[Value::Null]),
        up("<b onclick='x'>Slow & \"late\"</b>\n\u{1b}[31mred"),
    )
    .unwrap();
    let content = plan.actions[0].content.clone().unwrap();
    assert!(
        !content.contains('<') && !content.contains('\u{1b}') && !content.contains("\\n"),
        "{content}"
    );
    assert!(
        content.contains("&lt;b onclick=&#39;x&#39;&gt;Slow &amp; &quot;late&quot;&lt;/b&gt;"),
        "{content}"
    );

    let host = page(&[Value::Null]);
    host.set_settings(json!({ "url": URL, "escape": "none" }));
    let plan = planned(&host, up("a < b")).unwrap();
    assert!(plan.actions[0].content.clone().unwrap().contains("a < b"));
}

#[test]
fn a_banner_is_put_up_verified_and_what_was_there_comes_back() {
    let others = json!("Maintenance on Sunday");
    let host = page(&[others.clone(), json!("Slow"), json!("Slow"), others.clone()]);
    let plan = planned(&host, up("Slow")).unwrap();
    assert_eq!(
        plan.summary,
        format!("Put up a banner at `text` of `{URL}`: `Slow` instead of `Maintenance on Sunday`")
    );
    host.apply::<StatusBanner>(up("Slow"), &plan).unwrap();
    assert_eq!(
        host.verify::<StatusBanner>(up("Slow")).unwrap().verdict,
        Verdict::Yes
    );
    let undo = host.plan_undo::<StatusBanner>(up("Slow")).unwrap();
    assert_eq!(
        undo.actions[0].content.as_deref(),
        Some(r#"{"body":{"text":"Maintenance on Sunday"},"contentType":"application/json"}"#)
    );
    host.apply::<StatusBanner>(up("Slow"), &undo).unwrap();
    assert_eq!(host.plan_undo::<StatusBanner>(up("Slow")).unwrap().actions, []);
}

#[test]
fn it_is_taken_down_and_put_back_and_where_none_is_there_is_nothing_to_do() {
    let host = Host::new();
    host.grant(&StatusBanner::asks());
    host.object(json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "namespace": "web", "name": "banner", "uid": "u" }, "data": { "text": "Slow", "x": "1" } }));
    let params =
        json!({ "down": true, "config_map": { "namespace": "web", "name": "banner", "key": "text" } });
    let plan = planned(&host, params.clone()).unwrap();
    assert_eq!(
        plan.actions[0].content.as_deref(),
        Some(r#"{"body":{"data":{"text":null}},"kind":"merge"}"#)
    );
    host.apply::<StatusBanner>(params.clone(), &plan).unwrap();
    let data = || {
        host.stored(&CONFIG_MAP.named("web", "banner"))
            .unwrap()
            .at("/data")
            .clone()
    };
    assert_eq!(data(), json!({ "x": "1" }));
    assert_eq!(planned(&host, params.clone()).unwrap().actions, []);
    let undo = host.plan_undo::<StatusBanner>(params.clone()).unwrap();
    host.apply::<StatusBanner>(params, &undo).unwrap();
    assert_eq!(data(), json!({ "text": "Slow", "x": "1" }));
}

#[test]
fn somebody_elses_banner_is_left() {
    let host = page(&[Value::Null, json!("Theirs")]);
    let plan = planned(&host, up("Slow")).unwrap();
    host.apply::<StatusBanner>(up("Slow"), &plan).unwrap();
    let failure = host.plan_undo::<StatusBanner>(up("Slow")).unwrap_err();
    assert_eq!(failure.code, FailureCode::Conflict);
    assert!(failure.message.contains("is `Theirs`"), "{failure}");
}

#[test]
fn a_page_that_fails_changes_nothing_a_stale_version_is_a_conflict_and_a_lost_answer_a_doubt() {
    for (answer, code, left) in [
        (reply(412, ""), FailureCode::Conflict, 0),
        (reply(500, ""), FailureCode::Failed, 0),
        (Err(Failure::timeout("no answer")), FailureCode::Timeout, 1),
    ] {
        let host = Host::new();
        host.set_settings(json!({ "url": URL }));
        host.answer("GET", URL, document(&Value::Null, 1));
        host.answer("GET", URL, document(&json!("Slow"), 2));
        host.answer("PUT", URL, answer);
        let plan = planned(&host, up("Slow")).unwrap();
        assert_eq!(
            host.apply::<StatusBanner>(up("Slow"), &plan).unwrap_err().code,
            code
        );
        assert_eq!(
            host.plan_undo::<StatusBanner>(up("Slow")).unwrap().actions.len(),
            left
        );
    }
}

#[test]
fn what_is_no_banner_says_why() {
    let table = [
        (json!({}), "either `text`"),
        (json!({ "text": "x", "down": true }), "either `text`"),
        (json!({ "text": "\u{1b}\n " }), "is empty"),
        (json!({ "text": "x".repeat(501) }), "501 characters"),
    ];
    for (params, says) in table {
        let failure = planned(&page(&[Value::Null]), params).unwrap_err();
        assert_eq!(failure.code, FailureCode::InvalidParams);
        assert!(failure.message.contains(says), "{failure}");
    }
    assert_eq!(
        planned(&Host::new(), up("x")).unwrap_err().code,
        FailureCode::InvalidParams
    );
}
