//! Lists of runs, and the run that a few letters mean.

use stanch_contract::RunId;
use stanch_journal::{RunFilter as StoreFilter, RunRecord};
use stanch_run::{Ending, Phase};
use stanch_runbook::model::Severity;

use super::reach::Reach;
use super::refusals::journal;
use crate::control::Answer;
use crate::control::types::{Code, Problem, RunFilter, RunSummary};
use crate::executor::{Engine, Listed, WaitingFor};
use crate::report::compose::group;

/// Runs in one page of the journal.
const PAGE: usize = 1_000;
/// Pages that are looked through for what a few letters mean: the newest 20,000 runs.
const PAGES: usize = 20;
/// What a list shows where nothing is said.
const SHOWN: u32 = 50;

/// The runs that fit, newest first.
pub(super) async fn list(reach: &Reach<'_>, filter: &RunFilter) -> Answer<Vec<RunSummary>> {
    let most = usize::try_from(filter.limit.unwrap_or(SHOWN).clamp(1, 1_000)).unwrap_or(PAGE);
    // Who waits for a person is open, and the journal cannot be asked for it: all open runs are looked at.
    let only_open = filter.open || filter.waiting;
    let mut store = StoreFilter {
        runbook: filter.runbook.clone(),
        open: only_open.then_some(true),
        before: filter.before.clone(),
        limit: if filter.waiting || !reach.sees_all() {
            PAGE
        } else {
            most
        },
        ..StoreFilter::default()
    };
    let mut found = Vec::new();
    loop {
        let page = reach
            .engine
            .store()
            .runs(&store)
            .await
            .map_err(|error| journal(&error))?;
        let Some(last) = page.last() else { break };
        store.before = Some(last.id.clone());
        found.extend(
            page.iter()
                .filter(|record| reach.sees_run(record))
                .map(line)
                .filter(|run| !filter.waiting || run.needs_person),
        );
        if found.len() >= most {
            break;
        }
    }
    found.truncate(most);
    Ok(found)
}

/// A record, as the list shows it.
fn line(record: &RunRecord) -> RunSummary {
    let listed = Listed::of(record);
    RunSummary {
        id: record.id.clone(),
        runbook: record.runbook.clone(),
        title: listed.title,
        severity: word(&listed.severity).unwrap_or(Severity::Medium),
        shadow: listed.shadow,
        phase: word(&record.state).unwrap_or(Phase::Waiting),
        ending: record.ending.as_deref().and_then(word::<Ending>),
        escalated: record.escalated,
        needs_person: record.closed_at.is_none() && listed.waiting == WaitingFor::Person,
        note: listed.line,
        group: group(&record.group_key),
        opened_at: record.opened_at,
        closed_at: record.closed_at,
    }
}

/// A word of the journal as the type that it was written from.
fn word<T: serde::de::DeserializeOwned>(word: &str) -> Option<T> {
    serde_json::from_value(serde_json::Value::String(word.to_owned())).ok()
}

/// The run with this id, or the only one whose id begins or ends so.
pub(super) async fn find(engine: &Engine, text: &str) -> Answer<RunId> {
    let exact = RunId::from(text);
    if engine
        .store()
        .run(&exact)
        .await
        .map_err(|error| journal(&error))?
        .is_some()
    {
        return Ok(exact);
    }
    let shown = stanch_contract::text::clean_line_to(text, 40);
    let none = || {
        Problem::new(
            Code::RunNotFound,
            format!("no run's id begins or ends with `{shown}`"),
        )
        .hint("`stanch runs` lists runs")
    };
    if text.is_empty()
        || !text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    {
        return Err(none());
    }
    let mut filter = StoreFilter {
        limit: PAGE,
        ..StoreFilter::default()
    };
    let mut found: Vec<RunId> = Vec::new();
    for _ in 0..PAGES {
        let page = engine
            .store()
            .runs(&filter)
            .await
            .map_err(|error| journal(&error))?;
        let Some(last) = page.last() else { break };
        filter.before = Some(last.id.clone());
        let fits = |run: &RunRecord| run.id.as_str().starts_with(text) || run.id.as_str().ends_with(text);
        found.extend(page.iter().filter(|run| fits(run)).map(|run| run.id.clone()));
    }
    match found.as_slice() {
        [] => Err(none()),
        [one] => Ok(one.clone()),
        several => {
            let shown: Vec<&str> = several.iter().take(5).map(RunId::as_str).collect();
            let detail = format!("{} runs fit `{text}`: {}", several.len(), shown.join(", "));
            Err(Problem::new(Code::RunAmbiguous, detail).hint("give more of the id"))
        }
    }
}
