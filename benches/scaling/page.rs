//! What was measured as a page of Markdown: docs/scaling.md, and what the program prints.

use std::fmt::Write;

use super::extrapolation::Extrapolation;
use super::{Axis, Laws, Measured, Part, Point, Slope, UnitCost, slopes};

impl Measured {
    /// The page.
    pub fn page(&self) -> String {
        let laws = Laws::fit(self);
        [
            self.head(),
            costs(&laws) + &residuals(self, &laws),
            self.counts(),
            self.growth(&laws),
            Extrapolation::new(self, &laws).section(),
            super::rule::section(),
        ]
        .join("\n")
    }

    /// One JSON document.
    pub fn json(&self) -> String {
        // Numbers, strings and lists; nothing in it can fail to be written.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    fn head(&self) -> String {
        let trial = if self.trial {
            "\n**A trial: few points, small, on a busy machine. Read nothing into its figures; the command below replaces them.**\n"
        } else {
            ""
        };
        format!(
            "# Scaling laws\n\n\
            <!-- Made from docs/data/scaling.json by `cargo xtask figures --write`; what is edited here is lost. -->\n{trial}\n\
            What a round costs against its size, beside what the formulas of [protocol.md](protocol.md) say, and what follows for a \
            million clients. Measured on {}; medians of {} repetitions, each point in turns with all others; every round is a real \
            one, with every message encoded, handed over and decoded. Again, in less than 25 minutes:\n\n    \
            cargo run --release -p secagg-benches --bin scaling -- --machine \"WHAT IT IS\" --out docs/data/scaling.json\n    \
            cargo xtask figures --write\n\n\
            Symbols: n clients, of which D drop out after they shared their keys and S survive; k neighbours of each; t shares \
            recover a secret; m parameters, in lanes of 32 bits. Where the planner chooses k and t, it bears 5 % of colluders and \
            10 % of drop-outs.\n",
            self.machine, self.repetitions
        )
    }

    /// Masks and bytes, which are counted and not timed.
    fn counts(&self) -> String {
        let ratios = |of: fn(&Point) -> f64| {
            let all = || self.points.iter().map(of);
            format!("{:.3} to {:.3}", all().fold(f64::MAX, f64::min), all().fold(0.0, f64::max))
        };
        let mut text = String::from(
            "## What is counted\n\nOver all points, as counted in the rounds / as the formula says. Masks depend on who is whose neighbour, which is \
            drawn at random:\n\n\
            | | formula | ratio |\n| --- | --- | --- |\n",
        );
        let masks = ratios(|point| point.masks as f64 / super::Counts::of(&point.case).masks());
        let up = ratios(|point| point.bytes[1] / point.case.bytes()[1]);
        let down = ratios(|point| point.bytes[0] / point.case.bytes()[0]);
        let _ =
            writeln!(text, "| masks that the server takes off | S + D k S / (n - 1) | {masks} |");
        let _ = writeln!(text, "| bytes that a survivor sends | 177 + 113 k + 4 (m + 2) | {up} |");
        let _ = writeln!(
            text,
            "| bytes that it is sent | 285 + 161 k + 8 k (S - 1) / (n - 1) | {down} |"
        );
        text
    }

    fn growth(&self, laws: &Laws) -> String {
        let mut text = String::from(
            "## How it grows\n\nThe slope of each part along one axis, by least squares: the exponent e where a cost grows like x^e (the \
            slope in logarithms); for drop-outs, of which there may be none, seconds or bytes for each. *Formula* is the slope that the formulas \
            above have over the same points, with one set of costs for all axes. These costs were fitted to these very points, so the two agree \
            where one set of costs explains all axes, and nothing more is shown. Over threads it is the time on the wall, and the \
            formula is -1: twice the threads, half the time; one thread brings all messages there.\n",
        );
        for axis in Axis::ALL {
            let _ = write!(text, "\n**{}**: {}.\n\n", axis.name(), self.range(axis));
            text += "| | measured | formula | ratio |\n| --- | --- | --- | --- |\n";
            for slope in slopes(self, laws, axis) {
                let ratio = slope.ratio().map(|ratio| format!("{ratio:.2}"));
                let (measured, formula) =
                    (rate(&slope, slope.measured, axis), rate(&slope, slope.formula, axis));
                let ratio = ratio.unwrap_or_default();
                let _ = writeln!(text, "| {} | {measured} | {formula} | {ratio} |", slope.what);
            }
        }
        text
    }

