//! A plugin as the operator installed it, and the calls that can be made of it.
//!
//! One component may be installed many times, each time under a key of its own with its own grant, limits and settings.
//! The methods are the contract's functions; each decides in which phase its call happens, and nothing else does.

use std::sync::Arc;

use serde_json::Value;
use stanch_contract::{
    Alert, AttemptMade, ChangePlan, Digest, Finding, IdempotencyKey, Outcome, PluginKey, PluginKind, RunId,
    StepId,
};
use tokio_util::sync::CancellationToken;

use crate::call::{self, Answer, Ask, CallParts, CallReport};
use crate::convert::{kind_of, to_guest_attempt, to_guest_context, to_guest_message, to_guest_plan, to_json};
use crate::engine::Sandbox;
use crate::error::CallFault;
use crate::gate::{Apply, Facilities, Grant, Phase, Session, SessionParts};
use crate::limits::{INPUT, Limit, Limits, PAYLOAD};
use crate::output::Judge;
use crate::plugin::Plugin;
use crate::time::CallTime;

/// Where in which run a call is made.
#[derive(Debug, Clone)]
pub struct CallContext {
    /// The run.
    pub run: RunId,
    /// Its check or step.
    pub step: StepId,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// The same for every attempt at one application.
    pub idempotency_key: IdempotencyKey,
    /// The alerts of the run's episode, the first first.
    pub alerts: Arc<[Alert]>,
    /// The cluster of stanch.toml that the check or step is bound to: what `kubernetes` is about.
    pub on: Option<String>,
    /// What else the guest may know; `null` for nothing.
    pub extra: Value,
    /// Why the gate refuses something stays out of the log: the call was given what only a few may see, and the reason may say it.
    /// It is in the call's record.
    pub quiet: bool,
    /// Tells the guest that nobody needs the answer any more.
    pub cancel: CancellationToken,
}

/// What a notification plugin tells people.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// `question`, `progress`, `escalation` or `report`.
    pub kind: String,
    /// The runbook's severity.
    pub severity: String,
    /// One line.
    pub title: String,
    /// Plain text without markup.
    pub text: String,
    /// Where to look.
    pub link: Option<String>,
    /// The run's report.
    pub report: Value,
    /// The same for every message of one run.
    pub thread: String,
    /// What else there is; `null` for nothing.
    pub extra: Value,
}

/// What an installation is made of.
pub struct InstallationParts {
    /// Its key in stanch.toml.
    pub key: PluginKey,
    /// What is called.
    pub plugin: Arc<Plugin>,
    /// What the operator lets it do.
    pub grant: Arc<Grant>,
    /// What a call may use.
    pub limits: Limits,
    /// The operator's settings, one JSON object; `null` for none.
    pub settings: Value,
    /// What all sessions at the gate share.
    pub facilities: Arc<Facilities>,
}

/// A plugin as the operator installed it.
pub struct Installation {
    sandbox: Sandbox,
    parts: InstallationParts,
    settings: Arc<str>,
    settings_digest: Digest,
    grant_digest: Digest,
}

impl Installation {
    /// Of these parts, in the sandbox in which the plugin was installed.
    pub fn new(sandbox: &Sandbox, parts: InstallationParts) -> Self {
        let settings = to_json(&parts.settings).into();
        let settings_digest = Digest::of_json(&parts.settings);
        let grant = serde_json::to_value(parts.grant.spec()).unwrap_or_default();
        Self {
            sandbox: sandbox.clone(),
            parts,
            settings,
            settings_digest,
            grant_digest: Digest::of_json(&grant),
        }
    }

    /// The same installation with something else beyond the gate.
    #[must_use]
    pub fn before(&self, facilities: Arc<Facilities>) -> Self {
        let InstallationParts {
            key,
            plugin,
            grant,
            limits,
            settings,
            ..
        } = &self.parts;
        let parts = InstallationParts {
            key: key.clone(),
            plugin: plugin.clone(),
            grant: grant.clone(),
            limits: limits.clone(),
            settings: settings.clone(),
            facilities,
        };
        Self::new(&self.sandbox, parts)
    }

