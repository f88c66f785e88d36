//! What a plugin costs in each language: `http-probe`, the same in all of them. `cargo xtask bench plugins` shows it beside the
//! other figures; a line of JSON for each figure is for that.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "it stops where anything is wrong, and is read by nobody else"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stanch_sandbox::{Sandbox, SandboxOptions};
use stanch_tests::{Installed, built};
use tokio::net::TcpListener;

const LANGUAGES: [&str; 5] = ["rust", "c", "typescript", "go", "python"];
/// Calls that are measured one after another, and calls that are there at the same time.
const CALLS: usize = 200;
const LIVE: usize = 8;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        for language in LANGUAGES {
            Box::pin(measured(language)).await;
        }
    });
}

fn told(language: &str, what: &str, value: f64, unit: &str) {
    let figure = json!({ "name": format!("http-probe in {language}: {what}"), "value": value, "unit": unit });
    println!("{figure}");
}

fn ms(took: Duration) -> f64 {
    took.as_secs_f64() * 1e3
}

fn fresh(cache: Option<&tempfile::TempDir>) -> Sandbox {
    let cache = cache.map(|folder| folder.path().join("compiled"));
    Sandbox::new(&SandboxOptions {
        cache,
        calls: 16,
        ..SandboxOptions::default()
    })
    .unwrap()
}

async fn measured(language: &str) {
    let component = built(language, "http-probe").await;
    told(language, "component", component.len() as f64 / 1024.0, "KiB");

    let folder = tempfile::tempdir().unwrap();
    let began = Instant::now();
    fresh(Some(&folder)).install(component.clone()).await.unwrap();
    told(language, "compile and install, once", ms(began.elapsed()), "ms");

    let mut loads = Vec::new();
    for _ in 0..9 {
        let sandbox = fresh(Some(&folder));
        let began = Instant::now();
        sandbox.install(component.clone()).await.unwrap();
        loads.push(began.elapsed());
    }
    told(
        language,
        "load of what was compiled, p50 of 9",
        ms(middle(loads)),
        "ms",
    );

    let sandbox = fresh(Some(&folder));
    let silent = Silent::listen().await;
    let grant = json!({ "http": [{ "url": format!("{}/**", silent.url), "read": ["GET"], "addresses": ["127.0.0.0/8"] }] });
    let plugin = Arc::new(Installed::of(&sandbox, component, grant, json!({})).await);
    let refused = json!({ "url": "https://elsewhere.example/", "tries": 1 });
    let mut calls = Vec::new();
    for _ in 0..CALLS {
        let began = Instant::now();
        plugin.diagnose(refused.clone()).await.unwrap();
        calls.push(began.elapsed());
    }
    told(
        language,
        "fresh instance and call, p50 of 200",
        ms(middle(calls)),
        "ms",
    );
    told(
        language,
        "memory of a live instance",
        silent.held(&plugin).await,
        "MiB",
    );
}

fn middle(mut values: Vec<Duration>) -> Duration {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// A server that takes connections and answers none.
struct Silent {
    url: String,
    taken: Arc<AtomicUsize>,
}

impl Silent {
    async fn listen() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let taken: Arc<AtomicUsize> = Arc::default();
        let count = taken.clone();
        tokio::spawn(async move {
            let mut kept = Vec::new();
            while let Ok((stream, _)) = listener.accept().await {
                kept.push(stream);
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self { url, taken }
    }

    /// The memory that each of several calls takes which wait here at the same time.
    async fn held(&self, plugin: &Arc<Installed>) -> f64 {
        let before = memory();
        let params: Value = json!({ "url": format!("{}/", self.url), "tries": 1 });
        let waiting: Vec<_> = (0..LIVE)
            .map(|_| {
                let (plugin, params) = (plugin.clone(), params.clone());
                tokio::spawn(async move { plugin.diagnose(params).await.is_ok() })
            })
            .collect();
        let began = Instant::now();
        while self.taken.load(Ordering::Relaxed) < LIVE {
            assert!(
                began.elapsed() < Duration::from_secs(20),
                "the calls do not arrive"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let more = memory() - before;
        waiting.iter().for_each(tokio::task::JoinHandle::abort);
        more / LIVE as f64
    }
}

/// What this process has in memory, its share of what it has in common with others, in MiB.
fn memory() -> f64 {
    let rollup = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:")).unwrap();
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse().unwrap();
    kib / 1024.0
}
