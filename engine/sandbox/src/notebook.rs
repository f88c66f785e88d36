//! What the host writes down while a call runs: log lines, and what the guest read of clocks and chance.
//!
//! Shared between the call's state and WASI's streams and clocks, which own their parts, so it is behind a lock that
//! nobody else ever wants. Log bytes are bounded for all sources together; a line costs its text and a little more, so
//! that empty lines are not free. Readings beyond a number are counted, not kept.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use stanch_contract::{ByteSize, text};
use wasmtime_wasi::{HostMonotonicClock, HostWallClock};

use crate::error::LimitHit;
use crate::limits::Limit;
use crate::time::CallTime;

/// What a line costs besides its text.
const LINE: usize = 16;
/// How many readings of clocks are kept.
const READINGS: usize = 256;
/// How long a line of standard output may become before it is broken.
const LONGEST_LINE: usize = 4096;

/// How much a log line matters, in the plugin's opinion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// For the plugin's author.
    Debug,
    /// What happens.
    Info,
    /// What is odd. Standard error is logged as this.
    Warn,
    /// What went wrong.
    Error,
}

/// One line that a plugin logged or printed; cleaned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// How much it matters.
    pub level: LogLevel,
    /// What it says.
    pub message: String,
}

/// What the guest could read that another run would not: enough to explain an answer afterwards.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Readings {
    /// What all random numbers of the call were drawn from (ChaCha12), where any could be.
    pub seed: String,
    /// What clocks said, in order: milliseconds since 1970, or nanoseconds since the call began.
    pub clocks: Vec<Reading>,
    /// Readings of clocks that were not kept.
    pub more: u64,
}

/// One reading of a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reading {
    /// Milliseconds since 1970.
    NowMs(i64),
    /// Nanoseconds since the call began.
    MonotonicNs(u64),
}

/// The notes of one call.
#[derive(Debug)]
pub(crate) struct Notebook {
    most: ByteSize,
    time: CallTime,
    notes: Mutex<Notes>,
}

#[derive(Debug, Default)]
struct Notes {
    lines: Vec<LogLine>,
    spent: usize,
    readings: Readings,
}

impl Notebook {
    pub(crate) fn new(most: ByteSize, time: CallTime) -> Arc<Self> {
        Arc::new(Self {
            most,
            time,
            notes: Mutex::default(),
        })
    }

    /// A log line; an error where the log is full.
    pub(crate) fn log(&self, level: LogLevel, message: &str) -> Result<(), LimitHit> {
        let mut notes = self.notes();
        notes.spent = notes.spent.saturating_add(message.len()).saturating_add(LINE);
        if notes.spent as u64 > self.most.0 {
            return Err(LimitHit {
                limit: Limit::Log,
                allowed: self.most.to_string(),
            });
        }
        notes.lines.push(LogLine {
            level,
            message: text::clean(message),
        });
        Ok(())
    }

    /// Now, as the guest reads it.
    pub(crate) fn now_ms(&self) -> i64 {
        let now = self.time.now().0;
        self.read(Reading::NowMs(now));
        now
    }

    /// Everything that was noted.
    pub(crate) fn close(&self, seed: &[u8; 32]) -> (Vec<LogLine>, Readings) {
        let notes = std::mem::take(&mut *self.notes());
        (
            notes.lines,
            Readings {
                seed: hex::encode(seed),
                ..notes.readings
            },
        )
    }

