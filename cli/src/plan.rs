//! `secagg plan`: which parameters a cohort needs, and what a round with them costs.

mod policy;
mod quantization;
mod rates;
mod report;
mod text;
mod work;

use clap::Args;
use secagg::plan::{Assumptions, Plan};
use secagg::{Params, QuantizationRange, ThreatModel};

pub use policy::PolicyCode;
pub use quantization::Quantization;
pub use rates::Rates;
pub use report::{Graph, PlanReport, StageBytes};
pub use work::Work;

use crate::args::{VectorArgs, power, quantization_range};
use crate::error::CommandError;
use crate::ranges;
use crate::text::EXIT_CODES;

/// Finds the parameters that a cohort needs, and says what a round with them costs.
///
/// A round stays secret and finishes while few enough clients collude with the server
/// (`--corrupted`) and few enough vanish (`--dropout`). More neighbours bear more of both, and cost
/// more. This finds the fewest neighbours, and the threshold, with which an update is exposed in
/// any of the rounds (`--rounds`) with a probability of at most 2^-security, and a round fails with
/// at most 2^-correctness (docs/protocol.md, section 5). An active server may choose who vanishes
/// and may try rings until one suits it (`--search-bits`).
///
/// It then chooses the smallest modulus that holds the sum, or the most levels that a given modulus
/// holds, adds up all messages, and takes the speed of this machine for the time of the server. No
/// round is run. It prints the policy with which a client refuses rounds that do not bear the same.
#[derive(Args, Clone, Debug)]
#[command(after_help = format!("Examples:\n  \
    secagg plan --clients 1000 --parameters 1000000\n  \
    secagg plan --clients 1000000 --parameters 1000000 --dropout 0.3 --threat-model active\n  \
    secagg plan --clients 1000 --parameters 1000000 --threat-model active --rounds 500\n  \
    secagg plan --clients 500 --parameters 100000 --modulus-range 2^32 --json\n\n\
    Choose --corrupted and --dropout larger than what you expect. The `simulate` command takes the \
    options that are printed, and tries them.\n\n{EXIT_CODES}"))]
pub struct PlanArgs {
    /// Clients in the cohort
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    clients: u32,
    /// Elements of each client's update
    #[arg(long, value_name = "M", allow_negative_numbers = true)]
    parameters: usize,
    /// Print one JSON document instead of tables
    #[arg(long)]
    json: bool,
    /// Fraction of the clients that may collude with the server
    #[arg(
        long,
        value_name = "FRACTION",
        default_value_t = 0.05,
        allow_negative_numbers = true,
        help_heading = ASSUMPTIONS
    )]
    corrupted: f64,
    /// Fraction of the clients that may vanish during the round
    #[arg(
        long,
        value_name = "FRACTION",
        default_value_t = 0.1,
        allow_negative_numbers = true,
        help_heading = ASSUMPTIONS
    )]
    dropout: f64,
    /// Rounds of the whole training
    #[arg(long, value_name = "R", default_value_t = 1, help_heading = ASSUMPTIONS, allow_negative_numbers = true)]
    rounds: u32,
    /// Bits of security: in all rounds together, an update is exposed with a probability of at most
    /// 2^-BITS
    #[arg(long, value_name = "BITS", default_value_t = 40, help_heading = ASSUMPTIONS, allow_negative_numbers = true)]
    security: u32,
    /// Bits of search: in each round the server may try 2^BITS rings and go on with the best
    /// [default: 40 for an active server, 0 for a curious one]
    #[arg(long, value_name = "BITS", help_heading = ASSUMPTIONS, allow_negative_numbers = true)]
    search_bits: Option<u32>,
    /// Bits of correctness: a round fails with a probability of at most 2^-BITS
    #[arg(long, value_name = "BITS", default_value_t = 30, help_heading = ASSUMPTIONS, allow_negative_numbers = true)]
    correctness: u32,
    /// Assumption about the server: `curious`, it follows the protocol and studies all it sees;
    /// `active`, it may also lie about anything
    #[arg(
        long,
        value_name = "MODEL",
        default_value_t = ThreatModel::HonestButCurious,
        help_heading = ASSUMPTIONS
    )]
    threat_model: ThreatModel,
    /// Levels of the quantizer, or `auto` for as many as the modulus and the cohort allow
    /// [default: auto]
    #[arg(
        long,
        value_name = "LEVELS",
        value_parser = quantization_range,
        help_heading = "Parameters of the round",
        allow_negative_numbers = true
    )]
    quantization_range: Option<QuantizationRange>,
    /// Modulus of all sums, a power of two up to 2^64 [default: the smallest that holds
    /// the sum, of 2^22 levels at least]
    #[arg(
        long,
        value_name = "RANGE",
        value_parser = power,
        help_heading = "Parameters of the round",
        allow_negative_numbers = true
    )]
    modulus_range: Option<u128>,
    /// The weight that a client has on average, from which the error follows [default: the largest]
    #[arg(
        long,
        value_name = "WEIGHT",
        allow_negative_numbers = true,
        help_heading = "Parameters of the round"
    )]
    mean_weight: Option<f64>,
    #[command(flatten)]
    vector: VectorArgs,
}

