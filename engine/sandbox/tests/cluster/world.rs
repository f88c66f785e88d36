//! What the cases are made of: a namespace with things in it, the engine's way to it under a grant, plans and applies.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::{Value, json};
use stanch_contract::{Action, ActionState, ChangePlan, CheckedPlan, Failure, Span};
use stanch_parts::{ControlPlane, Space, User, shared};
use stanch_sandbox::files::Folders;
use stanch_sandbox::gate::{
    ActionLog, Apply, EarlierAction, Facilities, Grant, GrantSpec, KubernetesGrantSpec, Phase, PlanRefusal,
    Session, SessionParts, Stop, check_plan,
};
use stanch_sandbox::http::{HttpClients, HttpSettings};
use stanch_sandbox::kubernetes::{Access, ClusterSpec, Clusters, Object};
use stanch_sandbox::secret::{Secret, SecretSource};
use stanch_sandbox::{CallTime, Time};

/// What the tests' engine may do of everything that it ever does, but for secrets. In YAML's flow style.
pub(crate) const ALL: &str = r#"[
  {apiGroups: [""], resources: [pods], verbs: [get, list, delete, create, patch]},
  {apiGroups: [""], resources: [pods/eviction], verbs: [create]},
  {apiGroups: [""], resources: [pods/log], verbs: [get]},
  {apiGroups: [""], resources: [configmaps], verbs: ["*"]},
  {apiGroups: [apps], resources: [deployments, statefulsets], verbs: [get, list, patch, delete]},
  {apiGroups: [apps], resources: [deployments/scale], verbs: [get, patch]},
]"#;

/// Pods that nothing brings back, and that kwok makes Ready.
pub(crate) fn pods(names: &[&str], app: &str) -> String {
    let one = |name: &&str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, labels: {{app: {app}}}}}\n\
             spec: {{containers: [{{name: main, image: x}}]}}\n"
        )
    };
    names.iter().map(one).collect::<Vec<_>>().join("---\n")
}

/// A Deployment of so many pods, labelled `app=NAME`.
pub(crate) fn deployment(name: &str, count: u32) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, labels: {{app: {name}}}}}\nspec:\n  replicas: {count}\n  \
         selector: {{matchLabels: {{app: {name}}}}}\n  template:\n    metadata: {{labels: {{app: {name}}}}}\n    \
         spec: {{containers: [{{name: main, image: x}}]}}\n"
    )
}

pub(crate) fn config_map(name: &str, labels: &str, data: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, labels: {labels}}}\ndata: {data}\n")
}

/// A grant in this namespace.
pub(crate) fn granted(namespace: &str, verbs: &[&str], resources: &[&str]) -> KubernetesGrantSpec {
    let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    KubernetesGrantSpec {
        clusters: vec!["here".to_owned()],
        verbs: owned(verbs),
        resources: owned(resources),
        namespaces: vec![namespace.to_owned()],
        names: Vec::new(),
        selector: None,
        keys_only: false,
    }
}

struct NoSecrets;

impl SecretSource for NoSecrets {
    fn get(&self, _: &str) -> Option<Arc<Secret>> {
        None
    }
}

/// What became of an action, with its answer.
type Ended = (ActionState, Option<Vec<u8>>);

/// A journal in memory.
#[derive(Default)]
pub(crate) struct Log {
    pub(crate) events: Mutex<Vec<String>>,
    pub(crate) ended: Mutex<BTreeMap<u32, Ended>>,
}

#[async_trait]
impl ActionLog for Log {
    async fn started(&self, action: u32) -> Result<(), Stop> {
        self.events.lock().unwrap().push(format!("started {action}"));
        Ok(())
    }

    async fn ended(&self, action: u32, state: ActionState, answer: Option<Vec<u8>>) {
        self.events
            .lock()
            .unwrap()
            .push(format!("ended {action} {}", state.as_str()));
        self.ended.lock().unwrap().insert(action, (state, answer));
    }
}

