//! `capability-flag` and `status-banner`: one value at a service that compares versions, and in a ConfigMap of a real API server.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use stanch_contract::plan::ActionState;
use stanch_contract::{FailureCode, Verdict};
use stanch_tests::{Installed, Server, code, http_grant};

use crate::World;

/// A document with a version in it: a `PUT` of another version is 409, and each write counts it up.
struct Document {
    body: Arc<Mutex<Value>>,
    /// How the next writes are answered, besides being done or not: the status, and whether it is done.
    trouble: Arc<Mutex<Option<(u16, bool)>>>,
    server: Server,
}

impl Document {
    async fn new(body: Value) -> Self {
        let body = Arc::new(Mutex::new(body));
        let trouble: Arc<Mutex<Option<(u16, bool)>>> = Arc::default();
        let (kept, trouble_of) = (body.clone(), trouble.clone());
        let server = Server::start(move |request| {
            let mut kept = kept.lock().unwrap();
            if request.method == "GET" {
                return (200, kept.to_string());
            }
            let trouble = *trouble_of.lock().unwrap();
            let mut written: Value = serde_json::from_slice(&request.body).unwrap();
            if written["version"] != kept["version"] {
                return (409, json!({ "error": "another version" }).to_string());
            }
            if trouble.is_none_or(|(_, done)| done) {
                written["version"] = json!(kept["version"].as_u64().unwrap() + 1);
                *kept = written;
            }
            (trouble.map_or(200, |(status, _)| status), String::new())
        })
        .await;
        Self {
            body,
            trouble,
            server,
        }
    }

    fn body(&self) -> Value {
        self.body.lock().unwrap().clone()
    }

    fn somebody_writes(&self, member: &str, value: Value) {
        let mut body = self.body.lock().unwrap();
        body[member] = value;
        body["version"] = json!(body["version"].as_u64().unwrap() + 1);
    }

    fn answers(&self, trouble: Option<(u16, bool)>) {
        *self.trouble.lock().unwrap() = trouble;
    }
}

/// What is the same for a flag and a banner: from the member `before` to `after` and back.
async fn there_and_back(plugin: &Installed, reader: &Installed, document: &Document, params: &Value) {
    let member = |name: &str| document.body()[name].clone();
    let before = member("value");

    // The grant only reads: it is planned and refused.
    let refused = reader.refused(params).await;
    assert!(refused.to_string().contains("PUT"), "{refused}");

    // Somebody writes between plan and apply.
    let checked = plugin.checked(params).await;
    document.somebody_writes("owner", json!("theirs"));
    let fault = plugin.apply(params, checked).await.unwrap_err();
    assert_eq!(code(&fault), FailureCode::Conflict, "{fault}");
    assert_eq!(
        (member("value"), member("owner")),
        (before.clone(), json!("theirs"))
    );

    // A server that fails and does nothing: nothing is there, and nothing to undo once it was looked at.
    document.answers(Some((500, false)));
    let checked = plugin.checked(params).await;
    plugin.apply(params, checked).await.unwrap_err();
    assert_eq!(plugin.verify(params).await.unwrap().verdict, Verdict::No);
    assert_eq!(plugin.plan_undo(params).await.unwrap().actions, []);
    assert_eq!(member("value"), before);

    // One that fails and did it all the same: what is there tells.
    document.answers(Some((500, true)));
    let checked = plugin.checked(params).await;
    plugin.apply(params, checked).await.unwrap_err();
    assert_eq!(plugin.verify(params).await.unwrap().verdict, Verdict::Yes);
    assert!(!matches!(plugin.made().progress[&0], ActionState::Done { .. }));
    document.answers(None);
    assert_eq!(
        plugin.plan(params).await.unwrap().actions,
        [],
        "once more is nothing more"
    );

    // Undo takes back what was done, unless somebody wrote it since.
    let checked = plugin.way_back(params).await;
    plugin.apply(params, checked).await.unwrap();
    assert_eq!(member("value"), before);
    let checked = plugin.checked(params).await;
    plugin.apply(params, checked.clone()).await.unwrap();
    // The same plan a second time is of a version that is gone.
    let fault = plugin.apply(params, checked).await.unwrap_err();
    assert_eq!(code(&fault), FailureCode::Conflict, "{fault}");
}

