//! How alerts come in over HTTP.
//!
//! A request passes, in this order: the intake of its path, its method, who sends it, whether the engine takes anything
//! now, a budget of bytes, the body's size, its form (`read`: [`alertmanager`], [`pagerduty`], `cloudevents`, any JSON; what the last two
//! mean, `mapped` says), and the engine, which answers when the alerts are
//! durable ([`sink`]). A sender that may try again is told so with 503; one that should not with 400, and why and where.
//! Where alerts do not come by themselves, `reconcile` asks for them and `expects` tells people.

pub mod alertmanager;
mod answer;
mod auth;
mod cloudevents;
pub(crate) mod expects;
mod form;
pub mod health;
mod mapped;
pub mod pagerduty;
pub(crate) mod read;
mod receive;
pub(crate) mod reconcile;
pub mod sink;

pub use health::Health;
pub use receive::{Front, router};
pub use sink::{Accepted, AlertSink, NotDurable};
