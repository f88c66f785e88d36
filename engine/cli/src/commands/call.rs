//! `stanch plugin run`: one call of a plugin in the real world, behind the real gate; or in the world of a case. In the real one
//! it looks and plans, and changes nothing: what changes something is a run's, which has guardrails, a decision and a journal.
//! `stanch plugin suggest`: the same call, and the grant that follows from it.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use stanch_contract::plan::Action;
use stanch_contract::{
    Alert, CheckedPlan, Failure, Finding, IdempotencyKey, PluginKey, PluginKind, RunId, StepId,
};
use stanch_sandbox::gate::{self, Grant, GrantSpec, RecordedCall, Seen, check_plan};
use stanch_sandbox::{CallContext, CallReport, Installation, InstallationParts, Limits, LogLine, Message};
use stanch_service::secrets::Secrets;
use stanch_service::serve::facilities;
use tokio_util::sync::CancellationToken;

use super::{author, cases, files as loading, grant, start};
use crate::args::RunPlugin;
use crate::console::Console;
use crate::error::{CliError, Exit};
use crate::{files, screens};

/// What came of a call.
pub enum Came {
    /// Of a diagnosis.
    Finding(Finding),
    /// Of a remediation: what it would do, checked by the gate.
    Plan(Box<CheckedPlan>),
    /// Of a notification.
    Told,
}

/// A call as it is shown.
pub struct Called {
    /// The function.
    pub function: &'static str,
    /// What came of it.
    pub came: Result<Came, Failure>,
    /// What it asked of the gate.
    pub calls: Vec<RecordedCall>,
    /// What it logged.
    pub logs: Vec<LogLine>,
    /// How long it took, and of the processor's time.
    pub took_ms: u64,
    /// See `took_ms`.
    pub cpu_ms: u64,
    /// What a remediation offered to do, also where the gate refused it.
    pub offered: Vec<Action>,
}

impl Called {
    fn of<T>(function: &'static str, report: CallReport<T>) -> (Self, Option<T>) {
        let ms = |took: std::time::Duration| u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let (came, value) = match report.result {
            Ok(value) => (Ok(Came::Told), Some(value)),
            Err(fault) => (Err(fault.into_failure()), None),
        };
        let called = Self {
            function,
            came,
            calls: report.ledger.calls,
            logs: report.logs,
            took_ms: ms(report.took),
            cpu_ms: ms(report.cpu),
            offered: Vec::new(),
        };
        (called, value)
    }

    fn json(&self) -> Value {
        let came = match &self.came {
            Ok(Came::Finding(finding)) => json!({ "finding": finding }),
            Ok(Came::Plan(plan)) => json!({ "plan": plan }),
            Ok(Came::Told) => json!({ "told": true }),
            Err(failure) => json!({ "failure": failure }),
        };
        json!({
            "function": self.function, "came": came, "calls": self.calls, "log": self.logs,
            "took_ms": self.took_ms, "cpu_ms": self.cpu_ms,
        })
    }
}

/// Makes the call.
pub async fn run(config: &Path, it: &RunPlugin, console: &Console) -> Result<Exit, CliError> {
    if let Some(file) = &it.case {
        return in_a_case(config, it, file, console).await;
    }
    let installation = installed(config, it, console).await?;
    let called = called(&installation, it).await?;
    console.show(&called.json(), |width| screens::called(&called, width))?;
    Ok(if called.came.is_ok() {
        Exit::Done
    } else {
        Exit::Failed
    })
}

/// Makes the call, and prints what it takes.
pub async fn suggest(config: &Path, it: &RunPlugin, console: &Console) -> Result<Exit, CliError> {
    if it.case.is_some() {
        return Err(CliError::Usage {
            message: "a case has a grant of its own, and a world in which nothing else is there".into(),
            hint: "leave --case away: the call is made behind the real gate, and changes nothing".into(),
        });
    }
    let installation = installed(config, it, console).await?;
    let called = called(&installation, it).await?;
    let found = gate::suggest(&Seen {
        kind: installation.plugin().kind(),
        calls: &called.calls,
        actions: &called.offered,
        on: it.on.as_deref(),
        now: installation.grant().spec(),
    });
    let failed = called.came.as_ref().err().map(|failure| failure.message.as_str());
    grant::show(installation.key(), &found, failed, console)
}

async fn called(installation: &Installation, it: &RunPlugin) -> Result<Called, CliError> {
    let params = files::object("--with", it.with.as_deref())?;
    if let Some(wrong) = installation.plugin().check_params(&params) {
        return Err(CliError::Usage {
            message: format!("the parameters do not fit: {wrong}"),
            hint: format!("`stanch plugin inspect {}` says what it takes", it.plugin),
        });
    }
    let alerts: Vec<Alert> = it.alert.as_deref().map_or(Ok(Vec::new()), start::alerts)?;
    let context = context(alerts, it.on.clone());
    Ok(match installation.plugin().kind() {
        PluginKind::Diagnosis => {
            let (called, finding) = Called::of("diagnose", installation.diagnose(&context, &params).await);
            with(called, finding.map(Came::Finding))
        }
        PluginKind::Remediation => planned(installation, &context, &params).await,
        PluginKind::Notification if !it.tell => {
            return Err(CliError::Usage {
                message: "a notification plugin tells people, now".into(),
                hint: "say --tell where that is meant".into(),
            });
        }
        PluginKind::Notification => {
            let told = installation.notify(&context, &params, &message()).await;
            Called::of("notify", told).0
        }
    })
}

