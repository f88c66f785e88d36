//! Runbooks, a plugin and stanch.toml are replaced fifty times, one time in five by something broken, while two thousand
//! alerts come in: every alert is answered for, and no run mixes what belongs to two generations.
//!
//! The plugin of version N takes only the parameter N and answers with N; the runbooks of version N give it N. So only what
//! belongs together loads together, and a run shows in each of its answers which version it was made with.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test stops there, and writes the files that are read"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stanch_contract::{Digest, RunId, Verdict};
use stanch_outside::alertmanager::notification;
use stanch_outside::http::Connection;
use stanch_outside::serve::Scratch;
use stanch_run::{Event, EventKind};
use stanch_service::ProblemKind;
use stanch_service::serve::{self, Served};
use stanch_test_support::{Craft, core_diagnosis};

const ROUNDS: usize = 50;
const ALERTS: usize = 2_000;
const SENDERS: usize = 4;
const RUNBOOKS: [&str; 4] = ["north", "east", "south", "west"];

const SETTINGS: &str = r#"
[server]
listen = "127.0.0.1:0"
[[runbooks]]
path = "runbooks"
[[intake]]
kind = "alertmanager"
path = "/alerts"
[guardrails]
max_open = 1000000
storm = { alerts = 1000000, within = "1m" }
[plugins.version]
source = "plugins/version.wasm"
"#;

/// What a round leaves in the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Round {
    /// A new version of everything, whole; the plugin is written before the runbooks, or after them.
    Good { plugin_first: bool },
    /// A runbook that is no TOML.
    BrokenRunbook,
    /// A plugin that is no component.
    BrokenPlugin,
    /// A stanch.toml with a key that nobody knows.
    BrokenSettings,
    /// A new plugin that no loaded runbook fits.
    PluginAlone,
    /// New runbooks that the loaded plugin does not fit.
    RunbooksAlone,
}

impl Round {
    fn of(round: usize) -> Self {
        const BROKEN: [Round; 5] = [
            Round::BrokenRunbook,
            Round::BrokenPlugin,
            Round::BrokenSettings,
            Round::PluginAlone,
            Round::RunbooksAlone,
        ];
        match round % 5 {
            4 => BROKEN[round / 5 % BROKEN.len()],
            other => Self::Good {
                plugin_first: other % 2 == 0,
            },
        }
    }

    /// Whose problem it becomes; none where it is good.
    fn problem(self) -> Option<ProblemKind> {
        match self {
            Self::Good { .. } => None,
            Self::BrokenRunbook | Self::RunbooksAlone => Some(ProblemKind::Runbook),
            Self::BrokenPlugin | Self::PluginAlone => Some(ProblemKind::Plugin),
            Self::BrokenSettings => Some(ProblemKind::Settings),
        }
    }

    fn write(self, files: &Files, version: u32) {
        match self {
            Self::Good { plugin_first } => {
                files.put("stanch.toml", SETTINGS);
                if plugin_first {
                    files.put("plugins/version.wasm", plugin(version));
                }
                files.runbooks(version);
                if !plugin_first {
                    files.put("plugins/version.wasm", plugin(version));
                }
            }
            Self::BrokenRunbook => files.put("runbooks/east.toml", "name = \"east"),
            Self::BrokenPlugin => files.put("plugins/version.wasm", &plugin(version)[..500]),
            Self::BrokenSettings => files.put("stanch.toml", format!("{SETTINGS}colour = \"red\"\n")),
            Self::PluginAlone => files.put("plugins/version.wasm", plugin(version)),
            Self::RunbooksAlone => files.runbooks(version),
        }
    }
}

/// The operator's folder.
struct Files(Scratch);

impl Files {
    /// Puts a file in the place of another one in one step, as editors and deployments do.
    fn put(&self, name: &str, content: impl AsRef<[u8]>) {
        let aside = format!("{name}~");
        self.0.write(&aside, content).unwrap();
        std::fs::rename(self.0.path().join(aside), self.0.path().join(name)).unwrap();
    }

    fn runbooks(&self, version: u32) {
        for name in RUNBOOKS {
            self.put(&format!("runbooks/{name}.toml"), runbook(name, version));
        }
    }
}

