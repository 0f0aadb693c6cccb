//! The kernels, once per backend. What they compute is written in the modules that call them; here
//! is only how.

#[cfg_attr(
    not(any(target_arch = "x86_64", all(target_arch = "aarch64", target_endian = "little"))),
    allow(
        dead_code,
        unused_imports,
        unused_macros,
        reason = "only the portable backend is compiled"
    )
)]
pub(crate) mod generic;
pub(crate) mod memory;
pub(crate) mod portable;
#[cfg_attr(
    not(any(target_arch = "x86_64", all(target_arch = "aarch64", target_endian = "little"))),
    allow(
        dead_code,
        unused_imports,
        unused_macros,
        reason = "only the portable backend is compiled"
    )
)]
pub(crate) mod register;

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;
#[cfg_attr(
    not(any(target_arch = "x86_64", all(target_arch = "aarch64", target_endian = "little"))),
    allow(
        dead_code,
        unused_imports,
        unused_macros,
        reason = "only the portable backend is compiled"
    )
)]
mod gates;
#[cfg(all(target_arch = "aarch64", target_endian = "little"))]
pub(crate) mod neon;

use crate::lane::{Lanes, LanesMut};
use crate::mask::Masks;
use crate::prg::Key;
use crate::quantize::{Scale, Unscale};
use crate::x25519::Pairs;
use crate::{Lane, Real};

/// Everything a backend must do. All backends give the same bits.
///
/// Ranges are checked by the callers: no keystream limit is passed and lengths agree.
pub(crate) trait Kernel: Copy + Send + Sync {
    /// Writes keystream bytes from `first_byte` on over `out`.
    fn expand(self, key: &Key, first_byte: u64, out: &mut [u8]);

    /// Adds or subtracts the mask of every key to one tile, whose first lane is number `first_lane`
    /// of the mask.
    fn apply_masks<L: Lane>(self, masks: &Masks, first_lane: u64, tile: &mut [L]);

    /// Quantizes elements into lanes of the same number, `first_lane` being the number of the first
    /// in the vector. Answers whether one was clipped, or the index in `elements` of the first that
    /// is not finite; the lanes are then meaningless.
    fn quantize<F: Real, L: Lane>(
        self,
        scale: &Scale,
        rounding: &Key,
        first_lane: u64,
        elements: &[F],
        lanes: &mut [L],
    ) -> Result<bool, usize>;

    /// Turns sums into means. Answers the index of the first sum that honest clients cannot make.
    fn dequantize<F: Real, L: Lane>(
        self,
        unscale: &Unscale,
        sums: &[L],
        mean: &mut [F],
    ) -> Option<usize>;

    /// Packs lanes of `width` bits over `out`.
    fn pack(self, width: u32, lanes: Lanes<'_>, out: &mut [u8]);

    /// Unpacks lanes of `width` bits and writes them over `lanes`.
    fn unpack(self, width: u32, bytes: &[u8], lanes: LanesMut<'_>);

    /// Unpacks lanes of `width` bits and adds them to `lanes`.
    fn unpack_add(self, width: u32, bytes: &[u8], lanes: LanesMut<'_>);

    /// Does ten AES rounds for every 16 of so many bytes, rounded up, and answers something of the
    /// result.
    fn aes_rounds(self, bytes: u64) -> u64;

    /// Writes the X25519 shared secrets of as many pairs, at most [`BATCH`](crate::x25519::BATCH).
    fn agree(self, pairs: Pairs<'_>, shared: &mut [[u8; 32]]) {
        portable::x25519::agree(pairs, shared);
    }
}

/// Evaluates an expression with the kernel that a [`Backend`](crate::Backend) stands for: the one
/// place where a backend is chosen.
macro_rules! with_kernel {
    ($backend:expr, $kernel:ident => $body:expr) => {
        match $backend {
            crate::Backend::Portable => {
                let $kernel = crate::arch::portable::Portable;
                $body
            }
            #[cfg(target_arch = "x86_64")]
            crate::Backend::Avx2(token) => match token.kernel() {
                crate::arch::avx2::Kernels::Vaes($kernel) => $body,
                crate::arch::avx2::Kernels::AesNi($kernel) => $body,
            },
            #[cfg(target_arch = "x86_64")]
            crate::Backend::Avx512($kernel) => $body,
            #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
            crate::Backend::Neon($kernel) => $body,
        }
    };
}

pub(crate) use with_kernel;
