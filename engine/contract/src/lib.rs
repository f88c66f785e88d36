//! The words that the rooms of stanch share.
//!
//! An alert, a finding, a plan, an action, a failure: each is described once, here, and means the same in the journal,
//! in a plugin call, in a run and on a page. The crate has no I/O, no clock and no randomness, and nothing in it decides
//! anything; it is what the deciding code is written in.
//!
//! The shapes follow `runbook:plugin@0.1.0` (plugin-sdk/wit). Where a plugin's word and the host's word differ, they are
//! two types: a [`plan::Action`] is what a plugin asked for, a [`plan::CanonicalAction`] is what the host made of it.

pub mod alert;
pub mod canonical;
pub mod digest;
pub mod failure;
pub mod finding;
pub mod ids;
pub mod manifest;
pub mod plan;
pub mod text;
pub mod time;
pub mod units;

pub use alert::{Alert, AlertStatus};
pub use digest::Digest;
pub use failure::{Failure, FailureCode};
pub use finding::{Evidence, Finding, Point, Verdict};
pub use ids::{IdempotencyKey, PluginKey, RunId, StepId};
pub use manifest::{Manifest, PluginKind};
pub use plan::{
    Action, ActionState, AttemptMade, CanonicalAction, ChangePlan, CheckedPlan, Outcome, PlanDigest,
    Population, Progress,
};
pub use time::Timestamp;
pub use units::{ByteSize, Rate, Share, Span};
