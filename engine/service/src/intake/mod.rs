//! How alerts come in over HTTP.
//!
//! A request passes, in this order: the intake of its path, its method, who sends it, whether the engine takes anything
//! now, a budget of bytes, the body's size, its form ([`alertmanager`], [`pagerduty`]), and the engine, which answers when the alerts are
//! durable ([`sink`]). A sender that may try again is told so with 503; one that should not with 400, and why and where.

pub mod alertmanager;
mod answer;
mod auth;
mod form;
pub mod health;
pub mod pagerduty;
mod receive;
pub mod sink;

pub use health::Health;
pub use receive::{Front, router};
pub use sink::{Accepted, AlertSink, NotDurable};
