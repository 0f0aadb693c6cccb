//! Who shares secrets with whom: the complete graph, or a regular one (Bell et al., section 4).
//!
//! The regular graph is circulant: clients are put in a random order around a ring, and each is the
//! neighbour of those up to k/2 places away on either side (the Harary graph H(k, n)). An odd k adds
//! the client opposite, which needs an even number of clients; an odd number gets k + 1 instead.

use secagg_kernels::{Backend, Prg, Seed};

use crate::roster::RosterHash;

/// The members, each named by its position in ascending order of ids, around a ring in a random order
/// that follows from their roster. It says who is whose neighbour, and anyone who knows the roster can
/// make it.
#[derive(Clone, Debug)]
pub(crate) struct Ring {
    order: Vec<usize>,
    degree: usize,
}

impl Ring {
    /// The ring of `len` members with at least `degree` neighbours each, as far as there are so many.
    pub(crate) fn new(len: u32, degree: u32, roster: &RosterHash) -> Self {
        let odd = degree % 2 == 1 && len % 2 == 1;
        let degree = (degree + u32::from(odd)).min(len.saturating_sub(1));
        Self {
            order: shuffled(len, &Seed::from_bytes(*roster.as_bytes())),
            degree: degree as usize,
        }
    }

    pub(crate) const fn is_complete(&self) -> bool {
        self.degree + 1 == self.order.len()
    }

    /// The neighbours of one member, ascending.
    pub(crate) fn neighbours(&self, member: usize) -> Vec<usize> {
        let place = self.order.iter().position(|&at| at == member);
        place.map_or_else(Vec::new, |place| self.around(place))
    }

    /// How many members with `marked` hang together with the first of them.
    pub(crate) fn connected(&self, marked: impl Fn(usize) -> bool) -> usize {
        let mut unseen: Vec<_> = self.order.iter().map(|&member| marked(member)).collect();
        if self.is_complete() {
            return unseen.iter().filter(|&&unseen| unseen).count();
        }
        let lowest =
            (0..self.order.len()).filter(|&at| unseen[at]).min_by_key(|&at| self.order[at]);
        let mut next: Vec<_> = lowest.into_iter().collect();
        let mut part = 0;
        while let Some(place) = next.pop() {
            if core::mem::take(&mut unseen[place]) {
                part += 1;
                next.extend(self.places_around(place).filter(|&near| unseen[near]));
            }
        }
        part
    }

    fn around(&self, place: usize) -> Vec<usize> {
        let mut members: Vec<_> = self.places_around(place).map(|at| self.order[at]).collect();
        members.sort_unstable();
        members
    }

    /// As many places on either side, and for an odd degree the one opposite.
    fn places_around(&self, place: usize) -> impl Iterator<Item = usize> {
        let (len, half) = (self.order.len(), self.degree / 2);
        let opposite = (self.degree % 2 == 1).then_some(len / 2);
        let steps = (1..=half).chain(opposite).chain(len - half..len);
        steps.map(move |step| (place + step) % len)
    }
}

/// The neighbours of every member, for the server, which asks for them again and again.
#[derive(Clone, Debug)]
pub(crate) struct Graph {
    ring: Ring,
    /// For each member its neighbours, ascending.
    neighbours: Vec<Vec<usize>>,
}

impl Graph {
    pub(crate) fn new(ring: Ring) -> Self {
        let mut neighbours = vec![Vec::new(); ring.order.len()];
        for (place, &member) in ring.order.iter().enumerate() {
            neighbours[member] = ring.around(place);
        }
        Self { ring, neighbours }
    }

    pub(crate) const fn ring(&self) -> &Ring {
        &self.ring
    }

    /// Neighbours of each member.
    pub(crate) const fn degree(&self) -> usize {
        self.ring.degree
    }

    /// The neighbours of one member, ascending.
    pub(crate) fn neighbours(&self, member: usize) -> &[usize] {
        &self.neighbours[member]
    }
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
