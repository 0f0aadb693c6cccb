//! Rounds along each axis, in turns.

use secagg::ThreatModel;
use secagg::plan::Assumptions;
use secagg_benches::clock::{Time, median};
use secagg_benches::scaling::{Axis, Case, Part, Point, round};

/// What is assumed where the planner chooses: 5 % of colluders, 10 % of drop-outs.
const DROPOUT: f64 = 0.1;

/// Every point, with the rounds that were run for it.
pub(crate) struct Rounds(Vec<(Axis, Case, Vec<Point>)>);

impl Rounds {
    /// Nothing is measured yet.
    pub(crate) fn new(cases: Vec<(Axis, Case)>) -> Self {
        Self(cases.into_iter().map(|(axis, case)| (axis, case, Vec::new())).collect())
    }

    /// One round for each point.
    pub(crate) fn measure(&mut self) {
        for (axis, case, runs) in &mut self.0 {
            eprintln!("{}: {}", axis.name(), axis.place(case));
            runs.push(round(*axis, *case));
        }
    }

    /// The medians of each point's parts.
    pub(crate) fn medians(self) -> Vec<Point> {
        self.0.into_iter().map(|(_, _, runs)| medians(&runs)).collect()
    }
}

/// All points. The base is 1,000 clients, or 100 where vectors are long, and 100,000 parameters.
pub(crate) fn cases(quick: bool) -> Vec<(Axis, Case)> {
    let some = |all: &[f64], few: usize| all[..if quick { few } else { all.len() }].to_vec();
    let clients = some(&[100.0, 300.0, 1000.0, 3000.0, 10_000.0], 3);
    let dimensions = some(&[1e4, 3e4, 1e5, 3e5, 1e6, 3e6, 1e7], 5);
    let degrees = some(&[20.0, 40.0, 80.0, 160.0, 320.0], 3);
    let dropped = some(&[0.0, 300.0, 100.0, 200.0, 50.0], 3);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = (0..).map(|power| 1 << power).take_while(|&threads| threads <= cores);
    let base = planned(1000, 100_000, 1);
    let wide = Case { degree: 100, threshold: 40, ..base };
    let mut cases: Vec<_> =
        clients.iter().map(|&n| (Axis::Clients, planned(n as u32, 100_000, 1))).collect();
    cases.extend(dimensions.iter().map(|&m| (Axis::Dimension, planned(100, m as usize, 1))));
    cases.extend(
        degrees
            .iter()
            .map(|&k| (Axis::Degree, Case { degree: k as u32, threshold: k as u32 / 2, ..base })),
    );
    cases.extend(dropped.iter().map(|&d| (Axis::Dropped, Case { dropped: d as u32, ..wide })));
    cases.extend(threads.map(|threads| (Axis::Threads, planned(300, 1_000_000, threads))));
    cases
}

/// A round with the degree and the threshold of the planner.
pub(crate) fn planned(clients: u32, dimension: usize, threads: usize) -> Case {
    let default = Assumptions::new(clients, ThreatModel::HonestButCurious);
    let plan = Assumptions { corrupted: 0.05, dropout: DROPOUT, ..default };
    let plan = plan.plan().expect("a cohort that bears little");
    let (degree, threshold, dropped) = (plan.degree(), plan.threshold(), plan.dropped());
    Case { clients, degree, threshold, dimension, dropped, threads }
}

fn medians(runs: &[Point]) -> Point {
    let one = |part: Part, of: fn(&Time) -> f64| {
        median(runs.iter().map(|run| of(&run.parts[&part])).collect())
    };
    let both = |part| Time {
        processor: one(part, |time| time.processor),
        wall: one(part, |time| time.wall),
    };
    let parts = runs[0].parts.keys().map(|&part| (part, both(part))).collect();
    Point { parts, ..runs[0].clone() }
}
