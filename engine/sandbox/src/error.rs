//! Why a plugin was not installed, and why a call did not give what it was to give.
//!
//! The guest's mistake, a spent budget, a refusal and the host's own mistake are different cases of [`CallFault`], never
//! one string: what happens next differs. Messages are sentences for a person; guest text in them is cleaned.

use std::time::Duration;

use stanch_contract::{ByteSize, Failure, FailureCode};

use crate::limits::Limit;

/// Why a file is not a plugin that this engine can run.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum InstallError {
    /// Larger than any plugin may be; not read.
    #[error("the file has {size}, and a plugin may have {most}", size = ByteSize(*.bytes), most = ByteSize(*.most))]
    TooLarge {
        /// The file's size.
        bytes: u64,
        /// The most it may be.
        most: u64,
    },
    /// Could not be read.
    #[error("the file cannot be read: {why}")]
    Unreadable {
        /// What the system said.
        why: String,
    },
    /// Does not begin as WebAssembly does.
    #[error("the file is not WebAssembly: it does not begin with `\\0asm`")]
    NotWasm,
    /// A module, not a component.
    #[error("the file is a core WebAssembly module, and a plugin is a component")]
    CoreModule,
    /// Ends before its end.
    #[error("the file is cut short: it ends at byte {at}, within a section")]
    Truncated {
        /// Where.
        at: u64,
    },
    /// Something in it is not what the format says.
    #[error("the file is not a valid component: {why}")]
    Malformed {
        /// What the validation said.
        why: String,
    },
    /// Valid, but more than this engine is ready to compile.
    #[error("the component is too complex to compile: it has {count} {what}, and {most} are allowed")]
    TooComplex {
        /// Of what.
        what: &'static str,
        /// How many it has.
        count: u64,
        /// How many it may have.
        most: u64,
    },
    /// Exports an interface of the contract in a version that this engine does not offer.
    #[error("the plugin is built for `{found}`, and this engine offers `runbook:plugin@{offered}`")]
    UnknownContract {
        /// The interface as the plugin names it.
        found: String,
        /// The version that is linked.
        offered: &'static str,
    },
    /// A component of another world.
    #[error(
        "the component exports none of the interfaces `diagnosis`, `remediation` and `notification` of `runbook:plugin@0.1.0`; it exports {found}"
    )]
    NoKind {
        /// What it exports, for a person.
        found: String,
    },
    /// More than one of them.
    #[error(
        "the component exports `{one}` and `{other}`, and a plugin is exactly one of `diagnosis`, `remediation` and `notification`"
    )]
    SeveralKinds {
        /// The first.
        one: &'static str,
        /// Another.
        other: &'static str,
    },
    /// Exports no `manifest` interface.
    #[error("the component does not export the interface `runbook:plugin/manifest@0.1.0`")]
    NoManifestInterface,
    /// Imports something that is not offered.
    #[error("the component imports `{name}`, which this engine does not offer")]
    UnknownImport {
        /// The import.
        name: String,
    },
    /// An interface that is offered, in another shape.
    #[error("`{interface}` does not fit this engine: {why}")]
    Mismatch {
        /// The interface or function.
        interface: String,
        /// What differs.
        why: String,
    },
    /// No `stanch:manifest` section.
    #[error(
        "the component has no custom section `stanch:manifest`, so nobody can read what it is without running it"
    )]
    NoManifestSection,
    /// The manifest is larger than any manifest may be.
    #[error("the {place} has {size}, and a manifest may have {most}", size = ByteSize(*.bytes), most = ByteSize(*.most))]
    ManifestTooLarge {
        /// Section or answer of `describe`.
        place: &'static str,
        /// Its size.
        bytes: u64,
        /// The most it may be.
        most: u64,
    },
    /// The manifest is not one.
    #[error("the {place} is not a manifest: {why}")]
    BadManifest {
        /// Section or answer of `describe`.
        place: &'static str,
        /// What is wrong.
        why: String,
    },
    /// Section and code say different things.
    #[error("the plugin's `describe` and its section `stanch:manifest` differ in `{member}`")]
    ManifestDiffers {
        /// The first member that differs.
        member: String,
    },
    /// A schema in the manifest is not a usable schema.
    #[error("`{which}` of the manifest is not a usable JSON Schema: {why}")]
    BadSchema {
        /// `params` or `data`.
        which: &'static str,
        /// What is wrong.
        why: String,
    },
    /// `describe` did not answer.
    #[error("the plugin's `describe` failed: {0}")]
    Describe(CallFault),
    /// Compiling took too long.
    #[error("compiling took longer than {} s", .most.as_secs())]
    CompileTime {
        /// The most it may take.
        most: Duration,
    },
    /// Compiling takes more memory than it may.
    #[error("compiling takes more memory than {most}")]
    CompileMemory {
        /// The most it may take.
        most: ByteSize,
    },
    /// The compiler's process ended without having said why not.
    #[error("the compiler ended by {how} and compiled nothing{}{said}", if .said.is_empty() { "" } else { ": " })]
    CompilerEnded {
        /// By which signal, or with which code.
        how: String,
        /// What it said last.
        said: String,
    },
    /// The compiler could not.
    #[error("the component does not compile: {why}")]
    Compile {
        /// What the compiler said.
        why: String,
    },
    /// The engine could not do its part.
    #[error("the engine cannot load the compiled plugin: {why}")]
    Host {
        /// What failed.
        why: String,
    },
}

