//! *Now*: what waits for a person, what is open, how the engine is, and the kill switch. And the list of all runs.

use std::sync::{Arc, PoisonError};

use axum::extract::{Query, State};
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;
use stanch_contract::{RunId, Timestamp};
use stanch_run::ledger::PauseScope;
use stanch_run::{Actor, Bound, Role};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::Web;
use super::frame::{self, Frame, Tab, csrf};
use super::run::{class, may_not, since, until};
use super::visitor::{Asked, Visitor};
use crate::clock;
use crate::control::Answer;
use crate::control::actor::must_be;
use crate::control::types::{QuestionView, RunFilter, RunSummary, Status};
use crate::report::words;
use crate::snapshot::ProblemKind;

/// Runs that are shown.
const SHOWN: u32 = 50;
/// Waiting runs whose question is looked at, for its countdown and for whom it asks.
const LOOKED_AT: usize = 20;

/// The page.
pub(super) async fn page(State(web): State<Web>, who: Visitor) -> Response {
    let frame = Frame {
        title: "Now",
        tab: Tab::Now,
        who: Some(&who),
        live: Some("/live".into()),
    };
    match parts(&web, &who, Instant::now()).await {
        Ok(parts) => frame.around(&parts),
        Err(problem) => frame::problem(Some(&who), &problem),
    }
}

/// A run that waits, with the question that it asks.
struct Asking {
    run: RunSummary,
    question: Option<QuestionView>,
}

/// So many reaches of roles are told apart: the sets of teams that people have.
const MOST_REACHES: usize = 64;

/// What is going on, as it was at a time. It says nothing that only some may see.
struct Seen {
    /// It was not read before this.
    at: Instant,
    status: Status,
    asking: Vec<Asking>,
    going: Vec<RunSummary>,
}

/// What was seen last by those whose role reaches the same.
type Slot = Arc<Mutex<Option<Arc<Seen>>>>;
/// For each reach of a role.
type Slots = Vec<(Vec<Bound>, Slot)>;

/// What was seen last, for everybody who has the page open: with each change all of them look, and it is read once for those whose
/// role reaches the same.
#[derive(Clone, Default)]
pub(super) struct LastSeen(Arc<std::sync::Mutex<Slots>>);

impl LastSeen {
    fn slot(&self, bounds: &[Bound]) -> Slot {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, slot)) = slots.iter().find(|(known, _)| known == bounds) {
            return Arc::clone(slot);
        }
        if slots.len() >= MOST_REACHES {
            slots.remove(0);
        }
        let slot = Slot::default();
        slots.push((bounds.to_vec(), Arc::clone(&slot)));
        slot
    }

    /// What is going on now, or was at some time since `since`, as far as this person's role reaches.
    async fn since(&self, web: &Web, who: &Actor, since: Instant) -> Answer<Arc<Seen>> {
        let slot = self.slot(&who.bounds);
        let mut last = slot.lock().await;
        if let Some(seen) = last.as_ref().filter(|seen| seen.at >= since) {
            return Ok(Arc::clone(seen));
        }
        // Read by nobody by name: what only some may see by theirs is not in it.
        let anybody = Actor {
            name: String::new(),
            groups: Vec::new(),
            ..who.clone()
        };
        let seen = Arc::new(look(web, &anybody).await?);
        *last = Some(Arc::clone(&seen));
        Ok(seen)
    }
}

async fn look(web: &Web, who: &Actor) -> Answer<Seen> {
    let at = Instant::now();
    let status = web.control.status(who).await?;
    let open = web
        .control
        .runs(
            who,
            &RunFilter {
                open: true,
                limit: Some(SHOWN),
                ..RunFilter::default()
            },
        )
        .await?;
    let (waiting, going): (Vec<_>, Vec<_>) = open.into_iter().partition(|run| run.needs_person);
    let mut asking = Vec::new();
    for (place, run) in waiting.into_iter().enumerate() {
        let question = if place < LOOKED_AT {
            // A run that closed in between asks nothing.
            let view = web.control.run(who, &run.id).await.ok();
            view.and_then(|view| view.asked().map(|(_, question)| question.clone()))
        } else {
            None
        };
        asking.push(Asking { run, question });
    }
    Ok(Seen {
        at,
        status,
        asking,
        going,
    })
}

