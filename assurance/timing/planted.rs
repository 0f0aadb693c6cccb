//! Leaks that the clock must show.

use std::hint::black_box;

use crate::{Case, Expected};

pub(crate) fn cases() -> Vec<Case> {
    let fixed: Vec<u8> = (0..32).collect();
    let reference = fixed.clone();
    let compare = move |secret: &[u8]| compare(secret, &reference);
    let planted = [
        Case::new("planted: a branch on a bit", &fixed, branch),
        Case::new("planted: a comparison that ends early", &fixed, compare),
    ];
    planted.map(|case| Case { expected: Expected::Leak, ..case }).into()
}

/// A little work or none, by one bit of a secret: about as long as a multiplication in a field.
fn branch(secret: &[u8]) {
    let mut word = black_box(1_u64);
    if black_box(secret[3]) & 1 == 1 {
        for _ in 0..20 {
            word = black_box(word.wrapping_mul(3));
        }
    }
    black_box(word);
}

/// As `memcmp` is, once: nanoseconds.
fn compare(secret: &[u8], reference: &[u8]) {
    let differs = |(one, other): (&u8, &u8)| black_box(*one) != black_box(*other);
    black_box(secret.iter().zip(reference).any(differs));
}
