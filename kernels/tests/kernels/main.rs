//! The kernels against published vectors, oracles and slow models, through the public API alone.

mod accumulator;
mod client_pass;
mod dequantize;
mod mask;
mod pack;
mod prg;
mod quantize;
mod support;
mod values;
