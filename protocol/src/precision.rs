//! How precise a mean is: the bound of its error, and which parameters would make it smaller.

use std::fmt::{self, Display};

use secagg_kernels::{Modulus, Quantizer, Real, WeightedMean};

use crate::Params;

/// The part of the clipping range from which on a bound is worth a warning.
const OF_CLIPPING_RANGE: f64 = 0.01;

/// The part of the mean's largest element from which on a bound is worth a warning.
const OF_LARGEST: f64 = 0.1;

/// Part of the limit that a remedy aims at.
const MARGIN: f64 = 0.5;

/// A mean whose error may be large beside the clipping range, or beside the mean itself.
///
/// The server knows the bound, since it knows the total weight; it does not know the clients'
/// weights and elements one by one. Hence the two conditions under which two of the remedies hold.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Imprecise {
    /// Largest possible error of any element of the mean.
    pub error_bound: f64,
    /// A bound below this would be worth no warning: 1 % of the clipping range, or 10 % of
    /// `largest` if that is less.
    pub limit: f64,
    /// The sum of the survivors' weights, from which the bound follows.
    pub total_weight: f64,
    /// The clipping range of the round.
    pub clipping_range: f64,
    /// Largest absolute value of any element of the mean.
    pub largest: f64,
    /// A `max_weight` that is precise enough, if no client's weight is above it.
    pub max_weight: Option<f64>,
    /// A `clipping_range` that is precise enough, if no client's elements are beyond it.
    pub lower_clipping_range: Option<f64>,
    /// The least `modulus_range` that is precise enough, with a `quantization_range` of `auto`.
    pub modulus_range: Option<u128>,
}

impl Imprecise {
    /// The message, with each parameter's name spelled as the caller's interface does.
    pub fn sentence(&self, spelled: impl Fn(&'static str) -> String) -> String {
        let Self { error_bound, clipping_range, largest, .. } = *self;
        let bound = Short(error_bound);
        let beside = if error_bound >= OF_CLIPPING_RANGE * clipping_range {
            format!("{} is {clipping_range}", spelled("clipping_range"))
        } else if largest > 0.0 {
            format!("its largest element is {}", Short(largest))
        } else {
            let (range, weight) = (spelled("clipping_range"), spelled("max_weight"));
            return format!(
                "all elements of the mean are 0, give or take {bound}: lower {range} or {weight} if \
                 they should not be"
            );
        };
        let remedies = self.remedies(spelled).join(", or ");
        let colon = if remedies.is_empty() { "" } else { ": " };
        format!("elements of the mean may be off by {bound}, where {beside}{colon}{remedies}")
    }

    fn remedies(&self, spelled: impl Fn(&'static str) -> String) -> Vec<String> {
        let weight = self.max_weight.map(|weight| {
            let name = spelled("max_weight");
            format!("lower {name} to {weight} if no client's weight is above that")
        });
        let range = self.lower_clipping_range.map(|range| {
            let name = spelled("clipping_range");
            format!("lower {name} to {range} if no element is beyond that")
        });
        let modulus = self.modulus_range.map(|modulus| {
            let (name, levels) = (spelled("modulus_range"), spelled("quantization_range"));
            format!("set {name} to 2^{} and {levels} to auto", modulus.trailing_zeros())
        });
        [weight, range, modulus].into_iter().flatten().collect()
    }
}

impl Display for Imprecise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence(str::to_owned))
    }
}

/// A number with two digits that count.
struct Short(f64);

impl Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rounded = two_digits(self.0, f64::round);
        if (1e-3..1e6).contains(&rounded) {
            write!(f, "{rounded}")
        } else {
            write!(f, "{rounded:e}")
        }
    }
}

fn two_digits(x: f64, round: impl Fn(f64) -> f64) -> f64 {
    let unit = 10_f64.powi(x.log10().floor() as i32 - 1);
    // Written and read again: the product of a decimal fraction is not the number that prints
    // shortly.
    let shortest = format!("{:.1e}", round(x / unit) * unit);
    shortest.parse().unwrap_or(x)
}

/// The precision of one mean.
pub(crate) struct Precision<'a> {
    params: &'a Params,
    clients: u64,
    total_weight: f64,
    clipped: u64,
    largest: f64,
    /// Error that rounding to the mean's type adds.
    rounding: f64,
}