const ASSUMPTIONS: &str = "What must be borne";

impl PlanArgs {
    /// Plans, and measures this machine for a second or two.
    ///
    /// # Errors
    /// [`CommandError`] where nothing bears the assumptions, or the parameters do not fit.
    pub fn execute(&self) -> Result<PlanReport, CommandError> {
        ranges::check_unnamed(&self.vector.clipping_range)?;
        let assumptions = self.assumptions();
        let plan = assumptions.plan()?;
        let params = self.params(&plan)?;
        let mean_weight = self.mean_weight()?;
        let quantize = |params: &Params| Quantization::new(params, plan.survivors(), mean_weight);
        let rates = Rates::measure(&params)?;
        Ok(PlanReport {
            assumptions: (&assumptions).into(),
            dimension: self.parameters,
            graph: (&plan).into(),
            policy: PolicyCode::new(&assumptions),
            options: report::options(&plan, &params),
            max_weight: self.vector.max_weight,
            clipping_range: ranges::rest_of(&self.vector.clipping_range),
            mean_weight,
            prg: self.vector.prg.to_string(),
            quantization: quantize(&params),
            alternatives: self.alternatives(&plan, &params).iter().map(quantize).collect(),
            stages: report::stages(&params),
            work: work::of_server(&plan, &params, &rates),
            rates,
            machine: crate::Machine::here(),
        })
    }

    /// Whether the report is to be printed as JSON.
    pub const fn json(&self) -> bool {
        self.json
    }

    fn assumptions(&self) -> Assumptions {
        let default = Assumptions::new(self.clients, self.threat_model);
        Assumptions {
            corrupted: self.corrupted,
            dropout: self.dropout,
            rounds: self.rounds,
            security_bits: self.security,
            search_bits: self.search_bits.unwrap_or(default.search_bits),
            correctness_bits: self.correctness,
            ..default
        }
    }

    fn mean_weight(&self) -> Result<f64, CommandError> {
        let max_weight = self.vector.max_weight;
        let mean_weight = self.mean_weight.unwrap_or(max_weight);
        if mean_weight > 0.0 && mean_weight <= max_weight {
            return Ok(mean_weight);
        }
        Err(CommandError::MeanWeight { mean_weight, max_weight })
    }

    /// Of modulus and levels, what is given, and for the other the best that goes with it.
    fn params(&self, plan: &Plan) -> Result<Params, CommandError> {
        let (levels, modulus_range) = match (self.quantization_range, self.modulus_range) {
            (levels, Some(range)) => (levels.unwrap_or(QuantizationRange::Auto), range),
            (Some(QuantizationRange::Auto), None) => (QuantizationRange::Auto, 1 << 32),
            (Some(QuantizationRange::Levels(levels)), None) => self.in_smallest_modulus(levels),
            (None, None) => (QuantizationRange::Auto, self.in_smallest_modulus(1 << 22).1),
        };
        Ok(self.with(plan, levels, modulus_range)?)
    }

    /// The least power of two above n (q - 1), which the sum of all clients cannot reach.
    fn in_smallest_modulus(&self, levels: u64) -> (QuantizationRange, u128) {
        let largest = u128::from(self.clients) * u128::from(levels.saturating_sub(1));
        // Beyond 2^64 the parameters say what is wrong.
        (QuantizationRange::Levels(levels), (largest + 1).next_power_of_two().max(2))
    }

    /// As many levels as fit into the chosen modulus, and into some others.
    fn alternatives(&self, plan: &Plan, chosen: &Params) -> Vec<Params> {
        let mut widths = vec![16, 24, 32, 40, 48, chosen.modulus().width()];
        widths.sort_unstable();
        widths.dedup();
        let with = |width| self.with(plan, QuantizationRange::Auto, 1_u128 << width).ok();
        widths.into_iter().filter_map(with).filter(|params| params != chosen).collect()
    }

    fn with(
        &self,
        plan: &Plan,
        levels: QuantizationRange,
        modulus_range: u128,
    ) -> Result<Params, secagg::InvalidParams> {
        plan.params(self.parameters)
            .quantization_range(levels)
            .modulus_range(modulus_range)
            .max_weight(self.vector.max_weight)
            .clipping_range(ranges::rest_of(&self.vector.clipping_range))
            .prg(self.vector.prg)
            .build()
    }
}
