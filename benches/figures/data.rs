//! The committed files that the drawings are made from.

use std::fs;
use std::path::{Path, PathBuf};

use crate::scaling::Measured;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Everything under docs/data/.
pub(super) struct Data {
    /// What `scaling` measured.
    pub(super) scaling: Measured,
    /// What `secagg bench --json` said.
    pub(super) bench: Bench,
    /// What criterion's `peers` came to.
    pub(super) peers: Peers,
    /// What python/bench/side_by_side.py measured.
    pub(super) side_by_side: SideBySide,
}

/// Whether a file holds a stand-in, measured on a busy machine to have something to draw. The line `"trial": true` is written into
/// it by hand, and goes when its command writes the file anew.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct Trial(pub(super) bool);

/// As much of the program's report as is drawn.
#[derive(Deserialize)]
pub(super) struct Bench {
    #[serde(default)]
    pub(super) trial: Trial,
    pub(super) machine: Machine,
    pub(super) masks: usize,
    pub(super) accumulator_bytes: usize,
    pub(super) measurements: Vec<Measurement>,
}

#[derive(Deserialize)]
pub(super) struct Machine {
    pub(super) processor: Option<String>,
    pub(super) architecture: String,
}

#[derive(Deserialize)]
pub(super) struct Measurement {
    pub(super) kernel: String,
    pub(super) variant: String,
    pub(super) backend: Option<String>,
    pub(super) threads: usize,
    pub(super) bytes_per_second: f64,
}

/// Kernels beside what else one could use, on one thread.
#[derive(Serialize, Deserialize)]
pub(super) struct Peers {
    #[serde(default, skip_serializing)]
    pub(super) trial: Trial,
    pub(super) machine: String,
    pub(super) rates: Vec<Rate>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Rate {
    pub(super) name: String,
    pub(super) bytes_per_second: f64,
}

/// Rounds beside those of the Flower framework.
#[derive(Deserialize)]
pub(super) struct SideBySide {
    #[serde(default)]
    pub(super) trial: Trial,
    pub(super) machine: String,
    pub(super) flower: String,
    pub(super) cases: Vec<Round>,
}

#[derive(Deserialize)]
pub(super) struct Round {
    pub(super) clients: u64,
    pub(super) parameters: u64,
    pub(super) dropped: u64,
    pub(super) found: Found,
}

#[derive(Deserialize)]
pub(super) struct Found {
    pub(super) flower: Side,
    pub(super) secagg: Side,
}

/// Processor seconds of the server's last stage.
#[derive(Deserialize)]
pub(super) struct Side {
    pub(super) unmask: f64,
}

impl Data {
    pub(super) fn read() -> Result<Self, String> {
        let data = Self {
            scaling: read(&path("scaling.json"))?,
            bench: read(&path("bench.json"))?,
            peers: read(&path("peers.json"))?,
            side_by_side: read(&path("side_by_side.json"))?,
        };
        data.check().map(|()| data)
    }

    /// What cannot have been measured cannot be drawn on a scale of decades either.
    fn check(&self) -> Result<(), String> {
        self.scaling.check().map_err(|wrong| format!("docs/data/scaling.json: {wrong}"))?;
        let rates = self.bench.measurements.iter().map(|it| it.bytes_per_second);
        check_positive("bench.json", rates)?;
        check_positive("peers.json", self.peers.rates.iter().map(|it| it.bytes_per_second))?;
        let sides = self.side_by_side.cases.iter().map(|it| &it.found);
        let sides = sides.flat_map(|found| [found.flower.unmask, found.secagg.unmask]);
        check_positive("side_by_side.json", sides)
    }
}

fn check_positive(file: &str, mut values: impl Iterator<Item = f64>) -> Result<(), String> {
    match values.find(|value| !(value.is_finite() && *value > 0.0)) {
        Some(value) => Err(format!("docs/data/{file}: {value} is no rate and no time")),
        None => Ok(()),
    }
}

/// A file of that name under docs/data/.
pub(super) fn path(name: &str) -> PathBuf {
    root().join("docs/data").join(name)
}

/// The checkout.
pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Reads JSON.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<T, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
}