    /// Its key in stanch.toml.
    pub fn key(&self) -> &PluginKey {
        &self.parts.key
    }

    /// What is called.
    pub fn plugin(&self) -> &Arc<Plugin> {
        &self.parts.plugin
    }

    /// What the operator lets it do.
    pub fn grant(&self) -> &Arc<Grant> {
        &self.parts.grant
    }

    /// What a call may use.
    pub fn limits(&self) -> &Limits {
        &self.parts.limits
    }

    /// The operator's settings, as the guest gets them; `null` for none.
    pub fn settings(&self) -> &Value {
        &self.parts.settings
    }

    /// What all sessions at the gate share.
    pub fn facilities(&self) -> &Arc<Facilities> {
        &self.parts.facilities
    }

    /// Of the operator's settings: what a run pins, and a decision is about.
    pub fn settings_digest(&self) -> Digest {
        self.settings_digest
    }

    /// Of what the operator lets it do: what a run pins.
    pub fn grant_digest(&self) -> Digest {
        self.grant_digest
    }

    /// Asks a diagnosis plugin its question. Read-only.
    pub async fn diagnose(&self, context: &CallContext, params: &Value) -> CallReport<Finding> {
        let ask = |context, params| Ask::Diagnose { context, params };
        let report = self
            .call(PluginKind::Diagnosis, context, params, Phase::Read, ask)
            .await;
        report.and_then(|answer| self.finding(answer))
    }

    /// Asks a remediation plugin what it would do. Read-only. The plan is unchecked: `gate` checks it.
    pub async fn plan(&self, context: &CallContext, params: &Value) -> CallReport<ChangePlan> {
        let ask = |context, params| Ask::Plan { context, params };
        let report = self
            .call(PluginKind::Remediation, context, params, Phase::Read, ask)
            .await;
        report.and_then(|answer| self.change_plan(answer))
    }

    /// Lets a remediation plugin do what `apply`'s plan names, and nothing else. The guest gets the plan as it offered it.
    pub async fn apply(&self, context: &CallContext, params: &Value, apply: Apply) -> CallReport<Outcome> {
        let plan = to_guest_plan(&apply.plan.offered);
        let ask = |context, params| Ask::Apply {
            context,
            params,
            plan,
        };
        let report = self
            .call(PluginKind::Remediation, context, params, Phase::Apply(apply), ask)
            .await;
        report.and_then(|answer| match answer {
            Answer::Outcome(outcome) => self.judge(false).outcome(outcome),
            _ => Err(another_answer()),
        })
    }

    /// Asks a remediation plugin whether the change holds and did what it was for. Read-only.
    pub async fn verify(
        &self,
        context: &CallContext,
        params: &Value,
        made: &AttemptMade,
    ) -> CallReport<Finding> {
        let made = to_guest_attempt(made);
        let ask = |context, params| Ask::Verify {
            context,
            params,
            made,
        };
        let report = self
            .call(PluginKind::Remediation, context, params, Phase::Read, ask)
            .await;
        report.and_then(|answer| self.finding(answer))
    }

    /// Asks a remediation plugin for the way back from what was really done. Read-only.
    pub async fn plan_undo(
        &self,
        context: &CallContext,
        params: &Value,
        made: &AttemptMade,
    ) -> CallReport<ChangePlan> {
        let made = to_guest_attempt(made);
        let ask = |context, params| Ask::PlanUndo {
            context,
            params,
            made,
        };
        let report = self
            .call(PluginKind::Remediation, context, params, Phase::Read, ask)
            .await;
        report.and_then(|answer| self.change_plan(answer))
    }

