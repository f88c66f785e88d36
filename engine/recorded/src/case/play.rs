//! Plays a case: the calls in the order in which the engine makes them, each in a fresh sandbox, and what differs.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use stanch_contract::plan::Comparison;
use stanch_contract::{
    ActionState, AttemptMade, ChangePlan, CheckedPlan, Failure, FailureCode, IdempotencyKey, PluginKey,
    PluginKind, RunId, StepId,
};
use stanch_runbook::testfile::Call;
use stanch_sandbox::gate::{
    ActionLog, Apply, Decision, EarlierAction, Grant, GrantSpec, RecordedCall, Stop, check_plan,
};
use stanch_sandbox::{CallContext, CallReport, Installation, InstallationParts, Plugin, Sandbox};
use tokio_util::sync::CancellationToken;

use super::wrong::{differences, list};
use super::{Case, Wrong};
use crate::{Passed, World, WorldError};

/// How a case went.
#[derive(Debug, Clone, PartialEq)]
pub struct Played {
    /// What it shows.
    pub name: String,
    /// What came out otherwise; empty: it passed.
    pub wrong: Vec<Wrong>,
    /// What came of the first call of each function, as cases say it.
    pub came: BTreeMap<Call, Result<Value, Failure>>,
    /// The calls of all functions at the gate.
    pub calls: Vec<RecordedCall>,
}

/// Why a case cannot be played at all.
#[derive(Debug, thiserror::Error)]
pub enum Unplayable {
    /// The grant is none.
    #[error("the grant is wrong: {0}")]
    Grant(String),
    /// What the manifest asks for cannot be granted as it is.
    #[error(
        "what the manifest asks for cannot be granted as it is ({0}): write the grant in the case, as in `[[grant.http]]`"
    )]
    Asks(String),
    /// There is no such world.
    #[error(transparent)]
    World(#[from] WorldError),
}

/// Plays a case with this plugin.
///
/// # Errors
/// Where the case itself does not hold together.
pub async fn play(sandbox: &Sandbox, plugin: &Arc<Plugin>, case: &Case) -> Result<Played, Unplayable> {
    let grant = Arc::new(grant(plugin, case)?);
    let world = World::new(&case.world, case.now, [grant.as_ref()], "")?;
    let parts = InstallationParts {
        key: grant.plugin().clone(),
        plugin: plugin.clone(),
        grant,
        limits: case.limits.clone(),
        settings: case.settings.clone(),
        facilities: world.visit("the plugin").facilities,
    };
    let mut player = Player {
        case,
        installation: Installation::new(sandbox, parts),
        world,
        wrong: Vec::new(),
        calls: BTreeMap::new(),
        all_calls: Vec::new(),
        came: BTreeMap::new(),
        sent: Vec::new(),
    };
    match plugin.kind() {
        PluginKind::Diagnosis => player.diagnosis().await,
        PluginKind::Notification => player.notification().await,
        PluginKind::Remediation => Box::pin(player.remediation()).await,
    }
    Ok(player.end())
}

fn grant(plugin: &Plugin, case: &Case) -> Result<Grant, Unplayable> {
    let key = PluginKey::from(plugin.manifest().name.as_str());
    let Some(spec) = &case.grant else {
        let spec =
            GrantSpec::asked(plugin.manifest()).map_err(|error| Unplayable::Asks(error.to_string()))?;
        return Grant::new(key, spec).map_err(|error| Unplayable::Asks(error.to_string()));
    };
    Grant::new(key, spec.clone()).map_err(|error| Unplayable::Grant(error.to_string()))
}

struct Player<'c> {
    case: &'c Case,
    installation: Installation,
    world: World,
    wrong: Vec<Wrong>,
    /// The calls at the gate of the first call of each function.
    calls: BTreeMap<Call, Vec<String>>,
    all_calls: Vec<RecordedCall>,
    came: BTreeMap<Call, Result<Value, Failure>>,
    sent: Vec<String>,
}

/// What was applied, and what came of it.
struct Applied {
    made: AttemptMade,
    failure: Option<Failure>,
}

