//! The engine from outside: started as an operator starts it, spoken to as Alertmanager and people speak to it.
//!
//! End-to-end tests, the demo and the bench all need this and nothing else, so it is here once, and depends on next to
//! nothing: what it starts is the program that was built, not code that it links.

pub mod alertmanager;
pub mod control;
pub mod counter;
pub mod http;
pub mod run;
pub mod serve;
pub mod settings;
