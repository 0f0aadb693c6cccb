//! X25519 (RFC 7748) in batches: what a round spends most of its time on where updates are short.
//!
//! Secrets and public keys are the 32 bytes that RFC 7748 speaks of. Secrets are clamped here. Of a public key the top
//! bit does not count, and a value of 2^255 - 19 or more stands for what is left of it modulo that.
//!
//! **A public key of low order gives 32 zero bytes, which are no secret. Refusing them is up to the caller.**
//!
//! The time does not depend on the secrets, nor on what they make. Copies of secrets in memory are wiped; those in
//! registers, and what the compiler spills of them, are not.

use rayon::prelude::*;
use zeroize::Zeroizing;

use crate::Backend;
use crate::arch::{Kernel, with_kernel};

/// Pairs that one thread does at a time, which share an inversion.
pub(crate) const BATCH: usize = 64;

/// Secrets that were agreed on, in the order of the public keys; wiped on drop.
pub type SharedSecrets = Zeroizing<Vec<[u8; 32]>>;

/// Agrees with the owners of many public keys on one secret with each, on the threads of the current rayon pool.
///
/// ```
/// use secagg_kernels::{Backend, x25519};
///
/// let base_point = { let mut u = [0; 32]; u[0] = 9; u };
/// let (mine, theirs) = ([1; 32], [2; 32]);
/// let backend = Backend::detect();
/// let publics = x25519::agree_pairs(backend, &[(&mine, &base_point), (&theirs, &base_point)]);
/// assert_eq!(
///     x25519::agree_many(backend, &mine, &publics[1..]),
///     x25519::agree_many(backend, &theirs, &publics[..1]),
/// );
/// ```
pub fn agree_many(backend: Backend, secret: &[u8; 32], publics: &[[u8; 32]]) -> SharedSecrets {
    agree(backend, Pairs::OneSecret(secret, publics))
}

/// Agrees like [`agree_many`] and writes over `out` what `derive` makes of each secret, given its place: on the thread that
/// agreed on it, which wipes it afterwards.
///
/// ```
/// use secagg_kernels::{Backend, x25519};
///
/// let publics = [[9; 32], [8; 32]];
/// let mut first_bytes = [0; 2];
/// x25519::derive_many(Backend::detect(), &[1; 32], &publics, &mut first_bytes, |_, secret| secret[0]);
/// let secrets = x25519::agree_many(Backend::detect(), &[1; 32], &publics);
/// assert_eq!(first_bytes, [secrets[0][0], secrets[1][0]]);
/// ```
///
/// # Panics
/// Unless there is one place in `out` for each public key.
pub fn derive_many<T: Send>(
    backend: Backend,
    secret: &[u8; 32],
    publics: &[[u8; 32]],
    out: &mut [T],
    derive: impl Fn(usize, &[u8; 32]) -> T + Sync,
) {
    assert_eq!(publics.len(), out.len(), "one place for each public key");
    out.par_chunks_mut(BATCH).zip(publics.par_chunks(BATCH)).enumerate().for_each(
        |(batch, (out, publics))| {
            let mut shared = Zeroizing::new([[0; 32]; BATCH]);
            let shared = &mut shared[..publics.len()];
            let pairs = Pairs::OneSecret(secret, publics);
            with_kernel!(backend, kernel => kernel.agree(pairs, shared));
            for (at, (out, shared)) in out.iter_mut().zip(&*shared).enumerate() {
                *out = derive(batch * BATCH + at, shared);
            }
        },
    );
}

/// The secrets that are shared by each of many pairs of a secret and somebody else's public key, on the threads of the current rayon pool.
pub fn agree_pairs(backend: Backend, pairs: &[(&[u8; 32], &[u8; 32])]) -> SharedSecrets {
    agree(backend, Pairs::Each(pairs))
}

fn agree(backend: Backend, pairs: Pairs<'_>) -> SharedSecrets {
    let mut shared = Zeroizing::new(vec![[0; 32]; pairs.len()]);
    shared.par_chunks_mut(BATCH).enumerate().for_each(|(batch, shared)| {
        let pairs = pairs.part(batch * BATCH, shared.len());
        with_kernel!(backend, kernel => kernel.agree(pairs, shared));
    });
    shared
}

/// Secrets and the public keys they go with.
#[derive(Clone, Copy)]
pub(crate) enum Pairs<'a> {
    OneSecret(&'a [u8; 32], &'a [[u8; 32]]),
    Each(&'a [(&'a [u8; 32], &'a [u8; 32])]),
}

impl<'a> Pairs<'a> {
    #[inline(always)]
    pub(crate) fn len(self) -> usize {
        match self {
            Self::OneSecret(_, publics) => publics.len(),
            Self::Each(pairs) => pairs.len(),
        }
    }

    /// The secret and the public key of one pair.
    #[inline(always)]
    pub(crate) fn get(self, index: usize) -> (&'a [u8; 32], &'a [u8; 32]) {
        match self {
            Self::OneSecret(secret, publics) => (secret, &publics[index]),
            Self::Each(pairs) => pairs[index],
        }
    }

    fn part(self, first: usize, len: usize) -> Self {
        match self {
            Self::OneSecret(secret, publics) => Self::OneSecret(secret, &publics[first..][..len]),
            Self::Each(pairs) => Self::Each(&pairs[first..][..len]),
        }
    }
}
