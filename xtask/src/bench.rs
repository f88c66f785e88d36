//! Speed and memory, each figure beside a probe of the same run and beside its goal.
//!
//! Two kinds. What a crate does alone is measured by its criterion benches, which are called here and whose medians are
//! read. What the engine does is measured on the release binary from outside: alerts over HTTP on loopback, answers
//! from its metrics, its CPU and memory from /proc. A disk's speed differs from one hour to the next, so what waits for
//! it is given in probes: a write of 4 KiB and its flush on the same disk, taken before and after. The harness shares
//! the machine with the engine, so throughput is what both reach together.

mod cluster;
mod crates;
mod figure;
mod languages;
mod load;
mod probe;
mod process;
mod setting;
mod watched;

use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::Duration;

use stanch_outside::http::{Sink, free_port};
use stanch_outside::serve::{Engine, Scratch};

use crate::engine::{Binaries, Build};
use crate::shell::{TaskError, Workspace, output, step};
use crate::{parts, plugins};
use figure::{Goal, Table};
use load::{Load, accepted, one_by_one, saturated};
use setting::{Kind, Setting};

/// What can be measured by itself, in the order in which all of it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// Start and memory.
    Start,
    /// Alerts accepted.
    Alerts,
    /// Alerts accepted while people look.
    Watched,
    /// Runs with three checks.
    Checks,
    /// Runs with one check and one change.
    Change,
    /// A pod recycled on a real cluster.
    Recycle,
    /// The crates' own benches.
    Crates,
    /// A plugin in each language.
    Plugins,
}

impl Part {
    /// Every part.
    const ALL: [Self; 8] = [
        Self::Start,
        Self::Alerts,
        Self::Watched,
        Self::Checks,
        Self::Change,
        Self::Recycle,
        Self::Crates,
        Self::Plugins,
    ];

    /// The word of the command line.
    const fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Alerts => "alerts",
            Self::Watched => "watched",
            Self::Checks => "checks",
            Self::Change => "change",
            Self::Recycle => "recycle",
            Self::Crates => "crates",
            Self::Plugins => "plugins",
        }
    }

    fn words(self) -> String {
        match self {
            Self::Start => "start and memory".to_owned(),
            Self::Alerts => "alerts accepted".to_owned(),
            Self::Watched => "alerts accepted while people look".to_owned(),
            Self::Checks => format!("runs with {}", Kind::Checks.words()),
            Self::Change => format!("runs with {}", Kind::Change.words()),
            Self::Recycle => "a pod recycled on a real cluster".to_owned(),
            Self::Crates => "the crates' own benches".to_owned(),
            Self::Plugins => "a plugin in each language".to_owned(),
        }
    }

    /// The parts of these names, or all; `None` where one is no part.
    pub(crate) fn named(names: &[&str]) -> Option<Vec<Self>> {
        if names.is_empty() {
            return Some(Self::ALL.to_vec());
        }
        let part = |name: &&str| Self::ALL.into_iter().find(|part| part.word() == *name);
        names.iter().map(part).collect()
    }
}

/// Measures these parts and prints every figure that was taken, also where a part failed.
pub(crate) fn these(parts: &[Part]) -> Result<(), TaskError> {
    let workspace = Workspace::read()?;
    let mut table = Table::default();
    let result = measured(&workspace, parts, &mut table);
    println!("{table}");
    result
}

fn measured(workspace: &Workspace, parts: &[Part], table: &mut Table) -> Result<(), TaskError> {
    let of_engine = |part: &Part| !matches!(part, Part::Crates | Part::Plugins);
    let bench = parts
        .iter()
        .any(of_engine)
        .then(|| Bench::build(workspace))
        .transpose()?;
    let mut failed = None;
    for part in parts {
        let result = step(&part.words(), || match (part, &bench) {
            (Part::Plugins, _) => languages::measured(table),
            (Part::Crates, _) | (_, None) => crates::measured(workspace, table),
            (Part::Start, Some(bench)) => bench.start_and_memory(table),
            (Part::Alerts, Some(bench)) => bench.accepted(table),
            (Part::Watched, Some(bench)) => bench.watched(table),
            (Part::Checks, Some(bench)) => bench.runs(Kind::Checks, table),
            (Part::Change, Some(bench)) => bench.runs(Kind::Change, table),
            (Part::Recycle, Some(bench)) => {
                parts::get()?;
                cluster::measured(&bench.binaries, table)
            }
        });
        // One that failed does not keep the others from being measured.
        failed = failed.or(result.err());
    }
    failed.map_or(Ok(()), Err)
}

struct Bench {
    binaries: Binaries,
    target: std::path::PathBuf,
}

/// An engine under load, with what it acts on.
struct Running {
    engine: Engine,
    load: Load,
    effects: Sink,
    scratch: Scratch,
}

impl Bench {
    fn build(workspace: &Workspace) -> Result<Self, TaskError> {
        let binaries = Binaries::build(workspace, Build::Release)?;
        plugins::build(workspace, &binaries)?;
        Ok(Self {
            binaries,
            target: workspace.target(),
        })
    }

