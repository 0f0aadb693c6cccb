//! Finding false shares among more of them than the threshold.
//!
//! The shares of one half of a secret are a codeword of a Reed-Solomon code (McEliece and Sarwate, *On
//! Sharing Secrets and Reed-Solomon Codes*, 1981): any two polynomials of degree below t agree at fewer
//! than t of the r points, so two codewords differ in at least r - t + 1 places. With d = r - t, up to
//! ⌊d/2⌋ false shares leave one polynomial only that is so near; if d is odd, up to ⌈d/2⌉ leave a few,
//! among which the check of the secret decides.
//!
//! This is the decoder by syndromes, with Massey's recurrence (*Shift-Register Synthesis and BCH
//! Decoding*, 1969), and not one that finds the polynomial at once, such as Gao's (2003) or that of
//! Welch and Berlekamp (1986): syndromes are zero for true shares, whatever the secret. All that
//! decides a branch or an index here depends on the falsehoods alone, which their makers know.

use std::collections::BTreeMap;

use polyval::hazmat::FieldElement;
use zeroize::Zeroizing;

use super::{LagrangeBasis, Share, halves, invert, invert_all, is_zero, one};

/// Positions of false shares, ascending.
type Errors = Vec<usize>;

/// Every choice of false shares that explains all shares, one for each point of the basis; each leaves
/// at least `threshold` shares, which lie on one polynomial of degree below `threshold` in either half.
///
/// A choice is a pair, one set for each half, of at most ⌈d/2⌉ shares each, d being the number of shares
/// beyond the threshold. They come by ascending first half, then second half. Finding them is bounded by a
/// multiple of the square of the number of shares, and there are no more of them than shares.
pub(crate) fn errors(basis: &LagrangeBasis, threshold: usize, shares: &[&Share]) -> Vec<Errors> {
    let spare = shares.len() - threshold;
    let [low, high] =
        [0, 1].map(|half| explanations(basis, &syndromes(basis, spare, shares, half)));
    let pairs = low.iter().flat_map(|low| high.iter().map(move |high| (low, high)));
    pairs.filter(|(low, high)| size_of_union(low, high) <= spare).map(union).collect()
}

/// S_l = Σ_j Λ_j · x_j^l · y_j for l from 1 to d.
///
/// The basis of r points finds the value at zero of any polynomial of degree below r from its values
/// y_j. For true shares, y_j = f(x_j), the sum is that of x^l · f(x): its degree is below l + t ≤ r, and
/// it is zero at zero. What remains is Σ_j Y_j · x_j^l over the false shares, with Y_j the falsehood
/// times Λ_j.
fn syndromes(
    basis: &LagrangeBasis,
    count: usize,
    shares: &[&Share],
    half: usize,
) -> Vec<FieldElement> {
    let weighted = basis.weights.iter().zip(shares).map(|(&w, share)| w * halves(&share.0)[half]);
    let mut terms: Zeroizing<Vec<_>> = Zeroizing::new(weighted.collect());
    let mut next = || {
        let terms = terms.iter_mut().zip(&basis.points);
        terms.fold(FieldElement::default(), |sum, (term, &x)| {
            *term *= x;
            sum + *term
        })
    };
    (0..count).map(|_| next()).collect()
}

/// The sets of at most ⌈d/2⌉ positions that alone can have made the d syndromes, ascending. They have
/// no position in common.
fn explanations(basis: &LagrangeBasis, syndromes: &[FieldElement]) -> Vec<Errors> {
    let recurrence = Recurrence::shortest(syndromes);
    match (2 * recurrence.length).checked_sub(syndromes.len()) {
        None | Some(0) => recurrence.roots(&basis.points).into_iter().collect(),
        Some(1) => recurrence.roots_of_all(&basis.points),
        Some(_) => Vec::new(),
    }
}

/// The shortest recurrence of a sequence: S_l = Σ_i Λ_i · S_(l-i) for i from 1 to its length L.
///
/// For a sum of L different powers, S_l = Σ_j Y_j · x_j^l, it is the one whose polynomial
/// Λ = 1 + Σ_i Λ_i z^i is Π_j (1 + x_j z), once 2L terms are known. With one term less, it is that of all
/// Λ + λ · `other` that this polynomial is among: each λ makes another next term.
struct Recurrence {
    length: usize,
    polynomial: Vec<FieldElement>,
    other: Vec<FieldElement>,
}

