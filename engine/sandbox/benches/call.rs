//! What one call costs: a fresh instance of a Rust plugin, 1 KiB in and out, all limits on; and what loading one that is
//! compiled already costs. `STANCH_BENCH_PLUGIN` names another diagnosis plugin, packed, that takes any parameters.

#![allow(missing_docs, clippy::expect_used, reason = "a benchmark")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::{Value, json};
use stanch_contract::{IdempotencyKey, PluginKey, RunId, StepId};
use stanch_sandbox::gate::{Facilities, Grant};
use stanch_sandbox::http::{HttpClients, HttpSettings};
use stanch_sandbox::secret::{Secret, SecretSource};
use stanch_sandbox::{CallContext, Installation, InstallationParts, Limits, Sandbox, SandboxOptions};
use tokio_util::sync::CancellationToken;

struct NoSecrets;

impl SecretSource for NoSecrets {
    fn get(&self, _name: &str) -> Option<Arc<Secret>> {
        None
    }
}

fn plugin() -> Arc<[u8]> {
    match std::env::var_os("STANCH_BENCH_PLUGIN") {
        Some(path) => std::fs::read(path).expect("the plugin").into(),
        None => stanch_test_support::guest("scripted-diagnosis"),
    }
}

fn context() -> CallContext {
    CallContext {
        run: RunId::from("run"),
        step: StepId::from("step"),
        attempt: 1,
        idempotency_key: IdempotencyKey::from("key"),
        alerts: Arc::new([]),
        on: None,
        quiet: false,
        extra: Value::Null,
        cancel: CancellationToken::new(),
    }
}

fn calls(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let options = SandboxOptions {
        cache: Some(folder.path().join("compiled")),
        ..SandboxOptions::default()
    };
    let sandbox = Sandbox::new(&options).expect("a sandbox");
    let plugin = plugin();
    let installed = runtime
        .block_on(sandbox.install(plugin.clone()))
        .expect("the plugin is installed");
    let parts = InstallationParts {
        key: PluginKey::from("bench"),
        plugin: installed,
        grant: Arc::new(Grant::nothing(PluginKey::from("bench"))),
        limits: Limits::default(),
        settings: Value::Null,
        facilities: Arc::new(Facilities {
            secrets: Arc::new(NoSecrets),
            http: HttpClients::new(HttpSettings::default()).expect("no certificates of its own"),
            clusters: Default::default(),
            folders: Default::default(),
            time: Default::default(),
            tape: None,
        }),
    };
    let installation = Installation::new(&sandbox, parts);
    let (context, params) = (context(), json!({ "data": { "filler": "x".repeat(1000) } }));

    criterion.bench_function("fresh instance and call, 1 KiB in and out", |bench| {
        bench.iter_custom(|times| {
            runtime.block_on(async {
                let began = Instant::now();
                for _ in 0..times {
                    black_box(
                        installation
                            .diagnose(&context, &params)
                            .await
                            .result
                            .expect("an answer"),
                    );
                }
                began.elapsed()
            })
        });
    });
    criterion.bench_function("load of a compiled plugin", |bench| {
        bench.iter_custom(|times| {
            runtime.block_on(async {
                let mut spent = Duration::ZERO;
                for _ in 0..times {
                    let sandbox = Sandbox::new(&options).expect("a sandbox");
                    let began = Instant::now();
                    black_box(
                        sandbox
                            .install(plugin.clone())
                            .await
                            .expect("the plugin is installed"),
                    );
                    spent += began.elapsed();
                }
                spent
            })
        });
    });
}

criterion_group!(benches, calls);
criterion_main!(benches);
