//! Two clocks: the one on the wall, and the processor time of all threads of this process.

use std::ops::AddAssign;
use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// What some work took, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Time {
    /// Processor time of all threads.
    pub processor: f64,
    /// Time on the wall.
    pub wall: f64,
}

impl AddAssign for Time {
    fn add_assign(&mut self, other: Self) {
        self.processor += other.processor;
        self.wall += other.wall;
    }
}

/// Does some work and looks at both clocks.
pub fn timed<T>(work: impl FnOnce() -> T) -> (T, Time) {
    let (wall, processor) = (Instant::now(), processor_seconds());
    let result = work();
    let processor = processor_seconds() - processor;
    (result, Time { processor, wall: wall.elapsed().as_secs_f64() })
}

/// The middle one of some numbers, or the upper of two.
///
/// # Panics
/// If there are none.
pub fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_unstable_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

fn processor_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}
