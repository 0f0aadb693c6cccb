//! Who shares secrets with whom: the complete graph, or a regular one (Bell et al., section 4).
//!
//! The regular graph is circulant: clients are put in a random order around a ring, and each is the
//! neighbour of those up to k/2 places away on either side (the Harary graph H(k, n)). An odd k adds
//! the client opposite, which needs an even number of clients; an odd number gets k + 1 instead.

use secagg_kernels::{Backend, Prg, Seed};
use sha2::{Digest, Sha256};

use crate::ClientId;
use crate::message::AdvertisedKeys;
use crate::session::Session;

/// The graph over the clients that advertised keys, each named by its position in ascending order
/// of ids.
#[derive(Clone, Debug)]
pub(crate) struct Graph {
    degree: usize,
    /// For each client its neighbours, ascending.
    neighbours: Vec<Vec<usize>>,
}

impl Graph {
    /// The graph of `len` clients with at least `degree` neighbours each, as far as there are so
    /// many. The ring's order follows from `seed`, which is public.
    pub(crate) fn new(len: u32, degree: u32, seed: &Seed) -> Self {
        let odd = degree % 2 == 1 && len % 2 == 1;
        let degree = (degree + u32::from(odd)).min(len.saturating_sub(1));
        let ring = shuffled(len, seed);
        let mut neighbours = vec![Vec::new(); ring.len()];
        for (place, &client) in ring.iter().enumerate() {
            neighbours[client] = around(&ring, place, degree as usize);
        }
        Self { degree: degree as usize, neighbours }
    }

    /// Neighbours of each client.
    pub(crate) const fn degree(&self) -> usize {
        self.degree
    }

    /// The neighbours of one client, ascending.
    pub(crate) fn neighbours(&self, client: usize) -> &[usize] {
        &self.neighbours[client]
    }
}

/// The `degree` clients around one place of the ring, ascending: as many on either side, and for an
/// odd degree the one opposite.
fn around(ring: &[usize], place: usize, degree: usize) -> Vec<usize> {
    let (len, half) = (ring.len(), degree / 2);
    let opposite = (degree % 2 == 1).then_some(len / 2);
    let steps = (1..=half).chain(opposite).chain(len - half..len);
    let mut neighbours: Vec<_> = steps.map(|step| ring[(place + step) % len]).collect();
    neighbours.sort_unstable();
    neighbours
}

/// The ring's seed: a hash over the session and every advertised key, so it is fixed by what all
/// clients said.
pub(crate) fn ring_seed<'a>(
    session: &Session,
    clients: impl Iterator<Item = (ClientId, &'a AdvertisedKeys)>,
) -> Seed {
    let mut hash = Sha256::new()
        .chain_update(b"secagg ring")
        .chain_update(session.id.0)
        .chain_update(session.context.as_bytes());
    for (client, keys) in clients {
        hash.update(client.0.to_le_bytes());
        hash.update(keys.mask.as_bytes());
        hash.update(keys.channel.as_bytes());
    }
    Seed::from_bytes(hash.finalize().into())
}

/// Fisher and Yates' shuffle of 0..len, driven by the seed's ChaCha20 keystream read as 64-bit
/// little-endian words. A word at or above the largest multiple of the bound is skipped, so every
/// order is equally likely.
fn shuffled(len: u32, seed: &Seed) -> Vec<usize> {
    let mut ring: Vec<usize> = (0..len as usize).collect();
    let mut words = words(seed);
    for last in (1..ring.len()).rev() {
        let bound = last as u64 + 1;
        let fair = u64::MAX - u64::MAX % bound;
        let word = words.find(|&word| word < fair);
        let word = word.expect("256 GiB of keystream outlast the shuffle of a u32 of clients");
        ring.swap(last, (word % bound) as usize);
    }
    ring
}

/// The keystream's words, up to its limit of 256 GiB.
fn words(seed: &Seed) -> impl Iterator<Item = u64> {
    let blocks = (0u64..).map_while(|block| {
        let mut bytes = [0; 512];
        Prg::ChaCha20.expand(Backend::Portable, seed, block * 512, &mut bytes).ok()?;
        Some(bytes)
    });
    blocks.flat_map(|bytes| {
        let (words, _) = bytes.as_chunks::<8>();
        words.iter().copied().map(u64::from_le_bytes).collect::<Vec<_>>()
    })
}

#[cfg(test)]
mod tests;
