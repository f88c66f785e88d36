//! What Prometheus reads at `/metrics`.
//!
//! Counters are told where things happen; what is a state (the generation, open runs, the journal's queue) is read when
//! somebody looks. No label has a runbook, an alert or anything else from outside in it, so the number of series is bounded
//! by the engine's words and by `MOST_KEYS`.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

/// How many distinct plugin keys and intake paths are labels; the rest is `other`.
const MOST_KEYS: usize = 200;

/// Labels of one name and word.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct IntakeLabels {
    intake: Arc<str>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusedLabels {
    intake: Arc<str>,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    plugin: Arc<str>,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PluginLabels {
    plugin: Arc<str>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndingLabels {
    ending: &'static str,
    escalated: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Word {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ClusterLabels {
    cluster: Arc<str>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Build {
    version: &'static str,
}

/// From half a millisecond to half a minute.
#[derive(Debug, Clone, Copy)]
struct Seconds;

impl MetricConstructor<Histogram> for Seconds {
    fn new_metric(&self) -> Histogram {
        Histogram::new([
            0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
        ])
    }
}

/// What is read when somebody looks.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Readings {
    /// Open runs.
    pub runs_open: u64,
    /// Runs that wait for a person.
    pub runs_waiting: u64,
    /// Whether there is a storm.
    pub storm: bool,
    /// How many pauses hold.
    pub pauses: u64,
    /// Plugins compiled since the start.
    pub compiled: u64,
    /// The journal.
    pub journal: JournalReadings,
}

/// The journal's own counts, since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct JournalReadings {
    /// Whether it can be written.
    pub writable: bool,
    /// Groups of changes committed.
    pub commits: u64,
    /// Waits for the disk.
    pub flushes: u64,
    /// Changes that wait for the next commit.
    pub queue: u64,
    /// The file's size in bytes.
    pub bytes: u64,
}

/// Gives the readings of now.
pub type Reader = Box<dyn Fn() -> Readings + Send + Sync>;

/// The engine's metrics. Cheap to call from anywhere.
pub struct Metrics {
    registry: Registry,
    keys: Mutex<BTreeSet<Arc<str>>>,
    reader: Mutex<Option<Reader>>,

    received: Family<IntakeLabels, Counter>,
    accepted: Family<IntakeLabels, Counter>,
    truncated: Family<IntakeLabels, Counter>,
    refused: Family<RefusedLabels, Counter>,
    intake_seconds: Histogram,
    unmatched: Counter,

    opened: Counter,
    closed: Family<EndingLabels, Counter>,
    escalations: Family<Word, Counter>,
    decisions: Family<Word, Counter>,
    run_seconds: Histogram,
    runs_open: Gauge,
    runs_waiting: Gauge,
    storm: Gauge,
    pauses: Gauge,

    compiled: Gauge<u64, AtomicU64>,
    calls: Family<CallLabels, Counter>,
    call_seconds: Family<PluginLabels, Histogram, Seconds>,
    refusals: Family<Word, Counter>,
    actions: Family<Word, Counter>,

    commits: Gauge<u64, AtomicU64>,
    flushes: Gauge<u64, AtomicU64>,
    queue: Gauge<u64, AtomicU64>,
    bytes: Gauge<u64, AtomicU64>,
    writable: Gauge,

    generation: Gauge<u64, AtomicU64>,
    reloads: Family<Word, Counter>,
    problems: Family<Word, Gauge>,
    loaded: Family<Word, Gauge>,
    clusters: Family<ClusterLabels, Gauge>,
    providers: Family<Word, Gauge>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All at nothing.
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("stanch"),
            keys: Mutex::default(),
            reader: Mutex::default(),
            received: Family::default(),
            accepted: Family::default(),
            truncated: Family::default(),
            refused: Family::default(),
            intake_seconds: Seconds.new_metric(),
            unmatched: Counter::default(),
            opened: Counter::default(),
            closed: Family::default(),
            escalations: Family::default(),
            decisions: Family::default(),
            run_seconds: Histogram::new([0.01, 0.1, 1.0, 10.0, 60.0, 600.0, 3600.0, 21_600.0, 86_400.0]),
            runs_open: Gauge::default(),
            runs_waiting: Gauge::default(),
            storm: Gauge::default(),
            pauses: Gauge::default(),
            compiled: Gauge::default(),
            calls: Family::default(),
            call_seconds: Family::new_with_constructor(Seconds),
            refusals: Family::default(),
            actions: Family::default(),
            commits: Gauge::default(),
            flushes: Gauge::default(),
            queue: Gauge::default(),
            bytes: Gauge::default(),
            writable: Gauge::default(),
            generation: Gauge::default(),
            reloads: Family::default(),
            problems: Family::default(),
            loaded: Family::default(),
            clusters: Family::default(),
            providers: Family::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let r = &mut self.registry;
        r.register(
            "build",
            "The engine's version",
            Info::new(Build {
                version: env!("CARGO_PKG_VERSION"),
            }),
        );
        r.register(
            "alerts_received",
            "Alerts that senders sent",
            self.received.clone(),
        );
        r.register(
            "alerts_accepted",
            "Alerts that are durable",
            self.accepted.clone(),
        );
        r.register(
            "alerts_truncated",
            "Alerts that a sender says it left out",
            self.truncated.clone(),
        );
        r.register(
            "alerts_unmatched",
            "Accepted alerts that fit no runbook",
            self.unmatched.clone(),
        );
        r.register(
            "intake_refused",
            "Requests of senders that were refused, by reason",
            self.refused.clone(),
        );
        r.register_with_unit(
            "intake",
            "Time from a sender's request to its answer",
            Unit::Seconds,
            self.intake_seconds.clone(),
        );
        r.register("runs_opened", "Runs that were opened", self.opened.clone());
        r.register(
            "runs_closed",
            "Runs that were closed, by ending",
            self.closed.clone(),
        );
        r.register(
            "escalations",
            "Escalations that were delivered or not",
            self.escalations.clone(),
        );
        r.register("decisions", "Questions by how they ended", self.decisions.clone());
        r.register_with_unit(
            "run",
            "Time from a run's opening to its close",
            Unit::Seconds,
            self.run_seconds.clone(),
        );
        r.register("runs_open", "Runs that are open", self.runs_open.clone());
        r.register(
            "runs_waiting",
            "Runs that wait for a person",
            self.runs_waiting.clone(),
        );
        r.register(
            "storm",
            "1 while there are too many alerts and nothing is changed",
            self.storm.clone(),
        );
        r.register("pauses", "Pauses that hold", self.pauses.clone());
        r.register(
            "plugins_compiled",
            "Plugins compiled since the start; a call never compiles",
            self.compiled.clone(),
        );
        r.register("plugin_calls", "Calls of plugins, by result", self.calls.clone());
        r.register_with_unit(
            "plugin_call",
            "Time of a plugin call",
            Unit::Seconds,
            self.call_seconds.clone(),
        );
        r.register(
            "gate_refusals",
            "What the gate refused, by layer",
            self.refusals.clone(),
        );
        r.register(
            "actions",
            "Changing actions, by what became of them",
            self.actions.clone(),
        );
        r.register(
            "journal_commits",
            "Groups of changes committed since the start",
            self.commits.clone(),
        );
        r.register(
            "journal_flushes",
            "Waits for the disk since the start",
            self.flushes.clone(),
        );
        r.register(
            "journal_queue",
            "Changes that wait for the next commit",
            self.queue.clone(),
        );
        r.register_with_unit(
            "journal_size",
            "The journal's file",
            Unit::Bytes,
            self.bytes.clone(),
        );
        r.register(
            "journal_writable",
            "1 while the journal can be written",
            self.writable.clone(),
        );
        r.register(
            "generation",
            "The generation that is loaded",
            self.generation.clone(),
        );
        r.register("reloads", "Reloads, by result", self.reloads.clone());
        r.register(
            "load_problems",
            "Files that do not load, by kind",
            self.problems.clone(),
        );
        r.register("loaded", "What is loaded, by kind", self.loaded.clone());
        r.register(
            "cluster_up",
            "1 where the cluster answered when it was last asked",
            self.clusters.clone(),
        );
        r.register(
            "log_in_up",
            "1 where the provider of log-ins answered the last time, 0 where it did not",
            self.providers.clone(),
        );
    }

    /// Where the readings come from.
    pub fn read_from(&self, reader: Reader) {
        *self.reader.lock().unwrap_or_else(PoisonError::into_inner) = Some(reader);
    }

    /// The text that Prometheus reads (OpenMetrics).
    pub fn encode(&self) -> String {
        if let Some(reader) = &*self.reader.lock().unwrap_or_else(PoisonError::into_inner) {
            let now = reader();
            self.runs_open.set(gauge(now.runs_open));
            self.runs_waiting.set(gauge(now.runs_waiting));
            self.storm.set(i64::from(now.storm));
            self.pauses.set(gauge(now.pauses));
            self.compiled.set(now.compiled);
            self.commits.set(now.journal.commits);
            self.flushes.set(now.journal.flushes);
            self.queue.set(now.journal.queue);
            self.bytes.set(now.journal.bytes);
            self.writable.set(i64::from(now.journal.writable));
        }
        let mut out = String::with_capacity(16 << 10);
        // Writing to a String cannot fail.
        text::encode(&mut out, &self.registry).ok();
        out
    }

    /// A label for this key, while there are not too many.
    fn key(&self, key: &str) -> Arc<str> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = keys.get(key) {
            return Arc::clone(known);
        }
        if keys.len() >= MOST_KEYS {
            return "other".into();
        }
        let key: Arc<str> = key.into();
        keys.insert(Arc::clone(&key));
        key
    }

    /// A sender sent this many alerts, and left this many out.
    pub fn alerts_received(&self, intake: &str, alerts: usize, truncated: u64) {
        let labels = IntakeLabels {
            intake: self.key(intake),
        };
        self.received.get_or_create(&labels).inc_by(alerts as u64);
        if truncated > 0 {
            self.truncated.get_or_create(&labels).inc_by(truncated);
        }
    }

    /// This many alerts of a sender are durable.
    pub fn alerts_accepted(&self, intake: &str, alerts: usize, unmatched: usize) {
        self.accepted
            .get_or_create(&IntakeLabels {
                intake: self.key(intake),
            })
            .inc_by(alerts as u64);
        self.unmatched.inc_by(unmatched as u64);
    }

    /// A sender's request was refused.
    pub fn intake_refused(&self, intake: &str, reason: &'static str) {
        self.refused
            .get_or_create(&RefusedLabels {
                intake: self.key(intake),
                reason,
            })
            .inc();
    }

    /// How long a sender's request took.
    pub fn intake_took(&self, took: Duration) {
        self.intake_seconds.observe(took.as_secs_f64());
    }

    /// A run was opened.
    pub fn run_opened(&self) {
        self.opened.inc();
    }

    /// A run was closed with this ending, after this long.
    pub fn run_closed(&self, ending: &'static str, escalated: bool, took: Duration) {
        let escalated = if escalated { "true" } else { "false" };
        self.closed
            .get_or_create(&EndingLabels { ending, escalated })
            .inc();
        self.run_seconds.observe(took.as_secs_f64());
    }

    /// An escalation was delivered, or not.
    pub fn escalation(&self, delivered: bool) {
        let kind = if delivered { "delivered" } else { "failed" };
        self.escalations.get_or_create(&Word { kind }).inc();
    }

    /// A question ended so: `yes`, `no`, `expired`, `withdrawn`.
    pub fn decision(&self, how: &'static str) {
        self.decisions.get_or_create(&Word { kind: how }).inc();
    }

    /// A plugin was called: `ok`, or the code of its failure or the name of the limit.
    pub fn plugin_call(&self, plugin: &str, result: &'static str, took: Duration) {
        let plugin = self.key(plugin);
        self.call_seconds
            .get_or_create(&PluginLabels {
                plugin: Arc::clone(&plugin),
            })
            .observe(took.as_secs_f64());
        self.calls.get_or_create(&CallLabels { plugin, result }).inc();
    }

    /// The gate refused a call in this layer.
    pub fn gate_refusal(&self, layer: &'static str) {
        self.refusals.get_or_create(&Word { kind: layer }).inc();
    }

    /// A changing action ended so: `done`, `refused`, `unknown`, `not-sent`.
    pub fn action(&self, state: &'static str) {
        self.actions.get_or_create(&Word { kind: state }).inc();
    }

    /// A reload ended: `swapped`, `unchanged`, `failed`.
    pub fn reload(&self, result: &'static str) {
        self.reloads.get_or_create(&Word { kind: result }).inc();
    }

    /// Whether the provider of `[oidc]` answered the last time.
    pub fn provider(&self, is_up: bool) {
        let kind = Word { kind: "oidc" };
        self.providers.get_or_create(&kind).set(i64::from(is_up));
    }

    /// Whether the certificate of `server.tls` that is in the files is the one in use.
    pub fn certificate(&self, is_used: bool) {
        let kind = Word { kind: "certificate" };
        self.problems.get_or_create(&kind).set(i64::from(!is_used));
    }

    /// What is loaded now.
    pub fn loaded(&self, loaded: &Loaded) {
        self.generation.set(loaded.generation);
        for (kind, count) in [("runbook", loaded.runbooks), ("plugin", loaded.plugins)] {
            self.loaded.get_or_create(&Word { kind }).set(gauge(count as u64));
        }
        for (kind, count) in loaded.problems {
            self.problems
                .get_or_create(&Word { kind })
                .set(gauge(count as u64));
        }
    }
}

/// What is loaded, in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loaded {
    /// The generation.
    pub generation: u64,
    /// Runbooks.
    pub runbooks: usize,
    /// Plugins.
    pub plugins: usize,
    /// Files that do not load, by kind.
    pub problems: [(&'static str, usize); 4],
}

impl Metrics {
    /// How the clusters are: each by its name, and whether it answers.
    pub fn clusters<'a>(&self, states: impl IntoIterator<Item = (&'a str, bool)>) {
        self.clusters.clear();
        for (name, is_up) in states.into_iter().take(MOST_KEYS) {
            let labels = ClusterLabels { cluster: name.into() };
            self.clusters.get_or_create(&labels).set(i64::from(is_up));
        }
    }
}

