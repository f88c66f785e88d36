//! The gate: the only way out for every effect of every plugin.
//!
//! A call passes four layers, each narrower than the one before: the operator's grant ([`grant`]), the phase of the run,
//! the plan that was decided on ([`plan`]), and one action of it that was not used yet ([`phase`]). [`session`] is one
//! plugin call at the gate; each host call goes through it and is recorded ([`record`]) with what was asked, what was
//! decided and by which layer, and what came back. A refusal names its layer and the line of stanch.toml that would allow it.
//!
//! What it does not protect against: a server that does something else than the operator vouched for, and a plugin that
//! hides data in requests that it may send.

mod actions;
pub(crate) mod answer;
mod change;
mod entry;
pub mod facilities;
mod files_call;
pub mod grant;
mod http_answer;
mod http_call;
mod kubernetes;
pub mod phase;
pub mod plan;
mod reach;
pub mod record;
pub mod session;
pub mod spec;
mod suggest;
mod tape;

pub use facilities::Facilities;
pub use grant::{Grant, GrantError};
pub use kubernetes::named::named;
pub use kubernetes::needs::Needs;
pub use phase::{ActionLog, Apply, EarlierAction, Phase, Stop};
pub use plan::{Cause, PlanRefusal, check_plan};
pub use reach::{Reached, reach};
pub use record::{AnswerRecord, Decision, Layer, Ledger, RecordedCall, Refusal};
pub use session::{Session, SessionParts};
pub use spec::{
    Access, FilesGrantSpec, GrantSpec, HttpGrantSpec, KubernetesGrantSpec, NotifyGrantSpec, SignSpec,
};
pub use suggest::{Seen, Suggestion, suggest};
pub use tape::{Asked, AskedLog, Tape};