/// The parts of the page that change, as of now or of some time since `since`.
pub(super) async fn parts(web: &Web, who: &Visitor, since: Instant) -> Answer<Markup> {
    must_be(who, Role::Viewer, "read")?;
    let seen = web.seen.since(web, who, since).await?;
    let Seen {
        status,
        asking,
        going,
        ..
    } = seen.as_ref();
    let for_me = |asking: &Asking| {
        let there = who.within(web, &asking.run.runbook);
        match &asking.question {
            Some(question) => may_not(question, &there).is_none(),
            None => there.role >= Role::Approver,
        }
    };
    let (mine, others): (Vec<_>, Vec<_>) = asking.iter().partition(|asking| for_me(asking));
    let now = clock::now();
    Ok(html! {
        h1.vh { "Now" }
        (paused(status, who))
        (section("mine", "Waits for you", &mine, now))
        (section("others", "Waits for somebody else", &others, now))
        section id="open" aria-labelledby="o" {
            h2 id="o" { "Going on" }
            @if going.is_empty() {
                p.card.faint {
                    @if mine.is_empty() && others.is_empty() { "No run is open. Nothing waits for anybody." } @else { "Nothing else is open." }
                }
            } @else {
                ul.runs { @for run in going { (line(run, now)) } }
            }
        }
        (health(status, who))
        (kill_switch(status, who))
    })
}

