//! What the system says of a process.

use std::fs;
use std::time::Duration;

use crate::shell::TaskError;

/// What it holds of the memory, shared pages by their share, in MiB.
#[derive(Debug, Clone, Copy)]
pub(super) struct Memory {
    /// All of it.
    pub(super) all: f64,
    /// Pages of no file: heap and stacks. The rest is of the program and of compiled plugins, which the system can drop and read again.
    pub(super) own: f64,
}

/// What it holds of the memory.
pub(super) fn memory(process: u32) -> Result<Memory, TaskError> {
    let text = read(process, "smaps_rollup")?;
    let mib = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key));
        let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
        kib.map(|kib| kib / 1_024.0).ok_or_else(|| odd("smaps_rollup"))
    };
    Ok(Memory {
        all: mib("Pss:")?,
        own: mib("Pss_Anon:")?,
    })
}

/// The time that it has had a processor. The system counts in hundredths of a second.
pub(super) fn cpu(process: u32) -> Result<Duration, TaskError> {
    let text = read(process, "stat")?;
    // The name of the program, in brackets, may hold anything; what counts is after it.
    let rest = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let mut fields = rest
        .split_whitespace()
        .skip(11)
        .map(|field| field.parse::<u64>().ok());
    match (fields.next().flatten(), fields.next().flatten()) {
        (Some(user), Some(system)) => Ok(Duration::from_millis((user + system) * 10)),
        _ => Err(odd("stat")),
    }
}

fn read(process: u32, file: &str) -> Result<String, TaskError> {
    let path = format!("/proc/{process}/{file}");
    fs::read_to_string(&path).map_err(|why| TaskError::Other(format!("{path}: {why}")))
}

fn odd(file: &str) -> TaskError {
    TaskError::Other(format!("/proc/…/{file} is not as expected"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_can_be_read() {
        let own = std::process::id();
        let memory = memory(own).unwrap();
        assert!(memory.own > 0.1 && memory.all > memory.own, "{memory:?}");
        let before = cpu(own).unwrap();
        let began = std::time::Instant::now();
        while began.elapsed() < Duration::from_millis(100) {
            std::hint::black_box(began);
        }
        assert!(cpu(own).unwrap() >= before);
        assert!(cpu(u32::MAX).is_err());
    }
}