    fn start(&self, kind: Kind) -> Result<Running, TaskError> {
        let io = |why: std::io::Error| TaskError::Other(format!("the bench's folder: {why}"));
        let scratch = Scratch::new("bench").map_err(io)?;
        let effects = Sink::open("yes").map_err(io)?;
        let listens = free_port().map_err(io)?;
        let setting = Setting {
            target: &self.target,
            listens,
            effects: effects.address,
            kind,
        };
        setting.write(&scratch).map_err(io)?;
        let engine = Engine::start(
            &self.binaries.get("stanch"),
            scratch.path(),
            listens,
            setting::TOKEN,
        )?;
        Ok(Running {
            engine,
            load: Load::new(listens, (kind == Kind::Change).then(|| effects.came.clone())),
            effects,
            scratch,
        })
    }

    fn start_and_memory(&self, table: &mut Table) -> Result<(), TaskError> {
        // The first start compiles the plugins; what is measured is any start after that.
        let first = self.start(Kind::Idle)?;
        let (scratch, listens) = (first.scratch, first.load.listens());
        first.engine.stop()?;
        let mut starts = Vec::new();
        for _ in 0..10 {
            let engine = Engine::start(
                &self.binaries.get("stanch"),
                scratch.path(),
                listens,
                setting::TOKEN,
            )?;
            starts.push(engine.started_in);
            if starts.len() == 10 {
                std::thread::sleep(Duration::from_secs(2));
                let memory = process::memory(engine.process())?;
                let name = "memory idle with 10 plugins";
                table.add(name, Goal::AtMost(40.0, "MiB"), memory.all);
                table.add(
                    &format!("{name}: of it no file's pages"),
                    Goal::None("MiB"),
                    memory.own,
                );
            }
            engine.stop()?;
        }
        let start = figure::quantile(&mut starts, 0.5).as_secs_f64() * 1e3;
        table.add(
            "start to serving, 100 runbooks, p50 of 10",
            Goal::AtMost(150.0, "ms"),
            start,
        );
        Ok(())
    }

    fn accepted(&self, table: &mut Table) -> Result<(), TaskError> {
        let running = self.start(Kind::Idle)?;
        let (rate, probe) = probe::beside(running.scratch.path(), || accepted(&running.load))?;
        table.probed(
            "alerts accepted durably, 64 connections",
            Goal::AtLeast(8_000.0, "/s"),
            rate,
            probe,
        );
        Ok(running.engine.stop()?)
    }

    fn watched(&self, table: &mut Table) -> Result<(), TaskError> {
        let running = self.start(Kind::Asked)?;
        parts::get()?;
        let engine = format!("http://{}", running.load.listens());
        let mut painted = String::new();
        let look = |run: &str| {
            let page = format!("/runs/{run}");
            let paths = ["/", &page, "/runs", "/r/bench", "/a", "/plugins", "/report"];
            let mut bench = Command::new(self.binaries.get("pages-bench"));
            painted = output(bench.args([engine.as_str(), setting::VIEWER]).args(paths))?;
            Ok(())
        };
        let (seen, probe) = probe::beside(running.scratch.path(), || watched::measured(&running.load, look))?;
        let (runs, viewers) = (watched::RUNS, watched::VIEWERS);
        let name = format!("alerts accepted with {runs} runs open and {viewers} viewers");
        table.probed(&name, Goal::None("/s"), seen.watched, probe);
        let share = 100.0 * seen.watched / seen.alone;
        table.probed("of those without them", Goal::AtLeast(80.0, "%"), share, probe);
        table.add(
            "pages sent to viewers meanwhile",
            Goal::None(""),
            seen.pages as f64,
        );
        table.read("pages-bench", &painted, |unit| Goal::AtMost(200.0, unit))?;
        Ok(running.engine.stop()?)
    }

    fn runs(&self, kind: Kind, table: &mut Table) -> Result<(), TaskError> {
        let running = self.start(kind)?;
        let goals = kind.goals();
        let (mut took, probe) = probe::beside(running.scratch.path(), || one_by_one(&running.load))?;
        let words = kind.words();
        for (name, part, goal) in [("p50", 0.5, goals.probes), ("p99", 0.99, Goal::None("probes"))] {
            let value = figure::quantile(&mut took, part).as_secs_f64() / probe.as_secs_f64();
            table.probed(&format!("{words}, one in flight, {name}"), goal, value, probe);
        }
        let process = running.engine.process();
        let (busy, probe) = probe::beside(running.scratch.path(), || saturated(&running.load, process))?;
        table.probed(
            &format!("{words}, 64 in flight: runs"),
            goals.rate,
            busy.rate,
            probe,
        );
        table.probed(
            &format!("{words}, 64 in flight: CPU a run"),
            goals.cpu,
            busy.cpu_ms,
            probe,
        );
        table.probed(
            &format!("{words}, 64 in flight: flushes a run"),
            goals.flushes,
            busy.flushes,
            probe,
        );
        if kind == Kind::Change && running.effects.came.changes.load(Ordering::Relaxed) < busy.runs {
            return Err(running
                .engine
                .trouble("fewer requests came out of the engine than runs went in")
                .into());
        }
        Ok(running.engine.stop()?)
    }
}
