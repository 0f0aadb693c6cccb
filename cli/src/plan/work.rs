//! A server's work in a round: its parts, and their times at measured rates.

use secagg::plan::Plan;
use secagg::{Params, ThreatModel};
use serde::Serialize;

use super::Rates;

/// One kind of work that a server does.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Work {
    /// The kind of work.
    pub what: &'static str,
    /// How often, if all drop-outs happen after the secrets were shared, where they cost most.
    pub count: f64,
    /// How the count comes about: n clients, of which D drop out and S survive, with k neighbours
    /// each.
    pub formula: &'static str,
    /// Seconds on one core.
    pub core_seconds: f64,
}

/// All that grows with clients or elements, but for moving bytes about.
///
/// A dropped client shared masks with its surviving neighbours: k S / (n - 1) of its k neighbours,
/// as drop-outs are independent of the graph. In a complete graph all secrets have the same
/// holders, so one Lagrange basis serves them all.
pub(super) fn of_server(plan: &Plan, params: &Params, rates: &Rates) -> Vec<Work> {
    let [n, k, t] = [plan.cohort_size(), plan.degree(), plan.threshold()].map(f64::from);
    let [dropped, survivors] = [plan.dropped(), plan.survivors()].map(f64::from);
    let lanes = params.lanes() as f64;
    let pairwise = dropped * k * survivors / (n - 1.0);
    let (bases, of_bases) = if plan.is_complete() { (1.0, "1") } else { (n, "n") };
    let work = |what, formula, count: f64, per_second: f64| Work {
        what,
        count,
        formula,
        core_seconds: count / per_second,
    };
    let signatures = match params.threat_model() {
        ThreatModel::ActiveServer => {
            Some(work("check signatures", "n + S", n + survivors, rates.signatures))
        }
        _ => None,
    };
    let all = [
        work("add masked vectors", "S", survivors, rates.unpacked_lanes / lanes),
        work(
            "prepare Lagrange bases",
            of_bases,
            bases,
            rates.basis_pairs / ((t + 1.0) * (t + 1.0)),
        ),
        work("recover secrets", "n", n, rates.shares / t),
        work("agree on seeds", "D (1 + k S / (n - 1))", dropped + pairwise, rates.agreements),
        work(
            "take off masks",
            "S + D k S / (n - 1)",
            survivors + pairwise,
            rates.mask_lanes / lanes,
        ),
    ];
    signatures.into_iter().chain(all).collect()
}
