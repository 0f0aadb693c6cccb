//! X25519 one pair after another, on `x25519-dalek`, which wipes its secrets.

use x25519_dalek::{PublicKey, StaticSecret};

use crate::x25519::Pairs;

/// Writes the shared secret of every pair.
pub(crate) fn agree(pairs: Pairs<'_>, shared: &mut [[u8; 32]]) {
    for (index, shared) in shared.iter_mut().enumerate() {
        let (secret, public) = pairs.get(index);
        *shared = *StaticSecret::from(*secret).diffie_hellman(&PublicKey::from(*public)).as_bytes();
    }
}
