//! What the cases are made of.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use axum::Router;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use bytes::Bytes;
use serde_json::json;
use stanch_contract::{Alert, AlertStatus, ByteSize, Digest, RunId, Span, Timestamp};
use stanch_journal::{
    AlertFilter, AlertRecord, Append, AuditPage, Collected, Counters, EventRow, Health, RunFilter, RunRecord,
    SqliteStore, Store, StoreError, Value,
};
use stanch_run::{Actor, Role, RunView};
use stanch_runbook::index::Index;
use stanch_runbook::model::Mode;
use stanch_runbook::{Catalogue, PluginFacts, RunbookSource};
use stanch_sandbox::gate::{Facilities, Grant, GrantSpec, HttpGrantSpec};
use stanch_sandbox::http::{HttpClients, HttpSettings};
use stanch_sandbox::secret::{Secret, SecretSource};
use stanch_sandbox::{Installation, InstallationParts, Limits, Sandbox, SandboxOptions};
use tempfile::TempDir;

use crate::config::settings::PluginSettings;
use crate::control::fixtures;
use crate::executor::{Engine, Parts, Silent};
use crate::intake::AlertSink;
use crate::snapshot::{Current, Installed, LoadedRunbook, Snapshot};

/// A server that counts its effects, and says whether all of them are there.
#[derive(Debug, Default)]
pub(super) struct Effects {
    /// Path and idempotency key of each change, in order.
    pub(super) made: Mutex<Vec<(String, String)>>,
    /// The paths of those that were taken back.
    taken_back: Mutex<BTreeSet<String>>,
    /// How many there must be for `verify` to say yes.
    wanted: usize,
    /// Takes the effect and never answers, for that many requests.
    mute: AtomicI64,
}

impl Effects {
    pub(super) fn paths(&self) -> Vec<String> {
        self.made
            .lock()
            .unwrap()
            .iter()
            .map(|(path, _)| path.clone())
            .collect()
    }

    /// How often each effect was made.
    pub(super) fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for path in self.paths() {
            *counts.entry(path).or_default() += 1;
        }
        counts
    }

    pub(super) fn mute(&self, requests: i64) {
        self.mute.store(requests, Ordering::SeqCst);
    }
}

