//! A plan as people read it.

use std::fmt::Write;

use indicatif::HumanBytes;

use super::{Graph, PlanReport, PolicyCode, Quantization, Work, report::Assumptions};
use crate::text::{columns, short, table, wrap};

impl PlanReport {
    /// Sentences and tables, no wider than the terminal.
    pub fn text(&self) -> String {
        let columns = columns();
        let mut text = format!("{}{}\n", self.assumed(), self.graph.sentence());
        let _ = writeln!(
            text,
            "\nModulus and levels; errors of the mean {}\n{}",
            self.on(),
            self.quantizations(columns)
        );
        let _ =
            writeln!(text, "\nBytes for each client if nobody drops out\n{}", self.bytes(columns));
        let _ = writeln!(
            text,
            "\nThe server's work on one core of {}\n{}",
            self.machine.sentence(),
            self.works(columns)
        );
        let _ = writeln!(text, "\n{}", self.policies());
        let _ = writeln!(text, "\nTo try it:\n  {}", self.command());
        wrap(&text, columns)
    }

    fn assumed(&self) -> String {
        let assumed = &self.assumptions;
        let Graph { corrupted_clients, dropped_clients, .. } = self.graph;
        format!(
            "{} clients, {} parameters. The server is {}; {corrupted_clients} clients may collude with \
             it, and {dropped_clients} may drop out{}.\nAn update is exposed with a probability of at \
             most 2^-{}{}, and a round fails with at most 2^-{}.\n{}\n",
            assumed.cohort_size,
            self.dimension,
            assumed.threat_model,
            if assumed.threat_model == "active" { ", as the server chooses" } else { "" },
            assumed.security_bits,
            assumed.in_rounds(),
            assumed.correctness_bits,
            assumed.search(),
        )
    }

    /// What the errors rest on.
    fn on(&self) -> String {
        let survivors = self.assumptions.cohort_size - self.graph.dropped_clients;
        let Self { clipping_range, mean_weight, max_weight, .. } = self;
        format!(
            "of {survivors} survivors,\nelements within ±{clipping_range}, weights of {mean_weight} on \
             average and {max_weight} at most"
        )
    }

    fn quantizations(&self, columns: Option<usize>) -> String {
        let header = ["modulus", "levels", "masked vector", "largest error", "expected (rms)", ""];
        let chosen = self.quantization.row("chosen");
        let as_long = |other: &Quantization| other.modulus_bits == self.quantization.modulus_bits;
        let remark = |other| if as_long(other) { "costs no more" } else { "" };
        let others = self.alternatives.iter().map(|other| other.row(remark(other)));
        table(header, 1, &[chosen].into_iter().chain(others).collect::<Vec<_>>(), columns)
    }

    fn bytes(&self, columns: Option<usize>) -> String {
        let row = |name: &str, up, down| {
            [name.into(), HumanBytes(up).to_string(), HumanBytes(down).to_string()]
        };
        let rows = self.stages.iter().map(|bytes| row(bytes.stage, bytes.up, bytes.down));
        let (up, down) =
            self.stages.iter().fold((0, 0), |(up, down), b| (up + b.up, down + b.down));
        // A cohort of 2^32 with vectors of 2^34 lanes of 8 bytes would overflow.
        let all = |bytes: u64| bytes.saturating_mul(u64::from(self.assumptions.cohort_size));
        let sums = [row("one client", up, down), row("all clients", all(up), all(down))];
        table(["stage", "up", "down"], 1, &rows.chain(sums).collect::<Vec<_>>(), columns)
    }

    fn works(&self, columns: Option<usize>) -> String {
        let sum = self.work.iter().map(|work| work.core_seconds).sum();
        let sum = ["together".into(), String::new(), String::new(), seconds(sum)];
        let rows = self.work.iter().map(Work::row).chain([sum]);
        let header = ["work", "how often", "", "core-seconds"];
        table(header, 1, &rows.collect::<Vec<_>>(), columns)
    }

    fn policies(&self) -> String {
        let PolicyCode { rust, python } = &self.policy;
        let indented = |code: &str| code.replace('\n', "\n  ");
        format!(
            "The policy of a client that assumes the same, in Rust\n  {}\nand in Python\n  {}",
            indented(rust),
            indented(python)
        )
    }

    fn command(&self) -> String {
        format!(
            "secagg simulate --clients {} --parameters {} --dropout {} {}",
            self.assumptions.cohort_size,
            self.dimension,
            self.assumptions.dropout,
            self.options.join(" ")
        )
    }
}

impl Assumptions {
    fn in_rounds(&self) -> String {
        match self.rounds {
            1 => " in one round (--rounds)".into(),
            rounds => format!(" in all {rounds} rounds together"),
        }
    }

    /// Result of a search for rings, where one is assumed, or could be.
    fn search(&self) -> String {
        match (self.threat_model, self.search_bits) {
            ("active", 0) => {
                "No search is borne: a server that tries 2^g rings takes g bits off (--search-bits).\n"
                    .into()
            }
            (_, 0) => String::new(),
            (_, bits) => {
                format!("In each round the server may try 2^{bits} rings (--search-bits).\n")
            }
        }
    }
}

impl Graph {
    fn sentence(&self) -> String {
        let Self { degree, threshold, threshold_min, threshold_max, corrupted_neighbours, .. } =
            self;
        let graph = if self.complete {
            "Complete graph, as no sparser one will do: every client has all others"
        } else {
            "Sparse graph: every client has"
        };
        let range = if threshold_min == threshold_max {
            "no other will do".into()
        } else {
            format!("any from {threshold_min} to {threshold_max} will do")
        };
        let of = if self.complete { format!(", {degree},") } else { format!(" {degree}") };
        format!(
            "{graph}{of} as neighbours, of which at most {corrupted_neighbours} collude.\nThreshold: \
             {threshold} shares recover a secret; {range}."
        )
    }
}

impl Quantization {
    fn row(&self, remark: &str) -> [String; 6] {
        [
            format!("2^{}", self.modulus_bits),
            self.quantization_range.to_string(),
            HumanBytes(self.bytes_per_vector).to_string(),
            short(self.error_bound, 3),
            short(self.expected_rms_error, 3),
            remark.into(),
        ]
    }
}

impl Work {
    fn row(&self) -> [String; 4] {
        let count = format!("{:.0}", self.count);
        [self.what.into(), count, self.formula.into(), seconds(self.core_seconds)]
    }
}

/// Three digits after the point are enough of small times, and none of large ones.
fn seconds(seconds: f64) -> String {
    if seconds < 10.0 { format!("{seconds:.3}") } else { format!("{seconds:.0}") }
}
