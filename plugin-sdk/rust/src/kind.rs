//! The three kinds of plugin.

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{About, Attempt, Context, Failure, Finding, Message, Outcome, Plan, carry_out};

/// Answers one question, read-only: the host refuses every change.
pub trait Diagnosis {
    /// What a runbook's `with` gives. Say `#[serde(deny_unknown_fields)]`.
    type Params: DeserializeOwned + JsonSchema;
    /// What later steps can read as `.data`. Its default is what is said where there is nothing to say.
    type Data: Serialize + Default + JsonSchema;
    /// Name, version and one sentence.
    const ABOUT: About;

    /// What it needs, in the notation of a grant: `json!({"http": [{"url": "…", "read": ["GET"]}]})`.
    fn asks() -> Value {
        json!({})
    }

    /// Looks, and answers yes, no or unknown.
    fn diagnose(ctx: &Context, params: Self::Params) -> Result<Finding<Self::Data>, Failure>;
}

/// Plans, then applies, one change.
pub trait Remediation {
    /// What a runbook's `with` gives. Say `#[serde(deny_unknown_fields)]`.
    type Params: DeserializeOwned + JsonSchema;
    /// What plan, outcome and verify say, for later steps and for each other. Its default is what is said where there is
    /// nothing to say.
    type Data: Serialize + DeserializeOwned + Default + JsonSchema;
    /// Name, version, one sentence, and what it promises.
    const ABOUT: About;

    /// What it needs, in the notation of a grant.
    fn asks() -> Value {
        json!({})
    }

    /// Read-only. Names each action exactly; without actions there is nothing to do.
    fn plan(ctx: &Context, params: &Self::Params) -> Result<Plan<Self::Data>, Failure>;

    /// Carries the plan out. During this call the host lets through exactly what the plan names, each once. What is
    /// written here is the whole of it for most plugins: every action in order, the first failure ends it.
    fn apply(
        ctx: &Context,
        params: &Self::Params,
        plan: &Plan<Self::Data>,
    ) -> Result<Outcome<Self::Data>, Failure> {
        let _ = params;
        let answers = carry_out(ctx, plan)?;
        let mut said: Vec<String> = answers.iter().take(3).map(ToString::to_string).collect();
        let more = answers.len().saturating_sub(said.len());
        if more > 0 {
            said.push(format!("{more} more"));
        }
        Ok(Outcome::new(if said.is_empty() {
            "Nothing to do".to_owned()
        } else {
            said.join("; ")
        }))
    }

    /// Read-only. Yes: the change holds and did what it was for. Asked also after a crash, to find out whether an action
    /// without an answer took effect. Without one the manifest must not say `verifies`.
    fn verify(
        ctx: &Context,
        params: &Self::Params,
        made: &Attempt<Self::Data>,
    ) -> Result<Finding<Self::Data>, Failure> {
        let _ = (ctx, params, made);
        Ok(Finding::unknown("This plugin cannot verify what it changed"))
    }

    /// Read-only. The plan of the way back from what was really done. Without one the manifest must not say `reversible`.
    fn plan_undo(
        ctx: &Context,
        params: &Self::Params,
        made: &Attempt<Self::Data>,
    ) -> Result<Plan<Self::Data>, Failure> {
        let _ = (ctx, params, made);
        Err(Failure::failed("This change cannot be undone by the plugin"))
    }
}

/// Tells people.
pub trait Notification {
    /// What a runbook's `with` gives. Say `#[serde(deny_unknown_fields)]`.
    type Params: DeserializeOwned + JsonSchema;
    /// Name, version and one sentence.
    const ABOUT: About;

    /// What it needs, in the notation of a grant.
    fn asks() -> Value {
        json!({})
    }

    /// Delivers one message. May send only what its `notify` grant names.
    fn notify(ctx: &Context, params: Self::Params, message: &Message) -> Result<(), Failure>;
}