impl<'a> Precision<'a> {
    pub(crate) fn of<F: Real>(params: &'a Params, clients: u64, read: &WeightedMean<F>) -> Self {
        // A mean without elements is not one of zeros.
        let none = if read.mean.is_empty() { params.quantizer().clipping_range() } else { 0.0 };
        let largest = read.mean.iter().map(|x| x.to_f64().abs()).fold(none, f64::max);
        let rounding = (largest * F::UNIT_ROUNDOFF).max(F::SMALLEST / 2.0);
        let WeightedMean { total_weight, clipped, .. } = *read;
        Self { params, clients, total_weight, clipped, largest, rounding }
    }

    /// The largest error that any element can have, whatever the weights.
    pub(crate) fn error_bound(&self) -> f64 {
        self.bound_of(self.params.quantizer())
    }

    fn bound_of(&self, quantizer: &Quantizer) -> f64 {
        let bound = quantizer.error_bound_with_inexact_weights(self.clients, self.total_weight);
        bound + self.rounding
    }

    /// Whether the mean says nothing: the clipping range alone would bound its error as well.
    pub(crate) fn is_noise(&self) -> bool {
        self.error_bound() >= self.params.quantizer().clipping_range()
    }

    /// The warning that goes with the mean, if its bound is too large.
    pub(crate) fn imprecise(&self) -> Option<Imprecise> {
        let (error_bound, quantizer) = (self.error_bound(), self.params.quantizer());
        let clipping_range = quantizer.clipping_range();
        let of_range = OF_CLIPPING_RANGE * clipping_range;
        let limit = of_range.min(OF_LARGEST * self.largest);
        // The next mean is another one: its weights are rounded anew, and what was largest may have
        // been error.
        let largest = (self.largest - error_bound).max(self.largest / 10.0);
        let aim = if largest > 0.0 { limit.min(OF_LARGEST * largest) } else { of_range } * MARGIN;
        let lower_range = error_bound < of_range && largest > 0.0;
        (error_bound >= limit).then(|| Imprecise {
            error_bound,
            limit,
            total_weight: self.total_weight,
            clipping_range,
            largest: self.largest,
            max_weight: self.max_weight(aim),
            // Beside the clipping range itself, every clipping range is as precise.
            lower_clipping_range: if lower_range { self.range(aim) } else { None },
            modulus_range: self.modulus_range(aim),
        })
    }

    /// None where the average weight is already above what would do.
    fn max_weight(&self, limit: f64) -> Option<f64> {
        let quantizer = self.params.quantizer();
        let lower = quantizer.max_weight() * limit / self.error_bound();
        let lower = two_digits(lower, f64::floor);
        let lower = if lower >= 1.0 { lower.floor() } else { lower };
        let (c, q) = (quantizer.clipping_range(), quantizer.quantization_range());
        let enough = self.is_enough(Quantizer::new(c, q, lower).ok()?, limit);
        (enough && lower * self.clients as f64 >= self.total_weight).then_some(lower)
    }

    /// None where the elements of the mean, or of a client, are already beyond what would do.
    fn range(&self, limit: f64) -> Option<f64> {
        let quantizer = self.params.quantizer();
        let lower = quantizer.clipping_range() * limit / self.error_bound();
        let lower = two_digits(lower, f64::floor);
        let (q, w_max) = (quantizer.quantization_range(), quantizer.max_weight());
        let enough = self.is_enough(Quantizer::new(lower, q, w_max).ok()?, limit);
        (enough && lower >= self.largest && self.clipped == 0).then_some(lower)
    }

    fn modulus_range(&self, limit: f64) -> Option<u128> {
        let quantizer = self.params.quantizer();
        let (c, w_max) = (quantizer.clipping_range(), quantizer.max_weight());
        let enough = |modulus: &Modulus| {
            let levels = Quantizer::largest_for(*modulus, self.params.cohort_size().into());
            let roomy = levels.and_then(|levels| Quantizer::new(c, levels, w_max).ok());
            roomy.is_some_and(|roomy| self.is_enough(roomy, limit))
        };
        let widths = self.params.modulus().width()..=64;
        let mut moduli = widths.filter_map(|width| Modulus::from_width(width).ok());
        moduli.find(enough).map(Modulus::range)
    }

    fn is_enough(&self, quantizer: Quantizer, limit: f64) -> bool {
        self.bound_of(&quantizer) < limit
    }
}

#[cfg(test)]
mod tests;
