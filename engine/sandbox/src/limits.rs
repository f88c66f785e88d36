//! What one call of a plugin may use.
//!
//! Every limit has a default and a name of its own, so that a call that ends at one says which. The operator's file sets
//! the six of [`Limits`] for each installation; the others are the same for all, because they bound what the host holds
//! for a guest and no plugin has a reason to need more.

use serde::{Deserialize, Serialize};
use stanch_contract::{ByteSize, Span};

/// The most that `memory` can be set to. The pooling allocator reserves address space for it at start.
pub const MOST_MEMORY: ByteSize = ByteSize(256 << 20);
/// Elements of all tables of a call together. A Python component needs about 10,000.
pub(crate) const TABLE_ELEMENTS: usize = 40_000;
/// Bytes that may cross from guest to host in one host call, and in the answer of the call itself.
pub(crate) const TRANSFER: usize = 8 << 20;
/// Open resources (streams, pollables) of a call.
pub(crate) const RESOURCES: usize = 256;
/// Bytes of random numbers in one read.
pub(crate) const RANDOM: u64 = 64 << 10;
/// Bytes of parameters and of one alert's payload.
pub(crate) const PAYLOAD: usize = 64 << 10;
/// Bytes of a call's whole input, alerts and a report included.
pub(crate) const INPUT: usize = 4 << 20;
/// Bytes of a plan's output where the operator set no `output`.
const PLAN_OUTPUT: ByteSize = ByteSize(4 << 20);
/// Bytes of any other output where the operator set no `output`.
const OUTPUT: ByteSize = ByteSize(256 << 10);

/// The operator's limits for an installation: `limits` of `[plugins.KEY]` in stanch.toml.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Linear memory of all memories together, at most 256 MiB.
    pub memory: ByteSize,
    /// Processor time.
    pub cpu: Span,
    /// Time from the start of the instance to its answer, waiting included.
    pub wall: Span,
    /// Calls of `http`, `files` and `kubernetes` functions.
    pub calls: u32,
    /// Bytes of log messages, standard output and standard error together.
    pub log: ByteSize,
    /// Bytes of the answer. Not set: 256 KiB, and 4 MiB for a plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<ByteSize>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: ByteSize(64 << 20),
            cpu: Span::from_secs(2),
            wall: Span::from_secs(30),
            calls: 500,
            log: ByteSize(64 << 10),
            output: None,
        }
    }
}

/// Why limits cannot be set so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`limits.{name}` is {value}: {hint}")]
pub struct LimitsError {
    name: &'static str,
    value: String,
    hint: &'static str,
}

impl Limits {
    /// Whether the engine can keep these limits.
    ///
    /// # Errors
    /// Where one is nothing at all, or more than the engine sets aside.
    pub fn check(&self) -> Result<(), LimitsError> {
        let wrong = |name, value: String, hint| Err(LimitsError { name, value, hint });
        if self.memory.0 < 64 << 10 || self.memory > MOST_MEMORY {
            return wrong(
                "memory",
                self.memory.to_string(),
                "write at least `64KiB` and at most `256MiB`",
            );
        }
        if self.cpu == Span::ZERO || self.cpu > Span::from_secs(600) {
            return wrong(
                "cpu",
                self.cpu.to_string(),
                "write more than `0s` and at most `10m`",
            );
        }
        if self.wall == Span::ZERO || self.wall > Span::from_secs(3600) {
            return wrong(
                "wall",
                self.wall.to_string(),
                "write more than `0s` and at most `1h`",
            );
        }
        if self.log.0 > 16 << 20 {
            return wrong("log", self.log.to_string(), "write at most `16MiB`");
        }
        match self.output {
            Some(output) if output.0 == 0 || output.0 > TRANSFER as u64 => wrong(
                "output",
                output.to_string(),
                "write more than `0B` and at most `8MiB`",
            ),
            _ => Ok(()),
        }
    }

    /// Bytes that an answer may have.
    pub(crate) fn output(&self, of_a_plan: bool) -> usize {
        let bytes = self
            .output
            .unwrap_or(if of_a_plan { PLAN_OUTPUT } else { OUTPUT });
        usize::try_from(bytes.0).unwrap_or(usize::MAX)
    }
}

/// The limits by name, as a failure says them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Limit {
    /// Linear memory.
    Memory,
    /// Table elements.
    Tables,
    /// Processor time.
    Cpu,
    /// Time on the wall.
    Wall,
    /// Calls of capabilities.
    HostCalls,
    /// Log bytes.
    Log,
    /// The answer's bytes.
    Output,
    /// Bytes from guest to host in one host call.
    HostcallFuel,
    /// Open resources.
    Resources,
    /// What the engine hands to a plugin: parameters, payloads, the whole input.
    Input,
}

impl Limit {
    /// The limit's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Tables => "tables",
            Self::Cpu => "cpu",
            Self::Wall => "wall",
            Self::HostCalls => "host-calls",
            Self::Log => "log",
            Self::Output => "output",
            Self::HostcallFuel => "hostcall-fuel",
            Self::Resources => "resources",
            Self::Input => "input",
        }
    }
}

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_can_be_kept_and_what_cannot_be_kept_is_refused() {
        assert_eq!(Limits::default().check(), Ok(()));
        let with = |change: fn(&mut Limits)| {
            let mut limits = Limits::default();
            change(&mut limits);
            limits.check()
        };
        assert!(with(|l| l.memory = ByteSize(256 << 20)).is_ok());
        assert!(with(|l| l.memory = ByteSize((256 << 20) + 1)).is_err());
        assert!(with(|l| l.cpu = Span::ZERO).is_err());
        assert!(with(|l| l.output = Some(ByteSize(9 << 20))).is_err());
        let refused = with(|l| l.wall = Span::from_secs(3601)).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "`limits.wall` is 1h1s: write more than `0s` and at most `1h`"
        );
    }

    #[test]
    fn a_plan_may_be_larger_than_a_finding_unless_the_operator_says_how_large() {
        let mut limits = Limits::default();
        assert_eq!((limits.output(false), limits.output(true)), (256 << 10, 4 << 20));
        limits.output = Some(ByteSize(1000));
        assert_eq!((limits.output(false), limits.output(true)), (1000, 1000));
    }

    #[test]
    fn limits_are_read_as_stanch_toml_writes_them() {
        let limits: Limits = serde_json::from_str(r#"{"memory":"128MiB","cpu":"5s","calls":10}"#).unwrap();
        assert_eq!(
            (limits.memory, limits.cpu, limits.calls),
            (ByteSize(128 << 20), Span::from_secs(5), 10)
        );
        assert_eq!(limits.wall, Limits::default().wall);
        assert!(serde_json::from_str::<Limits>(r#"{"memroy":"128MiB"}"#).is_err());
    }
}
