//! A shipped plugin, built, packed and installed with a grant.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};

use async_trait::async_trait;
use serde_json::{Value, json};
use stanch_contract::plan::{ActionState, Progress};
use stanch_contract::{
    AttemptMade, ChangePlan, CheckedPlan, FailureCode, Finding, IdempotencyKey, Outcome, PluginKey, RunId,
    StepId,
};
use stanch_sandbox::gate::{ActionLog, Apply, Facilities, Grant, PlanRefusal, Stop, check_plan};
use stanch_sandbox::http::{HttpClients, HttpSettings};
use stanch_sandbox::kubernetes::{Access, ClusterSpec, Clusters};
use stanch_sandbox::secret::{Secret, SecretSource};
use stanch_sandbox::{
    CallContext, CallFault, CallReport, Installation, InstallationParts, Limits, Message, Plugin, Sandbox,
    SandboxOptions,
};
use tokio_util::sync::CancellationToken;

use crate::Server;

/// The sandbox of this test binary. What another one compiled is not compiled again.
///
/// # Panics
/// Where wasmtime does not start.
pub fn sandbox() -> Sandbox {
    static SANDBOX: OnceLock<Sandbox> = OnceLock::new();
    SANDBOX
        .get_or_init(|| {
            Sandbox::new(&SandboxOptions {
                cache: Some(stanch_test_support::target().join("compiled-plugins")),
                calls: 64,
                ..SandboxOptions::default()
            })
            .unwrap()
        })
        .clone()
}

/// The component of the crate `name` as it is shipped: built for size, its manifest appended.
///
/// # Panics
/// Where it does not build, or does not say what it is.
pub async fn packed(sandbox: &Sandbox, name: &str) -> Arc<[u8]> {
    static PACKED: Mutex<BTreeMap<String, Arc<[u8]>>> = Mutex::new(BTreeMap::new());
    if let Some(packed) = PACKED.lock().unwrap().get(name) {
        return packed.clone();
    }
    let path = {
        let name = name.to_owned();
        tokio::task::spawn_blocking(move || stanch_test_support::component(&name))
            .await
            .unwrap()
    };
    let component: Arc<[u8]> = tokio::fs::read(path).await.unwrap().into();
    let manifest = sandbox.describe(component.clone()).await.unwrap();
    let packed: Arc<[u8]> = stanch_plugin_pack::add_manifest_section(&component, &manifest)
        .unwrap()
        .into();
    PACKED.lock().unwrap().insert(name.to_owned(), packed.clone());
    packed
}

/// A call of a run that no alert started.
pub fn context() -> CallContext {
    CallContext {
        run: RunId::from("run0000000000000"),
        step: StepId::from("step"),
        attempt: 1,
        idempotency_key: IdempotencyKey::from("run0000000000000.step.do"),
        alerts: Arc::new([]),
        on: None,
        quiet: false,
        extra: Value::Null,
        cancel: CancellationToken::new(),
    }
}

/// A plugin with what it may do, and what the engine would remember of its last application.
pub struct Installed {
    installation: Installation,
    facilities: Arc<Facilities>,
    on: Option<String>,
    made: Mutex<Option<AttemptMade>>,
}

struct Secrets;

impl SecretSource for Secrets {
    fn get(&self, name: &str) -> Option<Arc<Secret>> {
        (name == "webhook").then(|| Arc::new(Secret::new("the-webhook-secret").unwrap()))
    }
}

/// The journal of one apply: what was started and how it ended.
#[derive(Default)]
struct Log(Mutex<BTreeMap<u32, ActionState>>);

#[async_trait]
impl ActionLog for Log {
    async fn started(&self, action: u32) -> Result<(), Stop> {
        let state = ActionState::Unknown {
            detail: "no answer yet".into(),
        };
        self.0.lock().unwrap().insert(action, state);
        Ok(())
    }

    async fn ended(&self, action: u32, state: ActionState, _answer: Option<Vec<u8>>) {
        self.0.lock().unwrap().insert(action, state);
    }
}

