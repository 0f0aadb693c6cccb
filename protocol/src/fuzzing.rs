//! Secret sharing for two fuzz targets: one compares it with a slow model, the other puts together what clients reveal.
//! And what stands behind the seal of saved states, which no fuzzer forges.
//!
//! Shares never leave this crate but sealed or in a message, so nothing public splits or recovers a secret, and
//! nothing should: a caller could wipe neither. A target on the public interface alone would meet the decoder
//! only at the end of whole rounds, a thousand times slower. So there is this module, under the cfg that
//! cargo-fuzz sets and no build of a release has. It forwards, and decides nothing.

use core::mem;

use rand_core::CryptoRng;

use crate::shamir::{self, LagrangeBasis, Share};
use crate::wire::Reader;
use crate::{ClientId, StateKey, saved};

/// A secret or a share.
pub type Bytes = [u8; shamir::SHARE_LEN];

/// Splits a secret; shares come in the order of `holders`, who are distinct.
pub fn split(
    secret: &Bytes,
    threshold: usize,
    holders: &[ClientId],
    rng: &mut impl CryptoRng,
) -> Vec<Bytes> {
    shamir::split(secret, threshold, holders, rng).iter().map(|share| share.0).collect()
}

/// The value at zero of the polynomial through all the shares but those in the places `omitted`, which ascend:
/// once from the others' own basis, and once from that of all.
pub fn recover(holders: &[ClientId], shares: &[Bytes], omitted: &[usize]) -> [Bytes; 2] {
    let kept = || (0..holders.len()).filter(|at| omitted.binary_search(at).is_err());
    let others: Vec<_> = kept().map(|at| holders[at]).collect();
    let held: Vec<_> = kept().map(|at| Share(shares[at])).collect();
    let bases = [LagrangeBasis::new(&others), LagrangeBasis::new(holders).without(omitted)];
    bases.map(|basis| *basis.recover(held.iter()))
}

/// The share of one more holder on the polynomial through all the shares.
pub fn share_of(holder: ClientId, holders: &[ClientId], shares: &[Bytes]) -> Bytes {
    let held: Vec<_> = shares.iter().map(|&share| Share(share)).collect();
    LagrangeBasis::new(holders).share_of(holder, held.iter()).0
}

/// The choices of false shares that explain all shares, as places among them.
pub fn errors(holders: &[ClientId], threshold: usize, shares: &[Bytes]) -> Vec<Vec<usize>> {
    let held: Vec<_> = shares.iter().map(|&share| Share(share)).collect();
    shamir::errors(&LagrangeBasis::new(holders), threshold, &held.iter().collect::<Vec<_>>())
}

/// The contents of a saved state, behind its seal.
///
/// # Panics
/// If it was not sealed under this key.
pub fn unsealed(state: &[u8], key: &StateKey) -> Vec<u8> {
    let plain = saved::open(state[1], key, state, |_, from| {
        Ok(mem::replace(from, Reader::new(&[])).rest().to_vec())
    });
    plain.expect("a state under its own key")
}

/// The state with something else behind its seal, under the same key.
///
/// # Panics
/// If the state has no header.
pub fn resealed(state: &[u8], key: &StateKey, rng: &mut impl CryptoRng, plain: &[u8]) -> Vec<u8> {
    let (_, session) = Reader::message(state[1], state).expect("a state's header");
    saved::seal(state[1], session, key, rng, |to| to.bytes(plain))
}
