//! Measurements as people read them.

use std::fmt::Write;

use super::{Bench, Measurement};
use crate::text::{columns, table, wrap};

const HEADER: [&str; 6] = ["kernel", "variant", "backend", "GB/s", "G elements/s", "of ceiling"];

impl Bench {
    /// A table for each number of threads, no wider than the terminal.
    pub fn text(&self) -> String {
        let columns = columns();
        let mut text = format!(
            "{}\nMasks: {} over {} MiB; medians of {} interleaved runs.\n",
            self.machine.sentence(),
            self.masks,
            self.accumulator_bytes >> 20,
            self.rounds
        );
        for threads in self.threads() {
            let of = self.measurements.iter().filter(|measured| measured.threads == threads);
            let plural = if threads == 1 { "thread" } else { "threads" };
            let rows: Vec<_> = of.map(row).collect();
            let _ = writeln!(text, "\n{threads} {plural}\n{}", table(HEADER, 3, &rows, columns));
        }
        wrap(&text, columns)
    }

    fn threads(&self) -> Vec<usize> {
        let mut threads: Vec<_> =
            self.measurements.iter().map(|measured| measured.threads).collect();
        threads.dedup();
        threads
    }
}

fn row(measured: &Measurement) -> [String; 6] {
    let giga = |rate: f64| format!("{:.2}", rate / 1e9);
    [
        measured.kernel.into(),
        measured.variant.clone(),
        measured.backend.clone().unwrap_or_default(),
        giga(measured.bytes_per_second),
        measured.elements_per_second.map(giga).unwrap_or_default(),
        measured.of_ceiling.map(|ratio| format!("{ratio:.2}")).unwrap_or_default(),
    ]
}
