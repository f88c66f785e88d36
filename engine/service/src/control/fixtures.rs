//! What the tests of this module share.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use stanch_contract::{Alert, Digest, PluginKey, RunId, StepId};
use stanch_run::{Actor, Scope};

use super::types::{
    Accepted, AlertsFilter, AnswerCheck, AuditPage, AuditPart, ByHand, CancelRun, Code, Decide, DryRun,
    ExplainRequest, Explanation, PauseRequest, PauseScope, PlanRequest, PluginView, Problem, ReadAlerts,
    Reloaded, Report, ReportFilter, RollbackRequest, RunFilter, RunSummary, RunView, RunbookPage,
    RunbookView, Settle, StartRun, Status, Suggested, TakenIn, UndoRun,
};
use super::{Answer, Control};
use crate::config::Settings;
use crate::config::settings::{Role, User};

/// A user with a token, an account and groups.
pub(crate) fn user(name: &str, token: Option<&str>, os_user: &str, groups: &[&str], role: Role) -> Arc<User> {
    Arc::new(User {
        name: name.into(),
        token: token.map(|token| Digest::of(token.as_bytes())),
        os_user: Some(os_user.into()),
        slack: None,
        oidc: None,
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        role,
        scope: Scope::default(),
        elsewhere: None,
    })
}

/// Settings with these users and nothing else.
pub(crate) fn settings(users: Vec<Arc<User>>) -> Settings {
    Settings {
        users,
        ..crate::config::parse("stanch.toml".as_ref(), "").unwrap()
    }
}

/// Behind the routes: says that it was reached, and by whom, and does nothing. What the engine does is tested with the
/// engine; this shows who gets there.
pub(crate) struct Wall(pub(crate) Settings);

fn reached<T>(who: &str) -> Answer<T> {
    Err(Problem::new(Code::Internal, format!("reached by {who}")))
}

#[async_trait]
impl Control for Wall {
    fn settings(&self) -> Arc<Settings> {
        Arc::new(self.0.clone())
    }
    async fn status(&self, _: &Actor) -> Answer<Status> {
        reached("a reader")
    }
    async fn runs(&self, _: &Actor, _: &RunFilter) -> Answer<Vec<RunSummary>> {
        reached("a reader")
    }
    async fn find_run(&self, _: &Actor, text: &str) -> Answer<RunId> {
        Ok(RunId::from(text))
    }
    async fn run(&self, _: &Actor, _: &RunId) -> Answer<RunView> {
        reached("a reader")
    }
    async fn report(&self, _: &Actor, _: &ReportFilter) -> Answer<Report> {
        reached("a reader")
    }
    async fn changes(&self, _: &RunId) -> Answer<BoxStream<'static, ()>> {
        reached("a reader")
    }
    async fn start(&self, actor: &Actor, _: StartRun) -> Answer<RunId> {
        reached(&actor.name)
    }
    async fn alerts(&self, actor: &Actor, _: Vec<Alert>) -> Answer<Accepted> {
        reached(&actor.name)
    }
    async fn decide(&self, actor: &Actor, _: &RunId, _: &StepId, _: Decide) -> Answer<()> {
        reached(&actor.name)
    }
    fn not_taken(&self, _: &Actor, _: &str, _: &StepId, _: &Decide, _: &Problem) {}
    async fn answer(&self, actor: &Actor, _: &RunId, _: &StepId, _: AnswerCheck) -> Answer<()> {
        reached(&actor.name)
    }
    async fn by_hand(&self, actor: &Actor, _: &RunId, _: &StepId, _: ByHand) -> Answer<()> {
        reached(&actor.name)
    }
    async fn settle(&self, actor: &Actor, _: &RunId, _: &StepId, _: Settle) -> Answer<()> {
        reached(&actor.name)
    }
    async fn undo(&self, actor: &Actor, _: &RunId, _: UndoRun) -> Answer<()> {
        reached(&actor.name)
    }
    async fn cancel(&self, actor: &Actor, _: &RunId, _: CancelRun) -> Answer<()> {
        reached(&actor.name)
    }
    async fn pause(&self, actor: &Actor, _: PauseRequest) -> Answer<()> {
        reached(&actor.name)
    }
    async fn resume(&self, actor: &Actor, _: &PauseScope) -> Answer<()> {
        reached(&actor.name)
    }
    async fn read(&self, _: ReadAlerts) -> Answer<Vec<Alert>> {
        reached("a reader")
    }
    async fn explain(&self, _: &Actor, _: ExplainRequest) -> Answer<Explanation> {
        reached("a reader")
    }
    async fn plan(&self, actor: &Actor, _: PlanRequest) -> Answer<DryRun> {
        reached(&actor.name)
    }
    async fn logged_in(&self, _: &Actor, _: &str) -> Answer<()> {
        Ok(())
    }
    fn any_change(&self) -> BoxStream<'static, ()> {
        Box::pin(futures_util::stream::pending())
    }
    async fn taken_in(&self, _: &Actor, _: &AlertsFilter) -> Answer<Vec<TakenIn>> {
        reached("a reader")
    }
    async fn runbooks(&self, _: &Actor) -> Answer<Vec<RunbookView>> {
        reached("a reader")
    }
    async fn runbook(&self, _: &Actor, _: &str) -> Answer<RunbookPage> {
        reached("a reader")
    }
    async fn plugins(&self, _: &Actor) -> Answer<Vec<PluginView>> {
        reached("a reader")
    }
    async fn suggested(&self, _: &RunId, _: &PluginKey) -> Answer<Suggested> {
        reached("a reader")
    }
    async fn reload(&self, actor: &Actor) -> Answer<Reloaded> {
        reached(&actor.name)
    }
    async fn rollback(&self, actor: &Actor, _: RollbackRequest) -> Answer<Reloaded> {
        reached(&actor.name)
    }
    async fn audit(&self, _: &Actor, _: AuditPart) -> Answer<AuditPage> {
        reached("a reader")
    }
}