#[tokio::test(flavor = "multi_thread")]
async fn capability_flag_switches_what_a_flag_service_keeps() {
    let document = Document::new(json!({ "value": false, "owner": "platform", "version": 1 })).await;
    let settings = json!({ "flags": { "local-model-only": format!("{}/flag", document.server.url) }, "version": "version" });
    let install = |change: &'static [&'static str]| {
        Installed::new(
            "capability-flag",
            http_grant(&document.server, &["GET"], change),
            settings.clone(),
        )
    };
    let (plugin, reader) = (install(&["PUT"]).await, install(&[]).await);
    let params = json!({ "flag": "local-model-only", "value": true, "lost": ["Creative Writing"], "kept": ["Search"] });
    let plan = plugin.plan(&params).await.unwrap();
    assert!(
        plan.summary
            .contains("Users lose: Creative Writing. They keep: Search"),
        "{}",
        plan.summary
    );
    there_and_back(&plugin, &reader, &document, &params).await;
    assert_eq!(document.body()["value"], json!(true));
}

#[tokio::test(flavor = "multi_thread")]
async fn status_banner_puts_up_text_and_puts_back_what_was_there() {
    let document =
        Document::new(json!({ "value": "Maintenance on Sunday", "owner": "web", "version": 1 })).await;
    let url = format!("{}/banner", document.server.url);
    let settings = json!({ "url": url, "member": "value", "version": "version" });
    let install = |change: &'static [&'static str]| {
        Installed::new(
            "status-banner",
            http_grant(&document.server, &["GET"], change),
            settings.clone(),
        )
    };
    let (plugin, reader) = (install(&["PUT"]).await, install(&[]).await);
    let params = json!({ "text": "<script>Answers are slow</script>" });
    there_and_back(&plugin, &reader, &document, &params).await;
    assert_eq!(
        document.body()["value"],
        json!("&lt;script&gt;Answers are slow&lt;/script&gt;")
    );

    let down = json!({ "down": true });
    let checked = plugin.checked(&down).await;
    plugin.apply(&down, checked).await.unwrap();
    assert_eq!(document.body().get("value"), None);
    document.somebody_writes("value", json!("Theirs"));
    let fault = plugin.plan_undo(&down).await.unwrap_err();
    assert_eq!(code(&fault), FailureCode::Conflict, "{fault}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flag_and_a_banner_in_a_config_map_are_set_and_put_back() {
    let world = World::new("plugin-flag");
    let flags = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: flags}\ndata: {local-model-only: 'false', other: '1'}\n";
    world.space.apply(flags).unwrap();
    let path = "/api/v1/namespaces/NAMESPACE/configmaps/flags";
    let map = |more: &[(&str, &str)]| {
        let mut map = json!({ "namespace": world.space.name(), "name": "flags" });
        for (name, value) in more {
            map[*name] = json!(value);
        }
        map
    };
    let table = [
        (
            "capability-flag",
            json!({ "flag": "local-model-only", "value": "true", "lost": ["Creative Writing"], "config_map": map(&[]) }),
            "local-model-only",
            json!("true"),
        ),
        (
            "status-banner",
            json!({ "text": "a < b", "config_map": map(&[("key", "banner")]) }),
            "banner",
            json!("a &lt; b"),
        ),
    ];
    for (name, params, key, after) in table {
        let data = || world.live(path)["data"].clone();
        let before = data();
        let plugin = world.plugin(name, crate::SWITCH).await;
        let stale = plugin.checked(&params).await;
        world.merge(path, json!({ "data": { "other": format!("of {name}") } }));
        let fault = plugin.apply(&params, stale).await.unwrap_err();
        assert_eq!(code(&fault), FailureCode::Conflict, "{fault}");
        assert_eq!(data()[key], before[key]);

        let checked = plugin.checked(&params).await;
        assert!(checked.actions[0].repeat_safe);
        plugin.apply(&params, checked).await.unwrap();
        assert_eq!(data()[key], after);
        assert_eq!(plugin.verify(&params).await.unwrap().verdict, Verdict::Yes);
        world.merge(path, json!({ "data": { key: "theirs" } }));
        let fault = plugin.plan_undo(&params).await.unwrap_err();
        assert_eq!(code(&fault), FailureCode::Conflict, "{fault}");
        world.merge(path, json!({ "data": { key: after } }));
        let checked = plugin.way_back(&params).await;
        plugin.apply(&params, checked).await.unwrap();
        assert_eq!(data()[key], before[key]);

        let reader = world.plugin(name, &[(&["get"], &["configmaps"])]).await;
        let refused = reader.refused(&params).await;
        assert!(refused.to_string().contains("patch"), "{refused}");
    }
}