impl InstallError {
    /// What can be done about it.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::TooLarge { .. } => "build it optimised for size and stripped",
            Self::NotWasm | Self::CoreModule => {
                "build it with `stanch plugin build`, which makes a component of what the language's tools leave"
            }
            Self::Truncated { .. } => "copy the file again and compare its SHA-256",
            Self::UnknownContract { .. } => {
                "rebuild it with a kit of `runbook:plugin@0.1.0`: `stanch plugin new` writes the one of this engine"
            }
            Self::NoKind { .. } | Self::SeveralKinds { .. } | Self::NoManifestInterface => {
                "build it against one of the worlds of plugin-sdk/wit: `diagnosis-plugin`, `remediation-plugin`, `notification-plugin`"
            }
            Self::UnknownImport { .. } => "WASI 0.2 and `runbook:plugin` are all there is: build it without",
            Self::Mismatch { .. } => {
                "rebuild it with a kit of `runbook:plugin@0.1.0`: `stanch plugin new` writes the one of this engine"
            }
            Self::NoManifestSection => {
                "build it with `stanch plugin build`, or write its manifest into it with `stanch plugin pack`"
            }
            Self::ManifestDiffers { .. } => {
                "rebuild it: the section is written at build time and is older than the code"
            }
            Self::BadSchema { .. } => "write it as JSON Schema 2020-12 without references to other documents",
            Self::CompileTime { .. } | Self::CompileMemory { .. } | Self::TooComplex { .. } => {
                "leave out what the plugin does not need"
            }
            _ => return None,
        })
    }
}

/// A limit that a call reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it reached its limit `{limit}` of {allowed}")]
pub struct LimitHit {
    /// Which.
    pub limit: Limit,
    /// How much was allowed, with its unit.
    pub allowed: String,
}

/// Why a call has no result.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CallFault {
    /// The plugin answered that it failed.
    #[error("{0}")]
    Guest(Failure),
    /// The plugin failed after the host had refused it something; the failure is the plugin's, the reason the host's.
    #[error("{0}")]
    Refused(Failure),
    /// The plugin stopped without an answer: a panic, an exception, an exit, an impossible instruction.
    #[error("the plugin stopped without an answer: {message}")]
    Trap {
        /// What the runtime saw, and the plugin's last words on standard error.
        message: String,
    },
    /// It used up something.
    #[error("{0}")]
    Limit(#[from] LimitHit),
    /// What it answered is not what the contract or its own manifest says.
    #[error("the plugin's answer cannot be used: {message}")]
    Output {
        /// Where and why.
        message: String,
    },
    /// The engine asked for what this plugin is not, or could not do its own part.
    #[error("the engine could not make the call: {message}")]
    Host {
        /// What failed.
        message: String,
    },
}

impl CallFault {
    /// As the contract's failure: what a run records and decides on.
    pub fn into_failure(self) -> Failure {
        let message = self.to_string();
        match self {
            Self::Guest(failure) | Self::Refused(failure) => failure,
            Self::Trap { .. } => Failure::new(FailureCode::Trap, message),
            Self::Limit(LimitHit {
                limit: Limit::Wall, ..
            }) => Failure::new(FailureCode::Timeout, message),
            Self::Limit(_) => Failure::new(FailureCode::Budget, message),
            Self::Output { .. } | Self::Host { .. } => Failure::new(FailureCode::Failed, message),
        }
    }
}

impl From<CallFault> for Failure {
    fn from(fault: CallFault) -> Self {
        fault.into_failure()
    }
}
