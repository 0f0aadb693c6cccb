//! Resources that this process has used so far, where the system tells.

use std::time::Instant;

/// Measures processor time: of this thread on those of a [`Crew`](crate::crew::Crew), of all
/// threads elsewhere. Where the system does not tell, the time on the clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch {
    processor: Option<f64>,
    clock: Instant,
}

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self { processor: processor_seconds(), clock: Instant::now() }
    }

    pub(crate) fn seconds(self) -> f64 {
        let processor = processor_seconds().zip(self.processor).map(|(now, then)| now - then);
        processor.unwrap_or_else(|| self.clock.elapsed().as_secs_f64())
    }
}

#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere there is none")]
fn processor_seconds() -> Option<f64> {
    use rustix::time::ClockId::{ProcessCPUTime, ThreadCPUTime};
    let clock = if crate::crew::is_alone() { ThreadCPUTime } else { ProcessCPUTime };
    let time = rustix::time::clock_gettime(clock);
    Some(time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9)
}

#[cfg(not(unix))]
fn processor_seconds() -> Option<f64> {
    None
}

/// The most memory that was resident at once, in bytes.
pub(crate) fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024)
}
