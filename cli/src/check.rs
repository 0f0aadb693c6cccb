//! The mean of a round beside the plain weighted mean of its survivors.

use std::ops::Range;

use secagg::{Aggregate, Params};
use serde::Serialize;

use crate::files::{Dtype, FileError, Values};
use crate::fleet::{Contribution, Fleet};

/// How far the round's mean, as it was written, is from the plain one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Check {
    /// The largest distance of any element from the plain weighted mean of the clipped updates.
    pub largest_error: f64,
    /// Counts of elements by their distance, each in parts of the bound for its group.
    pub histogram: Histogram,
    /// The root of the mean square of these distances.
    pub rms_error: f64,
    /// The most that the largest error can be, by theory; of the group of tensors where that is
    /// most.
    pub bound: f64,
    /// Whether each group's largest error is within its bound.
    pub holds: bool,
    /// Tensors that share a dtype and a clipping range, and so a bound.
    pub groups: Vec<Group>,
    /// Elements that the clipping range cut, over all survivors.
    pub clipped_elements: u64,
    /// The largest distance from the plain weighted mean without clipping.
    pub largest_error_with_clipping: f64,
}

impl Check {
    /// The groups that say more than the whole: several, or one in which rounding may be most of
    /// the error.
    pub(crate) fn telling_groups(&self) -> &[Group] {
        match &self.groups[..] {
            [one] if !one.is_coarse() => &[],
            groups => groups,
        }
    }
}

/// The errors of tensors that share a dtype and a clipping range.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Group {
    /// The dtype that the mean is written in; nothing where it is not written.
    pub dtype: Option<String>,
    /// Elements are clipped to plus or minus this.
    pub clipping_range: f64,
    /// Number of elements.
    pub elements: u64,
    /// The largest distance of any element.
    pub largest_error: f64,
    /// The part of it that rounding to the dtype can be.
    pub rounding: f64,
    /// The most that the largest error can be, rounding included.
    pub bound: f64,
}

impl Group {
    /// Whether the largest error is within the bound.
    pub fn holds(&self) -> bool {
        self.largest_error <= self.bound
    }

    /// Whether rounding to the dtype may be most of the error.
    pub fn is_coarse(&self) -> bool {
        self.dtype.as_deref().is_some_and(|it| it != "f32" && it != "f64")
    }
}

/// A mean as it was written, or would be.
#[derive(Clone, Debug)]
pub struct Written<'a> {
    /// The values.
    pub mean: &'a Values,
    /// Their tensors; together they are all elements, in order.
    pub segments: Vec<Segment>,
}

/// Elements of one tensor.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Their place in the mean.
    pub elements: Range<usize>,
    /// They are clipped to plus or minus this.
    pub clipping_range: f64,
    /// The dtype that they are written in.
    pub dtype: Option<Dtype>,
}

/// Elements by their error, in halves of the bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Histogram {
    /// Elements whose error is above the bound, or no number.
    pub above: u64,
    /// Number i counts the errors up to bound / 2^i that are above half of that; the last one also
    /// counts all below.
    pub within: [u64; 20],
}

impl Histogram {
    fn add(&mut self, error: f64, bound: f64) {
        *self.bin(error, bound) += 1;
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
    written: &Written<'_>,
) -> Result<Check, FileError> {
    let mut plain = Plain::new(params);
    for &client in &aggregate.survivors {
        plain.add(fleet.contribution(client)?);
    }
    Ok(plain.compare(aggregate, written))
}

/// Weighted sums in f64, of values in the round's range.
struct Plain {
    clipping_range: f64,
    clipped: Vec<f64>,
    /// Excess over the range, which clipping cut off.
    excess: Vec<f64>,
    clipped_elements: u64,
    total_weight: f64,
}

/// Errors seen so far.
#[derive(Default)]
struct Errors {
    histogram: Histogram,
    squares: f64,
    with_clipping: f64,
}

impl Plain {
    fn new(params: &Params) -> Self {
        Self {
            clipping_range: params.quantizer().clipping_range(),
            clipped: vec![0.0; params.dimension()],
            excess: vec![0.0; params.dimension()],
            clipped_elements: 0,
            total_weight: 0.0,
        }
    }

