//! Measurements as people read them.

use std::fmt::Write;

use comfy_table::{CellAlignment, Table, presets};

use super::{Bench, Measurement};

impl Bench {
    /// A table for each number of threads.
    pub fn text(&self) -> String {
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
            let _ = writeln!(text, "\n{threads} {plural}\n{}", table(of));
        }
        text
    }

    fn threads(&self) -> Vec<usize> {
        let mut threads: Vec<_> =
            self.measurements.iter().map(|measured| measured.threads).collect();
        threads.dedup();
        threads
    }
}

fn table<'a>(measurements: impl Iterator<Item = &'a Measurement>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    table.set_header(["kernel", "variant", "backend", "GB/s", "G elements/s", "of ceiling"]);
    for measured in measurements {
        table.add_row(row(measured));
    }
    for column in table.column_iter_mut().skip(3) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
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
