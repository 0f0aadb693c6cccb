//! The kernels against published vectors, oracles and slow models, through the public API alone.

// Equality of floats is what several of these tests are about.
#![allow(clippy::float_cmp)]

mod accumulator;
mod backends;
mod client_pass;
mod dequantize;
mod mask;
mod pack;
mod prg;
mod quantize;
mod support;
mod values;
mod x25519;
