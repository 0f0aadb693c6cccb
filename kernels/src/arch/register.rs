//! Vector registers as values. The ciphers are written once, over these traits, and inlined into every backend's gates.

use crate::Lane;
use crate::lane::Word;

/// One vector register.
///
/// A value is a proof that the CPU has the instructions of all methods: the first one is made with a token, and a token
/// is only made by detection.
pub(crate) trait Register: Copy {
    /// What proves that the CPU has these registers.
    type Token: Copy;
    /// Bytes in a register.
    const BYTES: usize;
    /// Registers that the CPU has.
    const COUNT: usize;

    /// Reads the first bytes of `words`.
    fn load<W: Word>(token: Self::Token, words: &[W]) -> Self;

    /// Writes over the first bytes of `words`.
    fn store<W: Word>(self, words: &mut [W]);

    /// Bit by bit, one or the other but not both.
    fn xor(self, other: Self) -> Self;

    /// Bit by bit, both.
    fn and(self, other: Self) -> Self;

    /// Lane by lane, the sum.
    fn add<L: Lane>(self, other: Self) -> Self;

    /// Lane by lane, the difference.
    fn sub<L: Lane>(self, other: Self) -> Self;
}

/// A register of whole AES blocks, side by side.
pub(crate) trait AesRegister: Register {
    /// The same block everywhere.
    fn broadcast(token: Self::Token, block: &[u8; 16]) -> Self;

    /// Blocks that are zero but for their last word.
    fn last_words(token: Self::Token, word: u32) -> Self;

    /// One round of the cipher: bytes, rows, columns, then the key.
    fn round(self, key: Self) -> Self;

    /// The last round, which does not mix columns.
    fn last_round(self, key: Self) -> Self;
}

/// A register of 32-bit words of as many `ChaCha20` blocks, side by side.
pub(crate) trait ChaChaRegister: Register {
    /// The same word everywhere.
    fn splat(token: Self::Token, word: u32) -> Self;

    /// `first`, `first + 1` and so on.
    fn counters(token: Self::Token, first: u32) -> Self;

    /// Every word rotated left by 16 bits.
    fn rotate_16(self) -> Self;

    /// Every word rotated left by 12 bits.
    fn rotate_12(self) -> Self;

    /// Every word rotated left by 8 bits.
    fn rotate_8(self) -> Self;

    /// Every word rotated left by 7 bits.
    fn rotate_7(self) -> Self;

    /// The first part of turning columns into blocks: words `2i` and `2i + 1` of a block become neighbours. How the pairs
    /// are ordered is between this and [`blocks_of_pairs`](Self::blocks_of_pairs).
    fn pairs(rows: [Self; 16]) -> [Self; 16];

    /// The second part, which moves whole pairs: what was one column after the other is now in order.
    fn blocks_of_pairs(rows: [Self; 16]) -> [Self; 16];
}

/// Field elements side by side in a register.
#[cfg(any(target_arch = "x86_64", test))]
pub(crate) const LANES: usize = 8;

/// A register of 64-bit words, each a limb of another field element, that multiplies the lower 52 bits of them.
///
/// A value is a proof as a [`Register`] is. All methods take the same time whatever the words are.
#[cfg(any(target_arch = "x86_64", test))]
pub(crate) trait FieldRegister: Copy {
    /// What proves that the CPU has these registers.
    type Token: Copy;

    /// The same word in every lane.
    fn splat(token: Self::Token, word: u64) -> Self;

    /// The same word in every lane, whatever is in this register.
    fn same(self, word: u64) -> Self;

    /// Reads one word for each lane.
    fn load(token: Self::Token, words: &[u64; LANES]) -> Self;

    /// Writes one word of each lane.
    fn store(self, words: &mut [u64; LANES]);

    /// Lane by lane, the sum.
    fn add(self, other: Self) -> Self;

    /// Lane by lane, the difference.
    fn sub(self, other: Self) -> Self;

    /// Bit by bit, both.
    fn and(self, other: Self) -> Self;

    /// Every word times 2^`BITS`.
    fn shift_left<const BITS: u32>(self) -> Self;

    /// Every word divided by 2^`BITS`, rounded down.
    fn shift_right<const BITS: u32>(self) -> Self;

    /// Adds bits 0 to 51 of the product of the lower 52 bits of `one` and of `other`.
    fn add_low(self, one: Self, other: Self) -> Self;

    /// Adds bits 52 to 103 of that product, as a number of 52 bits.
    fn add_high(self, one: Self, other: Self) -> Self;

    /// Lane by lane, `set` where the word of this register is not zero, and `unset` where it is.
    fn choose(self, set: Self, unset: Self) -> Self;
}

/// Implements [`Register`] for a newtype around one of the compiler's vector types.
macro_rules! register {
    (
        $register:ident($vector:ty), $token:ty, $count:literal,
        $load:ident, $store:ident($pointer:ty), $xor:ident, $and:ident,
        [$add16:ident, $add32:ident, $add64:ident], [$sub16:ident, $sub32:ident, $sub64:ident] $(,)?
    ) => {
        impl Register for $register {
            type Token = $token;
            const BYTES: usize = size_of::<$vector>();
            const COUNT: usize = $count;

            #[inline(always)]
            fn load<W: Word>(_: $token, words: &[W]) -> Self {
                assert!(size_of_val(words) >= Self::BYTES);
                let first = words.as_ptr().cast();
                // SAFETY: so many bytes were just seen to be there, aligned or not, and the token proves the instruction.
                Self(unsafe { $load(first) })
            }

            #[inline(always)]
            fn store<W: Word>(self, words: &mut [W]) {
                assert!(size_of_val(words) >= Self::BYTES);
                let first: *mut $pointer = words.as_mut_ptr().cast();
                // SAFETY: so many bytes were just seen to be there, any bits are a `Word`, and `self` proves the instruction.
                unsafe { $store(first, self.0) };
            }

            #[inline(always)]
            fn xor(self, other: Self) -> Self {
                // SAFETY: `self` proves the instruction.
                Self(unsafe { $xor(self.0, other.0) })
            }

            #[inline(always)]
            fn and(self, other: Self) -> Self {
                // SAFETY: `self` proves the instruction.
                Self(unsafe { $and(self.0, other.0) })
            }

            #[inline(always)]
            fn add<L: Lane>(self, other: Self) -> Self {
                Self(match L::BITS {
                    // SAFETY: `self` proves the instruction.
                    16 => unsafe { $add16(self.0, other.0) },
                    // SAFETY: the same.
                    32 => unsafe { $add32(self.0, other.0) },
                    // SAFETY: the same.
                    _ => unsafe { $add64(self.0, other.0) },
                })
            }

            #[inline(always)]
            fn sub<L: Lane>(self, other: Self) -> Self {
                Self(match L::BITS {
                    // SAFETY: `self` proves the instruction.
                    16 => unsafe { $sub16(self.0, other.0) },
                    // SAFETY: the same.
                    32 => unsafe { $sub32(self.0, other.0) },
                    // SAFETY: the same.
                    _ => unsafe { $sub64(self.0, other.0) },
                })
            }
        }
    };
}

pub(crate) use register;
