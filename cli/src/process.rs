//! What this process has used so far, where the system tells.

use std::cell::Cell;
use std::time::Instant;

thread_local! {
    /// Whether this thread does all that it does itself, while others do something else.
    static ALONE: Cell<bool> = const { Cell::new(false) };
}

/// Runs some work on a thread of its own, which does itself what rayon would spread: then all of its processor time
/// is the work's, and one client's or the server's.
pub(crate) fn alone<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    match rayon::ThreadPoolBuilder::new().num_threads(1).build() {
        Ok(pool) => pool.install(|| {
            ALONE.set(true);
            work()
        }),
        // The system has no more threads: then it is this one, and all others count as well.
        Err(_) => work(),
    }
}

/// Measures processor time: of this thread inside [`alone`], of all threads elsewhere. Where the system does not
/// tell, the time on the clock.
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
    let clock = if ALONE.get() { ThreadCPUTime } else { ProcessCPUTime };
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