/// The call in the world of a case: every function of the plugin that the case comes to.
async fn in_a_case(config: &Path, it: &RunPlugin, file: &Path, console: &Console) -> Result<Exit, CliError> {
    let params = it.with.as_deref().map(|with| files::object("--with", Some(with)));
    let played = cases::came(config, &it.plugin, (file, params.transpose()?), console).await?;
    let came: Map<String, Value> = played
        .came
        .iter()
        .map(|(function, came)| {
            let came = match came {
                Ok(value) => value.clone(),
                Err(failure) => json!({ "failure": failure }),
            };
            (function.as_str().to_owned(), came)
        })
        .collect();
    let value = json!({ "case": played.name, "came": came, "calls": played.calls });
    console.show(&value, |width| screens::played(&played, width))?;
    Ok(Exit::Done)
}

fn with(mut called: Called, came: Option<Came>) -> Called {
    if let Some(came) = came {
        called.came = Ok(came);
    }
    called
}

/// A plan counts once the gate has checked it.
async fn planned(installation: &Installation, context: &CallContext, params: &Value) -> Called {
    let (mut called, plan) = Called::of("plan", installation.plan(context, params).await);
    if let Some(plan) = plan {
        called.offered.clone_from(&plan.actions);
        let checked = check_plan(
            plan,
            installation.grant(),
            installation.facilities(),
            context.on.as_deref(),
            installation.plugin().manifest().idempotent,
        )
        .await;
        called.came = match checked {
            Ok(plan) => Ok(Came::Plan(Box::new(plan))),
            Err(refusal) => Err(refusal.to_failure()),
        };
    }
    called
}

/// A plugin of stanch.toml with what it says of it; or a file with what the command line says.
async fn installed(config: &Path, it: &RunPlugin, console: &Console) -> Result<Installation, CliError> {
    let Some(file) = author::component(&it.plugin) else {
        if it.grant.is_some() || it.settings.is_some() {
            return Err(CliError::Usage {
                message: format!(
                    "`{}` is a key of stanch.toml, which says its grant and settings",
                    it.plugin
                ),
                hint: "leave --grant and --settings away, or name a .wasm file".into(),
            });
        }
        let loaded = loading::load(config, console).await?;
        let found = loaded.plugin(&it.plugin)?;
        return Ok(found.installation.before(found.installation.facilities().clone()));
    };
    let sandbox = author::sandbox()?;
    let plugin = author::installed(&sandbox, file).await?;
    let key = PluginKey::from(plugin.manifest().name.as_str());
    let asked = it.grant.as_deref() == Some("asked");
    let spec = if asked {
        GrantSpec::asked(plugin.manifest())
    } else {
        serde_json::from_value(files::object("--grant", it.grant.as_deref())?)
    };
    let wrong = |why: String| {
        CliError::Usage {
        message: if asked {
            format!("what it asks for cannot be granted as it is: {why}")
        } else {
            format!("the grant is wrong: {why}")
        },
        hint: "write it as in stanch.toml, as JSON: --grant '{\"http\": [{\"url\": \"https://HOST/**\", \"read\": [\"GET\"]}]}'".into(),
    }
    };
    let spec = spec.map_err(|error| wrong(error.to_string()))?;
    let grant = Grant::new(key.clone(), spec).map_err(|error| wrong(error.to_string()))?;
    let parts = InstallationParts {
        key,
        plugin,
        grant: Arc::new(grant),
        limits: Limits::default(),
        settings: files::object("--settings", it.settings.as_deref())?,
        // A file has no secrets: those are the operator's.
        facilities: facilities(&Arc::new(Secrets::default()), None)
            .map_err(|error| CliError::Serve(Box::new(error)))?,
    };
    Ok(Installation::new(&sandbox, parts))
}

/// A call of no run.
fn context(alerts: Vec<Alert>, on: Option<String>) -> CallContext {
    CallContext {
        run: RunId::from("run0000000000000"),
        step: StepId::from("step"),
        attempt: 1,
        idempotency_key: IdempotencyKey::from("run0000000000000.step.do"),
        alerts: alerts.into(),
        on,
        quiet: false,
        extra: Value::Null,
        cancel: CancellationToken::new(),
    }
}

/// What people are told when an author tries a plugin.
fn message() -> Message {
    Message {
        kind: "report".into(),
        severity: "low".into(),
        title: "A plugin is being tried".into(),
        text: "`stanch plugin run` sent this. There is nothing to do.".into(),
        link: None,
        report: json!({}),
        thread: "run0000000000000".into(),
        extra: Value::Null,
    }
}
