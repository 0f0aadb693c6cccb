//! A report as people read it.

use std::fmt::Write;

use indicatif::HumanBytes;

use super::{Bound, Complaint, FalseShare, Parameters, Report, Stage, Unmask};
use crate::check::{Check, Group};
use crate::text::{columns, number, printable, short, table, wrap};

impl Report {
    /// Tables and sentences, no wider than the terminal.
    pub fn text(&self) -> String {
        let columns = columns();
        let mut text = format!("{}\n{}\n", self.parameters.sentence(), self.table(columns));
        for stage in &self.stages {
            stage.describe_faults(&mut text);
        }
        self.describe_outcome(&mut text);
        wrap(&text, columns)
    }

    fn table(&self, columns: Option<usize>) -> String {
        let header = [
            "stage",
            "seconds",
            "server, CPU s",
            "clients, CPU s",
            "answered",
            "dropped",
            "up each",
            "down each",
        ];
        table(header, 1, &self.stages.iter().map(Stage::row).collect::<Vec<_>>(), columns)
    }

    /// A sentence on the mean, if there is one.
    pub(super) fn mean(&self) -> Option<String> {
        let (total_weight, error_bound) = (self.total_weight?, self.error_bound?);
        let (survivors, clients) = (self.survivors.len(), self.parameters.cohort_size);
        let mut sentence = format!(
            "Mean of {survivors} of {clients} clients, with a total weight of {total_weight}"
        );
        if self.bounds.len() == 1 {
            let _ = write!(sentence, ", each element within {}", short(error_bound, 2));
        }
        if let Some(clipped @ 1..) = self.clipped_clients {
            let _ = write!(sentence, "; {clipped} of them clipped: raise --clipping-range");
        }
        Some(sentence)
    }

    fn costs(&self) -> String {
        let Self { client_seconds, server_seconds, .. } = self;
        let each = client_seconds / f64::from(self.parameters.cohort_size);
        format!(
            "Processor time: {server_seconds:.3} s of the server, {client_seconds:.3} s of the \
             clients, {each:.4} s for each on average."
        )
    }

    fn describe_outcome(&self, text: &mut String) {
        if let Some(reason) = &self.reason {
            let _ = writeln!(text, "No mean: {reason}.");
        }
        if let Some(mean) = self.mean() {
            let _ = writeln!(text, "{mean}.");
        }
        for FalseShare { holder, owner } in &self.false_shares {
            let (holder, owner) = (printable(holder), printable(owner));
            let _ = writeln!(text, "False: the share that {holder} revealed of {owner}'s secret.");
        }
        self.describe_left_alone(text);
        for Bound { dtype, clipping_range, error_bound } in self.several_bounds() {
            let (range, bound) = (number(*clipping_range), short(*error_bound, 2));
            let dtype = dtype.as_deref().unwrap_or_default();
            let _ = writeln!(text, "{dtype}, clipped to ±{range}: each element within {bound}.");
        }
        if let Some(unmask) = self.unmask {
            let _ = writeln!(text, "{}", unmask.sentence());
        }
        let _ = writeln!(text, "{}", self.costs());
        if let Some(check) = &self.check {
            let _ = writeln!(text, "{}", sentence(check));
        }
    }
}

impl Report {
    fn describe_left_alone(&self, text: &mut String) {
        let named = |differs: bool| -> Vec<String> {
            let chosen = self.left_alone.iter().filter(|it| it.differs == differs);
            chosen.map(|it| format!("{:?}", it.tensor)).collect()
        };
        let (equal, differing) = (named(false), named(true));
        if !equal.is_empty() {
            let _ = writeln!(text, "Not averaged, and equal in all files: {}.", list(&equal));
        }
        if !differing.is_empty() {
            let tensors = list(&differing);
            let _ = writeln!(
                text,
                "Not averaged, and as in the first file, since others differ: {tensors}."
            );
        }
    }
}

