//! The `secagg` program as a library: updates in files, an in-process cohort with scripted faults,
//! and the commands. It is there for the program and its tests, and may change with any version.

#![forbid(unsafe_code)]

mod args;
mod bench;
pub mod check;
mod clipped;
pub mod crew;
mod error;
pub mod fault;
pub mod files;
pub mod fleet;
mod identities;
pub mod in_process;
mod memory;
mod noise;
mod outputs;
mod part;
mod parts;
pub mod plan;
mod process;
mod progress;
pub mod ranges;
pub mod report;
mod round;
pub mod run;
mod signals;
mod simulate;
mod start;
pub mod text;
pub mod weights;

pub use args::{ParamsArgs, RunArgs, VectorArgs};
pub use bench::{Bench, BenchArgs, Machine, Measurement};
pub use error::CommandError;
pub use outputs::OutputError;
pub use plan::PlanArgs;
pub use round::RoundArgs;
pub use simulate::SimulateArgs;
pub use start::prepare;
