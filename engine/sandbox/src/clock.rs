//! The one place in this crate where clocks are read.
//!
//! Processor time is the thread's, not the time between two looks: on a busy machine a guest is charged for what it
//! used, not for what its neighbours took from it.

use std::time::Duration;

use rustix::time::{ClockId, Timespec, clock_gettime};
use stanch_contract::Timestamp;

/// Now, in milliseconds since 1970.
pub(crate) fn now() -> Timestamp {
    let at = clock_gettime(ClockId::Realtime);
    Timestamp(
        at.tv_sec
            .saturating_mul(1_000)
            .saturating_add(at.tv_nsec / 1_000_000),
    )
}

/// Since 1970, as precisely as the machine knows.
pub(crate) fn since_1970() -> Duration {
    duration(clock_gettime(ClockId::Realtime))
}

/// Processor time of this thread so far, in nanoseconds. Asked of the kernel.
pub(crate) fn thread_cpu() -> u64 {
    nanos(ClockId::ThreadCPUTime)
}

/// Since some time, in nanoseconds, never backwards. Read without the kernel.
pub(crate) fn monotonic() -> u64 {
    nanos(ClockId::Monotonic)
}

fn nanos(clock: ClockId) -> u64 {
    u64::try_from(duration(clock_gettime(clock)).as_nanos()).unwrap_or(u64::MAX)
}

fn duration(at: Timespec) -> Duration {
    Duration::new(
        u64::try_from(at.tv_sec).unwrap_or(0),
        u32::try_from(at.tv_nsec).unwrap_or(0),
    )
}