impl Installed {
    /// The crate `name`, with this grant (in stanch.toml's words, as JSON) and these settings.
    ///
    /// # Panics
    /// Where it does not build or install, or the grant is wrong.
    pub async fn new(name: &str, grant: Value, settings: Value) -> Self {
        let sandbox = sandbox();
        let component = packed(&sandbox, name).await;
        Self::of(&sandbox, component, grant, settings).await
    }

    /// The crate `name`, with this grant, bound to the cluster `eu`, which is reached with this kubeconfig.
    ///
    /// # Panics
    /// As [`Installed::new`].
    pub async fn in_cluster(name: &str, kubeconfig: PathBuf, grant: Value) -> Self {
        Self::in_cluster_with(name, kubeconfig, grant, json!({})).await
    }

    /// As [`Installed::in_cluster`], with settings.
    ///
    /// # Panics
    /// As [`Installed::new`].
    pub async fn in_cluster_with(name: &str, kubeconfig: PathBuf, grant: Value, settings: Value) -> Self {
        let access = Access::Kubeconfig {
            path: kubeconfig,
            context: None,
        };
        let spec = ClusterSpec {
            access,
            impersonate: None,
        };
        let clusters = Clusters::default();
        clusters.refresh(&BTreeMap::from([("eu".to_owned(), spec)])).await;
        let sandbox = sandbox();
        let component = packed(&sandbox, name).await;
        let on = Some("eu".to_owned());
        Self::whole(&sandbox, component, (grant, settings), (clusters, on)).await
    }

    /// A call of a run, bound to the cluster where there is one.
    fn context(&self) -> CallContext {
        CallContext {
            on: self.on.clone(),
            ..context()
        }
    }

    /// This component, with this grant (in stanch.toml's words, as JSON) and these settings.
    ///
    /// # Panics
    /// Where it does not install, or the grant is wrong.
    pub async fn of(sandbox: &Sandbox, component: Arc<[u8]>, grant: Value, settings: Value) -> Self {
        Self::whole(sandbox, component, (grant, settings), (Clusters::default(), None)).await
    }

    /// This component, with this grant, for steps that are bound to one of these clusters.
    ///
    /// # Panics
    /// As [`Installed::of`].
    pub async fn on(
        sandbox: &Sandbox,
        component: Arc<[u8]>,
        grant: Value,
        (clusters, on): (Clusters, &str),
    ) -> Self {
        let on = Some(on.to_owned());
        Self::whole(sandbox, component, (grant, json!({})), (clusters, on)).await
    }

    async fn whole(
        sandbox: &Sandbox,
        component: Arc<[u8]>,
        (grant, settings): (Value, Value),
        (clusters, on): (Clusters, Option<String>),
    ) -> Self {
        let plugin = sandbox.install(component).await.unwrap();
        let key = PluginKey::from(plugin.manifest().name.as_str());
        let grant = Grant::new(key.clone(), serde_json::from_value(grant).unwrap()).unwrap();
        let http = HttpClients::new(HttpSettings {
            system_roots: false,
            ..HttpSettings::default()
        })
        .unwrap();
        let facilities = Arc::new(Facilities {
            secrets: Arc::new(Secrets),
            http,
            clusters,
            folders: Default::default(),
            time: Default::default(),
            tape: None,
        });
        let parts = InstallationParts {
            key,
            plugin,
            grant: Arc::new(grant),
            limits: Limits::default(),
            settings,
            facilities: facilities.clone(),
        };
        Self {
            installation: Installation::new(sandbox, parts),
            facilities,
            on,
            made: Mutex::new(None),
        }
    }

    /// What is installed.
    pub fn plugin(&self) -> &Arc<Plugin> {
        self.installation.plugin()
    }

    /// Asks a question, after the check of the parameters that the engine makes.
    ///
    /// # Errors
    /// As the sandbox gives them.
    ///
    /// # Panics
    /// Where the parameters do not fit the plugin's own schema.
    pub async fn diagnose(&self, params: Value) -> Result<Finding, CallFault> {
        assert_eq!(self.plugin().check_params(&params), None, "{params}");
        self.installation.diagnose(&self.context(), &params).await.result
    }

