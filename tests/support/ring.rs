//! Section 5 of the specification once more, from the page alone: who is whose neighbour.

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use secagg::{ClientId, RosterHash};

use crate::plain::Neighbours;

/// The graph over all members that follows from their roster.
pub fn ring(members: &[ClientId], degree: u32, roster: &RosterHash) -> Neighbours {
    let len = members.len();
    let odd = degree as usize % 2 * (len % 2);
    let degree = (degree as usize + odd).min(len - 1);
    let around_ring = places(members, roster);
    let place = |place: usize| around_ring[place % len];
    let around = |at: usize| {
        let opposite = (degree % 2 == 1).then_some(len / 2);
        let steps = (1..=degree / 2).flat_map(|step| [step, len - step]).chain(opposite);
        (place(at), steps.map(|step| place(at + step)).collect())
    };
    (0..len).map(around).collect()
}

/// The members as they stand around the ring.
pub fn places(members: &[ClientId], roster: &RosterHash) -> Vec<ClientId> {
    let ring = shuffled(members.len(), ChaCha20Rng::from_seed(*roster.as_bytes()));
    ring.into_iter().map(|at| members[at]).collect()
}

/// ChaCha20's keystream is what this generator puts out.
fn shuffled(len: usize, mut words: ChaCha20Rng) -> Vec<usize> {
    let mut ring: Vec<_> = (0..len).collect();
    for last in (1..len).rev() {
        let bound = last as u64 + 1;
        let fair = u64::MAX - u64::MAX % bound;
        let mut word = words.next_u64();
        while word >= fair {
            word = words.next_u64();
        }
        ring.swap(last, (word % bound) as usize);
    }
    ring
}