fn runbook(name: &str, version: u32) -> String {
    format!(
        r#"name = "{name}"
title = "Version {version}"
owner = "tests"
[trigger]
alert = "{name}"
[impact]
severity = "low"
summary = "None."
[[diagnosis]]
id = "first"
ask = "Which version is it?"
uses = "version"
with = {{ version = {version} }}
[[diagnosis]]
id = "second"
ask = "Is it still that version?"
uses = "version"
needs = ["first"]
with = {{ version = {version} }}
"#
    )
}

/// A diagnosis plugin that answers yes with its version.
fn plugin(version: u32) -> Vec<u8> {
    const ANSWER: u32 = 4_096;
    const SUMMARY: u32 = 8_192;
    const DATA: u32 = 8_320;
    const EXTRA: u32 = 8_448;
    let manifest = json!({
        "name": "version", "version": format!("{version}.0.0"), "summary": "Says which version it is.",
        "params": {
            "type": "object", "additionalProperties": false, "required": ["version"],
            "properties": { "version": { "const": version } },
        },
    })
    .to_string();
    let (summary, data) = (
        format!("version {version}"),
        json!({ "version": version }).to_string(),
    );
    // result<finding, failure>: ok; yes; summary; no evidence; data; extra.
    let length = |text: &str| u32::try_from(text.len()).unwrap();
    let words = [
        0,
        0,
        SUMMARY,
        length(&summary),
        ANSWER,
        0,
        DATA,
        length(&data),
        EXTRA,
        2,
    ];
    let answer: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
    let mut extra = String::new();
    for (at, bytes) in [
        (ANSWER, answer.as_slice()),
        (SUMMARY, summary.as_bytes()),
        (DATA, data.as_bytes()),
        (EXTRA, b"{}"),
    ] {
        let escaped: String = bytes.iter().fold(String::new(), |mut text, byte| {
            write!(text, "\\{byte:02x}").unwrap();
            text
        });
        writeln!(extra, "(data (i32.const {at}) \"{escaped}\")").unwrap();
    }
    let core = core_diagnosis(&manifest, &extra, &format!("i32.const {ANSWER} return"));
    Craft {
        core: Some(core),
        manifest: Some(manifest),
        ..Craft::of("diagnosis-plugin")
    }
    .build()
}

/// Which version each digest is of.
#[derive(Default)]
struct Versions(BTreeMap<Digest, u32>);

impl Versions {
    /// What is loaded now is all of one version; which.
    fn of_loaded(&mut self, served: &Served) -> u32 {
        let snapshot = served.reloader().current().load();
        let version = version_of(&snapshot.plugins[&"version".into()].facts.manifest.version);
        assert_eq!(
            snapshot.runbooks.len(),
            RUNBOOKS.len(),
            "a broken file takes no good one down"
        );
        let digests = snapshot.runbooks.values().map(|loaded| {
            assert_eq!(
                loaded.runbook.title,
                format!("Version {version}"),
                "generation {}",
                snapshot.generation
            );
            loaded.runbook.digest
        });
        let digests: Vec<Digest> = digests
            .chain([snapshot.plugins[&"version".into()].digest])
            .collect();
        for digest in digests {
            assert_eq!(*self.0.entry(digest).or_insert(version), version);
        }
        version
    }
}

fn version_of(text: &str) -> u32 {
    text.split('.').next().unwrap().parse().unwrap()
}

/// How far the senders may go, and have come.
#[derive(Default)]
struct Pace {
    permitted: AtomicUsize,
    sent: AtomicUsize,
}

/// Sends every fourth alert, the alerts of a round over one connection, and gives back which run each was answered with.
fn send(sender: usize, to: SocketAddr, pace: &Pace) -> Vec<RunId> {
    let mut engine = Connection::open(to).unwrap();
    let mut runs = Vec::new();
    for alert in (sender..ALERTS).step_by(SENDERS) {
        if pace.permitted.load(Ordering::Acquire) <= alert {
            while pace.permitted.load(Ordering::Acquire) <= alert {
                std::thread::sleep(Duration::from_millis(1));
            }
            // The engine does not keep a connection for ever on which nothing comes.
            engine = Connection::open(to).unwrap();
        }
        let instance = format!("node-{alert}");
        let name = RUNBOOKS[alert / SENDERS % RUNBOOKS.len()];
        let body = notification(name, &[("instance", &instance)], true, "2026-11-24T00:00:00Z").to_string();
        let answer = engine.post("/alerts", "nobody", &body).unwrap();
        assert_eq!(answer.status, 202, "alert {alert}: {}", answer.body);
        let answer: Value = serde_json::from_str(&answer.body).unwrap();
        let [run] = answer["runs"].as_array().unwrap().as_slice() else {
            panic!("alert {alert}: {answer}")
        };
        runs.push(RunId::from(run.as_str().unwrap()));
        pace.sent.fetch_add(1, Ordering::AcqRel);
    }
    runs
}