impl Log {
    /// What became of an action.
    pub(crate) fn state(&self, action: u32) -> ActionState {
        self.ended.lock().unwrap()[&action].0.clone()
    }

    pub(crate) fn events(&self) -> Vec<String> {
        std::mem::take(&mut self.events.lock().unwrap())
    }
}

/// The engine's side: a grant, and the cluster `here`.
pub(crate) struct Gate {
    pub(crate) grant: Arc<Grant>,
    pub(crate) facilities: Arc<Facilities>,
    pub(crate) log: Arc<Log>,
    pub(crate) wall: Span,
}

impl Gate {
    /// With this kubeconfig for the cluster `here`.
    pub(crate) async fn with(
        kubeconfig: PathBuf,
        impersonate: Option<&str>,
        entries: Vec<KubernetesGrantSpec>,
    ) -> Self {
        let clusters = Clusters::default();
        let spec = ClusterSpec {
            access: Access::Kubeconfig {
                path: kubeconfig,
                context: None,
            },
            impersonate: impersonate.map(str::to_owned),
        };
        clusters
            .refresh(&BTreeMap::from([("here".to_owned(), spec)]))
            .await;
        let spec = GrantSpec {
            kubernetes: entries,
            ..GrantSpec::default()
        };
        Self {
            grant: Arc::new(Grant::new("recycle".into(), spec).unwrap()),
            facilities: Arc::new(Facilities {
                secrets: Arc::new(NoSecrets),
                http: HttpClients::new(HttpSettings {
                    system_roots: false,
                    ..HttpSettings::default()
                })
                .unwrap(),
                clusters,
                folders: Folders::default(),
                time: Time::default(),
                tape: None,
            }),
            log: Arc::default(),
            wall: Span::from_secs(60),
        }
    }

    /// As the user `engine` of this control plane.
    pub(crate) async fn of(plane: &ControlPlane, entries: Vec<KubernetesGrantSpec>) -> Self {
        Self::with(plane.kubeconfig(User::Engine), None, entries).await
    }

    fn session(&self, phase: Phase) -> Session {
        Session::new(SessionParts {
            grant: self.grant.clone(),
            run: "run".into(),
            step: "step".into(),
            on: Some("here".to_owned()),
            quiet: false,
            phase,
            facilities: self.facilities.clone(),
            max_calls: 1000,
            time: CallTime::begin(&Time::Machine, self.wall),
        })
    }

    pub(crate) fn reading(&self) -> Session {
        self.session(Phase::Read)
    }

    pub(crate) async fn try_plan(
        &self,
        actions: Vec<Action>,
        population: Option<&str>,
    ) -> Result<CheckedPlan, PlanRefusal> {
        self.try_plan_of(actions, population, false).await
    }

    /// As of a plugin whose manifest makes this promise.
    pub(crate) async fn try_plan_of(
        &self,
        actions: Vec<Action>,
        population: Option<&str>,
        idempotent: bool,
    ) -> Result<CheckedPlan, PlanRefusal> {
        let offered = ChangePlan {
            summary: "one sentence".into(),
            actions,
            population: population.map(str::to_owned),
            data: Value::Null,
            extra: Value::Null,
        };
        check_plan(offered, &self.grant, &self.facilities, Some("here"), idempotent).await
    }

    pub(crate) async fn plan(&self, actions: Vec<Action>) -> CheckedPlan {
        self.try_plan(actions, None)
            .await
            .unwrap_or_else(|refused| panic!("{refused}"))
    }

    pub(crate) fn applying(&self, plan: CheckedPlan) -> Session {
        self.repeating(plan, BTreeMap::new())
    }

    pub(crate) fn repeating(&self, plan: CheckedPlan, earlier: BTreeMap<u32, EarlierAction>) -> Session {
        let log = self.log.clone();
        self.session(Phase::Apply(Apply { plan, earlier, log }))
    }
}

/// A namespace of the shared control plane in which the engine may do [`ALL`].
pub(crate) struct World {
    pub(crate) plane: &'static ControlPlane,
    pub(crate) space: Space<'static>,
}

