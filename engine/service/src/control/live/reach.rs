//! What somebody is shown of lists: what is of runbooks that their role reaches.

use std::collections::BTreeMap;
use std::path::Path;

use stanch_contract::{PluginKey, RunId};
use stanch_journal::RunRecord;
use stanch_run::{Actor, Role};

use super::LOOK;
use crate::config::settings::Folder;
use crate::executor::Engine;
use crate::snapshot::{Problem, ProblemKind, Snapshot};

/// Somebody, and the engine that they ask.
pub(super) struct Reach<'a> {
    pub(super) engine: &'a Engine,
    who: &'a Actor,
}

impl<'a> Reach<'a> {
    pub(super) fn of(engine: &'a Engine, who: &'a Actor) -> Self {
        Self { engine, who }
    }

    /// Whether everything is shown to them: what is of no runbook too.
    pub(super) fn sees_all(&self) -> bool {
        self.who.everywhere().is_some()
    }

    /// Whether what is of this runbook is.
    pub(super) fn sees(&self, runbook: &str) -> bool {
        self.engine
            .in_runbook(self.who, runbook, Role::Viewer, LOOK)
            .is_ok()
    }

    pub(super) fn sees_run(&self, record: &RunRecord) -> bool {
        self.sees(&record.runbook)
    }

    /// Whether a file that does not load is: one that is in a folder of theirs, or of nobody's.
    pub(super) fn sees_problem(&self, snapshot: &Snapshot, problem: &Problem) -> bool {
        if self.sees_all() || problem.kind != ProblemKind::Runbook {
            return true;
        }
        let mut folders = snapshot.settings.folders.iter();
        folders.any(|folder| {
            // A file is by its folder, a folder that cannot be read as it is written.
            let is_in = problem.path.starts_with(&folder.path) || problem.path.starts_with(&folder.written);
            is_in && self.reaches(snapshot, folder)
        })
    }

    /// Whether a plugin is: one that runbooks of theirs may use.
    pub(super) fn sees_plugin(&self, snapshot: &Snapshot, plugin: &PluginKey) -> bool {
        let mut folders = snapshot.settings.folders.iter();
        self.sees_all()
            || folders.any(|folder| folder.plugins.allows(plugin) && self.reaches(snapshot, folder))
    }

    /// Whether a folder holds runbooks of theirs: its team's, or such as have an owner that their role is for.
    fn reaches(&self, snapshot: &Snapshot, folder: &Folder) -> bool {
        let mut runbooks = snapshot.runbooks.values();
        self.who.within_team(&folder.team).is_some()
            || runbooks.any(|loaded| {
                let is_in = Path::new(&loaded.source.path).parent() == Some(Path::new(&folder.written));
                let book = &loaded.runbook;
                is_in && self.who.within(&book.team, &book.owner).is_some()
            })
    }

    /// The runs that cannot go on, and why.
    pub(super) async fn stuck(&self) -> BTreeMap<RunId, String> {
        let mut shown = BTreeMap::new();
        for stuck in self.engine.stuck_runs() {
            let there = self.engine.in_run(self.who, &stuck.run, Role::Viewer, LOOK).await;
            if there.is_ok() {
                shown.insert(stuck.run, stuck.why);
            }
        }
        shown
    }

    /// Whether one of these runs is shown to them.
    pub(super) async fn sees_one_of(&self, runs: &[RunId]) -> bool {
        for run in runs {
            let there = self.engine.in_run(self.who, run, Role::Viewer, LOOK).await;
            if there.is_ok() {
                return true;
            }
        }
        false
    }
}
