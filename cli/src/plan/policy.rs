//! The policy that goes with a plan, as code to copy.

use secagg::plan::Assumptions;
use serde::Serialize;

/// The policy of a client that assumes what the plan was made for, in both libraries.
#[derive(Clone, Debug, Serialize)]
pub struct PolicyCode {
    /// Lines for the crate `secagg`.
    pub rust: String,
    /// Lines for the Python package `secagg`.
    pub python: String,
}

impl PolicyCode {
    pub(super) fn new(assumptions: &Assumptions) -> Self {
        let Assumptions { cohort_size, threat_model, .. } = *assumptions;
        let fields = stated(assumptions);
        let joined = |by: &str| {
            let fields = fields.iter().map(|(name, value)| format!("{name}{by}{value}, "));
            fields.collect::<String>()
        };
        Self {
            rust: format!(
                "let assumptions = Assumptions::new({cohort_size}, ThreatModel::{threat_model:?});\n\
                 let assumptions = Assumptions {{ {}..assumptions }};\n\
                 let policy = Policy::assuming(assumptions)?;",
                joined(": ")
            ),
            python: format!(
                "assumptions = Assumptions({cohort_size}, {}threat_model=\"{threat_model}\")\n\
                 policy = Policy.assuming(assumptions)",
                joined("=")
            ),
        }
    }
}

/// The fields by their names, which are the same in both libraries. Numbers of bits are left out
/// where they are the default.
fn stated(assumptions: &Assumptions) -> Vec<(&'static str, String)> {
    let default = Assumptions::new(assumptions.cohort_size, assumptions.threat_model);
    let bits = [
        ("security_bits", assumptions.security_bits, default.security_bits),
        ("search_bits", assumptions.search_bits, default.search_bits),
        ("correctness_bits", assumptions.correctness_bits, default.correctness_bits),
    ];
    let bits = bits.into_iter().filter(|(_, bits, default)| bits != default);
    let always = [
        // With a point also where they are whole, as Rust needs it.
        ("corrupted", format!("{:?}", assumptions.corrupted)),
        ("dropout", format!("{:?}", assumptions.dropout)),
        ("rounds", assumptions.rounds.to_string()),
    ];
    always.into_iter().chain(bits.map(|(name, bits, _)| (name, bits.to_string()))).collect()
}
