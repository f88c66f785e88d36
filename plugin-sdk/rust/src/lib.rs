//! Write a plugin for stanch in Rust.
//!
//! A plugin implements one trait, [`Diagnosis`], [`Remediation`] or [`Notification`], for a type of its own, and names it
//! in [`export!`]. Everything else follows from that: the manifest with the JSON Schema of the parameters, the bindings,
//! the canonical form of a planned change, and a fake host for the plugin's own tests ([`testing`]).
//!
//! ```
//! use stanch_plugin::prelude::*;
//!
//! #[derive(Deserialize, JsonSchema)]
//! #[serde(deny_unknown_fields)]
//! struct Params {
//!     /// The service's health page.
//!     url: Url,
//! }
//!
//! struct Health;
//!
//! impl Diagnosis for Health {
//!     type Params = Params;
//!     type Data = Nothing;
//!     const ABOUT: About = about!("Says whether a service's health page answers 200");
//!
//!     fn diagnose(_: &Context, params: Params) -> Result<Finding<Nothing>, Failure> {
//!         let answer = http::get(&params.url).send()?;
//!         let verdict = if answer.status == 200 { Verdict::Yes } else { Verdict::No };
//!         Ok(Finding::new(verdict, format!("`{}` answers {}", params.url, answer.status)))
//!     }
//! }
//!
//! stanch_plugin::export!(Health as diagnosis);
//! ```
//!
//! The kit compiles for the machine that it is built on, too, so that `cargo test` works; there the host's functions are
//! those of [`testing::Host`]. The contract itself is `plugin-sdk/wit/plugin.wit`.

mod about;
mod apply;
#[doc(hidden)]
pub mod call;
mod context;
mod export;
mod failure;
pub mod files;
mod finding;
pub mod host;
pub mod http;
mod kind;
pub mod kubernetes;
pub mod params;
pub mod place;
mod plan;
pub mod retry;
mod sys;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;

pub use about::About;
pub use apply::{Answer, carry_out};
pub use context::{Attempt, Context, Message, Progress};
pub use failure::{Failure, FailureContext};
pub use finding::{Evidence, Finding, Nothing, Outcome};
pub use kind::{Diagnosis, Notification, Remediation};
pub use plan::{Action, Plan};

pub use stanch_contract::text;
pub use stanch_contract::{Alert, AlertStatus, Digest, FailureCode, Point, Timestamp, Verdict};
pub use {schemars, serde, serde_json};

/// What a plugin usually needs: `use stanch_plugin::prelude::*;`.
pub mod prelude {
    pub use crate::params::{Bytes, JsonText, Promql, Regex, Span, Url};
    pub use crate::{
        About, Action, Answer, Attempt, Context, Diagnosis, Evidence, Failure, FailureCode, FailureContext,
        Finding, Message, Nothing, Notification, Outcome, Plan, Point, Remediation, Timestamp, Verdict,
    };
    pub use crate::{about, carry_out, files, host, http, kubernetes};
    pub use crate::{debug, error, info, warn};
    pub use schemars::JsonSchema;
    pub use serde::{Deserialize, Serialize};
    pub use serde_json::{Value, json};
}

/// What the macros expand to.
#[doc(hidden)]
pub mod __private {
    #[cfg(target_arch = "wasm32")]
    pub use crate::sys::bindings;
}
