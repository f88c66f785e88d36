//! The calls of the contract, with a trait's types on one side and the contract's words on the other.
//!
//! Both borders use these: the bindings of a component, and the fake host of a plugin's own tests. So a test goes the way
//! that the engine goes, through the JSON.

use serde::de::DeserializeOwned;
use serde_json::Value;
use stanch_contract::plan::ChangePlan;

use crate::context::WireAttempt;
use crate::{Attempt, Context, Diagnosis, Failure, Message, Nothing, Notification, Plan, Remediation};

fn params<T: DeserializeOwned>(json: &str) -> Result<T, Failure> {
    serde_json::from_str(json)
        .map_err(|error| Failure::invalid_params(format!("The parameters do not fit: {error}")))
}

/// JSON that was handed over; null where it is none.
pub fn value(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_default()
}

pub fn describe_diagnosis<T: Diagnosis>() -> String {
    T::ABOUT.manifest::<T::Params, T::Data>(T::asks())
}

pub fn describe_remediation<T: Remediation>() -> String {
    T::ABOUT.manifest::<T::Params, T::Data>(T::asks())
}

pub fn describe_notification<T: Notification>() -> String {
    T::ABOUT.manifest::<T::Params, Nothing>(T::asks())
}

pub fn diagnose<T: Diagnosis>(ctx: &Context, json: &str) -> Result<stanch_contract::Finding, Failure> {
    T::diagnose(ctx, params(json)?)?.into_wire()
}

pub fn plan<T: Remediation>(ctx: &Context, json: &str) -> Result<ChangePlan, Failure> {
    T::plan(ctx, &params(json)?)?.into_wire()
}

pub fn apply<T: Remediation>(
    ctx: &Context,
    json: &str,
    plan: ChangePlan,
) -> Result<stanch_contract::Outcome, Failure> {
    T::apply(ctx, &params(json)?, &Plan::from_wire(plan)?)?.into_wire()
}

pub fn verify<T: Remediation>(
    ctx: &Context,
    json: &str,
    made: WireAttempt,
) -> Result<stanch_contract::Finding, Failure> {
    T::verify(ctx, &params(json)?, &Attempt::from_wire(made)?)?.into_wire()
}

pub fn plan_undo<T: Remediation>(
    ctx: &Context,
    json: &str,
    made: WireAttempt,
) -> Result<ChangePlan, Failure> {
    T::plan_undo(ctx, &params(json)?, &Attempt::from_wire(made)?)?.into_wire()
}

pub fn notify<T: Notification>(ctx: &Context, json: &str, message: &Message) -> Result<(), Failure> {
    T::notify(ctx, params(json)?, message)
}