    fn add(&mut self, Contribution { weight, update }: Contribution) {
        self.total_weight += weight;
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

    fn compare(&self, aggregate: &Aggregate<f64>, written: &Written<'_>) -> Check {
        let mut groups = self.groups(aggregate, &written.segments);
        let mut errors = Errors::default();
        for segment in &written.segments {
            if let Some(group) = groups.iter_mut().find(|it| it.is_of(segment)) {
                self.compare_segment(segment, written.mean, group, &mut errors);
            }
        }
        Check {
            largest_error: groups.iter().map(|it| it.largest_error).fold(0.0, larger),
            histogram: errors.histogram,
            rms_error: (errors.squares / self.clipped.len().max(1) as f64).sqrt(),
            bound: groups.iter().map(|it| it.bound).fold(0.0, larger),
            holds: groups.iter().all(Group::holds),
            groups,
            clipped_elements: self.clipped_elements,
            largest_error_with_clipping: errors.with_clipping,
        }
    }

    fn compare_segment(
        &self,
        segment: &Segment,
        mean: &Values,
        group: &mut Group,
        errors: &mut Errors,
    ) {
        let written = mean.widened(segment.elements.clone());
        for (at, found) in segment.elements.clone().zip(written) {
            let plain = self.plain(segment, self.clipped[at]);
            let error = (plain - found).abs();
            group.largest_error = larger(group.largest_error, error);
            errors.histogram.add(error, group.bound);
            errors.squares += error * error;
            let without = self.plain(segment, self.clipped[at] + self.excess[at]);
            errors.with_clipping = larger(errors.with_clipping, (without - found).abs());
        }
    }

    /// The plain mean of an element, in its tensor's own range.
    fn plain(&self, segment: &Segment, sum: f64) -> f64 {
        sum / self.total_weight / self.clipping_range * segment.clipping_range
    }

    /// The groups with their bounds, and no errors yet.
    fn groups(&self, aggregate: &Aggregate<f64>, segments: &[Segment]) -> Vec<Group> {
        // The plain sums are rounded once for each survivor, and their quotient once more.
        let plain = (aggregate.survivors.len() + 3) as f64 * f64::EPSILON * self.clipping_range;
        let sum_bound = aggregate.error_bound + plain;
        let mut groups: Vec<Group> = Vec::new();
        for segment in segments {
            let bound = sum_bound / self.clipping_range * segment.clipping_range;
            let sums = self.clipped[segment.elements.clone()].iter();
            let largest = sums.map(|&sum| self.plain(segment, sum).abs()).fold(0.0, larger);
            let rounding = segment.dtype.map_or(0.0, |dtype| dtype.rounding(largest + bound));
            let elements = segment.elements.len() as u64;
            match groups.iter_mut().find(|it| it.is_of(segment)) {
                Some(group) => {
                    group.elements += elements;
                    group.rounding = group.rounding.max(rounding);
                    group.bound = bound + group.rounding;
                }
                None => groups.push(Group {
                    dtype: segment.dtype.map(|it| it.to_string()),
                    clipping_range: segment.clipping_range,
                    elements,
                    largest_error: 0.0,
                    rounding,
                    bound: bound + rounding,
                }),
            }
        }
        groups
    }
}

impl Group {
    fn is_of(&self, segment: &Segment) -> bool {
        let dtype = segment.dtype.map(|it| it.to_string());
        self.dtype == dtype && self.clipping_range.total_cmp(&segment.clipping_range).is_eq()
    }
}

/// The larger of two errors, where one that cannot be computed is larger than any.
fn larger(a: f64, b: f64) -> f64 {
    if b.is_nan() { f64::INFINITY } else { a.max(b) }
}

#[cfg(test)]
mod tests {
    use super::Histogram;

    /// Both sides of each kind of edge: the bound, a halving, and the last bin, which takes the
    /// rest.
    #[test]
    fn errors_fall_into_halves_of_the_bound() {
        let errors = [8.1, f64::NAN, f64::INFINITY, 8.0, 4.1, 4.0, 2.1, 2.0, 1e-30, 0.0];
        let mut histogram = Histogram::default();
        for error in errors {
            histogram.add(error, 8.0);
        }
        let Histogram { above, within } = histogram;
        assert_eq!((above, &within[..4]), (3, &[2, 2, 1, 0][..]));
        assert_eq!((within[19], within.iter().sum::<u64>()), (2, 7));
    }
}