    /// Where the points of an axis lie, and what stays.
    fn range(&self, axis: Axis) -> String {
        let of = || self.points.iter().filter(|point| point.axis == axis).map(|point| point.case);
        let mut places: Vec<_> = of().map(|case| axis.place(&case) as u64).collect();
        places.sort_unstable();
        let list = places.iter().map(|&place| grouped(place)).collect::<Vec<_>>().join(", ");
        let Some(case) = of().next() else { return list };
        let [n, k, t] = [case.clients, case.degree, case.threshold].map(|it| grouped(it.into()));
        let (m, dropped) = (grouped(case.dimension as u64), case.dropped);
        let rest = match axis {
            Axis::Clients => format!("m = {m}, k and t from the planner, 10 % dropped"),
            Axis::Dimension => format!("n = {n}, k = {k}, t = {t}, D = {dropped}"),
            Axis::Degree => format!("n = {n}, m = {m}, t = k / 2, D = {dropped}"),
            Axis::Dropped => format!("n = {n}, m = {m}, k = {k}, t = {t}"),
            Axis::Threads => format!("n = {n}, m = {m}, k = {k}, t = {t}, D = {dropped}"),
        };
        format!("{list}; {rest}")
    }
}

/// The fitted costs beside those of single steps.
fn costs(laws: &Laws) -> String {
    let mut text = String::from(
        "## What one of each costs\n\nEach part of the work as a sum of counts times costs. *Fitted* is the cost that whole rounds \
        on one thread have (least squares over all points of all axes, relative errors), *alone* that of the same step by itself, in \
        turns with the rounds.\n\n\
        | part | one | how many | fitted | alone | ratio |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    for part in Part::SERVER.into_iter().chain(Part::CLIENT) {
        for (at, cost) in laws.of(part).costs.iter().enumerate() {
            let name = if at == 0 { part.name() } else { "" };
            let _ = writeln!(text, "| {name} {}", cells(cost));
        }
    }
    text + "\nA cost of 0 is one that these rounds do not tell from the others of its part.\n"
}

/// How far single points are from the laws.
fn residuals(measured: &Measured, laws: &Laws) -> String {
    let mut text = String::from(
        "\nOf single points, measured / fitted, the lowest and the highest:\n\n| part | points | lowest | highest |\n\
        | --- | --- | --- | --- |\n",
    );
    for part in Part::SERVER.into_iter().chain(Part::CLIENT) {
        let points = measured.points.iter().filter(|point| point.axis != Axis::Threads);
        let ratio =
            |point: &Point| point.parts[&part].processor / laws.seconds(&[part], &point.case);
        let ratios: Vec<_> = points.map(ratio).collect();
        let (low, high) = (
            ratios.iter().copied().fold(f64::MAX, f64::min),
            ratios.iter().copied().fold(0.0, f64::max),
        );
        let _ = writeln!(text, "| {} | {} | {low:.2} | {high:.2} |", part.name(), ratios.len());
    }
    text + "\nTo add a lane, and to mask one, takes longer the longer vectors are, as memory takes over from caches; one cost for all lengths \
        is too high for short ones and too low for ten million. To judge, route and take in shares does not depend on the length, so where \
        its highest is far off, something else disturbed a run.\n"
}

fn cells(cost: &UnitCost) -> String {
    let alone = cost.alone.map(seconds).unwrap_or_default();
    let ratio = cost.alone.map(|alone| format!("{:.2}", cost.fitted / alone)).unwrap_or_default();
    let (unit, formula) = (cost.term.unit, cost.term.formula);
    format!("| {unit} | {formula} | {} | {alone} | {ratio} |", seconds(cost.fitted))
}

/// A slope as it is read: an exponent, or so much for each client that drops out.
fn rate(slope: &Slope, value: f64, axis: Axis) -> String {
    match axis {
        Axis::Dropped if slope.what.contains("bytes") => format!("{value:.2} B"),
        Axis::Dropped => seconds(value),
        // No minus in front of what is nothing.
        _ => format!("{:.2}", if value.abs() < 0.005 { 0.0 } else { value }),
    }
}

/// Seconds, with three digits and the unit that suits them.
pub(super) fn seconds(value: f64) -> String {
    let size = value.abs();
    match size {
        0.0 => "0".into(),
        ..1e-9 => format!("{} ps", digits(value * 1e12)),
        ..1e-6 => format!("{} ns", digits(value * 1e9)),
        ..1e-3 => format!("{} µs", digits(value * 1e6)),
        ..1.0 => format!("{} ms", digits(value * 1e3)),
        _ => format!("{} s", digits(value)),
    }
}

/// Three digits that count, and none of them cut off before the point.
pub(super) fn digits(value: f64) -> String {
    let size = value.abs();
    let places = [(0.095, 3), (9.95, 2), (99.5, 1)];
    let places = places.iter().find(|(below, _)| size < *below).map_or(0, |&(_, places)| places);
    if size < 999.5 { format!("{value:.places$}") } else { grouped(value.round() as u64) }
}

/// A whole number with commas.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
