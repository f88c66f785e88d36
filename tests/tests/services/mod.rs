//! The plugins for an AI service, in the real sandbox, behind the real gate, with real servers.

#[allow(
    clippy::disallowed_methods,
    reason = "what is written is the sample that an operator gives"
)]
mod blocklist;
mod calls;
mod documents;
mod page;
