//! The machine words that hold one number of a vector.

use std::fmt::Debug;

use zeroize::{DefaultIsZeroes, Zeroize};

/// A machine word that holds one lane: `u16`, `u32` or `u64`.
///
/// Sums wrap in the word. Since 2^b divides the word's range, they are reduced to b bits only when they leave the
/// vector. The trait is sealed.
pub trait Lane:
    Word + Slices + Default + Eq + Debug + Send + Sync + Zeroize + DefaultIsZeroes + 'static
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

pub(crate) use sealed::{Lanes, LanesMut, Slices, Word};

mod sealed {
    /// A plain word: any bits are a value. Besides the lanes, the byte is one.
    pub trait Word: Copy {}

    impl Word for u8 {}

    /// Lanes of whatever word. Functions that take these are compiled once, in this crate, where functions that are generic
    /// over the lane would be compiled once more in every crate that calls them.
    #[derive(Clone, Copy, Debug)]
    pub enum Lanes<'a> {
        U16(&'a [u16]),
        U32(&'a [u32]),
        U64(&'a [u64]),
    }

    /// The same, to be written.
    #[derive(Debug)]
    pub enum LanesMut<'a> {
        U16(&'a mut [u16]),
        U32(&'a mut [u32]),
        U64(&'a mut [u64]),
    }

    impl LanesMut<'_> {
        /// The same lanes, to be given away for a while.
        pub fn reborrow(&mut self) -> LanesMut<'_> {
            match self {
                Self::U16(lanes) => LanesMut::U16(lanes),
                Self::U32(lanes) => LanesMut::U32(lanes),
                Self::U64(lanes) => LanesMut::U64(lanes),
            }
        }
    }

    /// Says which word it is.
    pub trait Slices: Sized {
        fn lanes(lanes: &[Self]) -> Lanes<'_>;
        fn lanes_mut(lanes: &mut [Self]) -> LanesMut<'_>;
    }
}

macro_rules! lane {
    ($word:ty, $variant:ident) => {
        impl Word for $word {}

        impl Slices for $word {
            fn lanes(lanes: &[Self]) -> Lanes<'_> {
                Lanes::$variant(lanes)
            }

            fn lanes_mut(lanes: &mut [Self]) -> LanesMut<'_> {
                LanesMut::$variant(lanes)
            }
        }

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

lane!(u16, U16);
lane!(u32, U32);
lane!(u64, U64);
