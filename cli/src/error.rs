//! Errors of commands.

use secagg::plan::NoPlan;
use secagg::{InvalidDirectory, InvalidParams, Stage};
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::fault::InvalidFault;
use crate::files::FileError;
use crate::outputs::OutputError;
use crate::weights::WeightsError;

/// The input cannot be used; no round was run, or its result could not be written.
#[derive(Debug, Error)]
pub enum CommandError {
    /// The parameters do not fit each other, or the cohort.
    #[error(transparent)]
    Params(#[from] InvalidParams),
    /// Nothing bears what a plan is to bear.
    #[error(transparent)]
    Plan(#[from] NoPlan),
    /// The mean weight of a plan is no weight that clients may have.
    #[error(
        "a mean weight of {mean_weight} is not above 0 and at most {max_weight}: change --mean-weight, \
         or raise --max-weight"
    )]
    MeanWeight {
        /// The mean weight.
        mean_weight: f64,
        /// The largest weight.
        max_weight: f64,
    },
    /// A file cannot be read, is no update, or cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The table of weights does not fit the updates.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// A client weighs more than the parameters allow.
    #[error(
        "{client} has a weight of {weight}, above the largest of {max_weight}: raise --max-weight"
    )]
    Weight {
        /// The client's name.
        client: String,
        /// Its weight.
        weight: f64,
        /// The largest weight.
        max_weight: f64,
    },
    /// Two clipping ranges for the same tensors.
    #[error(
        "--clipping-range is given as {first} and as {second}: give one number, and others as NAME=NUMBER"
    )]
    TwoRanges {
        /// The one.
        first: f64,
        /// The other.
        second: f64,
    },
    /// A clipping range by name, where updates are made up and have no tensors.
    #[error("--clipping-range {name}=... names a tensor, and there is none: give one number")]
    NamedRange {
        /// The name.
        name: String,
    },
    /// The clients' identities do not tell them apart.
    #[error(transparent)]
    Directory(#[from] InvalidDirectory),
    /// A fault is scripted for a stage that the round does not have.
    #[error("a round against a curious server has no stage {0}: choose --threat-model active")]
    Stage(Stage),
    /// Memory cannot hold the work.
    #[error(
        "this takes {:.2} GB of memory or more, and there is less, or less is allowed (ulimit -v): there are too many clients \
         or neighbours (--num-shares), updates are too long, or too many clients work at a time (--threads)",
        *bytes as f64 / 1e9
    )]
    Memory {
        /// Bytes that it takes at least.
        bytes: u128,
    },
    /// Threads cannot be started.
    #[error(
        "cannot start {threads} threads: {source}; use fewer (--threads, RAYON_NUM_THREADS), or raise the limits of this \
         process (ulimit -v, ulimit -u)"
    )]
    Threads {
        /// Number of threads that were asked for.
        threads: usize,
        /// The system's error.
        source: io::Error,
    },
    /// The environment asks for more threads than any machine has cores.
    #[error("RAYON_NUM_THREADS is {asked}: at most {} threads are started", crate::crew::MOST)]
    ManyThreads {
        /// The variable's value.
        asked: String,
    },
    /// Signals cannot be watched for.
    #[error("cannot watch for signals: {0}; raise the limits of this process (ulimit -v, -u, -n)")]
    Signals(io::Error),
    /// An output would destroy a file of the same command.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// A step after the mean failed.
    #[error("{source}; the mean was written to {}", mean.display())]
    AfterMean {
        /// The failure.
        source: Box<CommandError>,
        /// File that holds the mean.
        mean: PathBuf,
    },
    /// A scripted fault names nobody.
    #[error(transparent)]
    Fault(#[from] InvalidFault),
}

impl CommandError {
    /// Says as well that the mean is there, where something failed later.
    pub(crate) fn after(self, mean: &Path) -> Self {
        Self::AfterMean { source: Box::new(self), mean: mean.into() }
    }
}
