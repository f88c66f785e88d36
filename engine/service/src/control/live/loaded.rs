//! What is loaded and what came in, as lists.

use stanch_journal::{AlertFilter, AlertRecord};
use stanch_runbook::render;

use super::StoredAlert;
use super::reach::Reach;
use super::refusals::journal;
use crate::control::Answer;
use crate::control::types::{AlertsFilter, Code, Problem, RunbookPage, RunbookView, TakenIn};
use crate::snapshot::{LoadedRunbook, Snapshot};

/// What a list shows where nothing is said.
const SHOWN: u32 = 50;
/// Pages of the journal that are looked through for those of somebody whose role is bounded.
const PAGES: usize = 20;

/// The alerts that fit, newest first. What belongs to no run is of no team: it is shown to those whose role goes everywhere.
pub(super) async fn taken_in(reach: &Reach<'_>, filter: &AlertsFilter) -> Answer<Vec<TakenIn>> {
    let most = usize::try_from(filter.limit.unwrap_or(SHOWN).clamp(1, 1_000)).unwrap_or(1_000);
    let mut wanted = AlertFilter {
        fate: filter.fate.clone(),
        before: filter.before,
        limit: most,
        ..AlertFilter::default()
    };
    let mut shown = Vec::new();
    for _ in 0..PAGES {
        let page = reach
            .engine
            .store()
            .alerts(&wanted)
            .await
            .map_err(|error| journal(&error))?;
        let is_last = page.len() < most;
        wanted.before = page.last().map(|record| record.id);
        for record in page {
            if reach.sees_all() || reach.sees_one_of(&record.runs).await {
                shown.push(line(record));
            }
        }
        if is_last || shown.len() >= most {
            break;
        }
    }
    shown.truncate(most);
    Ok(shown)
}

/// A record, as the list shows it.
fn line(record: AlertRecord) -> TakenIn {
    let stored: Option<StoredAlert> = serde_json::from_slice(&record.payload).ok();
    let (labels, errors) = stored.map_or_else(Default::default, |stored| {
        let labels: Vec<String> = stored
            .alert
            .labels
            .iter()
            .filter(|(name, _)| *name != "alertname")
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        (labels.join(" "), stored.errors)
    });
    TakenIn {
        id: record.id,
        at: record.at,
        name: record.name,
        fingerprint: record.fingerprint,
        status: record.status,
        fate: record.fate,
        runs: record.runs,
        labels,
        errors,
    }
}

/// Every loaded runbook, by name.
pub(super) fn runbooks(snapshot: &Snapshot) -> Vec<RunbookView> {
    snapshot.runbooks.values().map(|loaded| summary(loaded)).collect()
}

fn summary(loaded: &LoadedRunbook) -> RunbookView {
    let runbook = &loaded.runbook;
    RunbookView {
        name: runbook.name.clone(),
        title: runbook.title.clone(),
        severity: runbook.impact.severity,
        owner: runbook.owner.clone(),
        team: runbook.team.clone(),
        mode: runbook.mode,
        alerts: runbook
            .trigger
            .as_ref()
            .map(|trigger| trigger.alerts.clone())
            .unwrap_or_default(),
        triggered: runbook.trigger.is_some(),
    }
}

/// One of them, whole.
pub(super) fn runbook(snapshot: &Snapshot, name: &str) -> Answer<RunbookPage> {
    let loaded = snapshot.runbooks.get(name).ok_or_else(|| {
        let shown = stanch_contract::text::clean_line_to(name, 80);
        let problem = Problem::new(Code::RunbookNotFound, format!("no runbook `{shown}` is loaded"));
        match stanch_runbook::problem::did_you_mean(name, snapshot.runbooks.keys().map(String::as_str)) {
            Some(hint) => problem.hint(hint),
            None => problem.hint("`stanch status` says which files do not load"),
        }
    })?;
    Ok(RunbookPage {
        summary: summary(loaded),
        path: loaded.source.path.clone(),
        digest: loaded.runbook.digest,
        page: render::page(&loaded.runbook),
        resolved: render::resolved(&loaded.runbook),
    })
}
