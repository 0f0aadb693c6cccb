//! `ChaCha20` with one block in every 32-bit column of sixteen registers: register `i` holds word `i` of each.
//!
//! In memory the words of a block are neighbours, so the keystream has to be transposed. Transposing only moves words
//! about, and adding masks adds lane by lane, so it is enough to transpose the signed sum of all masks, once. Lanes of 64
//! bits carry from one word into the next: there the words of a lane are brought together before they are summed.

use super::{Apply, Groups, Parts, by_groups};
use crate::arch::register::{ChaChaRegister, Register};
use crate::prg::ChaCha20Key;
use crate::{Lane, Sign};

/// Words of a block.
const WORDS: usize = 16;

/// "expand 32-byte k"
const CONSTANTS: [u32; 4] = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574];

/// Word `i` of as many blocks as a register has columns.
type Rows<R> = [R; WORDS];

/// Adds and subtracts masks, all to one group of blocks before the next.
#[inline(always)]
pub(super) fn apply<R: ChaChaRegister, L: Lane>(
    token: R::Token,
    masks: &[(ChaCha20Key, Sign)],
    first_byte: u64,
    tile: &mut [L],
) {
    let Parts { head, groups, tail } = Parts::new(first_byte, tile, WORDS * R::BYTES);
    for (group, lanes) in (groups.0..).zip(groups.1.chunks_exact_mut(WORDS * R::BYTES / L::BYTES)) {
        let sum = in_order::<R, L>(sum::<R, L>(token, masks, group));
        for (lanes, mask) in lanes.chunks_exact_mut(R::BYTES / L::BYTES).zip(sum) {
            R::load(token, lanes).add::<L>(mask).store(lanes);
        }
    }
    for (first_byte, edge) in [head, tail] {
        for (key, sign) in masks {
            let mut sink = Apply { sign: *sign, lanes: &mut *edge };
            let len = size_of_val(sink.lanes);
            by_groups(&mut Blocks::<R> { token, key }, first_byte, len, &mut sink);
        }
    }
}

/// The signed sum of the masks over one group, not yet in order.
#[inline(always)]
fn sum<R: ChaChaRegister, L: Lane>(
    token: R::Token,
    masks: &[(ChaCha20Key, Sign)],
    group: u64,
) -> Rows<R> {
    let mut sum = [R::splat(token, 0); WORDS];
    for (key, sign) in masks {
        let mut keystream = blocks::<R>(token, key, group);
        if L::BITS == 64 {
            keystream = R::pairs(keystream);
        }
        for (sum, row) in sum.iter_mut().zip(keystream) {
            *sum = match sign {
                Sign::Add => sum.add::<L>(row),
                Sign::Subtract => sum.sub::<L>(row),
            };
        }
    }
    sum
}

/// Whatever of the transposition the sum still needs.
#[inline(always)]
fn in_order<R: ChaChaRegister, L: Lane>(sum: Rows<R>) -> Rows<R> {
    R::blocks_of_pairs(if L::BITS == 64 { sum } else { R::pairs(sum) })
}

/// The blocks of a group, column by column.
#[inline(always)]
fn blocks<R: ChaChaRegister>(token: R::Token, key: &ChaCha20Key, group: u64) -> Rows<R> {
    let first_block = (group * (R::BYTES / 4) as u64) as u32;
    let mut start = [R::splat(token, 0); WORDS];
    let words = CONSTANTS.into_iter().chain(key.words());
    for (row, word) in start.iter_mut().zip(words) {
        *row = R::splat(token, word);
    }
    start[12] = R::counters(token, first_block);
    let mut rows = start;
    for _ in 0..10 {
        for column in 0..4 {
            quarter_round(&mut rows, [column, 4 + column, 8 + column, 12 + column]);
        }
        for column in 0..4 {
            let place = |row: usize| 4 * row + (column + row) % 4;
            quarter_round(&mut rows, [place(0), place(1), place(2), place(3)]);
        }
    }
    for (row, start) in rows.iter_mut().zip(start) {
        *row = row.add::<u32>(start);
    }
    rows
}

#[inline(always)]
fn quarter_round<R: ChaChaRegister>(rows: &mut Rows<R>, [a, b, c, d]: [usize; 4]) {
    rows[a] = rows[a].add::<u32>(rows[b]);
    rows[d] = rows[d].xor(rows[a]).rotate_16();
    rows[c] = rows[c].add::<u32>(rows[d]);
    rows[b] = rows[b].xor(rows[c]).rotate_12();
    rows[a] = rows[a].add::<u32>(rows[b]);
    rows[d] = rows[d].xor(rows[a]).rotate_8();
    rows[c] = rows[c].add::<u32>(rows[d]);
    rows[b] = rows[b].xor(rows[c]).rotate_7();
}

/// The keystream, in groups of as many blocks as a register has columns.
pub(super) struct Blocks<'a, R: Register> {
    pub(super) token: R::Token,
    pub(super) key: &'a ChaCha20Key,
}

impl<R: ChaChaRegister> Groups for Blocks<'_, R> {
    const BYTES: usize = WORDS * R::BYTES;

    #[inline(always)]
    fn write(&mut self, group: u64, out: &mut [u8]) {
        let rows = in_order::<R, u32>(blocks::<R>(self.token, self.key, group));
        for (bytes, row) in out.chunks_exact_mut(R::BYTES).zip(rows) {
            row.store(bytes);
        }
    }
}
