//! Ranges of keystream, cut where groups of blocks begin: whole groups stay in registers, the edges go through a buffer.

use zeroize::optimization_barrier;

use super::Sink;
use crate::Lane;
use crate::lane::Word;

/// Bytes that a sink is given at a time: enough that what it does once for all of them costs nothing.
const BUFFER: usize = 1 << 10;

/// A keystream that comes in groups of [`BYTES`](Self::BYTES) bytes, a power of two and at most [`BUFFER`].
pub(super) trait Groups {
    const BYTES: usize;

    /// Writes group number `group` over `out`, which has its length.
    fn write(&mut self, group: u64, out: &mut [u8]);
}

/// Hands `len` bytes of keystream from `first_byte` on to `sink`.
#[inline(always)]
pub(super) fn by_groups<G: Groups, S: Sink>(
    groups: &mut G,
    first_byte: u64,
    len: usize,
    sink: &mut S,
) {
    const { assert!(G::BYTES.is_power_of_two() && BUFFER.is_multiple_of(G::BYTES), "whole groups") };
    if len == 0 {
        return;
    }
    let mut buffer = [0; BUFFER];
    let mut group = first_byte / G::BYTES as u64;
    let mut start = (first_byte % G::BYTES as u64) as usize;
    let mut left = len;
    while left > 0 {
        let end = BUFFER.min(start + left);
        for out in buffer.chunks_exact_mut(G::BYTES).take(end.div_ceil(G::BYTES)) {
            groups.write(group, out);
            group += 1;
        }
        sink.take(&buffer[start..end]);
        left -= end - start;
        start = 0;
    }
    wipe(&mut buffer);
}

/// Zeros that the compiler cannot leave out; `Zeroize` writes one byte at a time, which took longer than to fill the buffer.
#[inline(always)]
pub(crate) fn wipe<W: Word + Default>(secret: &mut [W]) {
    secret.fill(W::default());
    optimization_barrier(secret);
}

/// A tile in three parts: lanes before the first whole group, whole groups, and lanes behind them.
pub(super) struct Parts<'a, L> {
    /// The number of the first byte, and the lanes.
    pub(super) head: (u64, &'a mut [L]),
    /// The number of the first group, and the lanes.
    pub(super) groups: (u64, &'a mut [L]),
    /// The number of the first byte, and the lanes.
    pub(super) tail: (u64, &'a mut [L]),
}

impl<'a, L: Lane> Parts<'a, L> {
    /// Cuts a tile whose first lane is keystream byte `first_byte`.
    #[inline(always)]
    pub(super) fn new(first_byte: u64, tile: &'a mut [L], group: usize) -> Self {
        let to_group = (first_byte.wrapping_neg() % group as u64) as usize;
        let (head, rest) = tile.split_at_mut((to_group / L::BYTES).min(tile.len()));
        let (groups, tail) = rest.split_at_mut(rest.len() - rest.len() % (group / L::BYTES));
        let second_byte = first_byte + size_of_val(head) as u64;
        let last_byte = second_byte + size_of_val(groups) as u64;
        Self {
            head: (first_byte, head),
            groups: (second_byte / group as u64, groups),
            tail: (last_byte, tail),
        }
    }
}
