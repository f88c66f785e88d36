//! A run for people: the page in the terminal, and the Markdown of a post-mortem.
//!
//! Both are pure functions of the [`RunView`](crate::control::types::RunView) that the API gives, so the command line
//! renders what any other reader would. The page's order is that of a reader who was just woken up: how bad, what was
//! found, what would be done, how it is undone, who must agree, how long is left; then what a plugin says of itself.
//! Colour says state and nothing else.

pub mod compose;
pub(crate) mod curve;
pub mod markdown;
pub mod page;
pub(crate) mod plan;
pub mod ready;
mod run;
#[cfg(test)]
pub(crate) mod samples;
mod steps;
#[cfg(test)]
mod tests;
mod trust;
pub mod words;

pub use page::{Page, Piece, Style};
pub use run::{Detail, run_page};