impl Player<'_> {
    async fn diagnosis(&mut self) {
        let params = self.case.params.clone();
        let found = self
            .call(Call::Diagnose, "do", async |plugin, context| {
                plugin.diagnose(&context, &params).await
            })
            .await;
        self.compare(
            Call::Diagnose,
            "finding",
            self.case.expect.finding.as_ref(),
            found.map(as_json),
        );
    }

    async fn notification(&mut self) {
        let (params, message) = (self.case.params.clone(), self.case.message.clone());
        let told = self
            .call(Call::Notify, "do", async |plugin, context| {
                plugin.notify(&context, &params, &message).await
            })
            .await;
        let expected = self.case.expect.told.then(|| json!({}));
        self.compare(Call::Notify, "told", expected.as_ref(), told.map(|()| json!({})));
    }

    async fn remediation(&mut self) {
        let expect = &self.case.expect;
        let used = self.world.used();
        let planned = self.plan(Call::Plan, None).await;
        let shown = planned.as_ref().map(plan_json).map_err(Clone::clone);
        self.compare(Call::Plan, "plan", expect.plan.as_ref(), shown);
        let Ok(plan) = planned else { return };
        self.world.rewind(used);
        self.plans_the_same(&plan).await;
        if !expect.applies() {
            return;
        }
        let used = self.world.used();
        let Applied { made, failure } = self.apply(plan, "do").await;
        let outcome = match (&failure, &made.outcome) {
            (Some(failure), _) => Err(failure.clone()),
            (None, outcome) => Ok(outcome.as_ref().map_or(Value::Null, as_json)),
        };
        self.compare(Call::Apply, "outcome", expect.outcome.as_ref(), outcome);
        self.world.settle();
        if expect.looks_at(Call::Verify, expect.verify.as_ref()) {
            let (params, of) = (self.case.params.clone(), made.clone());
            let verified = self
                .call(Call::Verify, "do", async |plugin, context| {
                    plugin.verify(&context, &params, &of).await
                })
                .await;
            self.compare(
                Call::Verify,
                "verify",
                expect.verify.as_ref(),
                verified.map(as_json),
            );
        }
        if self.installation.plugin().manifest().idempotent && !made.plan.actions.is_empty() {
            self.world.rewind(used);
            self.has_no_second_effect(&made).await;
        }
        if expect.looks_at(Call::PlanUndo, expect.undo.as_ref()) {
            let back = self.plan(Call::PlanUndo, Some(&made)).await;
            let shown = back.as_ref().map(plan_json).map_err(Clone::clone);
            self.compare(Call::PlanUndo, "undo", expect.undo.as_ref(), shown);
            if let Ok(back) = back
                && let Some(failure) = self.apply(back, "undo").await.failure
            {
                self.say(format!("applying the way back failed: {failure}"));
            }
        }
    }

    /// A plan, checked by the gate: of the change, or of the way back from `made`.
    async fn plan(&mut self, function: Call, made: Option<&AttemptMade>) -> Result<CheckedPlan, Failure> {
        let params = self.case.params.clone();
        let side = if made.is_some() { "undo" } else { "do" };
        let offered = self
            .call(function, side, async |plugin, context| match made {
                None => plugin.plan(&context, &params).await,
                Some(made) => plugin.plan_undo(&context, &params, made).await,
            })
            .await?;
        self.check(offered).await
    }

    async fn check(&self, offered: ChangePlan) -> Result<CheckedPlan, Failure> {
        let facilities = self.world.visit("the gate").facilities;
        let idempotent = self.installation.plugin().manifest().idempotent;
        let on = self.case.on.as_deref();
        check_plan(offered, self.installation.grant(), &facilities, on, idempotent)
            .await
            .map_err(|refusal| refusal.to_failure())
    }

    /// What a person says yes to is a plan's digest, and just before it is applied it is made afresh.
    async fn plans_the_same(&mut self, plan: &CheckedPlan) {
        match self.plan(Call::Plan, None).await {
            Ok(again) if plan.compare(&again) == Comparison::Same => {}
            Ok(again) => {
                self.say(
                    "planned again in the same world, it is another plan, and people would be asked again"
                        .to_owned(),
                );
                let (one, other) = (plan_json(plan), plan_json(&again));
                let actions = |plan: &Value| plan.get("actions").cloned().unwrap_or_default();
                self.wrong
                    .extend(differences("plan.actions", &actions(&one), &actions(&other)));
            }
            Err(failure) => self.say(format!("planned again in the same world, it fails: {failure}")),
        }
    }

    async fn apply(&mut self, plan: CheckedPlan, side: &str) -> Applied {
        let apply = Apply {
            plan: plan.clone(),
            earlier: BTreeMap::new(),
            log: Arc::new(Log),
        };
        let (result, progress) = self.apply_with(Call::Apply, side, apply).await;
        for (index, action) in (0_u32..).zip(&plan.actions) {
            if progress
                .get(&index)
                .is_some_and(|state| *state != ActionState::NotSent)
            {
                self.sent.push(format!("{} {}", action.verb, action.target));
            }
        }
        let (outcome, failure) = match result {
            Ok(outcome) => (Some(outcome), None),
            Err(failure) => (None, Some(failure)),
        };
        Applied {
            made: AttemptMade {
                plan,
                progress,
                outcome,
            },
            failure,
        }
    }

    async fn apply_with(
        &mut self,
        function: Call,
        side: &str,
        apply: Apply,
    ) -> (
        Result<stanch_contract::Outcome, Failure>,
        stanch_contract::Progress,
    ) {
        let params = self.case.params.clone();
        let mut progress = stanch_contract::Progress::new();
        let result = self
            .call(function, side, async |plugin, context| {
                let report = plugin.apply(&context, &params, apply).await;
                progress.clone_from(&report.ledger.progress);
                report
            })
            .await;
        (result, progress)
    }

    /// Applied again under the same key, as where the engine died before it heard of any answer: the gate sends what is safe
    /// to repeat, and that is what the manifest says of all of it.
    async fn has_no_second_effect(&mut self, made: &AttemptMade) {
        let lost = |detail: &str| EarlierAction {
            state: ActionState::Unknown {
                detail: detail.to_owned(),
            },
            answer: None,
        };
        let tried = made
            .progress
            .iter()
            .filter(|(_, state)| **state != ActionState::NotSent);
        let earlier = tried.map(|(index, _)| (*index, lost("the answer was lost")));
        let apply = Apply {
            plan: made.plan.clone(),
            earlier: earlier.collect(),
            log: Arc::new(Log),
        };
        let (files, passed) = (self.world.traces(), self.world.passed());
        let changes = self.world.changes().len();
        let (result, _) = self.apply_with(Call::Apply, "do", apply).await;
        if let Err(failure) = &result
            && failure.code == FailureCode::Trap
        {
            self.say(format!("applied again under the same key, it stops: {failure}"));
        }
        let mut effects = Vec::new();
        match (files, self.world.traces()) {
            (Ok(before), Ok(after)) => {
                let changed = before.iter().filter(|(path, is)| after.get(*path) != Some(is));
                let new = after.iter().filter(|(path, _)| !before.contains_key(*path));
                effects.extend(
                    changed
                        .chain(new)
                        .map(|(path, _)| format!("`{path}` changes once more")),
                );
            }
            (Err(error), _) | (_, Err(error)) => {
                self.say(format!("the case's folder cannot be read: {error}"))
            }
        }
        let all = self.world.passed();
        let (first, second) = all.split_at(passed.len().min(all.len()));
        effects.extend(second.iter().filter_map(|again| second_effect(first, again)));
        let again = self.world.changes().into_iter().skip(changes);
        effects.extend(again.map(|call| format!("`{call}` changes something once more")));
        for effect in effects {
            self.say(format!(
                "the manifest says `idempotent`, and applied again under the same key, it has a second effect: {effect}"
            ));
        }
    }

    /// Makes a call as the engine does, and writes down what it did at the gate.
    async fn call<T>(
        &mut self,
        function: Call,
        side: &str,
        call: impl AsyncFnOnce(Installation, CallContext) -> CallReport<T>,
    ) -> Result<T, Failure> {
        let case = self.case;
        if let Some(why) = self.installation.plugin().check_params(&case.params) {
            let key = self.installation.key();
            let message = format!("the parameters do not fit `{key}`: {why}");
            return Err(Failure::new(FailureCode::InvalidParams, message));
        }
        let context = CallContext {
            run: RunId::from("case000000000000"),
            step: StepId::from("case"),
            attempt: 1,
            idempotency_key: IdempotencyKey(format!("case000000000000.case.{side}")),
            alerts: case.alerts.clone().into(),
            on: case.on.clone(),
            quiet: false,
            extra: Value::Null,
            cancel: CancellationToken::new(),
        };
        let visit = self.world.visit(&format!("`{}`", function.as_str()));
        let plugin = self.installation.before(visit.facilities);
        let report = self.world.alone(Box::pin(call(plugin, context))).await;
        let calls = report.ledger.calls.iter().map(shown).collect();
        self.calls.entry(function).or_insert(calls);
        self.all_calls.extend(report.ledger.calls);
        report.result.map_err(Failure::from)
    }

    /// Compares what came of a function with what is expected of it.
    fn compare(
        &mut self,
        function: Call,
        name: &str,
        expected: Option<&Value>,
        came: Result<Value, Failure>,
    ) {
        self.came.entry(function).or_insert_with(|| came.clone());
        let expects_failure = self
            .case
            .expect
            .failure
            .as_ref()
            .filter(|failure| failure.of == function);
        match (expects_failure, came) {
            (Some(expected), Err(failure)) => {
                let found = json!({ "code": failure.code.as_str(), "message": failure.message });
                self.wrong.extend(differences("failure", &expected.is, &found));
            }
            (Some(expected), Ok(found)) => self.wrong.push(Wrong::Differs {
                at: format!("failure of {}", function.as_str()),
                expected: expected.is.to_string(),
                found: Some(format!("none: {found}")),
            }),
            (None, Err(failure)) => self.say(format!("`{}` fails: {failure}", function.as_str())),
            (None, Ok(found)) => {
                if let Some(expected) = expected {
                    self.wrong.extend(differences(name, expected, &found));
                }
            }
        }
    }

    fn say(&mut self, why: String) {
        self.wrong.push(Wrong::Said(why));
    }

    fn end(mut self) -> Played {
        let expect = &self.case.expect;
        for (function, expected) in &expect.calls {
            let none = Vec::new();
            let found = self.calls.get(function).unwrap_or(&none);
            let at = format!("calls.{}", function.as_str());
            self.wrong.extend(list(&at, expected, found));
        }
        if let Some(sent) = &expect.sent {
            self.wrong.extend(list("sent", sent, &self.sent));
        }
        if let Some(left) = &expect.left {
            match self.world.files() {
                Ok(files) => self.wrong.extend(list("left", left, &files)),
                Err(error) => self.say(format!("the case's folder cannot be read: {error}")),
            }
        }
        let missing = self.world.missing();
        self.wrong
            .extend(missing.iter().map(|missing| Wrong::Said(missing.to_string())));
        Played {
            name: self.case.name.clone(),
            wrong: self.wrong,
            came: self.came,
            calls: self.all_calls,
        }
    }
}