impl Recurrence {
    /// Massey's algorithm. `other` is the polynomial before the last change of length, scaled so that it
    /// changes the newest term by one, and times z for each term since.
    fn shortest(terms: &[FieldElement]) -> Self {
        let zero = FieldElement::default();
        let mut found = Self { length: 0, polynomial: vec![one()], other: vec![zero, one()] };
        for seen in 0..terms.len() {
            found.take(&terms[..=seen]);
            found.other.insert(0, zero);
        }
        found
    }

    /// Corrects the recurrence so that it gives the last term, too.
    fn take(&mut self, terms: &[FieldElement]) {
        let before = terms.len() - 1;
        let products = self.polynomial.iter().zip(terms.iter().rev()).map(|(&a, &term)| a * term);
        let wrong = products.fold(FieldElement::default(), |sum, product| sum + product);
        if is_zero(wrong) {
            return;
        }
        let corrected = add_multiple(&self.polynomial, wrong, &self.other);
        if 2 * self.length <= before {
            self.length = before + 1 - self.length;
            let scale = invert(wrong);
            self.other = self.polynomial.iter().map(|&a| a * scale).collect();
        }
        self.polynomial = corrected;
    }

    /// The positions of the points whose powers the recurrence is of, if they are all among `points`.
    fn roots(&self, points: &[FieldElement]) -> Option<Errors> {
        let values = points.iter().map(|&x| self.reversed(&self.polynomial, x));
        let roots: Errors = positions(values.map(is_zero)).collect();
        (roots.len() == self.length).then_some(roots)
    }

    /// The same for each λ. A point is a root for one λ at most: the quotient of both polynomials there.
    fn roots_of_all(&self, points: &[FieldElement]) -> Vec<Errors> {
        let others: Vec<_> = points.iter().map(|&x| self.reversed(&self.other, x)).collect();
        let divisible: Errors = positions(others.iter().map(|&other| !is_zero(other))).collect();
        let mut inverses: Vec<_> = divisible.iter().map(|&at| others[at]).collect();
        invert_all(&mut inverses);
        let mut roots = BTreeMap::<u128, Errors>::new();
        for (at, inverse) in divisible.into_iter().zip(inverses) {
            let lambda = self.reversed(&self.polynomial, points[at]) * inverse;
            roots.entry(lambda.into()).or_default().push(at);
        }
        let mut roots: Vec<_> = roots.into_values().filter(|at| at.len() == self.length).collect();
        roots.sort_unstable();
        roots
    }

    /// x^L · p(1/x): zero where 1/x is a root of p.
    fn reversed(&self, polynomial: &[FieldElement], x: FieldElement) -> FieldElement {
        let zero = FieldElement::default();
        let coefficients = polynomial.iter().copied().chain(core::iter::repeat(zero));
        coefficients.take(self.length + 1).fold(zero, |value, a| value * x + a)
    }
}

/// a + factor · b.
fn add_multiple(a: &[FieldElement], factor: FieldElement, b: &[FieldElement]) -> Vec<FieldElement> {
    let at = |polynomial: &[FieldElement], i: usize| polynomial.get(i).copied().unwrap_or_default();
    (0..a.len().max(b.len())).map(|i| at(a, i) + factor * at(b, i)).collect()
}

fn positions(which: impl Iterator<Item = bool>) -> impl Iterator<Item = usize> {
    which.enumerate().filter(|&(_, is)| is).map(|(at, _)| at)
}

fn size_of_union(a: &[usize], b: &[usize]) -> usize {
    a.len() + b.iter().filter(|at| a.binary_search(at).is_err()).count()
}

fn union((a, b): (&Errors, &Errors)) -> Errors {
    let mut both = a.clone();
    both.extend(b.iter().filter(|at| a.binary_search(at).is_err()));
    both.sort_unstable();
    both
}

#[cfg(test)]
mod tests;
