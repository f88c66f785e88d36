//! Speed and memory, each figure beside a probe of the same run and beside its goal.
//!
//! Two kinds. What a crate does alone is measured by its criterion benches, which are called here and whose medians are
//! read. What the engine does is measured on the release binary from outside: alerts over HTTP on loopback, answers
//! from its metrics, its CPU and memory from /proc. A disk's speed differs from one hour to the next, so what waits for
//! it is given in probes: a write of 4 KiB and its flush on the same disk, taken before and after. The harness shares
//! the machine with the engine, so throughput is what both reach together.

mod crates;
mod figure;
mod load;
mod probe;
mod process;
mod setting;

use std::sync::atomic::Ordering;
use std::time::Duration;

use stanch_outside::http::{Sink, free_port};
use stanch_outside::serve::{Engine, Scratch};

use crate::engine::{Binaries, Build};
use crate::plugins;
use crate::shell::{TaskError, Workspace, step};
use figure::{Goal, Table};
use load::{Load, accepted, one_by_one, saturated};
use setting::{Kind, Setting};

/// Measures everything and prints it.
pub(crate) fn all() -> Result<(), TaskError> {
    let workspace = Workspace::read()?;
    let binaries = Binaries::build(&workspace, Build::Release)?;
    plugins::build(&workspace, &binaries)?;
    let mut table = Table::default();
    let bench = Bench {
        binaries,
        target: workspace.target(),
    };
    step("start and memory", || bench.start_and_memory(&mut table))?;
    step("alerts accepted", || bench.accepted(&mut table))?;
    for kind in [Kind::Checks, Kind::Change] {
        step(&format!("runs with {}", kind.words()), || {
            bench.runs(kind, &mut table)
        })?;
    }
    step("the crates' own benches", || {
        crates::measured(&workspace, &mut table)
    })?;
    println!("{table}");
    Ok(())
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
                let pss = process::pss(engine.process())?;
                table.add("memory idle with 10 plugins", Goal::AtMost(40.0, "MiB"), pss);
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
