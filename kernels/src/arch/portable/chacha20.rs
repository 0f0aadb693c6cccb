//! `ChaCha20` on the `chacha20` crate.

use chacha20::cipher::consts::U64;
use chacha20::cipher::typenum::Unsigned;
use chacha20::cipher::{
    Block, BlockSizeUser, ParBlocks, StreamCipherBackend, StreamCipherClosure, StreamCipherCore,
};
use zeroize::Zeroize;

use crate::arch::generic::{Apply, Sink};
use crate::prg::ChaCha20Key;
use crate::{Lane, Sign};

const BLOCK: usize = 64;

/// Adds and subtracts masks, one after another.
pub(crate) fn apply<L: Lane>(masks: &[(ChaCha20Key, Sign)], first_byte: u64, tile: &mut [L]) {
    for (key, sign) in masks {
        let mut sink = Apply { sign: *sign, lanes: &mut *tile };
        stream(key, first_byte, size_of_val(sink.lanes), &mut sink);
    }
}

/// Hands `len` bytes of keystream from `first_byte` on to `sink`.
pub(crate) fn stream<S: Sink>(key: &ChaCha20Key, first_byte: u64, len: usize, sink: &mut S) {
    let (block, skip) = ((first_byte / BLOCK as u64) as u32, first_byte as usize % BLOCK);
    key.core_at(block).process_with_backend(Stream { skip, end: skip + len, sink });
}

/// Runs inside the `chacha20` crate's own choice of instructions, as the stream of AES does.
struct Stream<'a, S> {
    /// Bytes of the first block that come before the range.
    skip: usize,
    /// Bytes from the start of the first block to the end of the range.
    end: usize,
    sink: &'a mut S,
}

impl<S> BlockSizeUser for Stream<'_, S> {
    type BlockSize = U64;
}

impl<S: Sink> StreamCipherClosure for Stream<'_, S> {
    #[inline(always)]
    fn call<B: StreamCipherBackend<BlockSize = U64>>(mut self, cipher: &mut B) {
        let mut blocks = ParBlocks::<B>::default();
        let whole = B::ParBlocksSize::USIZE * BLOCK;
        while self.end > 0 {
            cipher.gen_par_ks_blocks(&mut blocks);
            let keystream = Block::<B>::slice_as_flattened(&blocks);
            self.sink.take(&keystream[self.skip..self.end.min(whole)]);
            self.skip = 0;
            self.end = self.end.saturating_sub(whole);
        }
        Block::<B>::slice_as_flattened_mut(&mut blocks).zeroize();
    }
}
