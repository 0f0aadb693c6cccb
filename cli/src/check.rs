//! The mean of a round beside the plain weighted mean of its survivors.

use secagg::{Aggregate, Params};
use serde::Serialize;

use crate::files::{FileError, Values};
use crate::fleet::{Contribution, Fleet};

/// How far the round's mean is from the plain one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Check {
    /// The largest distance of any element from the plain weighted mean of the clipped updates.
    pub largest_error: f64,
    /// How many elements have which distance.
    pub histogram: Histogram,
    /// The root of the mean square of these distances.
    pub rms_error: f64,
    /// What the largest error can be at most, by theory.
    pub bound: f64,
    /// Whether the largest error is within the bound.
    pub holds: bool,
    /// Elements that the clipping range cut, over all survivors.
    pub clipped_elements: u64,
    /// The largest distance from the plain weighted mean without clipping.
    pub largest_error_with_clipping: f64,
}

/// Elements by their error, in halves of the bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Histogram {
    /// Elements whose error is above the bound, or no number.
    pub above: u64,
    /// Number i counts the errors up to bound / 2^i that are above half of that; the last one also counts all below.
    pub within: [u64; 20],
}

impl Histogram {
    fn of(errors: impl Iterator<Item = f64>, bound: f64) -> Self {
        let mut histogram = Self::default();
        for error in errors {
            *histogram.bin(error, bound) += 1;
        }
        histogram
    }

    fn bin(&mut self, error: f64, bound: f64) -> &mut u64 {
        if error.is_nan() || error > bound {
            return &mut self.above;
        }
        let last = self.within.len() - 1;
        let limits = (1..=last).map(|halvings| bound / f64::from(1u32 << halvings));
        &mut self.within[limits.take_while(|&limit| error <= limit).count()]
    }
}

/// Fetches every survivor's update once more, one at a time, and compares.
///
/// # Errors
/// [`FileError`] if an update cannot be read again.
pub fn check(
    fleet: &impl Fleet,
    params: &Params,
    aggregate: &Aggregate<f64>,
) -> Result<Check, FileError> {
    let mut plain = Plain::new(params);
    for &client in &aggregate.survivors {
        plain.add(fleet.contribution(client)?);
    }
    Ok(plain.compare(params, aggregate))
}

/// Weighted sums in f64.
struct Plain {
    clipping_range: f64,
    clipped: Vec<f64>,
    /// What clipping cut off.
    excess: Vec<f64>,
    clipped_elements: u64,
    total_weight: f64,
    exact_weights: bool,
    quantizer: secagg_kernels::Quantizer,
}

impl Plain {
    fn new(params: &Params) -> Self {
        Self {
            clipping_range: params.quantizer().clipping_range(),
            clipped: vec![0.0; params.dimension()],
            excess: vec![0.0; params.dimension()],
            clipped_elements: 0,
            total_weight: 0.0,
            exact_weights: true,
            quantizer: *params.quantizer(),
        }
    }

    fn add(&mut self, Contribution { weight, update }: Contribution) {
        self.total_weight += weight;
        self.exact_weights &= self.quantizer.weight_is_exact(weight);
        match update {
            Values::F32(update) => self.add_all(weight, update.into_iter().map(f64::from)),
            Values::F64(update) => self.add_all(weight, update.into_iter()),
        }
    }

    fn add_all(&mut self, weight: f64, update: impl Iterator<Item = f64>) {
        let sums = self.clipped.iter_mut().zip(&mut self.excess);
        for ((clipped, excess), value) in sums.zip(update) {
            let inside = value.clamp(-self.clipping_range, self.clipping_range);
            *clipped += weight * inside;
            *excess += weight * (value - inside);
            self.clipped_elements += u64::from(value.abs() > self.clipping_range);
        }
    }

    fn compare(&self, params: &Params, aggregate: &Aggregate<f64>) -> Check {
        let errors = self.clipped.iter().zip(&aggregate.mean);
        let errors = errors.map(|(sum, mean)| (sum / self.total_weight - mean).abs());
        let with_excess = self.clipped.iter().zip(&self.excess).zip(&aggregate.mean);
        let with_excess = with_excess
            .map(|((sum, excess), mean)| ((sum + excess) / self.total_weight - mean).abs());
        let squares: f64 = errors.clone().map(|error| error * error).sum();
        let bound = self.bound(aggregate);
        let histogram = Histogram::of(errors.clone(), bound);
        let largest_error = errors.fold(0.0, larger);
        Check {
            largest_error,
            histogram,
            rms_error: (squares / params.dimension().max(1) as f64).sqrt(),
            bound,
            holds: largest_error <= bound,
            clipped_elements: self.clipped_elements,
            largest_error_with_clipping: with_excess.fold(0.0, larger),
        }
    }

    fn bound(&self, aggregate: &Aggregate<f64>) -> f64 {
        let (clients, total_weight) = (aggregate.survivors.len() as u64, aggregate.total_weight);
        if self.exact_weights {
            self.quantizer.error_bound(clients, total_weight)
        } else {
            self.quantizer.error_bound_with_inexact_weights(clients, total_weight)
        }
    }
}

/// The larger of two errors, where one that cannot be computed is larger than any.
fn larger(a: f64, b: f64) -> f64 {
    if b.is_nan() { f64::INFINITY } else { a.max(b) }
}

#[cfg(test)]
mod tests {
    use super::Histogram;

    /// Both sides of each kind of edge: the bound, a halving, and the last bin, which takes the rest.
    #[test]
    fn errors_fall_into_halves_of_the_bound() {
        let errors = [8.1, f64::NAN, f64::INFINITY, 8.0, 4.1, 4.0, 2.1, 2.0, 1e-30, 0.0];
        let Histogram { above, within } = Histogram::of(errors.into_iter(), 8.0);
        assert_eq!((above, &within[..4]), (3, &[2, 2, 1, 0][..]));
        assert_eq!((within[19], within.iter().sum::<u64>()), (2, 7));
    }
}
