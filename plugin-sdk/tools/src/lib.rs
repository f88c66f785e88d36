//! Begins, builds, packs and examines plugins in any language.
//!
//! A project is a folder with a `stanch-plugin.toml` ([`Project`]). Building it ([`build`]) calls the language's own tools and
//! does in this process what they leave: a core module of Go or C becomes a component, and every component is asked what it is
//! and gets the answer as its section `stanch:manifest`. So an author needs the language's tools and no others.
//!
//! The command line (`stanch plugin …`) shows what is found here, and the project's own tests and tasks use the same.

mod build;
mod check;
mod diff;
mod encode;
mod error;
mod pack;
mod project;
mod sources;
mod template;
mod toolbox;

pub use build::{Built, build, make};
pub use check::{Note, Report, Weight, check};
pub use diff::{Difference, diff};
pub use encode::encode;
pub use error::ToolError;
pub use pack::{pack, write};
pub use project::{FILE, Language, Project};
pub use sources::Sources;
pub use template::{KitFile, begin, kit_of, setup};
pub use toolbox::Toolbox;
