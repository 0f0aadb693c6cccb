//! What criterion measured, in as few numbers as are drawn.

use std::fs;
use std::path::Path;

use serde::Deserialize;

use super::data::{Peers, Rate, Trial, path, read};

#[derive(Deserialize)]
struct Benchmark {
    function_id: String,
    throughput: Throughput,
}

#[derive(Deserialize)]
struct Throughput {
    #[serde(rename = "Bytes")]
    bytes: f64,
}

#[derive(Deserialize)]
struct Estimates {
    median: Estimate,
}

/// Nanoseconds.
#[derive(Deserialize)]
struct Estimate {
    point_estimate: f64,
}

/// Writes the rates of the group `peers` to docs/data/peers.json, the fastest first.
pub(super) fn gather(folder: &Path, machine: &str) -> Result<(), String> {
    let group = folder.join("peers");
    let said = |error: std::io::Error| format!("{}: {error}", group.display());
    let mut rates = Vec::new();
    for entry in fs::read_dir(&group).map_err(said)? {
        let latest = entry.map_err(said)?.path().join("new");
        // Beside the benchmarks lies a report.
        if latest.join("benchmark.json").exists() {
            let benchmark: Benchmark = read(&latest.join("benchmark.json"))?;
            let estimates: Estimates = read(&latest.join("estimates.json"))?;
            let seconds = estimates.median.point_estimate * 1e-9;
            let bytes_per_second = (benchmark.throughput.bytes / seconds).round();
            rates.push(Rate { name: benchmark.function_id, bytes_per_second });
        }
    }
    rates.sort_by(|a: &Rate, b| b.bytes_per_second.total_cmp(&a.bytes_per_second));
    let peers = Peers { trial: Trial(false), machine: machine.into(), rates };
    let text = serde_json::to_string_pretty(&peers).map_err(|error| error.to_string())?;
    fs::write(path("peers.json"), text + "\n").map_err(|error| error.to_string())
}
