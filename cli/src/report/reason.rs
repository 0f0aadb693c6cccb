//! The reason of a failed round, in the words of the command line.

use secagg::{Abort, Failure, Params, Report as Traffic, Stage};
use secagg_kernels::DequantizeError;

use crate::files::FileError;
use crate::fleet::Fleet;
use crate::text::number;

/// A parameter's name as the command line has it.
pub(super) fn flag(name: &str) -> String {
    format!("--{}", name.replace('_', "-"))
}

/// A failure as a sentence that names flags.
pub(super) fn reason(
    fleet: &impl Fleet,
    params: &Params,
    traffic: &Traffic,
    failure: &Failure<Box<FileError>>,
) -> String {
    match failure {
        Failure::Abort(Abort::Imprecise(noise)) => noise.sentence(flag),
        Failure::Abort(Abort::Sum(DequantizeError::ZeroTotalWeight)) => {
            no_weight(fleet, params, traffic)
        }
        other => other.to_string(),
    }
}

/// The survivors' weight lanes are all 0: their weights are 0, or were rounded to it.
fn no_weight(fleet: &impl Fleet, params: &Params, traffic: &Traffic) -> String {
    let masked = traffic.stages.iter().find(|it| it.stage == Stage::CollectMaskedVectors);
    let survivors = masked.map_or(&[][..], |it| &it.answered);
    let of_survivors = survivors.iter().map(|&it| fleet.weight(it)).fold(0.0, f64::max);
    if of_survivors <= 0.0 {
        let clients = survivors.len();
        return format!(
            "the weights of all {clients} survivors are 0: give one of them more in --weights"
        );
    }
    let of_all = fleet.cohort().into_iter().map(|it| fleet.weight(it)).fold(0.0, f64::max);
    let max_weight = params.quantizer().max_weight();
    let remedy = if of_all < max_weight {
        let (from, to) = (number(max_weight), number(of_all));
        format!("lower --max-weight from {from} to {to}, the largest weight of any client")
    } else {
        "raise --modulus-range, and set --quantization-range to auto".into()
    };
    let largest = number(of_survivors);
    format!(
        "the survivors' weights, of which {largest} is the largest, were rounded to 0: {remedy}"
    )
}
