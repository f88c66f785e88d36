//! `config-switch`, the remediation, in every language against a real API server: the same plan, effect, finding, refusals and
//! way back as the one in Rust.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops there")]

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use stanch_contract::{AttemptMade, ChangePlan, CheckedPlan, Outcome};
use stanch_parts::{Space, User, shared};
use stanch_sandbox::CallFault;
use stanch_sandbox::kubernetes::{Access, ClusterSpec, Clusters};
use stanch_tests::{Installed, built, compiled};

/// What the engine may do in the namespace; the grant is narrower.
const RULES: &str = r#"[{apiGroups: [""], resources: [configmaps], verbs: [get, list, patch]}]"#;

/// A plugin, with a namespace of its own that is called the same in what it says.
struct Bench {
    space: Space<'static>,
    plugin: Installed,
}

impl Bench {
    async fn new(language: &str, of: String) -> Self {
        let component = built(language, "config-switch").await;
        let space = tokio::task::spawn_blocking(move || {
            let space = shared().unwrap().space(&of).unwrap();
            space.allow(User::Engine, RULES).unwrap();
            space
        })
        .await
        .unwrap();
        let clusters = Clusters::default();
        let spec = ClusterSpec {
            access: Access::Kubeconfig {
                path: shared().unwrap().kubeconfig(User::Engine),
                context: None,
            },
            impersonate: None,
        };
        clusters
            .refresh(&BTreeMap::from([("here".to_owned(), spec)]))
            .await;
        let grant = json!({ "kubernetes": [{
            "clusters": ["here"], "verbs": ["get", "patch"], "resources": ["configmaps"],
            "namespaces": [space.name()], "names": ["flags", "gone"],
        }] });
        let plugin = Installed::on(&compiled(), component, grant, (clusters, "here")).await;
        Self { space, plugin }
    }

    fn path(&self) -> String {
        self.space.path("configmaps/flags")
    }

    /// The ConfigMap as it is at the start of a case: a new one.
    fn reset(&self, more: &Value) {
        let admin = self.space.admin();
        admin.delete(&self.path()).ok();
        let mut map = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "flags" },
            "data": { "mode": "all-models", "other": "1" },
        });
        map.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        admin
            .create(&self.space.path("configmaps"), &map)
            .unwrap()
            .good()
            .unwrap();
    }

    fn merge(&self, body: &Value) {
        self.space
            .admin()
            .merge(&self.path(), body)
            .unwrap()
            .good()
            .unwrap();
    }

    fn data(&self) -> Value {
        self.space.admin().object(&self.path()).unwrap()["data"].clone()
    }

    fn params(&self, extra: &Value) -> Value {
        let mut params =
            json!({ "namespace": self.space.name(), "name": "flags", "key": "mode", "value": "local-only" });
        params
            .as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        params
    }

    /// What a value says, without what differs between two objects and two namespaces.
    fn plain(&self, value: &Value) -> Value {
        let object = self.space.admin().object(&self.path());
        let meta = |member: &str| {
            let object = object.as_ref()?;
            object["metadata"][member].as_str().map(str::to_owned)
        };
        let mut text = value.to_string().replace(self.space.name(), "NAMESPACE");
        for (member, word) in [("uid", "UID"), ("resourceVersion", "VERSION")] {
            if let Some(found) = meta(member) {
                text = text.replace(&found, word);
            }
        }
        serde_json::from_str(&text).unwrap()
    }

    fn failed(&self, fault: CallFault) -> Value {
        self.plain(&json!({ "failed": fault.into_failure() }))
    }

    async fn checked(&self, plan: Result<ChangePlan, CallFault>) -> Result<CheckedPlan, Value> {
        let plan = plan.map_err(|fault| self.failed(fault))?;
        let refused = |refused: stanch_sandbox::gate::PlanRefusal| {
            self.plain(&json!({ "refused": refused.to_string() }))
        };
        self.plugin.check(plan).await.map_err(refused)
    }

    fn planned(&self, plan: &CheckedPlan) -> Value {
        let actions = plan.actions.iter().map(|action| {
            json!({
                "verb": action.verb, "target": action.target, "content": action.content, "expect": action.expect,
                "because": action.reason,
            })
        });
        self.plain(&json!({
            "summary": plan.summary, "actions": actions.collect::<Vec<_>>(), "data": plan.offered.data,
        }))
    }

    async fn applied(&self, params: &Value, plan: CheckedPlan) -> Value {
        let result = self.plugin.apply(params, plan).await;
        let AttemptMade { progress, .. } = self.plugin.made();
        let states: Vec<&str> = progress.values().map(|state| state.as_str()).collect();
        match result {
            Ok(Outcome { .. }) => json!({ "done": states, "data": self.data() }),
            Err(fault) => {
                json!({ "code": fault.into_failure().code, "states": states, "data": self.data() })
            }
        }
    }

    async fn verified(&self, params: &Value) -> Value {
        match self.plugin.verify(params).await {
            Ok(finding) => self.plain(
                &json!({ "verdict": finding.verdict, "summary": finding.summary, "data": finding.data }),
            ),
            Err(fault) => self.failed(fault),
        }
    }

    /// From the plan to the way back, with what happens between them.
    async fn story(
        &self,
        start: &Value,
        extra: &Value,
        before: Option<&Value>,
        after: Option<&Value>,
    ) -> Value {
        self.reset(start);
        let params = self.params(extra);
        let mut told = Map::new();
        let plan = match self.checked(self.plugin.plan(&params).await).await {
            Ok(plan) => plan,
            Err(why) => return why,
        };
        told.insert("plan".into(), self.planned(&plan));
        if let Some(body) = before {
            self.merge(body);
        }
        told.insert("apply".into(), self.applied(&params, plan).await);
        told.insert("verify".into(), self.verified(&params).await);
        if let Some(body) = after {
            self.merge(body);
        }
        let undo = match self.checked(self.plugin.plan_undo(&params).await).await {
            Ok(undo) => undo,
            Err(why) => {
                told.insert("undo".into(), why);
                return told.into();
            }
        };
        told.insert("undo".into(), self.planned(&undo));
        told.insert("undone".into(), self.applied(&params, undo).await);
        told.into()
    }

    async fn all(&self) -> Vec<Value> {
        let long = "x".repeat(17_000);
        let none = json!({});
        let mode = |value: Value| json!({ "data": { "mode": value } });
        let cases = [
            // Switched and switched back; a key that is added and taken away; nothing to do.
            (none.clone(), none.clone(), None, None),
            (none.clone(), json!({ "key": "new", "add": true }), None, None),
            (none.clone(), json!({ "value": "all-models" }), None, None),
            (none.clone(), json!({ "value": "a\nb\u{1b}[31m ü" }), None, None),
            (none.clone(), json!({ "from": ["x", "all-models"] }), None, None),
            // What is left alone, and why.
            (
                none.clone(),
                json!({ "from": ["eu-only", "us-only"] }),
                None,
                None,
            ),
            (none.clone(), json!({ "key": "moed" }), None, None),
            (none.clone(), json!({ "value": long }), None, None),
            (none.clone(), json!({ "name": "gone" }), None, None),
            (none.clone(), json!({ "name": "not-granted" }), None, None),
            (none.clone(), json!({ "namespace": "kube-system" }), None, None),
            (json!({ "immutable": true }), none.clone(), None, None),
            (json!({ "data": { "mode": long } }), none.clone(), None, None),
            (
                json!({ "data": {}, "binaryData": { "mode": "AAAA" } }),
                none.clone(),
                None,
                None,
            ),
            // Somebody else was there: between plan and apply, and after it.
            (
                none.clone(),
                none.clone(),
                Some(json!({ "data": { "other": "2" } })),
                None,
            ),
            (none.clone(), none.clone(), None, Some(mode(json!("eu-only")))),
            (none.clone(), none.clone(), None, Some(mode(Value::Null))),
            (
                none.clone(),
                none.clone(),
                None,
                Some(json!({ "data": { "other": "9" } })),
            ),
            (none.clone(), none.clone(), None, Some(mode(json!("all-models")))),
        ];
        let mut told = Vec::new();
        for (start, extra, before, after) in cases {
            told.push(self.story(&start, &extra, before.as_ref(), after.as_ref()).await);
        }
        told
    }
}