impl Parameters {
    fn sentence(&self) -> String {
        let Self { cohort_size, dimension, num_shares, reconstruction_threshold, .. } = self;
        let Self { threat_model, corrupted_neighbours, .. } = self;
        let mut sentence = format!(
            "{cohort_size} clients, {dimension} parameters; any {reconstruction_threshold} of \
             {num_shares} shares recover a secret."
        );
        if threat_model == "active" {
            let _ = write!(
                sentence,
                "\nThe server may be active; of a client's neighbours, {corrupted_neighbours} may \
                 collude with it."
            );
        }
        sentence
    }
}

impl Stage {
    fn row(&self) -> [String; 8] {
        [
            self.stage.into(),
            format!("{:.3}", self.seconds),
            format!("{:.3}", self.server_seconds),
            format!("{:.3}", self.client_seconds),
            format!("{} of {}", self.answered, self.asked),
            self.dropped.len().to_string(),
            HumanBytes(self.bytes_up_per_client).to_string(),
            HumanBytes(self.bytes_down_per_client).to_string(),
        ]
    }

    fn describe_faults(&self, text: &mut String) {
        for Complaint { client, reason } in &self.rejected {
            let client = printable(client);
            let _ = writeln!(text, "{}: rejected {client}: {reason}.", self.stage);
        }
        for Complaint { client, reason } in &self.refused {
            let client = printable(client);
            let _ = writeln!(text, "{}: {client} left: {reason}.", self.stage);
        }
        if !self.dropped.is_empty() {
            let _ = writeln!(text, "{}: dropped {}.", self.stage, list(&self.dropped));
        }
        if !self.left_out.is_empty() {
            let names = list(&self.left_out);
            let _ = writeln!(text, "{}: too few neighbours left for {names}.", self.stage);
        }
    }
}

/// All names, or the first ones and how many more.
fn list(names: &[String]) -> String {
    let shown = names.iter().take(10).map(|name| printable(name)).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(10) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

impl Unmask {
    fn sentence(&self) -> String {
        let Self { masks, masks_taken_off, recover_seconds, apply_seconds, seconds, .. } = self;
        format!(
            "Unmasked {masks} masks, {masks_taken_off} of them before the last answer: \
             {recover_seconds:.3} CPU s to recover their seeds, {apply_seconds:.3} CPU s to take them \
             off. The mean was there {seconds:.3} s after the last answer."
        )
    }
}

/// The bound of each group, and the part of it that rounding adds.
fn describe_groups(check: &Check, text: &mut String) {
    for group in check.telling_groups() {
        let Group { dtype, clipping_range, elements, largest_error, rounding, bound } = group;
        let dtype = dtype.as_deref().unwrap_or_default();
        let verdict = if group.holds() { "within" } else { "ABOVE" };
        let of_which = if group.is_coarse() {
            format!(", of which rounding to {dtype} at most {}", short(*rounding, 4))
        } else {
            String::new()
        };
        let (range, error) = (number(*clipping_range), short(*largest_error, 4));
        let bound = short(*bound, 4);
        let _ = write!(
            text,
            "\n  {dtype} ({elements}) within ±{range}: largest error {error}{of_which}; {verdict} \
             the bound of {bound}."
        );
    }
}

fn sentence(check: &Check) -> String {
    let Check { largest_error, bound, clipped_elements, largest_error_with_clipping, .. } = check;
    let verdict = if check.holds { "within" } else { "ABOVE" };
    let (error, bound) = (short(*largest_error, 4), short(*bound, 4));
    let mut text = format!(
        "Largest error against the plain weighted mean: {error}, {verdict} the bound of {bound}."
    );
    describe_groups(check, &mut text);
    if *clipped_elements > 0 {
        let _ = write!(
            text,
            "\n{clipped_elements} elements were clipped: with them, the largest error is \
             {}. Raise --clipping-range to avoid that.",
            short(*largest_error_with_clipping, 4)
        );
    }
    text
}