async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "{what}: not within a minute"
        );
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// The events of a run once both of its checks are answered.
async fn answered(served: &Served, run: &RunId) -> Vec<Event> {
    let began = Instant::now();
    loop {
        let events = served.engine().events(run).await.unwrap();
        let answers = events
            .iter()
            .filter(|event| matches!(event.kind, EventKind::StepAnswered { .. }));
        if answers.count() >= 2 {
            return events;
        }
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "{run} is not answered: {events:#?}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The version that a run is of, where all of it is of one.
fn version_of_run(run: &RunId, events: &[Event], versions: &Versions) -> u32 {
    let Some(EventKind::RunOpened(opened)) = events.first().map(|event| &event.kind) else {
        panic!("{run} has no beginning")
    };
    let version = versions.0[&opened.digest];
    let pinned: Vec<u32> = opened
        .plugins
        .values()
        .map(|pin| versions.0[&pin.component])
        .collect();
    assert_eq!(pinned, [version], "{run} pins a plugin of another generation");
    let mut answers = 0;
    for event in events {
        if let EventKind::StepAnswered {
            step,
            finding,
            failure,
            ..
        } = &event.kind
        {
            assert_eq!((finding.verdict, failure), (Verdict::Yes, &None), "{run} {step}");
            assert_eq!(
                finding.data["version"], version,
                "{run} {step} was answered by another generation"
            );
            answers += 1;
        }
    }
    assert_eq!(answers, 2, "{run}: each check is answered once");
    version
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_alert_is_answered_for_and_no_run_mixes_generations_while_files_are_swapped() {
    let files = Files(Scratch::new("swap").unwrap());
    for folder in ["runbooks", "plugins"] {
        std::fs::create_dir(files.0.path().join(folder)).unwrap();
    }
    Round::Good { plugin_first: true }.write(&files, 1);
    let served = serve::start(&files.0.path().join("stanch.toml")).await.unwrap();
    let mut versions = Versions::default();
    assert_eq!(versions.of_loaded(&served), 1);

    let pace = Arc::new(Pace::default());
    let senders: Vec<_> = (0..SENDERS)
        .map(|sender| {
            let (to, pace) = (served.address(), Arc::clone(&pace));
            tokio::task::spawn_blocking(move || send(sender, to, &pace))
        })
        .collect();
    let mut loaded = 1;
    for round in 0..ROUNDS {
        // Alerts come in while the files are written and looked at.
        let due = ALERTS * (round + 1) / ROUNDS;
        pace.permitted.store(due, Ordering::Release);
        let (kind, version) = (Round::of(round), 2 + u32::try_from(round).unwrap());
        kind.write(&files, version);
        let current = served.reloader().current();
        match kind.problem() {
            None => {
                let want = format!("{version}.0.0");
                until("the new version is loaded", || {
                    let snapshot = current.load();
                    snapshot.problems.is_empty()
                        && snapshot.plugins[&"version".into()].facts.manifest.version == want
                })
                .await;
                loaded = version;
            }
            Some(wrong) => {
                until("what is broken is told", || {
                    current
                        .load()
                        .problems
                        .iter()
                        .any(|problem| problem.kind == wrong)
                })
                .await;
            }
        }
        assert_eq!(versions.of_loaded(&served), loaded, "{kind:?}");
        until("the round's alerts are sent", || {
            pace.sent.load(Ordering::Acquire) >= due || senders.iter().any(|sender| sender.is_finished())
        })
        .await;
    }

    let mut runs = BTreeSet::new();
    for sender in senders {
        runs.extend(sender.await.unwrap());
    }
    assert_eq!(runs.len(), ALERTS, "each alert has a run of its own");
    let mut seen: BTreeMap<u32, usize> = BTreeMap::new();
    for run in &runs {
        let events = answered(&served, run).await;
        *seen.entry(version_of_run(run, &events, &versions)).or_default() += 1;
    }
    assert!(
        seen.len() > ROUNDS / 2,
        "runs of few versions only show little: {seen:?}"
    );
    assert_eq!(served.engine().stuck_runs(), []);
    served.drain().await;
}