    /// As [`Installed::diagnose`], with what the gate wrote down.
    pub async fn report(&self, params: Value) -> CallReport<Finding> {
        self.installation.diagnose(&self.context(), &params).await
    }

    /// Asks for a plan.
    ///
    /// # Errors
    /// As the sandbox gives them.
    ///
    /// # Panics
    /// Where the parameters do not fit the plugin's own schema.
    pub async fn plan(&self, params: &Value) -> Result<ChangePlan, CallFault> {
        assert_eq!(self.plugin().check_params(params), None, "{params}");
        self.installation.plan(&self.context(), params).await.result
    }

    /// Checks a plan at the gate.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub async fn check(&self, plan: ChangePlan) -> Result<CheckedPlan, PlanRefusal> {
        let idempotent = self.plugin().manifest().idempotent;
        check_plan(
            plan,
            self.installation.grant(),
            &self.facilities,
            self.on.as_deref(),
            idempotent,
        )
        .await
    }

    /// A plan that passes the gate.
    ///
    /// # Panics
    /// Where there is none.
    pub async fn checked(&self, params: &Value) -> CheckedPlan {
        self.check(self.plan(params).await.unwrap()).await.unwrap()
    }

    /// Why the gate refuses the plan.
    ///
    /// # Panics
    /// Where there is none, or it passes.
    pub async fn refused(&self, params: &Value) -> PlanRefusal {
        self.check(self.plan(params).await.unwrap()).await.unwrap_err()
    }

    /// The way back from what was made, as it passes the gate.
    ///
    /// # Panics
    /// Where there is none.
    pub async fn way_back(&self, params: &Value) -> CheckedPlan {
        self.check(self.plan_undo(params).await.unwrap()).await.unwrap()
    }

    /// Applies a checked plan.
    ///
    /// # Errors
    /// As the sandbox gives them.
    ///
    /// # Panics
    /// Never: the lock is held by one test.
    pub async fn apply(&self, params: &Value, plan: CheckedPlan) -> Result<Outcome, CallFault> {
        let log = Arc::new(Log::default());
        let apply = Apply {
            plan: plan.clone(),
            earlier: BTreeMap::new(),
            log: log.clone(),
        };
        let result = self
            .installation
            .apply(&self.context(), params, apply)
            .await
            .result;
        let progress: Progress = log.0.lock().unwrap().clone();
        *self.made.lock().unwrap() = Some(AttemptMade {
            plan,
            progress,
            outcome: result.as_ref().ok().cloned(),
        });
        result
    }

    /// What was made by the last apply.
    ///
    /// # Panics
    /// Where nothing was applied.
    pub fn made(&self) -> AttemptMade {
        self.made
            .lock()
            .unwrap()
            .clone()
            .expect("something that was applied")
    }

    /// Asks whether the last apply worked.
    ///
    /// # Errors
    /// As the sandbox gives them.
    pub async fn verify(&self, params: &Value) -> Result<Finding, CallFault> {
        self.installation
            .verify(&self.context(), params, &self.made())
            .await
            .result
    }

    /// Asks for the way back from the last apply.
    ///
    /// # Errors
    /// As the sandbox gives them.
    pub async fn plan_undo(&self, params: &Value) -> Result<ChangePlan, CallFault> {
        self.installation
            .plan_undo(&self.context(), params, &self.made())
            .await
            .result
    }

    /// Delivers a message.
    ///
    /// # Errors
    /// As the sandbox gives them.
    pub async fn notify(&self, params: &Value, message: &Message) -> Result<(), CallFault> {
        self.installation
            .notify(&self.context(), params, message)
            .await
            .result
    }
}

/// What a plugin's failure says, or the gate's.
///
/// # Panics
/// Where the call ended otherwise.
pub fn code(fault: &CallFault) -> FailureCode {
    match fault {
        CallFault::Guest(failure) | CallFault::Refused(failure) => failure.code,
        other => panic!("{other}"),
    }
}

/// A grant for all of this server.
pub fn http_grant(server: &Server, read: &[&str], change: &[&str]) -> Value {
    let url = format!("{}/**", server.url);
    json!({ "http": [{ "url": url, "read": read, "change": change, "addresses": ["127.0.0.0/8"] }] })
}