fn section(id: &str, title: &str, asking: &[&Asking], now: Timestamp) -> Markup {
    html! {
        @if !asking.is_empty() {
            section id=(id) aria-labelledby={ "h-" (id) } {
                h2 id={ "h-" (id) } { (title) }
                ul.runs {
                    @for Asking { run, question } in asking {
                        li {
                            a class=(words::severity(run.severity).0) href={ "/runs/" (run.id) } {
                                (head(run))
                                span.age {
                                    @match question {
                                        Some(question) => { (until(question.expires_at, now)) " left" }
                                        None => (since(run.opened_at, now)),
                                    }
                                }
                                span.n.ask {
                                    @match question { Some(question) => (question.ask), None => (run.note) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn head(run: &RunSummary) -> Markup {
    let (severity, _) = words::severity(run.severity);
    html! {
        span class={ "sev " (severity) } { (severity) }
        span.t { (run.title) @if !run.group.is_empty() { " " span.faint { (run.group) } } }
    }
}

/// One run of a list.
fn line(run: &RunSummary, now: Timestamp) -> Markup {
    let (state, tone) = words::run_state(run);
    html! {
        li {
            a class=(words::severity(run.severity).0) href={ "/runs/" (run.id) } {
                (head(run))
                span.age {
                    @match run.closed_at {
                        Some(closed) => { (words::date(closed)) }
                        None => (since(run.opened_at, now)),
                    }
                }
                span.n {
                    span class={ "mark " (class(tone)) } { (state) }
                    @if run.escalated { " " span.mark.bad { "people were called" } }
                    @if !run.note.is_empty() && run.note != state { " " (run.note) }
                }
            }
        }
    }
}

fn paused(status: &Status, who: &Visitor) -> Markup {
    html! {
        @if !status.pauses.is_empty() {
            section.paused id="paused" aria-labelledby="p" {
                h2 id="p" { "Changes are paused" }
                @for pause in &status.pauses {
                    form.line method="post" action="/resume" {
                        p {
                            b { (pause.scope) } ": " (pause.reason)
                            span.small { " by " (pause.by) " since " (words::clock(pause.at)) }
                        }
                        @if may_pause(who, &pause.scope) {
                            (csrf(who))
                            input type="hidden" name="scope" value=(pause.scope);
                            button.small type="submit" { "Resume " (pause.scope) }
                        }
                    }
                }
            }
        }
    }
}

fn health(status: &Status, who: &Visitor) -> Markup {
    html! {
        section.health id="health" aria-label="How the engine is" {
            p {
                @if status.store.writable && status.problems.is_empty() && status.stuck_runs.is_empty() { b.good { "The engine is well." } }
                @else { b.bad { "Something is wrong with the engine." } }
                @if status.storm { " " b.bad { "Too many alerts: only diagnosis until it calms down." } }
                " " (words::count(u64::from(status.runbooks), "runbook")) ", " (words::count(u64::from(status.plugins), "plugin"))
                ", generation " (status.generation)
                @if let Some(held) = status.held { " (rolled back to " (held) ")" }
                ", journal " (words::bytes(status.store.bytes))
                @if may_pause(who, &PauseScope::All) { " · " a href="/audit" { "Audit" } }
            }
            @if let Some(problem) = &status.store.problem { p.bad { "Journal: " (problem) } }
            @for cluster in &status.clusters {
                @if let Some(problem) = &cluster.problem { p.bad { "Cluster " b { (cluster.name) } ": " (problem) } }
            }
            @for problem in &status.problems {
                details {
                    summary.bad {
                        @if problem.kind == ProblemKind::Provider { "The provider of log-ins does not answer" }
                        @else { (problem.path.display()) " does not load; the last good version stays" }
                    }
                    pre { (problem.rendered) }
                }
            }
            @for (run, why) in &status.stuck_runs {
                p.bad { "Run " a href={ "/runs/" (run) } { (run) } " cannot go on: " (why) }
            }
        }
    }
}

/// Whether somebody is offered this pause; whether a runbook is theirs is found out when they do it.
fn may_pause(who: &Visitor, scope: &PauseScope) -> bool {
    let role = match scope {
        PauseScope::Runbook(_) => Some(who.role),
        _ => who.everywhere(),
    };
    role.is_some_and(|role| role >= Role::Operator)
}

fn kill_switch(status: &Status, who: &Visitor) -> Markup {
    let all = status.pauses.iter().any(|pause| pause.scope == PauseScope::All);
    html! {
        @let everywhere = may_pause(who, &PauseScope::All);
        @if who.role >= Role::Operator && !all {
            section.card id="kill" aria-labelledby="k" {
                h2 id="k" { "Kill switch" }
                p.faint { "Stops every change before its next action. Checks and questions go on." }
                details id="kill-form" {
                    summary { "Pause changes" }
                    form.stack method="post" action="/pause" {
                        (csrf(who))
                        @if everywhere {
                            label { "What: " code { "all" } ", " code { "runbook:NAME" } ", " code { "plugin:NAME" } " or " code { "namespace:NAME" }
                                input name="scope" value="all" required autocapitalize="none" spellcheck="false"; }
                        } @else {
                            label { "What: " code { "runbook:NAME" } " of your team"
                                input name="scope" value="runbook:" required autocapitalize="none" spellcheck="false"; }
                        }
                        label { "Why: everybody who looks will read it" input name="reason" required maxlength="500"; }
                        button.danger type="submit" { "Pause" }
                    }
                }
            }
        }
    }
}

/// What the list of runs is asked for.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Wanted {
    runbook: Option<String>,
    before: Option<RunId>,
}

/// Every run, newest first.
pub(super) async fn all(State(web): State<Web>, wanted: Asked<Wanted>, who: Visitor) -> Response {
    let wanted = wanted.map(|Query(wanted)| wanted).unwrap_or_default();
    let runbook = wanted.runbook.filter(|name| !name.is_empty());
    let filter = RunFilter {
        runbook: runbook.clone(),
        before: wanted.before,
        limit: Some(SHOWN),
        ..RunFilter::default()
    };
    let found = async {
        must_be(&who, Role::Viewer, "read")?;
        web.control.runs(&who, &filter).await
    };
    let runs = match found.await {
        Ok(runs) => runs,
        Err(problem) => return frame::problem(Some(&who), &problem),
    };
    let now = clock::now();
    let parts = html! {
        section aria-labelledby="t" {
            h1 id="t" { "Runs" @if let Some(runbook) = &runbook { " of " a href={ "/r/" (runbook) } { (runbook) } } }
            @if runs.is_empty() { p.card.faint { "There is no run yet." } }
            @else { ul.runs { @for run in &runs { (line(run, now)) } } }
            @if let Some(last) = runs.last().filter(|_| runs.len() == usize::try_from(SHOWN).unwrap_or_default()) {
                @let runbook = runbook.as_deref().unwrap_or_default();
                p.tools { a.button.small href={ "/runs?runbook=" (runbook) "&before=" (last.id) } { "Older" } }
            }
        }
    };
    let frame = Frame {
        title: "Runs",
        tab: Tab::Runs,
        who: Some(&who),
        live: None,
    };
    frame.around(&parts)
}