impl World {
    pub(crate) fn new(name: &str) -> Self {
        Self::allowing(name, ALL)
    }

    pub(crate) fn allowing(name: &str, rules: &str) -> Self {
        let plane = shared().unwrap();
        let space = plane.space(name).unwrap();
        space.allow(User::Engine, rules).unwrap();
        Self { plane, space }
    }

    pub(crate) async fn gate(&self, verbs: &[&str], resources: &[&str]) -> Gate {
        Gate::of(self.plane, vec![granted(self.space.name(), verbs, resources)]).await
    }

    pub(crate) fn object(&self, api_version: &str, kind: &str, name: &str) -> Object {
        Object {
            api_version: api_version.into(),
            kind: kind.into(),
            namespace: Some(self.space.name().to_owned()),
            name: name.into(),
        }
    }

    pub(crate) fn pod(&self, name: &str) -> Object {
        self.object("v1", "Pod", name)
    }

    /// `kubernetes:NAMESPACE/…` of what is below.
    pub(crate) fn target(&self, below: &str) -> String {
        format!("kubernetes:{}/{below}", self.space.name())
    }

    /// The live object at a path of the core group, as the administrator sees it.
    pub(crate) fn live(&self, below: &str) -> Value {
        self.space
            .admin()
            .object(&self.space.path(below))
            .unwrap_or(Value::Null)
    }

    /// What the engine asked for in this namespace, as the audit log has it: verb and object, and the status.
    pub(crate) fn asked(&self) -> Vec<String> {
        let name = self.space.name();
        let calls = self.plane.calls(User::Engine).unwrap();
        let here = calls
            .iter()
            .filter(|call| call.path.contains(&format!("/namespaces/{name}/")));
        here.map(|call| format!("{}{call}", if call.dry_run { "dry " } else { "" }))
            .collect()
    }

    /// Its changes among those, in short: what was really sent to be done.
    pub(crate) fn changed(&self) -> Vec<String> {
        let name = format!("{}/", self.space.name());
        let calls = self.plane.calls(User::Engine).unwrap();
        let changes = calls
            .iter()
            .filter(|call| call.is_change() && call.path.contains(&format!("/namespaces/{name}")));
        changes
            .map(|call| call.to_string().replacen(&name, "", 1))
            .collect()
    }
}

pub(crate) fn action(verb: &str, target: &str) -> Action {
    Action {
        verb: verb.into(),
        target: target.into(),
        expect: None,
        content: None,
        items: vec![],
        reason: "because".into(),
        extra: Value::Null,
    }
}

pub(crate) fn expecting(action: Action, expect: &str) -> Action {
    Action {
        expect: Some(expect.to_owned()),
        ..action
    }
}

pub(crate) fn with(action: Action, content: Value) -> Action {
    Action {
        content: Some(content.to_string()),
        ..action
    }
}

/// An action on this very object.
pub(crate) fn on_uid(verb: &str, target: &str, live: &Value) -> Action {
    expecting(action(verb, target), &format!("uid:{}", uid(live)))
}

pub(crate) fn merge(body: Value) -> Value {
    json!({ "kind": "merge", "body": body })
}

pub(crate) fn uid(object: &Value) -> &str {
    object["metadata"]["uid"].as_str().unwrap()
}

pub(crate) fn version(object: &Value) -> &str {
    object["metadata"]["resourceVersion"].as_str().unwrap()
}

pub(crate) fn parsed(json: &str) -> Value {
    serde_json::from_str(json).unwrap()
}

/// Which layer refused; empty where it was none.
pub(crate) fn layer(failure: &Failure) -> &str {
    failure
        .extra
        .get("layer")
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// An action that was sent before and has no answer.
pub(crate) fn in_doubt() -> BTreeMap<u32, EarlierAction> {
    let state = ActionState::Unknown {
        detail: "the answer was lost".into(),
    };
    BTreeMap::from([(0, EarlierAction { state, answer: None })])
}
