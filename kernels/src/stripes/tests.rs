//! Tests of vectors that are longer than a mask.

use std::iter::empty;

use super::*;
use crate::{Prg, Seed, Sign};

/// Only the length is looked at, since no test has 64 GiB of lanes.
#[test]
fn masks_are_not_applied_to_a_vector_that_is_longer() {
    let prg = Prg::Aes128Ctr;
    let plan = MaskPlan::new(prg, &[(Seed::from_bytes([1; 32]), Sign::Add)]);
    for (width, bytes) in [(16, 2), (17, 4), (33, 8)] {
        let modulus = Modulus::from_width(width).expect("a width");
        let most = (prg.keystream_limit() / bytes) as usize;
        let apply = |lanes| Stripes::new(modulus, lanes, empty()).apply(Backend::Portable, &plan);
        assert_eq!(apply(most), Ok(()));
        assert_eq!(apply(most + 1), Err(KeystreamLimit { prg }), "{width} bits");
    }
}
