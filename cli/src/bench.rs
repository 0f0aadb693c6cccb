//! `secagg bench`: what this machine can do, in under a minute.

mod cases;
mod machine;
mod table;

use clap::Args;
use secagg_kernels::Backend;
use serde::Serialize;

pub use machine::Machine;

use crate::error::CommandError;
use crate::progress;
use crate::text::EXIT_CODES;

/// Measures the kernels on this machine, beside the limits of its instructions and its memory.
///
/// Every figure is the median of interleaved runs, so that a disturbance does not fall on one
/// kernel alone. Read ratios rather than digits, and measure on an idle machine.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXIT_CODES)]
pub struct BenchArgs {
    /// Measure one backend only: portable, avx2, avx2-aesni, avx512 or neon, or the fastest but for
    /// some, such as no-avx512,no-avx2 [default: all that run here]
    #[arg(long, value_name = "NAME", env = "SECAGG_BACKEND")]
    backend: Option<Backend>,
    /// Masks of the plan that is applied
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = 1..=65_536, allow_negative_numbers = true)]
    masks: i64,
    /// Size of the accumulator that the masks are applied to
    #[arg(long, value_name = "MIB", default_value_t = 4, value_parser = 1..=64, allow_negative_numbers = true)]
    accumulator: i64,
    /// How often each kernel is measured; the median counts
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = 1..=1000, allow_negative_numbers = true)]
    rounds: i64,
    /// Print one JSON document instead of a table
    #[arg(long)]
    json: bool,
}

/// A machine, and what was measured on it.
#[derive(Clone, Debug, Serialize)]
pub struct Bench {
    /// What was measured on.
    pub machine: Machine,
    /// Masks in the plan.
    pub masks: usize,
    /// Bytes of the accumulator.
    pub accumulator_bytes: usize,
    /// How often each kernel was measured.
    pub rounds: usize,
    /// The ceilings first, then the kernels.
    pub measurements: Vec<Measurement>,
}

/// One kernel's speed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measurement {
    /// What was run: a ceiling, or a kernel.
    pub kernel: &'static str,
    /// Its variant: the PRG and the lane, or the width.
    pub variant: String,
    /// The backend; none for memory.
    pub backend: Option<String>,
    /// Threads.
    pub threads: usize,
    /// Bytes in a second: of keystream for masks, of the update for the client, of the accumulator
    /// for the server.
    pub bytes_per_second: f64,
    /// Lanes in a second, added over masks; none for ceilings.
    pub elements_per_second: Option<f64>,
    /// The ratio to the ceiling that bounds it, measured in the same run with as many threads.
    pub of_ceiling: Option<f64>,
}

impl BenchArgs {
    /// Measures everything.
    ///
    /// # Errors
    /// [`CommandError`] if there is too little memory, or too few threads can be started.
    pub fn execute(&self) -> Result<Bench, CommandError> {
        let mut cases = cases::all(self)?;
        let bar = progress::bar("measuring", self.rounds() * cases.len());
        for _ in 0..self.rounds() {
            for case in &mut cases {
                case.measure();
                bar.inc(1);
            }
        }
        bar.finish_and_clear();
        Ok(Bench {
            machine: Machine::here(),
            masks: self.masks(),
            accumulator_bytes: self.accumulator_bytes(),
            rounds: self.rounds(),
            measurements: cases::measurements(&cases),
        })
    }

    /// Whether the result is to be printed as JSON.
    pub const fn json(&self) -> bool {
        self.json
    }

    const fn rounds(&self) -> usize {
        self.rounds as usize
    }

    const fn masks(&self) -> usize {
        self.masks as usize
    }

    const fn accumulator_bytes(&self) -> usize {
        (self.accumulator as usize) << 20
    }

    fn backends(&self) -> Vec<Backend> {
        self.backend.map_or_else(|| Backend::available().collect(), |backend| vec![backend])
    }
}

impl Bench {
    /// One JSON document.
    pub fn json(&self) -> String {
        // Numbers, strings and lists; nothing in it can fail to be written.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }
}