fn gauge(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_can_be_read() {
        let metrics = Metrics::new();
        metrics.alerts_received("/alerts", 3, 2);
        metrics.alerts_accepted("/alerts", 3, 1);
        metrics.intake_refused("/alerts", "credentials");
        metrics.plugin_call("disk-usage", "ok", Duration::from_millis(3));
        metrics.run_closed("healed", false, Duration::from_secs(4));
        metrics.clusters([("gone", true)]);
        metrics.clusters([("eu-b", true), ("us-a", false)]);
        metrics.certificate(false);
        metrics.provider(false);
        metrics.read_from(Box::new(|| Readings {
            runs_open: 7,
            ..Readings::default()
        }));
        let text = metrics.encode();
        for line in [
            "stanch_alerts_received_total{intake=\"/alerts\"} 3",
            "stanch_alerts_truncated_total{intake=\"/alerts\"} 2",
            "stanch_alerts_unmatched_total 1",
            "stanch_intake_refused_total{intake=\"/alerts\",reason=\"credentials\"} 1",
            "stanch_plugin_calls_total{plugin=\"disk-usage\",result=\"ok\"} 1",
            "stanch_plugin_call_seconds_count{plugin=\"disk-usage\"} 1",
            "stanch_runs_closed_total{ending=\"healed\",escalated=\"false\"} 1",
            "stanch_runs_open 7",
            "stanch_cluster_up{cluster=\"eu-b\"} 1",
            "stanch_cluster_up{cluster=\"us-a\"} 0",
            "stanch_load_problems{kind=\"certificate\"} 1",
            "stanch_log_in_up{kind=\"oidc\"} 0",
        ] {
            assert!(
                text.lines().any(|found| found == line),
                "{line} is not in\n{text}"
            );
        }
        assert!(!text.contains("cluster=\"gone\""), "{text}");
    }

    #[test]
    fn the_number_of_series_is_bounded() {
        let metrics = Metrics::new();
        for plugin in 0..MOST_KEYS + 50 {
            metrics.plugin_call(&format!("p{plugin}"), "ok", Duration::ZERO);
        }
        let text = metrics.encode();
        let series = text
            .lines()
            .filter(|line| line.starts_with("stanch_plugin_calls_total"))
            .count();
        assert_eq!(series, MOST_KEYS + 1);
        assert!(text.contains("stanch_plugin_calls_total{plugin=\"other\",result=\"ok\"} 50"));
    }
}
