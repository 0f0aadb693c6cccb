//! The ring in which vectors are summed.

use std::fmt;

use thiserror::Error;

/// The modulus 2^b of all sums, with b, the *width* in bits, from 1 to 64.
///
/// ```
/// use secagg_kernels::Modulus;
///
/// let modulus = Modulus::from_width(20)?;
/// assert_eq!(modulus.range(), 1 << 20);
/// assert_eq!(modulus.packed_len(3), 8); // 60 bits
/// # Ok::<(), secagg_kernels::InvalidModulus>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Modulus {
    width: u32,
}

/// The modulus asked for is not a power of two from 2 to 2^64.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum InvalidModulus {
    /// The width in bits is not from 1 to 64.
    #[error("a width of {0} bits is not from 1 to 64")]
    Width(u32),
    /// The range is not a power of two from 2 to 2^64.
    #[error("a modulus range of {0} is not a power of two from 2 to 2^64")]
    Range(u128),
}

impl Modulus {
    /// The modulus 2^`width`.
    ///
    /// # Errors
    /// [`InvalidModulus::Width`] unless 1 ≤ `width` ≤ 64.
    pub fn from_width(width: u32) -> Result<Self, InvalidModulus> {
        if (1..=64).contains(&width) {
            Ok(Self { width })
        } else {
            Err(InvalidModulus::Width(width))
        }
    }

    /// The modulus `range` itself.
    ///
    /// # Errors
    /// [`InvalidModulus::Range`] unless `range` is a power of two from 2 to 2^64.
    pub fn from_range(range: u128) -> Result<Self, InvalidModulus> {
        if !range.is_power_of_two() {
            return Err(InvalidModulus::Range(range));
        }
        Self::from_width(range.trailing_zeros()).map_err(|_| InvalidModulus::Range(range))
    }

    /// b: bits per lane, from 1 to 64.
    pub fn width(self) -> u32 {
        self.width
    }

    /// 2^b, from 2 to 2^64.
    pub fn range(self) -> u128 {
        1 << self.width
    }

    /// 2^b - 1, the largest lane.
    pub fn max_value(self) -> u64 {
        u64::MAX >> (64 - self.width)
    }

    /// Bytes that `lanes` lanes occupy when packed: `lanes` · b / 8, rounded up.
    ///
    /// Computed in 128 bits. Where the answer does not fit a `usize` it is `usize::MAX`, which is longer than any
    /// slice can be, so that comparing it with a length still refuses.
    pub fn packed_len(self, lanes: usize) -> usize {
        let bits = lanes as u128 * u128::from(self.width);
        usize::try_from(bits.div_ceil(8)).unwrap_or(usize::MAX)
    }
}

/// Writes `2^b`.
impl fmt::Display for Modulus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "2^{}", self.width)
    }
}