async fn serve(effects: Arc<Effects>) -> SocketAddr {
    let app = Router::new().fallback(move |method: Method, uri: Uri, headers: HeaderMap| {
        let effects = effects.clone();
        async move {
            if method == Method::GET {
                let seen: BTreeSet<String> = effects.paths().into_iter().collect();
                let is = match uri.path() {
                    "/verify" => seen.len() >= effects.wanted,
                    path => seen.contains(path) && !effects.taken_back.lock().unwrap().contains(path),
                };
                return (StatusCode::OK, if is { "yes" } else { "no" });
            }
            if method == Method::DELETE {
                effects.taken_back.lock().unwrap().insert(uri.path().to_owned());
            }
            let key = headers
                .get("idempotency-key")
                .map(|key| key.to_str().unwrap_or_default().to_owned());
            effects
                .made
                .lock()
                .unwrap()
                .push((uri.path().to_owned(), key.unwrap_or_default()));
            if effects.mute.fetch_sub(1, Ordering::SeqCst) > 0 {
                std::future::pending::<()>().await;
            }
            (StatusCode::OK, "made")
        }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    address
}

struct NoSecrets;

impl SecretSource for NoSecrets {
    fn get(&self, _name: &str) -> Option<Arc<Secret>> {
        None
    }
}

/// When the engine dies at the journal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Death {
    /// Before the batch is kept.
    Before,
    /// After it is kept, and before anybody knows.
    After,
}

/// The journal of an engine that dies at its nth batch: from then on nothing is kept and nobody is answered.
pub(super) struct Mortal {
    inner: Arc<SqliteStore>,
    left: AtomicI64,
    death: Death,
    pub(super) dead: AtomicBool,
}

#[async_trait]
impl Store for Mortal {
    async fn append(&self, batch: Append) -> Result<(), StoreError> {
        // Who only waits for others appends nothing; after the death nobody hears anything.
        if batch.writes.is_empty() && !self.dead.load(Ordering::SeqCst) {
            return self.inner.append(batch).await;
        }
        let left = self.left.fetch_sub(1, Ordering::SeqCst);
        if left > 0 {
            return self.inner.append(batch).await;
        }
        if left == 0 && self.death == Death::After {
            let kept = Append {
                durability: stanch_journal::Durability::Barrier,
                ..batch
            };
            self.inner.append(kept).await?;
        }
        self.dead.store(true, Ordering::SeqCst);
        std::future::pending().await
    }
    async fn events(&self, run: &RunId, from: u64) -> Result<Vec<EventRow>, StoreError> {
        self.inner.events(run, from).await
    }
    async fn run(&self, run: &RunId) -> Result<Option<RunRecord>, StoreError> {
        self.inner.run(run).await
    }
    async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRecord>, StoreError> {
        self.inner.runs(filter).await
    }
    async fn alerts(&self, filter: &AlertFilter) -> Result<Vec<AlertRecord>, StoreError> {
        self.inner.alerts(filter).await
    }
    async fn content(&self, digest: &Digest) -> Result<Option<Bytes>, StoreError> {
        self.inner.content(digest).await
    }
    async fn value(&self, name: &str) -> Result<Option<Value>, StoreError> {
        self.inner.value(name).await
    }
    async fn values(&self, prefix: &str) -> Result<Vec<Value>, StoreError> {
        self.inner.values(prefix).await
    }
    async fn audit(&self, after: u64, limit: usize) -> Result<AuditPage, StoreError> {
        self.inner.audit(after, limit).await
    }
    async fn collect(&self, now: Timestamp) -> Result<Collected, StoreError> {
        self.inner.collect(now).await
    }
    async fn verify(&self) -> Result<(), StoreError> {
        self.inner.verify().await
    }
    fn health(&self) -> Health {
        self.inner.health()
    }
    fn counters(&self) -> Counters {
        self.inner.counters()
    }
    async fn close(&self) -> Result<(), StoreError> {
        self.inner.close().await
    }
}

/// A folder, a server and what is loaded; engines come and go.
pub(super) struct World {
    pub(super) folder: TempDir,
    pub(super) effects: Arc<Effects>,
    pub(super) sandbox: Sandbox,
    pub(super) current: Arc<Current>,
    url: String,
}

/// The sandbox with the plugins that count, built and compiled once for all tests.
pub(super) fn sandbox() -> Sandbox {
    Sandbox::new(&SandboxOptions {
        cache: None,
        calls: 16,
        ..SandboxOptions::default()
    })
    .unwrap()
}

pub(super) async fn packed(sandbox: &Sandbox, name: &str) -> Arc<[u8]> {
    let component = std::fs::read(stanch_test_support::component(name)).unwrap();
    let manifest = sandbox.describe(component.as_slice().into()).await.unwrap();
    stanch_plugin_pack::add_manifest_section(&component, &manifest)
        .unwrap()
        .into()
}

impl World {
    /// With one runbook: `body` follows its head; `URL` in it is the server's.
    pub(super) async fn new(sandbox: &Sandbox, plugin: &str, wanted: usize, body: &str) -> Self {
        let effects = Arc::new(Effects {
            wanted,
            ..Effects::default()
        });
        let url = format!("http://{}", serve(effects.clone()).await);
        let component = packed(sandbox, plugin).await;
        let world = Self {
            folder: TempDir::new().unwrap(),
            effects,
            sandbox: sandbox.clone(),
            current: Arc::new(Current::new(empty())),
            url,
        };
        world.load(1, &component, body).await;
        world
    }

    /// Loads the plugin as `effect` and the runbook.
    pub(super) async fn load(&self, generation: u64, component: &Arc<[u8]>, body: &str) {
        self.load_granting(generation, component, body, &["POST", "PUT", "DELETE"])
            .await;
    }

    /// The same with these methods of change.
    pub(super) async fn load_granting(
        &self,
        generation: u64,
        component: &Arc<[u8]>,
        body: &str,
        change: &[&str],
    ) {
        let spec = GrantSpec {
            http: vec![HttpGrantSpec {
                url: format!("{}/**", self.url),
                read: vec!["GET".into()],
                change: change.iter().map(ToString::to_string).collect(),
                headers: BTreeMap::new(),
                addresses: vec!["127.0.0.0/8".into()],
                max_response: None,
            }],
            ..GrantSpec::default()
        };
        let facilities = Arc::new(Facilities {
            secrets: Arc::new(NoSecrets),
            http: HttpClients::new(HttpSettings::default()).unwrap(),
            clusters: Default::default(),
            folders: Default::default(),
            time: Default::default(),
            tape: None,
        });
        let plugin = self.sandbox.install(component.clone()).await.unwrap();
        let facts = PluginFacts {
            kind: plugin.kind(),
            manifest: Arc::new(plugin.manifest().clone()),
            may_notify: false,
            off_cluster: false,
        };
        let grant = Arc::new(Grant::new("effect".into(), spec).unwrap());
        let limits = Limits {
            wall: Span::from_secs(2),
            ..Limits::default()
        };
        let settings = PluginSettings {
            key: "effect".into(),
            path: "effect.wasm".into(),
            written: "effect.wasm".into(),
            sha256: None,
            limits: limits.clone(),
            settings: json!({}),
            targets: None,
            grant: grant.clone(),
        };
        let installation = Installation::new(
            &self.sandbox,
            InstallationParts {
                key: "effect".into(),
                plugin: plugin.clone(),
                grant,
                limits,
                settings: json!({}),
                facilities,
            },
        );
        let installed = Installed {
            key: "effect".into(),
            digest: plugin.digest(),
            facts: facts.clone(),
            settings: Arc::new(settings),
            installation: Arc::new(installation),
        };
        let text = format!(
            "name = \"test\"\ntitle = \"A test\"\nowner = \"team\"\nmode = \"auto\"\n[trigger]\nalert = \"Slow\"\n\
             [impact]\nseverity = \"high\"\nsummary = \"It is slow.\"\n{}\n",
            body.replace("URL", &self.url)
        );
        let source = RunbookSource {
            path: "runbooks/test.toml".into(),
            stem: "test".into(),
            text,
            team: "team".into(),
            max_mode: Mode::Auto,
            defaults: json!({}),
            vars: json!({}),
        };
        let catalogue = Catalogue {
            plugins: BTreeMap::from([("effect".into(), facts)]),
            withheld: vec![],
            slack: None,
            clusters: None,
        };
        let runbook = match stanch_runbook::load(&source, &catalogue) {
            Ok(runbook) => Arc::new(runbook),
            Err(errors) => panic!("{errors}\n{}", source.text),
        };
        let mut next = Snapshot {
            generation,
            ..empty()
        };
        next.index = Arc::new(Index::new([runbook.clone()]));
        next.runbooks
            .insert("test".into(), Arc::new(LoadedRunbook { runbook, source }));
        next.plugins.insert("effect".into(), Arc::new(installed));
        self.current.swap(next);
    }

    pub(super) fn open(&self) -> Arc<SqliteStore> {
        let settings = stanch_journal::Settings {
            folder: self.folder.path().to_owned(),
            keep: Span::from_secs(86_400),
            reserve: ByteSize(0),
        };
        Arc::new(SqliteStore::open(settings).unwrap())
    }

    pub(super) async fn engine(&self, store: Arc<dyn Store>) -> Engine {
        let parts = Parts {
            store,
            sandbox: self.sandbox.clone(),
            current: self.current.clone(),
            observer: Arc::new(Silent),
            folder: self.folder.path().to_owned(),
        };
        Engine::start(parts).await.unwrap()
    }

    pub(super) fn mortal(&self, batches: i64, death: Death) -> Arc<Mortal> {
        Arc::new(Mortal {
            inner: self.open(),
            left: AtomicI64::new(batches),
            death,
            dead: AtomicBool::new(false),
        })
    }
}

impl Mortal {
    /// The disk, after the engine is gone.
    pub(super) async fn release(&self) {
        self.inner.close().await.unwrap();
    }
}

fn empty() -> Snapshot {
    Snapshot {
        generation: 0,
        built: Timestamp(0),
        settings: Arc::new(fixtures::settings(vec![])),
        runbooks: BTreeMap::new(),
        index: Arc::new(Index::default()),
        plugins: BTreeMap::new(),
        problems: vec![],
        held: None,
    }
}

pub(super) fn alert(fingerprint: &str, status: AlertStatus) -> Alert {
    Alert {
        name: "Slow".into(),
        fingerprint: fingerprint.into(),
        status,
        labels: BTreeMap::from([("alertname".into(), "Slow".into())]),
        annotations: BTreeMap::new(),
        starts_at: "2026-11-24T00:12:19.568Z".into(),
        payload: serde_json::Value::Null,
    }
}

pub(super) async fn fire(engine: &Engine, fingerprint: &str) -> RunId {
    let accepted = engine
        .accept(vec![alert(fingerprint, AlertStatus::Firing)], "test")
        .await
        .unwrap();
    assert_eq!(accepted.runs.len(), 1, "one alert of one episode has one run");
    accepted.runs[0].clone()
}

pub(super) fn person(name: &str) -> Actor {
    Actor {
        name: name.into(),
        groups: vec![],
        role: Role::Admin,
        bounds: Vec::new(),
        via: String::new(),
    }
}

pub(super) async fn view(engine: &Engine, run: &RunId) -> RunView {
    engine.state(run).await.unwrap().expect("the run is there").view()
}

/// Waits until the run is as wanted.
pub(super) async fn until(
    engine: &Engine,
    run: &RunId,
    what: &str,
    wanted: impl Fn(&RunView) -> bool,
) -> RunView {
    let begun = Instant::now();
    loop {
        let now = view(engine, run).await;
        if wanted(&now) {
            return now;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "{what}: {now:#?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
