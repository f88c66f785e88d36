//! What the demo's city shares with the tests of the runbooks that are for it: services of an AI product, as ordinary HTTP on
//! loopback. Nothing of the engine is in them.

mod assistant;
mod document;
mod keys;

pub use assistant::{Assistant, Model};
pub use document::Document;
pub use keys::Keys;
