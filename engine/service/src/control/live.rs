//! What the routes ask for, done by the running engine.
//!
//! Nothing is decided here: the executor knows runs, the reloader knows files, and this turns their answers into views and
//! their refusals into problems.

mod glass;
mod listing;
mod loaded;
mod plugins;
mod reach;
mod refusals;
mod report;
mod suggested;

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use serde::Deserialize;
use stanch_contract::{Alert, PlanDigest, PluginKey, RunId, StepId, Timestamp, text};
use stanch_journal::{AlertFilter, Disk};
use stanch_run::words::OnCancel;
use stanch_run::{Actor, Role};
use stanch_sandbox::kubernetes::ClusterState;
use tokio::sync::watch;

use self::listing::{find, list};
use self::loaded::{runbook, runbooks, taken_in};
pub(crate) use self::plugins::grants_of;
use self::plugins::plugins;
use self::reach::Reach;
use self::refusals::{dry_run, journal, not_durable, not_started, not_theirs, refused};
use super::actor::must_be_everywhere;
use super::types::{
    Accepted, AlertsFilter, AnswerCheck, AuditPage, AuditPart, ByHand, CancelRun, ClusterView, Code,
    ConditionView, Decide, DryRun, ExplainRequest, Explanation, PauseRequest, PauseScope, PlanRequest,
    PluginView, Problem, ReadAlerts, Reloaded, Report, ReportFilter, RollbackRequest, RunFilter, RunSummary,
    RunView, RunbookExplanation, RunbookPage, RunbookView, Settle, StartRun, Status, StoreHealth, Suggested,
    TakenIn, UndoRun,
};
use super::{Answer, Control};
use crate::audit::{Entry, Failures};
use crate::clock;
use crate::config::Settings;
use crate::door::tls::Tls;
use crate::executor::Engine;
use crate::intake::{self, AlertSink as _};
use crate::oidc::Provider;
use crate::reload::Reloader;
use crate::report::compose::run_view;

/// What the control socket says of alerts that came in through it.
const INTAKE: &str = "control socket";

/// What a viewer does, in a refusal.
const LOOK: &str = "look";

/// The running engine, for the routes.
pub struct Live {
    engine: Engine,
    reloader: Arc<Reloader>,
    pulse: Pulse,
    started_at: Timestamp,
    failures: Failures,
    provider: Arc<Provider>,
    tls: Option<Arc<Tls>>,
}

impl Live {
    /// Of this engine and this reloader. `pulse` tells of what changes, `provider` says who people are, `tls` is spoken at the door.
    pub(crate) fn new(
        engine: Engine,
        reloader: Arc<Reloader>,
        pulse: Pulse,
        provider: Arc<Provider>,
        tls: Option<Arc<Tls>>,
    ) -> Self {
        Self {
            engine,
            reloader,
            pulse,
            started_at: clock::now(),
            failures: Failures::default(),
            provider,
            tls,
        }
    }

    fn audit_reload(&self, actor: &Actor, generation: u64, back: bool) {
        self.engine.audit().note(Entry::Reload {
            by: actor.name.clone(),
            via: actor.via.clone(),
            generation,
            back,
        });
    }

    async fn whole(&self, run: &RunId) -> Answer<RunView> {
        let unread = |why: String| Problem::new(Code::Internal, format!("run `{run}` cannot be read: {why}"));
        let whole = self.engine.whole(run).await.map_err(unread)?;
        let (state, events) =
            whole.ok_or_else(|| Problem::new(Code::RunNotFound, format!("there is no run `{run}`")))?;
        Ok(run_view(&state, &events, clock::now()))
    }

    /// A pause of a runbook is its team's; any other holds up others too.
    fn may_pause(&self, actor: &Actor, scope: &PauseScope, what: &str) -> Answer<()> {
        match scope {
            PauseScope::Runbook(name) => {
                let there = self.engine.in_runbook(actor, name, Role::Operator, what);
                there.map(drop).map_err(|why| not_theirs(&why))
            }
            _ => must_be_everywhere(actor, Role::Operator, what),
        }
    }

    async fn alert(&self, fingerprint: String) -> Answer<Alert> {
        let filter = AlertFilter {
            fingerprint: Some(fingerprint.clone()),
            limit: 1,
            ..AlertFilter::default()
        };
        let found = self
            .engine
            .store()
            .alerts(&filter)
            .await
            .map_err(|error| journal(&error))?;
        let record = found.into_iter().next().ok_or_else(|| {
            Problem::new(
                Code::AlertNotFound,
                format!("no alert with the fingerprint `{fingerprint}` is stored"),
            )
            .hint("give a file with the alert instead")
        })?;
        serde_json::from_slice::<StoredAlert>(&record.payload)
            .map(|stored| stored.alert)
            .map_err(|error| Problem::new(Code::Internal, format!("a stored alert cannot be read: {error}")))
    }
}

