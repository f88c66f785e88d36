//! How alerts come in over HTTP.

pub mod sink;

pub use sink::{Accepted, AlertSink, NotDurable};
