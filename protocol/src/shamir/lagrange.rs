//! Interpolation: a secret from shares, and what a holder's share should be from those of others.

use polyval::hazmat::FieldElement;
use zeroize::Zeroizing;

use super::{SHARE_LEN, Share, halves, invert, invert_all, is_zero, join, one, point};
use crate::ClientId;

/// Lagrange weights at zero of a set of holders, computed once and used for every secret of which
/// these holders have shares.
///
/// For points x_j the weight is Λ_j = Π_{m≠j} x_m / (x_m + x_j). Leaving out one point x_o multiplies
/// Λ_j by (x_o + x_j) / x_o, so a basis of t + 1 points serves all sets of t among them: that is how
/// one basis serves a complete graph, where every client lacks only its own share.
#[derive(Debug)]
pub(crate) struct LagrangeBasis {
    pub(super) points: Vec<FieldElement>,
    pub(super) weights: Vec<FieldElement>,
}

impl LagrangeBasis {
    pub(crate) fn new(holders: &[ClientId]) -> Self {
        let points: Vec<_> = holders.iter().map(|&holder| point(holder)).collect();
        let mut denominators: Vec<_> = points.iter().map(|&x| denominator(&points, x)).collect();
        invert_all(&mut denominators);
        let numerator = product(points.iter().copied());
        let weights = denominators.into_iter().map(|inverse| numerator * inverse).collect();
        Self { points, weights }
    }

    /// The basis without the holders at the positions `omitted`, which ascend.
    pub(crate) fn without(&self, omitted: &[usize]) -> Self {
        let left_out: Vec<_> = omitted.iter().map(|&at| self.points[at]).collect();
        let all = invert(product(left_out.iter().copied()));
        let weight = |at: usize| {
            let scaled = self.weights[at] * all;
            left_out.iter().fold(scaled, |weight, &x| weight * (x + self.points[at]))
        };
        let kept = || (0..self.points.len()).filter(|at| omitted.binary_search(at).is_err());
        let points = kept().map(|at| self.points[at]).collect();
        Self { points, weights: kept().map(weight).collect() }
    }

    /// Recovers a secret from one share for each holder, in the order of the holders.
    pub(crate) fn recover<'a>(
        &self,
        shares: impl Iterator<Item = &'a Share>,
    ) -> Zeroizing<[u8; SHARE_LEN]> {
        Zeroizing::new(combine(self.weights.iter().copied(), shares).0)
    }

    /// The share that `holder`, who is none of the basis's own, must have if the others' shares (in
    /// their order) are true.
    ///
    /// At x instead of zero, the weight is Λ_j · x_j / (x_j + x) · Π (x_m + x) / x_m.
    pub(crate) fn share_of<'a>(
        &self,
        holder: ClientId,
        shares: impl Iterator<Item = &'a Share>,
    ) -> Share {
        let x = point(holder);
        let mut inverses: Vec<_> = self.points.iter().map(|&other| other + x).collect();
        let moved =
            product(inverses.iter().copied()) * invert(product(self.points.iter().copied()));
        invert_all(&mut inverses);
        let weights = self.weights.iter().zip(&self.points).zip(inverses);
        combine(weights.map(|((&weight, &own), inverse)| weight * own * inverse * moved), shares)
    }
}

/// The sum of shares, each times its weight, in both halves.
fn combine<'a>(
    weights: impl Iterator<Item = FieldElement>,
    shares: impl Iterator<Item = &'a Share>,
) -> Share {
    let zero = [FieldElement::default(); 2];
    let [low, high] = weights.zip(shares).fold(zero, |[low, high], (weight, share)| {
        let [a, b] = halves(&share.0);
        [low + weight * a, high + weight * b]
    });
    join(low, high)
}

/// x · Π (x_m + x) over all points but x itself, whose factor would be zero.
fn denominator(points: &[FieldElement], x: FieldElement) -> FieldElement {
    let differences = points.iter().map(|&other| other + x);
    x * product(differences.filter(|&difference| !is_zero(difference)))
}

fn product(factors: impl Iterator<Item = FieldElement>) -> FieldElement {
    factors.fold(one(), |product, factor| product * factor)
}