/// What a change that is sent again does once more, where it does something.
fn second_effect(first: &[Passed], again: &Passed) -> Option<String> {
    if !again.change {
        return None;
    }
    let what = format!("{} {}", again.method, again.url);
    let same = |one: &&Passed| one.method == again.method && one.url == again.url && one.body == again.body;
    let before = first.iter().filter(|one| one.change).find(same);
    let Some(before) = before else {
        return Some(format!("{what} was not sent the first time"));
    };
    // RFC 9110 §9.2.2: the same PUT or DELETE again is the same as once. What names a version is for that version alone.
    let is_safe = again.guarded || ["PUT", "DELETE"].contains(&again.method.as_str());
    let is_keyed = again.idempotency_key.is_some() && again.idempotency_key == before.idempotency_key;
    (!is_safe && !is_keyed).then(|| {
        format!("{what} is sent again without the same `idempotency-key`, so the server cannot know that it is the same")
    })
}

/// A call at the gate, as cases name it.
fn shown(call: &RecordedCall) -> String {
    let refused = match call.decision {
        Decision::Refused(_) => "refused ",
        Decision::Allowed | Decision::Replayed => "",
    };
    format!("{refused}{} {}", call.verb, call.target)
}

pub(super) fn as_json(value: impl serde::Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// A plan as cases have it: what the gate made of it, contents as JSON where they are.
pub(super) fn plan_json(plan: &CheckedPlan) -> Value {
    let mut actions = as_json(&plan.actions);
    for action in actions.as_array_mut().into_iter().flatten() {
        if let Some(content) = action.get_mut("content")
            && let Some(Ok(Value::Object(parsed))) = content.as_str().map(serde_json::from_str)
        {
            *content = Value::Object(parsed);
        }
    }
    json!({
        "summary": plan.summary, "actions": actions,
        "population": plan.offered.population, "data": plan.offered.data,
    })
}

/// A journal that keeps nothing: a case is not gone on with.
struct Log;

#[async_trait]
impl ActionLog for Log {
    async fn started(&self, _: u32) -> Result<(), Stop> {
        Ok(())
    }

    async fn ended(&self, _: u32, _: ActionState, _: Option<Vec<u8>>) {}
}
