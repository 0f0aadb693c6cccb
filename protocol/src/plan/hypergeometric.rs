//! Quantiles of the hypergeometric distribution, without a table, a logarithm or a factorial.
//!
//! Neighbouring probabilities have a simple ratio. From the mode, where the largest is, ratios give all
//! others relative to it; their sum, which is that of all probabilities, then makes them absolute.
//!
//! **Why binary64 decides right.** Everything that is added is positive. A probability m steps from the
//! mode carries m ratios of at most 4 roundings each, so it is off by at most 4m · 2^-53 of itself; the
//! sum of all is off by as much. Steps end where probabilities fall below 2^-64 of the bound. They fall
//! ever faster (the distribution is log-concave), so the last ratio is at most the m-th root of what is
//! left, and what is cut off is below 2^-64 · m/44 of the bound. Cohorts up to 10^6 take at most some
//! 5000 steps: all of it is below 10^-11, a hundredth of [`SLACK`]. So a tail that is at most its bound
//! is always found to be, ties included; and one that is above it and taken to be within misses the
//! bound by a factor of less than 1 + 2 · [`SLACK`], which costs 3 · 10^-9 of a bit.

/// Tails that pass their bound by no more than this part of it are taken to be equal to it.
pub(super) const SLACK: f64 = 1e-9;

/// Probabilities below this part of the bound, or of the largest, are left out.
const NEGLIGIBLE: f64 = 1.0 / (1_u128 << 64) as f64;

/// The number of marked clients among `drawn` ones, where `marked` of `population` are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hypergeometric {
    pub(super) population: u32,
    pub(super) marked: u32,
    pub(super) drawn: u32,
}

impl Hypergeometric {
    /// The least v with Pr[X > v] ≤ `bound`.
    pub(super) fn most(self, bound: f64) -> u32 {
        let mode = self.mode();
        let above = walk(NEGLIGIBLE * bound, |step| self.up(mode + step));
        let below = walk(NEGLIGIBLE, |step| self.down(mode - step));
        // From the largest value to the smallest.
        let weights = above.iter().rev().chain(&[1.0]).chain(&below);
        let total: f64 = weights.clone().sum();
        let allowed = bound * (1.0 + SLACK) * total;
        let mut tail = 0.0;
        let within = weights.take_while(|&weight| {
            tail += weight;
            tail <= allowed
        });
        (mode + above.len() as u32).saturating_sub(within.count() as u32)
    }

    /// Pr[X = v].
    pub(super) fn exactly(self, v: u32) -> f64 {
        self.weight(v) / self.total()
    }

    /// Pr[X ≥ v].
    pub(super) fn at_least(self, v: u32) -> f64 {
        let least = (u64::from(self.drawn) + u64::from(self.marked))
            .saturating_sub(u64::from(self.population)) as u32;
        let v = v.max(least);
        let weight = self.weight(v);
        if weight == 0.0 {
            return 0.0;
        }
        let more: f64 = walk(NEGLIGIBLE, |step| self.up(v + step)).iter().sum();
        weight * (1.0 + more) / self.total()
    }

    /// Pr[X = v] relative to the mode's.
    fn weight(self, v: u32) -> f64 {
        let mode = self.mode();
        if v > self.marked.min(self.drawn) {
            0.0
        } else if v < mode {
            (v + 1..=mode).map(|i| self.down(i)).product()
        } else {
            (mode..v).map(|i| self.up(i)).product()
        }
    }

    /// The sum of all probabilities, relative to the mode's.
    fn total(self) -> f64 {
        let mode = self.mode();
        let above = walk(NEGLIGIBLE, |step| self.up(mode + step));
        let below = walk(NEGLIGIBLE, |step| self.down(mode - step));
        above.iter().chain(&[1.0]).chain(&below).sum()
    }

    /// A value of the largest probability: ⌊(k+1)(K+1)/(n+2)⌋.
    fn mode(self) -> u32 {
        let Self { population, marked, drawn } = self;
        let product = (u128::from(drawn) + 1) * (u128::from(marked) + 1);
        (product / (u128::from(population) + 2)) as u32
    }

    /// Pr[X = i + 1] / Pr[X = i]: zero if i is the largest value.
    fn up(self, i: u32) -> f64 {
        let (marked, drawn) = (f64::from(self.marked - i), f64::from(self.drawn - i));
        let next = f64::from(i) + 1.0;
        marked * drawn / (next * (self.unmarked_left(i) + 1.0))
    }

    /// Pr[X = i - 1] / Pr[X = i]: zero if i is the smallest value.
    fn down(self, i: u32) -> f64 {
        let (marked, drawn) = (f64::from(self.marked - i), f64::from(self.drawn - i));
        f64::from(i) * self.unmarked_left(i) / ((marked + 1.0) * (drawn + 1.0))
    }

    /// Clients neither marked nor drawn, if i of the marked ones are drawn.
    fn unmarked_left(self, i: u32) -> f64 {
        let Self { population, marked, drawn } = self;
        f64::from(population - marked) - f64::from(drawn - i)
    }
}

/// Probabilities relative to the mode's, one step after the other away from it, until they are
/// negligible.
fn walk(negligible: f64, ratio: impl Fn(u32) -> f64) -> Vec<f64> {
    let mut weight = 1.0;
    let weights = (0..).map(|step| {
        weight *= ratio(step);
        weight
    });
    weights.take_while(|&weight| weight >= negligible).collect()
}