    /// Lets a notification plugin tell people. May send only what its `notify` grant names.
    pub async fn notify(&self, context: &CallContext, params: &Value, message: &Message) -> CallReport<()> {
        let message = to_guest_message(message);
        let ask = |context, params| Ask::Notify {
            context,
            params,
            message,
        };
        let report = self
            .call(PluginKind::Notification, context, params, Phase::Notify, ask)
            .await;
        report.and_then(|answer| match answer {
            Answer::Told => Ok(()),
            _ => Err(another_answer()),
        })
    }

    async fn call(
        &self,
        kind: PluginKind,
        context: &CallContext,
        params: &Value,
        phase: Phase,
        ask: impl FnOnce(crate::bindings::common::Context, String) -> Ask,
    ) -> CallReport<Answer> {
        let InstallationParts {
            plugin,
            grant,
            limits,
            facilities,
            ..
        } = &self.parts;
        if plugin.kind() != kind {
            let message = format!(
                "`{}` is {}, not {}",
                self.key(),
                kind_of(plugin.kind()),
                kind_of(kind)
            );
            return CallReport::not_made(CallFault::Host { message });
        }
        let params = to_json(params);
        let guest_context = to_guest_context(context);
        if let Err(fault) = check_input(&guest_context, &params) {
            return CallReport::not_made(fault);
        }
        let Ok(_slot) = self.sandbox.inner.slots.acquire().await else {
            return CallReport::not_made(CallFault::Host {
                message: "the engine is shutting down".into(),
            });
        };
        let time = CallTime::begin(&facilities.time, limits.wall);
        let session = Session::new(SessionParts {
            grant: grant.clone(),
            run: context.run.clone(),
            step: context.step.clone(),
            on: context.on.clone(),
            quiet: context.quiet,
            phase,
            facilities: facilities.clone(),
            max_calls: limits.calls,
            time: time.clone(),
        });
        let parts = CallParts {
            engine: &self.sandbox.inner.engine,
            code: &plugin.code,
            limits,
            settings: self.settings.clone(),
            session: Some(session),
            cancel: context.cancel.clone(),
            time,
        };
        call::call(parts, ask(guest_context, params)).await
    }

    fn judge(&self, of_a_plan: bool) -> Judge<'_> {
        Judge {
            most: self.parts.limits.output(of_a_plan),
            data: self.parts.plugin.data.as_ref(),
        }
    }

    fn finding(&self, answer: Answer) -> Result<Finding, CallFault> {
        match answer {
            Answer::Finding(finding) => self.judge(false).finding(finding),
            _ => Err(another_answer()),
        }
    }

    fn change_plan(&self, answer: Answer) -> Result<ChangePlan, CallFault> {
        match answer {
            Answer::Plan(plan) => self.judge(true).plan(plan),
            _ => Err(another_answer()),
        }
    }
}

fn another_answer() -> CallFault {
    CallFault::Host {
        message: "it was answered as if something else had been asked".into(),
    }
}

/// What is handed in is bounded too: it lands in the guest's memory and in the host's before that.
fn check_input(context: &crate::bindings::common::Context, params: &str) -> Result<(), CallFault> {
    if params.len() > PAYLOAD {
        return Err(call::not_input(
            Limit::Input,
            "`with`, evaluated,",
            params.len(),
            PAYLOAD,
        ));
    }
    let labels = |of: &[crate::bindings::common::Label]| {
        of.iter()
            .map(|one| one.name.len() + one.value.len())
            .sum::<usize>()
    };
    let mut all = context.extra.len();
    for alert in &context.alerts {
        if alert.payload.len() > PAYLOAD {
            let what = format!("the payload of the alert `{}`", alert.fingerprint);
            return Err(call::not_input(Limit::Input, &what, alert.payload.len(), PAYLOAD));
        }
        all += alert.name.len() + alert.payload.len() + labels(&alert.labels) + labels(&alert.annotations);
    }
    if all > INPUT {
        return Err(call::not_input(
            Limit::Input,
            "the alerts of the run together",
            all,
            INPUT,
        ));
    }
    Ok(())
}