    fn read(&self, reading: Reading) {
        let readings = &mut self.notes().readings;
        if readings.clocks.len() < READINGS {
            readings.clocks.push(reading);
        } else {
            readings.more += 1;
        }
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// WASI's wall clock, noted.
pub(crate) struct NotedWallClock(pub(crate) Arc<Notebook>);

impl HostWallClock for NotedWallClock {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn now(&self) -> Duration {
        let now = self.0.time.since_1970();
        self.0
            .read(Reading::NowMs(i64::try_from(now.as_millis()).unwrap_or(i64::MAX)));
        now
    }
}

/// WASI's monotonic clock, noted; it begins with the call.
pub(crate) struct NotedMonotonicClock(pub(crate) Arc<Notebook>);

impl HostMonotonicClock for NotedMonotonicClock {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        // Never zero, which a given clock that stands still would be at first: Go's runtime takes it for a clock that is broken.
        let now = u64::try_from(self.0.time.elapsed().as_nanos()).map_or(u64::MAX, |now| now.max(1));
        self.0.read(Reading::MonotonicNs(now));
        now
    }
}

/// Bytes of standard output or standard error, becoming log lines.
pub(crate) struct Lines {
    notebook: Arc<Notebook>,
    level: LogLevel,
    begun: Mutex<Vec<u8>>,
}

impl Lines {
    pub(crate) fn new(notebook: Arc<Notebook>, level: LogLevel) -> Arc<Self> {
        Arc::new(Self {
            notebook,
            level,
            begun: Mutex::default(),
        })
    }

    /// More bytes; whole lines are logged.
    pub(crate) fn write(&self, bytes: &[u8]) -> Result<(), LimitHit> {
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            begun.extend_from_slice(piece);
            if piece.ends_with(b"\n") || begun.len() >= LONGEST_LINE {
                let line = std::mem::take(&mut *begun);
                self.log(&line)?;
            }
        }
        Ok(())
    }

    /// What is left without a line feed. The limit no longer matters: the call is over.
    pub(crate) fn flush(&self) {
        let line = std::mem::take(&mut *self.begun.lock().unwrap_or_else(PoisonError::into_inner));
        if !line.is_empty() && self.log(&line).is_err() {
            tracing::debug!("the last line of a full log is left out");
        }
    }

    fn log(&self, line: &[u8]) -> Result<(), LimitHit> {
        let line = String::from_utf8_lossy(line);
        self.notebook.log(self.level, line.trim_end_matches(['\n', '\r']))
    }
}

#[cfg(test)]
mod tests {
    use stanch_contract::Span;

    use super::*;
    use crate::time::Time;

    fn notebook(most: u64) -> Arc<Notebook> {
        let time = CallTime::begin(&Time::Machine, Span::from_secs(30));
        Notebook::new(ByteSize(most), time)
    }

    fn lines(notebook: &Notebook) -> Vec<String> {
        notebook
            .close(&[0; 32])
            .0
            .into_iter()
            .map(|line| line.message)
            .collect()
    }

    #[test]
    fn printed_bytes_become_lines_and_control_characters_are_gone() {
        let notebook = notebook(1000);
        let out = Lines::new(notebook.clone(), LogLevel::Info);
        out.write(b"one\ntw").unwrap();
        out.write(b"o\x1b[31m\r\nthr").unwrap();
        out.flush();
        assert_eq!(lines(&notebook), ["one", "two[31m", "thr"]);
    }

    #[test]
    fn a_line_without_end_is_broken_before_it_fills_the_host() {
        let notebook = notebook(100_000);
        let out = Lines::new(notebook.clone(), LogLevel::Info);
        for _ in 0..3 * LONGEST_LINE {
            out.write(b"x").unwrap();
        }
        assert_eq!(lines(&notebook).len(), 3);
    }

    #[test]
    fn the_log_ends_at_its_limit_and_empty_lines_are_not_free() {
        let notebook = notebook(100);
        let out = Lines::new(notebook.clone(), LogLevel::Info);
        let full = (0..1000).find_map(|_| out.write(b"\n").err()).unwrap();
        assert_eq!(
            full,
            LimitHit {
                limit: Limit::Log,
                allowed: "100 B".into()
            }
        );
        assert_eq!(lines(&notebook).len(), 6);
    }

    #[test]
    fn readings_beyond_the_number_kept_are_counted() {
        let notebook = notebook(0);
        for _ in 0..READINGS + 3 {
            notebook.now_ms();
        }
        let readings = notebook.close(&[7; 32]).1;
        assert_eq!((readings.clocks.len(), readings.more), (READINGS, 3));
        assert!(readings.seed.starts_with("0707"));
    }
}
