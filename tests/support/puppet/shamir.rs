//! Section 6 of the specification once more, from the page alone and bit by bit: recovery from
//! shares.

use secagg::ClientId;

use super::Bytes;

/// x^128 modulo the polynomial.
const ONE: u128 = 0xc200_0000_0000_0000_0000_0000_0000_0001;

/// x^-1: the polynomial without its lowest term, divided by x.
const X_INVERSE: u128 = 1 << 127 | 1 << 126 | 1 << 125 | 1 << 120;

/// The secret behind shares of distinct holders, which must be enough.
pub fn recover(shares: &[(ClientId, Bytes)]) -> Bytes {
    let points: Vec<_> = shares.iter().map(|(holder, _)| 1 << 64 | u128::from(holder.0)).collect();
    let mut secret = [0; 2];
    for (&point, (_, share)) in points.iter().zip(shares) {
        let others = || points.iter().filter(|&&other| other != point);
        let above = others().fold(ONE, |product, &other| dot(product, other));
        let below = others().fold(ONE, |product, &other| dot(product, other ^ point));
        let weight = dot(above, inverse(below));
        for (sum, half) in secret.iter_mut().zip(share.as_chunks().0) {
            *sum ^= dot(weight, u128::from_le_bytes(*half));
        }
    }
    let mut bytes = [0; 32];
    bytes[..16].copy_from_slice(&secret[0].to_le_bytes());
    bytes[16..].copy_from_slice(&secret[1].to_le_bytes());
    bytes
}

/// a · b · x^-128.
fn dot(a: u128, b: u128) -> u128 {
    (0..128).fold(0, |sum, bit| {
        let sum = sum ^ if b >> bit & 1 == 1 { a } else { 0 };
        sum >> 1 ^ if sum & 1 == 1 { X_INVERSE } else { 0 }
    })
}

/// a^(2^128 - 2).
fn inverse(a: u128) -> u128 {
    let squares = core::iter::successors(Some(a), |&a| Some(dot(a, a)));
    squares.skip(1).take(127).fold(ONE, dot)
}
