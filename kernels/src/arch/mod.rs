//! The kernels, once per backend. What they compute is written in the modules that call them; here is only how.

pub(crate) mod generic;
pub(crate) mod portable;

use crate::prg::Key;
use crate::quantize::{Scale, Unscale};
use crate::{Lane, Real, Sign};

/// Everything a backend must do. All backends give the same bits.
///
/// Ranges are checked by the callers: no keystream limit is passed and lengths agree.
pub(crate) trait Kernel: Copy + Send + Sync {
    /// Writes keystream bytes from `first_byte` on over `out`.
    fn expand(self, key: &Key, first_byte: u64, out: &mut [u8]);

    /// Adds or subtracts the mask of every key to one tile, whose first lane is number `first_lane` of the mask.
    fn apply_masks<L: Lane>(self, masks: &[(Key, Sign)], first_lane: u64, tile: &mut [L]);

    /// Quantizes elements into lanes of the same number, `first_lane` being the number of the first in the vector.
    /// Answers the index in `elements` of the first that is not finite; the lanes are then meaningless.
    fn quantize<F: Real, L: Lane>(
        self,
        scale: &Scale,
        rounding: &Key,
        first_lane: u64,
        elements: &[F],
        lanes: &mut [L],
    ) -> Option<usize>;

    /// Turns sums into means. Answers the index of the first sum that honest clients cannot make.
    fn dequantize<F: Real, L: Lane>(
        self,
        unscale: &Unscale,
        sums: &[L],
        mean: &mut [F],
    ) -> Option<usize>;

    /// Packs lanes of `width` bits over `out`.
    fn pack<L: Lane>(self, width: u32, lanes: &[L], out: &mut [u8]);

    /// Unpacks lanes of `width` bits and writes them over `lanes`.
    fn unpack<L: Lane>(self, width: u32, bytes: &[u8], lanes: &mut [L]);

    /// Unpacks lanes of `width` bits and adds them to `lanes`.
    fn unpack_add<L: Lane>(self, width: u32, bytes: &[u8], lanes: &mut [L]);
}

/// Evaluates an expression with the kernel that a [`Backend`](crate::Backend) stands for: the one place where a backend is chosen.
macro_rules! with_kernel {
    ($backend:expr, $kernel:ident => $body:expr) => {
        match $backend {
            crate::Backend::Portable => {
                let $kernel = crate::arch::portable::Portable;
                $body
            }
        }
    };
}

pub(crate) use with_kernel;
