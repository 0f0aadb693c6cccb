//! Costs of the planner's rule for k and t beside those of the one that it replaced.

use std::fmt::Write;

use secagg::ThreatModel::{self, ActiveServer, HonestButCurious};
use secagg::plan::Assumptions;

use super::page::grouped;

/// n, then k and t by the old rule for a curious and for an active server.
const BEFORE: [(u32, [u32; 2], [u32; 2]); 6] = [
    (100, [16, 6], [26, 16]),
    (300, [32, 15], [60, 38]),
    (1000, [40, 19], [90, 58]),
    (3000, [44, 21], [106, 69]),
    (10_000, [46, 22], [114, 74]),
    (1_000_000, [56, 26], [136, 88]),
];

/// A table, and what differs.
pub(super) fn section() -> String {
    let mut text = String::from(
        "## What the planner's rule costs\n\nThe points above have the k and t of an older rule, which drew colluders from all n clients and not from \
        those that come, took drop-outs for random also where an active server chooses them, and did not count on a search for rings. The rule of today \
        ([protocol.md](protocol.md), section 5) asks for more neighbours. For 5 % of colluders, 10 % of drop-outs, σ = 40, η = 30 and one round, k and t \
        before and after, and what that is of k before:\n\n\
        | n | curious, before | after | | active, before | after, no search | | after, 40 bits of search | |\n\
        | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for (n, curious, active) in BEFORE {
        let now = |model, before: [u32; 2], search_bits| {
            let [degree, threshold] = after(n, model, search_bits);
            format!("{degree}, {threshold} | {:.2}", f64::from(degree) / f64::from(before[0]))
        };
        let _ = writeln!(
            text,
            "| {} | {}, {} | {} | {}, {} | {} | {} |",
            grouped(n.into()),
            curious[0],
            curious[1],
            now(HonestButCurious, curious, 0),
            active[0],
            active[1],
            now(ActiveServer, active, 0),
            now(ActiveServer, active, 40),
        );
    }
    text + "\nBytes, agreements and masks of a client grow like k, the server's masks and agreements like k too, and shares like k or k t (*How it grows*, \
        neighbours). A training of 1,000 rounds (`--rounds 1000`) adds 10 bits, and 0 to 6 neighbours more to these sizes.\n"
}

fn after(cohort_size: u32, threat_model: ThreatModel, search_bits: u32) -> [u32; 2] {
    let of = Assumptions { search_bits, ..Assumptions::new(cohort_size, threat_model) };
    // Assumptions so mild have a plan for every cohort of 100 and more.
    of.plan().map_or([0, 0], |plan| [plan.degree(), plan.threshold()])
}
