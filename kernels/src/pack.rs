//! Lanes of b bits as bytes, and back.
//!
//! Lane i occupies the bits i·b to (i+1)·b - 1 of the byte string, where bit j of the string is bit j mod 8 of byte j / 8,
//! counted from the least significant. There is no header. The string is as short as it can be; the unused high bits
//! of its last byte are zero, and anything else is refused.
//!
//! These functions run on the calling thread. [`Accumulator`](crate::Accumulator) and
//! [`ClientPass`](crate::ClientPass) spread the same work over threads.

use thiserror::Error;

use crate::arch::{Kernel, with_kernel};
use crate::{Backend, Lane, Modulus};

/// Why lanes cannot be packed or bytes cannot be unpacked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum PackError {
    /// The byte string has the wrong length for the number of lanes.
    #[error("{found} bytes where the packed lanes take {expected}")]
    Length {
        /// Bytes that the lanes take.
        expected: usize,
        /// Bytes that were given.
        found: usize,
    },
    /// An unused bit of the last byte is set.
    #[error("the unused bits of the last byte are not zero")]
    NonZeroPadding,
    /// The lane's word is narrower than the modulus.
    #[error("a lane of {lane_bits} bits does not hold {width} bits")]
    LaneTooNarrow {
        /// Bits in the word.
        lane_bits: u32,
        /// Bits of the modulus.
        width: u32,
    },
}

/// Packs `lanes`, each reduced modulo `modulus`, over `out`.
///
/// ```
/// use secagg_kernels::{Backend, Modulus, pack};
///
/// let modulus = Modulus::from_width(12)?;
/// let mut bytes = [0; 3];
/// pack::pack(Backend::detect(), modulus, &[0xabc_u16, 0xf123], &mut bytes)?;
/// assert_eq!(bytes, [0xbc, 0x3a, 0x12]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`PackError::Length`] unless `out` has [`Modulus::packed_len`] bytes; [`PackError::LaneTooNarrow`].
pub fn pack<L: Lane>(
    backend: Backend,
    modulus: Modulus,
    lanes: &[L],
    out: &mut [u8],
) -> Result<(), PackError> {
    check_lane::<L>(modulus)?;
    check_len(modulus, lanes.len(), out.len())?;
    with_kernel!(backend, kernel => kernel.pack(modulus.width(), L::lanes(lanes), out));
    Ok(())
}

/// Packs `lanes`, each reduced modulo `modulus`, behind what `out` already holds.
///
/// # Errors
/// [`PackError::LaneTooNarrow`]; `out` is then as it was.
pub fn append<L: Lane>(
    backend: Backend,
    modulus: Modulus,
    lanes: &[L],
    out: &mut Vec<u8>,
) -> Result<(), PackError> {
    check_lane::<L>(modulus)?;
    let start = out.len();
    out.resize(start + modulus.packed_len(lanes.len()), 0);
    pack(backend, modulus, lanes, &mut out[start..])
}

/// Unpacks `bytes` and writes the lanes over `lanes`.
///
/// # Errors
/// [`PackError`]; no lane is then touched.
pub fn unpack<L: Lane>(
    backend: Backend,
    modulus: Modulus,
    bytes: &[u8],
    lanes: &mut [L],
) -> Result<(), PackError> {
    check_lane::<L>(modulus)?;
    check_bytes(modulus, lanes.len(), bytes)?;
    with_kernel!(backend, kernel => kernel.unpack(modulus.width(), bytes, L::lanes_mut(lanes)));
    Ok(())
}

/// Unpacks `bytes` and adds the lanes to `lanes`, wrapping in the lane's word, in one pass.
///
/// # Errors
/// [`PackError`]; no lane is then touched.
pub fn unpack_add<L: Lane>(
    backend: Backend,
    modulus: Modulus,
    bytes: &[u8],
    lanes: &mut [L],
) -> Result<(), PackError> {
    check_lane::<L>(modulus)?;
    check_bytes(modulus, lanes.len(), bytes)?;
    with_kernel!(backend, kernel => kernel.unpack_add(modulus.width(), bytes, L::lanes_mut(lanes)));
    Ok(())
}

/// Adds a number to one packed lane, modulo `modulus`.
pub(crate) fn add_to_lane(modulus: Modulus, lane: usize, bytes: &mut [u8], value: u64) {
    let bit = lane as u128 * u128::from(modulus.width());
    let (first, shift) = ((bit / 8) as usize, (bit % 8) as u32);
    // At most 64 bits behind 7 others: nine bytes.
    let len = (shift + modulus.width()).div_ceil(8) as usize;
    let place = &mut bytes[first..first + len];
    let mut window = [0; 16];
    window[..place.len()].copy_from_slice(place);
    let (all, mask) = (u128::from_le_bytes(window), u128::from(modulus.max_value()) << shift);
    let sum = (all & mask).wrapping_add(u128::from(value) << shift) & mask;
    place.copy_from_slice(&(all & !mask | sum).to_le_bytes()[..place.len()]);
}

/// Refuses byte strings that no honest packing of `lanes` lanes makes, as unpacking them would.
///
/// # Errors
/// [`PackError::Length`] and [`PackError::NonZeroPadding`].
pub fn check_bytes(modulus: Modulus, lanes: usize, bytes: &[u8]) -> Result<(), PackError> {
    check_len(modulus, lanes, bytes.len())?;
    let used = (lanes as u128 * u128::from(modulus.width()) % 8) as u32;
    match bytes.last() {
        Some(last) if used > 0 && last >> used != 0 => Err(PackError::NonZeroPadding),
        _ => Ok(()),
    }
}

fn check_len(modulus: Modulus, lanes: usize, found: usize) -> Result<(), PackError> {
    let expected = modulus.packed_len(lanes);
    if found == expected { Ok(()) } else { Err(PackError::Length { expected, found }) }
}

fn check_lane<L: Lane>(modulus: Modulus) -> Result<(), PackError> {
    if modulus.width() <= L::BITS {
        Ok(())
    } else {
        Err(PackError::LaneTooNarrow { lane_bits: L::BITS, width: modulus.width() })
    }
}