/// Tells whoever looks at lists that something changed. What changed while nobody looked is told once.
#[derive(Debug, Clone)]
pub struct Pulse(watch::Sender<u64>);

impl Default for Pulse {
    fn default() -> Self {
        Self(watch::Sender::new(0))
    }
}

impl Pulse {
    /// Something changed.
    pub fn beat(&self) {
        self.0.send_modify(|beats| *beats = beats.wrapping_add(1));
    }
}

/// Each change, until nobody is left to tell of one.
fn told(changes: watch::Receiver<u64>) -> BoxStream<'static, ()> {
    let told = stream::unfold(changes, async |mut changes| {
        changes.changed().await.ok().map(|()| ((), changes))
    });
    told.boxed()
}

/// What the journal keeps of an alert, as far as it is wanted here.
#[derive(Deserialize)]
struct StoredAlert {
    alert: Alert,
    #[serde(default)]
    errors: Vec<String>,
}

#[async_trait]
impl Control for Live {
    fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.engine.current().load().settings)
    }

    fn provider(&self) -> Option<Arc<Provider>> {
        Some(self.provider.clone())
    }

    fn within(&self, who: &Actor, runbook: &str) -> Option<Actor> {
        self.engine.in_runbook(who, runbook, Role::Viewer, LOOK).ok()
    }

    async fn status(&self, who: &Actor) -> Answer<Status> {
        let reach = Reach::of(&self.engine, who);
        let snapshot = self.engine.current().load();
        let (health, counters) = (self.engine.store().health(), self.engine.store().counters());
        let waiting = list(
            &reach,
            &RunFilter {
                waiting: true,
                open: true,
                limit: Some(1_000),
                ..RunFilter::default()
            },
        )
        .await?;
        let problem = match (&health.failing, health.disk) {
            (Some(error), _) => Some(error.to_string()),
            (None, Disk::Full) => Some("the disk is full: open runs go on, new work is refused".to_owned()),
            (None, Disk::Well) => None,
        };
        Ok(Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: self.started_at,
            now: clock::now(),
            generation: snapshot.generation,
            held: snapshot.held,
            loaded_at: snapshot.built,
            runbooks: u32::try_from(snapshot.runbooks.keys().filter(|name| reach.sees(name)).count())
                .unwrap_or(u32::MAX),
            plugins: u32::try_from(snapshot.plugins.len()).unwrap_or(u32::MAX),
            problems: snapshot
                .problems
                .iter()
                .filter(|problem| reach.sees_problem(&snapshot, problem))
                .cloned()
                .chain(self.tls.as_ref().and_then(|tls| tls.problem()))
                .chain(self.provider.problem(&snapshot.settings))
                .collect(),
            clusters: self
                .reloader
                .clusters()
                .states()
                .into_iter()
                .map(cluster)
                .collect(),
            pauses: self.engine.pauses(),
            storm: self.engine.storms(),
            open_runs: u32::try_from(self.engine.open_runs()).unwrap_or(u32::MAX),
            waiting_runs: u32::try_from(waiting.len()).unwrap_or(u32::MAX),
            stuck_runs: reach.stuck().await,
            store: StoreHealth {
                writable: problem.is_none(),
                bytes: counters.bytes,
                problem,
            },
        })
    }

    async fn runs(&self, who: &Actor, filter: &RunFilter) -> Answer<Vec<RunSummary>> {
        list(&Reach::of(&self.engine, who), filter).await
    }

    async fn find_run(&self, who: &Actor, text: &str) -> Answer<RunId> {
        let run = find(&self.engine, text).await?;
        let there = self.engine.in_run(who, &run, Role::Viewer, LOOK).await;
        there.map(|_| run).map_err(refused)
    }

    async fn report(&self, who: &Actor, filter: &ReportFilter) -> Answer<Report> {
        report::report(&Reach::of(&self.engine, who), filter).await
    }

    async fn run(&self, who: &Actor, run: &RunId) -> Answer<RunView> {
        self.engine
            .in_run(who, run, Role::Viewer, LOOK)
            .await
            .map_err(refused)?;
        let view = self.whole(run).await?;
        let shown = self.engine.shown_to(who, run, view).await;
        shown.map_err(|why| Problem::new(Code::Internal, format!("what is hidden in run `{run}`: {why}")))
    }

    async fn changes(&self, run: &RunId) -> Answer<BoxStream<'static, ()>> {
        let Some(changes) = self.engine.changes(run) else {
            return Ok(stream::empty().boxed());
        };
        Ok(told(changes))
    }

    fn any_change(&self) -> BoxStream<'static, ()> {
        told(self.pulse.0.subscribe())
    }

    async fn start(&self, actor: &Actor, request: StartRun) -> Answer<RunId> {
        let StartRun {
            runbook,
            inputs,
            again,
        } = request;
        self.engine
            .start_by_hand(actor, &runbook, inputs, again)
            .await
            .map_err(not_started)
    }

    async fn alerts(&self, actor: &Actor, alerts: Vec<Alert>) -> Answer<Accepted> {
        must_be_everywhere(actor, Role::Operator, "hand in an alert")?;
        self.engine
            .accept(alerts, INTAKE)
            .await
            .map_err(|error| not_durable(&error))
    }

    async fn decide(&self, actor: &Actor, run: &RunId, step: &StepId, request: Decide) -> Answer<()> {
        if request.break_glass {
            return self.decide_alone(actor, run, step, request).await;
        }
        let digest = Some(PlanDigest::from(request.digest));
        let reason = request.reason.unwrap_or_default();
        let decided = self.engine.decide(
            actor.clone(),
            run,
            Some(step.clone()),
            digest,
            request.yes,
            reason,
        );
        decided.await.map_err(refused)
    }

    fn not_taken(&self, actor: &Actor, run: &str, step: &StepId, request: &Decide, why: &Problem) {
        self.engine.audit().note(Entry::NotTaken {
            run: RunId::from(text::clean_line_to(run, 40).as_str()),
            step: Some(step.clone()),
            yes: request.yes,
            by: actor.name.clone(),
            via: actor.via.clone(),
            plan: Some(request.digest),
            why: why.detail.clone(),
        });
    }

    async fn answer(&self, actor: &Actor, run: &RunId, check: &StepId, request: AnswerCheck) -> Answer<()> {
        self.engine
            .answer(actor.clone(), run, check.clone(), request.verdict)
            .await
            .map_err(refused)
    }

    async fn by_hand(&self, actor: &Actor, run: &RunId, step: &StepId, request: ByHand) -> Answer<()> {
        self.engine
            .by_hand(actor.clone(), run, step.clone(), request.done)
            .await
            .map_err(refused)
    }

    async fn settle(&self, actor: &Actor, run: &RunId, step: &StepId, request: Settle) -> Answer<()> {
        let Settle { happened, go_on } = request;
        self.engine
            .settle(actor.clone(), run, step.clone(), happened, go_on)
            .await
            .map_err(refused)
    }

    async fn undo(&self, actor: &Actor, run: &RunId, request: UndoRun) -> Answer<()> {
        self.engine
            .undo(actor.clone(), run, request.step)
            .await
            .map_err(refused)
    }

    async fn cancel(&self, actor: &Actor, run: &RunId, request: CancelRun) -> Answer<()> {
        let then = match request.undo {
            Some(true) => OnCancel::Undo,
            Some(false) => OnCancel::Leave,
            None => OnCancel::Ask,
        };
        let reason = request.reason.unwrap_or_default();
        self.engine
            .cancel(actor.clone(), run, then, reason)
            .await
            .map_err(refused)
    }

    async fn pause(&self, actor: &Actor, request: PauseRequest) -> Answer<()> {
        self.may_pause(actor, &request.scope, "pause")?;
        self.engine
            .pause(actor, request.scope, request.reason)
            .await
            .map_err(refused)?;
        self.pulse.beat();
        Ok(())
    }

    async fn resume(&self, actor: &Actor, scope: &PauseScope) -> Answer<()> {
        self.may_pause(actor, scope, "resume")?;
        self.engine.resume(actor, scope).await.map_err(refused)?;
        self.pulse.beat();
        Ok(())
    }

    async fn read(&self, request: ReadAlerts) -> Answer<Vec<Alert>> {
        let ReadAlerts { intake: path, body } = request;
        let settings = self.engine.current().load().settings.clone();
        let Some(intake) = settings.intakes.iter().find(|intake| intake.path == path) else {
            let known: Vec<String> = settings
                .intakes
                .iter()
                .map(|intake| format!("`{}`", intake.path))
                .collect();
            let path = text::clean_line_to(&path, 80);
            let problem = Problem::new(Code::NotFound, format!("stanch.toml has no intake `{path}`"));
            return Err(match known.is_empty() {
                true => problem.hint("add `[[intake]]` to stanch.toml"),
                false => problem.hint(format!("there is {}", known.join(", "))),
            });
        };
        let intake = Arc::clone(intake);
        let reading = move || intake::read::alerts_of(&intake, body.to_string().as_bytes(), clock::now());
        let read = tokio::task::spawn_blocking(reading).await;
        let read = read.map_err(|_| Problem::new(Code::Internal, "the body could not be read"))?;
        read.map_err(|malformed| {
            let detail = match malformed.at.as_str() {
                "" => malformed.reason,
                at => format!("{at}: {}", malformed.reason),
            };
            Problem::new(Code::BadRequest, format!("`{path}` would refuse this: {detail}"))
        })
    }

    async fn explain(&self, who: &Actor, request: ExplainRequest) -> Answer<Explanation> {
        let reach = Reach::of(&self.engine, who);
        let alert = match request {
            ExplainRequest::Alert(alert) => *alert,
            ExplainRequest::Fingerprint(fingerprint) => self.alert(fingerprint).await?,
        };
        let runbooks = self
            .engine
            .explain(&alert)
            .into_iter()
            .filter(|explained| reach.sees(&explained.runbook))
            .map(|explained| RunbookExplanation {
                runbook: explained.runbook,
                applies: explained.fits,
                conditions: explained
                    .conditions
                    .into_iter()
                    .map(|condition| ConditionView {
                        condition: condition.text,
                        value: match &condition.holds {
                            Ok(_) => condition.value,
                            Err(error) => error.to_string(),
                        },
                        holds: condition.holds.ok(),
                    })
                    .collect(),
                group: explained.group_key.map(|key| crate::report::compose::group(&key)),
            });
        Ok(Explanation {
            alert: alert.name,
            fingerprint: alert.fingerprint,
            runbooks: runbooks.collect(),
        })
    }

    async fn plan(&self, actor: &Actor, request: PlanRequest) -> Answer<DryRun> {
        let PlanRequest {
            runbook,
            alerts,
            inputs,
        } = request;
        let there = self
            .engine
            .in_runbook(actor, &runbook, Role::Operator, "make a dry run");
        there.map_err(|why| not_theirs(&why))?;
        let (state, events) = self
            .engine
            .dry_run(&runbook, alerts, inputs)
            .await
            .map_err(dry_run)?;
        Ok(DryRun {
            run: run_view(&state, &events, clock::now()),
        })
    }

    async fn taken_in(&self, who: &Actor, filter: &AlertsFilter) -> Answer<Vec<TakenIn>> {
        taken_in(&Reach::of(&self.engine, who), filter).await
    }

    async fn runbooks(&self, who: &Actor) -> Answer<Vec<RunbookView>> {
        let mut all = runbooks(&self.engine.current().load());
        let reach = Reach::of(&self.engine, who);
        all.retain(|runbook| reach.sees(&runbook.name));
        Ok(all)
    }

    async fn runbook(&self, who: &Actor, name: &str) -> Answer<RunbookPage> {
        let page = runbook(&self.engine.current().load(), name)?;
        let there = self.engine.in_runbook(who, name, Role::Viewer, LOOK);
        there.map(|_| page).map_err(|why| not_theirs(&why))
    }

    async fn plugins(&self, who: &Actor) -> Answer<Vec<PluginView>> {
        let snapshot = self.engine.current().load();
        let reach = Reach::of(&self.engine, who);
        let mut all = plugins(&snapshot);
        all.retain(|plugin| reach.sees_plugin(&snapshot, &plugin.key));
        for plugin in &mut all {
            plugin.used_by.retain(|runbook| reach.sees(runbook));
        }
        Ok(all)
    }

    async fn suggested(&self, run: &RunId, plugin: &PluginKey) -> Answer<Suggested> {
        suggested::suggested(&self.engine, run, plugin).await
    }

    async fn reload(&self, actor: &Actor) -> Answer<Reloaded> {
        must_be_everywhere(actor, Role::Operator, "reload")?;
        let reloaded = self.reloader.reload().await;
        self.audit_reload(actor, reloaded.generation, false);
        self.pulse.beat();
        Ok(reloaded)
    }

    async fn rollback(&self, actor: &Actor, request: RollbackRequest) -> Answer<Reloaded> {
        must_be_everywhere(actor, Role::Operator, "roll back")?;
        let back = self.reloader.rollback(request.generation).await;
        let back = back.map_err(|error| Problem::new(Code::NotFound, error.to_string()))?;
        self.audit_reload(actor, back.generation, true);
        self.pulse.beat();
        Ok(back)
    }

    async fn audit(&self, who: &Actor, part: AuditPart) -> Answer<AuditPage> {
        must_be_everywhere(who, Role::Operator, "read the audit")?;
        let page = self.engine.store().audit(part.after, part.limit).await;
        page.map_err(|error| journal(&error))
    }

    async fn logged_in(&self, actor: &Actor, from: &str) -> Answer<()> {
        let kept = self.engine.audit().log_in(actor, from).await;
        kept.map_err(|error| journal(&error))
    }

    fn refused(&self, via: &str) {
        if let Some(entry) = self.failures.one(via, clock::now()) {
            self.engine.audit().note(entry);
        }
    }
}

fn cluster(state: ClusterState) -> ClusterView {
    let ClusterState {
        name,
        server,
        acts_as,
        asked,
        problem,
    } = state;
    ClusterView {
        name,
        server,
        acts_as,
        asked,
        problem,
    }
}
