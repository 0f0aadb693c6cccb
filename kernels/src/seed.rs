//! The secret from which one mask, or one client's rounding, is expanded.

use std::fmt;

use subtle::{Choice, ConstantTimeEq};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// 32 secret bytes from which a keystream is expanded.
///
/// Wiped on drop, compared in constant time, and silent in `Debug`. It is not `Copy`: every copy is a visible `clone`.
///
/// ```
/// use secagg_kernels::Seed;
///
/// let seed = Seed::from_bytes([9; 32]);
/// assert_eq!(format!("{seed:?}"), "Seed");
/// ```
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Seed([u8; 32]);

impl Seed {
    /// Takes 32 bytes, which must come from a key derivation or a cryptographic random generator.
    ///
    /// The caller's own copy of the array is the caller's to wipe.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The seed of a generator that uses its first 28 bytes.
    pub(crate) fn of_key_and_nonce(key: &[u8; 16], nonce: &[u8; 12]) -> Self {
        let mut seed = Self([0; 32]);
        seed.0[..16].copy_from_slice(key);
        seed.0[16..28].copy_from_slice(nonce);
        seed
    }

    /// The secret bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl ConstantTimeEq for Seed {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

impl PartialEq for Seed {
    fn eq(&self, other: &Self) -> bool {
        self.ct_eq(other).into()
    }
}

impl Eq for Seed {}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed")
    }
}
