//! Shamir's secret sharing (Shamir, *How to Share a Secret*, 1979) of 32-byte secrets.
//!
//! The field is GF(2^128) with the multiplication of POLYVAL (RFC 8452, section 3):
//! dot(a, b) = a · b · x^-128 modulo x^128 + x^127 + x^126 + x^121 + 1. Under dot, too, the
//! polynomials form a field; its one is x^128. A secret is two field elements, its two halves in
//! little-endian order, each the constant term of a polynomial of its own. Client v holds the values
//! at the point 2^64 + v (a 128-bit integer): never zero, and never the same for two clients.
//!
//! Multiplication is constant time. Points are public; secrets and coefficients never decide a
//! branch or an index.

mod decode;
mod lagrange;

use core::fmt;

pub(crate) use decode::errors;
pub(crate) use lagrange::LagrangeBasis;
use polyval::Polyval;
use polyval::hazmat::FieldElement;
use polyval::universal_hash::UniversalHash;
use polyval::universal_hash::array::Array;
use rand_core::CryptoRng;
use zeroize::{Zeroize, Zeroizing};

use crate::ClientId;

/// Bytes of a secret and of a share.
pub(crate) const SHARE_LEN: usize = 32;

/// The neutral element of dot: x^128 reduced, that is x^127 + x^126 + x^121 + 1.
const ONE: u128 = 0xc200_0000_0000_0000_0000_0000_0000_0001;

/// One client's share of one secret; wiped when dropped.
#[derive(Clone)]
pub(crate) struct Share(pub(crate) [u8; SHARE_LEN]);

impl Drop for Share {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Share(..)")
    }
}

/// Splits a secret so that any `threshold` of the holders' shares recover it and fewer say nothing.
/// Shares come in the order of `holders`.
pub(crate) fn split(
    secret: &[u8; SHARE_LEN],
    threshold: usize,
    holders: &[ClientId],
    rng: &mut impl CryptoRng,
) -> Vec<Share> {
    let [low, high] = random_polynomials(secret, threshold, rng);
    let share = |&holder| {
        let at = point(holder);
        join(low.evaluate(at), high.evaluate(at))
    };
    holders.iter().map(share).collect()
}

/// A random polynomial for each half of the secret. Coefficients are drawn for both at once, from
/// that of x upward.
fn random_polynomials(
    secret: &[u8; SHARE_LEN],
    threshold: usize,
    rng: &mut impl CryptoRng,
) -> [Polynomial; 2] {
    let zeros = || Zeroizing::new(vec![[0; 16]; threshold - 1]);
    let mut coefficients = [zeros(), zeros()];
    let mut both = Zeroizing::new([0; SHARE_LEN]);
    for at in (0..threshold - 1).rev() {
        rng.fill_bytes(&mut *both);
        for (coefficients, half) in coefficients.iter_mut().zip(both.as_chunks().0) {
            coefficients[at] = *half;
        }
    }
    let [low, high] = coefficients;
    let [constant_low, constant_high] = halves(secret);
    [Polynomial::new(constant_low, low), Polynomial::new(constant_high, high)]
}

/// A polynomial over the field; wiped when dropped.
struct Polynomial {
    constant: Zeroizing<FieldElement>,
    /// The other coefficients, from the highest power down.
    falling: Zeroizing<Vec<[u8; 16]>>,
}

impl Polynomial {
    fn new(constant: FieldElement, falling: Zeroizing<Vec<[u8; 16]>>) -> Self {
        Self { constant: Zeroizing::new(constant), falling }
    }

    /// POLYVAL is Horner's rule (RFC 8452, section 3): for the key x and the blocks a_n to a_1 it is
    /// the sum of a_i · x^i. That is twenty times as fast as one product after another.
    fn evaluate(&self, at: FieldElement) -> FieldElement {
        let mut sum = Polyval::new(&<[u8; 16]>::from(at).into());
        sum.update(Array::cast_slice_from_core(&self.falling));
        *self.constant + FieldElement::from(sum.finalize())
    }
}

/// Montgomery's trick: one inversion and three products for each element.
fn invert_all(elements: &mut [FieldElement]) {
    let mut before = Vec::with_capacity(elements.len());
    let mut product = one();
    for &element in &*elements {
        before.push(product);
        product *= element;
    }
    let mut inverse = invert(product);
    for (element, before) in elements.iter_mut().zip(before).rev() {
        let this = *element;
        *element = inverse * before;
        inverse *= this;
    }
}

/// a^(2^128 - 2): the product of a^(2^i) for i from 1 to 127.
fn invert(a: FieldElement) -> FieldElement {
    let mut square = a;
    let mut product = one();
    for _ in 1..128 {
        square *= square;
        product *= square;
    }
    product
}

fn point(holder: ClientId) -> FieldElement {
    FieldElement::from((1u128 << 64) | u128::from(holder.0))
}

fn one() -> FieldElement {
    FieldElement::from(ONE)
}

fn is_zero(a: FieldElement) -> bool {
    u128::from(a) == 0
}

fn halves(bytes: &[u8; SHARE_LEN]) -> [FieldElement; 2] {
    let (halves, _) = bytes.as_chunks::<16>();
    [FieldElement::from(halves[0]), FieldElement::from(halves[1])]
}

fn join(low: FieldElement, high: FieldElement) -> Share {
    let mut share = Share([0; SHARE_LEN]);
    share.0[..16].copy_from_slice(&<[u8; 16]>::from(low));
    share.0[16..].copy_from_slice(&<[u8; 16]>::from(high));
    share
}

#[cfg(test)]
mod tests;
