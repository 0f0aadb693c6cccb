//! The machine words that hold one number of a vector.

use std::fmt::Debug;

use zeroize::{DefaultIsZeroes, Zeroize};

/// A machine word that holds one lane: `u16`, `u32` or `u64`.
///
/// Sums wrap in the word. Since 2^b divides the word's range, they are reduced to b bits only when they leave the
/// vector. The trait is sealed.
pub trait Lane:
    sealed::Sealed + Copy + Default + Eq + Debug + Send + Sync + Zeroize + DefaultIsZeroes + 'static
{
    /// Bits in the word.
    const BITS: u32;
    /// Bytes in the word.
    const BYTES: usize;

    /// The low [`BITS`](Self::BITS) bits of `value`.
    fn from_u64(value: u64) -> Self;

    /// The word, zero extended.
    fn to_u64(self) -> u64;

    /// The word in little-endian order.
    ///
    /// # Panics
    /// Unless `bytes` holds exactly [`BYTES`](Self::BYTES) bytes.
    fn from_le_slice(bytes: &[u8]) -> Self;

    /// The sum modulo 2^[`BITS`](Self::BITS).
    #[must_use]
    fn wrapping_add(self, other: Self) -> Self;

    /// The difference modulo 2^[`BITS`](Self::BITS).
    #[must_use]
    fn wrapping_sub(self, other: Self) -> Self;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! lane {
    ($word:ty) => {
        impl sealed::Sealed for $word {}

        impl Lane for $word {
            const BITS: u32 = <$word>::BITS;
            const BYTES: usize = size_of::<$word>();

            #[inline(always)]
            fn from_u64(value: u64) -> Self {
                value as $word
            }

            #[inline(always)]
            fn to_u64(self) -> u64 {
                u64::from(self)
            }

            #[inline(always)]
            fn from_le_slice(bytes: &[u8]) -> Self {
                <$word>::from_le_bytes(bytes.try_into().expect("a slice of one lane"))
            }

            #[inline(always)]
            fn wrapping_add(self, other: Self) -> Self {
                <$word>::wrapping_add(self, other)
            }

            #[inline(always)]
            fn wrapping_sub(self, other: Self) -> Self {
                <$word>::wrapping_sub(self, other)
            }
        }
    };
}

lane!(u16);
lane!(u32);
lane!(u64);
