//! The arithmetic of secure aggregation: seeds become masks, masks are added to vectors modulo 2^b, floats become
//! lanes, lanes become bytes.
//!
//! Two passes use everything here. A client turns its update into a masked vector ([`ClientPass`]); a server adds
//! masked vectors, on one thread or on many ([`Stripes`]), and takes the masks off their sum ([`Accumulator`]). Both
//! work tile by tile: a mask is added to the lanes while its keystream is in cache, and is never stored. Beside them
//! stands the arithmetic that seeds are agreed on with, in batches ([`x25519`]).
//!
//! ```
//! use secagg_kernels::{Accumulator, Backend, ClientPass, MaskPlan, Modulus, Prg, Quantizer, Seed, Sign};
//!
//! let backend = Backend::detect();
//! let modulus = Modulus::from_width(32)?;
//! let quantizer = Quantizer::new(8.0, 1 << 22, 1000.0)?;
//! let mut sum = Accumulator::new(modulus, 5);
//!
//! // Two clients share one seed; one adds its mask, the other subtracts it.
//! let clients = [(Sign::Add, 1.0, [0.5_f32, 1.0, -2.0]), (Sign::Subtract, 3.0, [0.1, 3.0, -2.0])];
//! for (index, (sign, weight, update)) in (0_u8..).zip(clients) {
//!     let plan = MaskPlan::new(Prg::Aes128Ctr, &[(Seed::from_bytes([7; 32]), sign)]);
//!     let rounding = Seed::from_bytes([100 + index; 32]);
//!     let pass = ClientPass { backend, modulus, quantizer: &quantizer, plan: &plan, rounding: &rounding };
//!     let mut masked_vector = Vec::new();
//!     pass.masked_vector(weight, &update, &mut masked_vector)?;
//!     sum.add_packed(backend, &masked_vector)?;
//! }
//!
//! let result = sum.dequantize::<f32>(backend, &quantizer, 2)?;
//! assert_eq!(result.total_weight, 4.0);
//! for (mean, expected) in result.mean.iter().zip([0.2, 2.5, -2.0]) {
//!     assert!((f64::from(*mean) - expected).abs() < quantizer.error_bound(2, 4.0) + 1e-6);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Set `lto = "thin"` and `codegen-units = 1` in the profile of the final program: without them the ciphers run at
//! half their speed.

#![deny(unsafe_code)]
// A loop is compiled for the CPU features of the function it is inlined into. Where it is not, it is several times slower.
#![allow(clippy::inline_always)]

mod accumulator;
mod arch;
mod backend;
pub mod ceiling;
mod client_pass;
mod lane;
mod mask;
mod modulus;
pub mod pack;
mod prg;
pub mod quantize;
mod seed;
mod stripes;
pub mod x25519;

pub use accumulator::{Accumulator, WeightedMean};
#[cfg(all(target_arch = "aarch64", target_endian = "little"))]
pub use arch::neon::Neon;
#[cfg(target_arch = "x86_64")]
pub use arch::{avx2::Avx2, avx512::Avx512};
pub use backend::{Backend, BackendError};
pub use client_pass::{ClientPass, ClientPassError};
pub use lane::Lane;
pub use mask::{InvalidPlan, MaskPlan, Sign};
pub use modulus::{InvalidModulus, Modulus};
pub use pack::PackError;
pub use prg::{KeystreamLimit, Prg, UnknownPrg};
pub use quantize::{
    DequantizeError, InvalidQuantizer, MAX_QUANTIZATION_RANGE, MIN_QUANTIZATION_RANGE,
    QuantizeError, Quantizer, Real, SumOverflow,
};
pub use seed::Seed;
pub use stripes::Stripes;
