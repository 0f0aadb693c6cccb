//! The report of `secagg plan`.

use secagg::Params;
use secagg::plan::{Plan, bytes_per_client};
use serde::Serialize;

use super::{PolicyCode, Quantization, Rates, Work};
use crate::Machine;

/// Parameters, and the cost of a round with them.
#[derive(Clone, Debug, Serialize)]
pub struct PlanReport {
    /// What must be borne.
    pub assumptions: Assumptions,
    /// Elements of an update.
    pub dimension: usize,
    /// Who is whose neighbour.
    pub graph: Graph,
    /// The policy of a client that assumes the same.
    pub policy: PolicyCode,
    /// The parameters as options of `secagg simulate` and `secagg round`.
    pub options: Vec<String>,
    /// The largest weight.
    pub max_weight: f64,
    /// Elements are clipped to plus or minus this.
    pub clipping_range: f64,
    /// The weight that a client has on average.
    pub mean_weight: f64,
    /// The PRG's name.
    pub prg: String,
    /// The modulus and the levels that were chosen.
    pub quantization: Quantization,
    /// As many levels as fit into some moduli.
    pub alternatives: Vec<Quantization>,
    /// Bytes for one client, if nobody drops out.
    pub stages: Vec<StageBytes>,
    /// The server's work.
    pub work: Vec<Work>,
    /// Rates of one core of this machine, as measured just now.
    pub rates: Rates,
    /// This machine.
    pub machine: Machine,
}

/// What must be borne, with fractions made into counts by [`Graph`].
#[derive(Clone, Debug, Serialize)]
pub struct Assumptions {
    /// Clients invited.
    pub cohort_size: u32,
    /// The fraction that may collude with the server.
    pub corrupted: f64,
    /// The fraction that may vanish: by chance, or by an active server's choice.
    pub dropout: f64,
    /// Rounds of the whole training.
    pub rounds: u32,
    /// In all rounds together, an update is exposed with a probability of at most 2 to the minus
    /// this.
    pub security_bits: u32,
    /// The logarithm, to base 2, of the rings that the server may try in each round.
    pub search_bits: u32,
    /// A round fails with a probability of at most 2 to the minus this.
    pub correctness_bits: u32,
    /// What the server may do.
    pub threat_model: &'static str,
}

/// The graph of neighbours and the threshold.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Graph {
    /// Neighbours of each client.
    pub degree: u32,
    /// Whether all clients are neighbours: no sparser graph will do.
    pub complete: bool,
    /// The threshold to choose.
    pub threshold: u32,
    /// The least threshold that will do.
    pub threshold_min: u32,
    /// The largest threshold that will do.
    pub threshold_max: u32,
    /// The most neighbours of one client that collude.
    pub corrupted_neighbours: u32,
    /// Clients that may collude.
    pub corrupted_clients: u32,
    /// Clients that may vanish.
    pub dropped_clients: u32,
}

/// Bytes that one client sends and receives in a stage.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct StageBytes {
    /// The stage's name.
    pub stage: &'static str,
    /// Bytes that it sends.
    pub up: u64,
    /// Bytes that it receives.
    pub down: u64,
}

impl PlanReport {
    /// One JSON document.
    pub fn json(&self) -> String {
        // Numbers, strings and lists; nothing in it can fail to be written.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }
}

impl From<&secagg::plan::Assumptions> for Assumptions {
    fn from(of: &secagg::plan::Assumptions) -> Self {
        Self {
            cohort_size: of.cohort_size,
            corrupted: of.corrupted,
            dropout: of.dropout,
            rounds: of.rounds,
            security_bits: of.security_bits,
            search_bits: of.search_bits,
            correctness_bits: of.correctness_bits,
            threat_model: of.threat_model.name(),
        }
    }
}

impl From<&Plan> for Graph {
    fn from(plan: &Plan) -> Self {
        Self {
            degree: plan.degree(),
            complete: plan.is_complete(),
            threshold: plan.threshold(),
            threshold_min: *plan.thresholds().start(),
            threshold_max: *plan.thresholds().end(),
            corrupted_neighbours: plan.corrupted_neighbours(),
            corrupted_clients: plan.corrupted(),
            dropped_clients: plan.dropped(),
        }
    }
}

pub(super) fn stages(params: &Params) -> Vec<StageBytes> {
    let stages = bytes_per_client(params).into_iter();
    stages
        .map(|bytes| StageBytes { stage: bytes.stage.name(), up: bytes.up, down: bytes.down })
        .collect()
}

/// The complete graph is what these commands take without a number of shares.
pub(super) fn options(plan: &Plan, params: &Params) -> Vec<String> {
    let quantizer = params.quantizer();
    let num_shares = (!plan.is_complete()).then(|| ("num-shares", plan.degree().to_string()));
    let options = [
        ("reconstruction-threshold", plan.threshold().to_string()),
        ("threat-model", params.threat_model().to_string()),
        ("corrupted-neighbours", params.corrupted_neighbours().to_string()),
        ("quantization-range", quantizer.quantization_range().to_string()),
        ("modulus-range", format!("2^{}", params.modulus().width())),
        ("max-weight", quantizer.max_weight().to_string()),
        ("clipping-range", quantizer.clipping_range().to_string()),
        ("prg", params.prg().to_string()),
    ];
    let options = num_shares.into_iter().chain(options);
    options.flat_map(|(name, value)| [format!("--{name}"), value]).collect()
}
