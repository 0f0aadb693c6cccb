//! Tensors whose mean may be no more than noise, and options that would make it precise.

use secagg::Params;

use crate::files::TensorSpec;
use crate::ranges::{advised, option};
use crate::text::short;

/// The most tensors that a warning names.
const SHOWN: usize = 5;

/// The bound from which on an integer of the mean may well be another.
const OF_INTEGERS: f64 = 0.25;

/// One tensor of a mean.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tensor<'a> {
    pub(crate) spec: &'a TensorSpec,
    pub(crate) clipping_range: f64,
    /// The largest magnitude in any update.
    pub(crate) largest: f64,
    /// The largest magnitude in the mean.
    pub(crate) largest_of_mean: f64,
}

impl Tensor<'_> {
    /// Whether a bound says no more than that these may be noise. Zeros are exact.
    fn is_noise(&self, bound: f64) -> bool {
        // Noise itself may be above the bound in the mean, or leave nothing of the mean.
        let of_floats = if self.largest_of_mean > 0.0 {
            self.largest.min(self.largest_of_mean)
        } else {
            self.largest
        };
        let limit = if self.spec.dtype.is_float() { of_floats } else { OF_INTEGERS };
        self.largest > 0.0 && bound >= limit
    }

    fn sentence(&self, bound: f64) -> String {
        let name = &self.spec.name;
        if self.spec.dtype.is_float() {
            let largest = short(self.largest_of_mean, 2);
            return format!("elements of {name:?}, up to {largest}, by {}", short(bound, 2));
        }
        let kind = if self.spec.dtype == crate::files::Dtype::Bool { "bools" } else { "integers" };
        format!("{kind} in {name:?} by {}", short(bound.ceil(), 2))
    }

    /// The option with a range of its own that suffices, if there is one.
    fn remedy(&self, relative: f64) -> Option<String> {
        let range = advised(self.largest)?;
        (!self.is_noise(relative * range)).then(|| option(&self.spec.name, range))
    }
}

/// Names the tensors that may be noise, where a mean's bound is `error_bound` for the round's
/// range, and weights reach `weight`.
pub(crate) fn warning(
    tensors: &[Tensor<'_>],
    params: &Params,
    error_bound: f64,
    weight: f64,
) -> Option<String> {
    let relative = error_bound / params.quantizer().clipping_range();
    let noise = |it: &&Tensor<'_>| it.is_noise(relative * it.clipping_range);
    let all: Vec<_> = tensors.iter().filter(noise).collect();
    let shown = &all[..all.len().min(SHOWN)];
    let what = shown.iter().map(|it| it.sentence(relative * it.clipping_range));
    let what = what.collect::<Vec<_>>().join(", ");
    let more = match all.len() - shown.len() {
        0 => String::new(),
        more => format!(", and those of {more} more tensors"),
    };
    let ranges: Vec<_> = shown.iter().filter_map(|it| it.remedy(relative)).collect();
    let ranges = (!ranges.is_empty())
        .then(|| format!("give ranges nearer to the values, before others: {}", ranges.join(" ")));
    let weight = (weight < params.quantizer().max_weight())
        .then(|| format!("lower --max-weight to {weight}"));
    let others =
        ["raise --modulus-range, with --quantization-range auto", "leave them out (--skip)"];
    let remedies = ranges.into_iter().chain(weight).chain(others.map(String::from));
    let remedies = remedies.collect::<Vec<_>>().join("; or ");
    (!all.is_empty())
        .then(|| format!("the mean may be off, {what}{more}. To make it precise, {remedies}"))
}