async fn switched(language: &'static str) {
    let (reference, other) = tokio::join!(
        Box::pin(Bench::new("rust", format!("switched-rust-for-{language}"))),
        Box::pin(Bench::new(language, format!("switched-{language}")))
    );
    let (was, is) = tokio::join!(Box::pin(reference.all()), Box::pin(other.all()));
    for (number, (was, is)) in was.iter().zip(&is).enumerate() {
        assert_eq!(is, was, "{language}: case {number}");
    }
    // The cases are what they were meant to be.
    let kinds: Vec<&str> = was
        .iter()
        .map(|told| match told {
            told if told["failed"]["code"].is_string() => told["failed"]["code"].as_str().unwrap(),
            told if told["undo"]["failed"].is_object() => "left",
            told if told["apply"]["code"].is_string() => "overtaken",
            told if told["plan"]["actions"] == json!([]) => "nothing",
            told if told["undone"]["done"] == json!([]) => "back already",
            _ => "switched",
        })
        .collect();
    assert_eq!(
        kinds,
        [
            "switched",
            "switched",
            "nothing",
            "switched",
            "switched",
            "failed",
            "not-found",
            "invalid-params",
            "not-found",
            "denied",
            "denied",
            "failed",
            "invalid-params",
            "failed",
            "overtaken",
            "left",
            "left",
            "switched",
            "back already",
        ]
    );
    let (said, says) = (
        reference.plugin.plugin().manifest(),
        other.plugin.plugin().manifest(),
    );
    assert_eq!(
        (&said.name, &said.summary, &said.asks),
        (&says.name, &says.summary, &says.asks)
    );
    assert_eq!(
        (said.idempotent, said.reversible, said.verifies),
        (says.idempotent, says.reversible, says.verifies)
    );
    let wrong = json!({ "namespace": "n", "name": "", "key": "a/b", "value": 1 });
    assert!(other.plugin.plugin().check_params(&wrong).is_some());
}

macro_rules! languages {
    ($($name:ident = $language:literal;)*) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            Box::pin(switched($language)).await;
        }
    )*};
}

languages! {
    config_switch_in_python_is_the_one_in_rust = "python";
    config_switch_in_go_is_the_one_in_rust = "go";
    config_switch_in_typescript_is_the_one_in_rust = "typescript";
    config_switch_in_c_is_the_one_in_rust = "c";
}
