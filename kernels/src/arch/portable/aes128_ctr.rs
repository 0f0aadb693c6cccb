//! AES-128-CTR on the `aes` crate.

use aes::cipher::consts::U16;
use aes::cipher::typenum::Unsigned;
use aes::cipher::{
    Block, BlockCipherEncBackend, BlockCipherEncClosure, BlockCipherEncrypt, BlockSizeUser,
    ParBlocks,
};
use zeroize::Zeroize;

use crate::arch::generic::Sink;
use crate::prg::Aes128CtrKey;

const BLOCK: usize = 16;

/// Hands `len` bytes of keystream from `first_byte` on to `sink`.
pub(super) fn stream<S: Sink>(key: &Aes128CtrKey, first_byte: u64, len: usize, sink: &mut S) {
    let (block, skip) = ((first_byte / BLOCK as u64) as u32, first_byte as usize % BLOCK);
    key.cipher.encrypt_with_backend(Stream { key, block, skip, end: skip + len, sink });
}

/// Runs inside the `aes` crate's own choice of instructions: whatever it calls inline is compiled for the same CPU
/// features as the cipher, so the sink's plain loop is vectorised as widely as the rounds are, without a line of `unsafe`.
struct Stream<'a, S> {
    key: &'a Aes128CtrKey,
    /// The number of the first block.
    block: u32,
    /// Bytes of the first block that come before the range.
    skip: usize,
    /// Bytes from the start of the first block to the end of the range.
    end: usize,
    sink: &'a mut S,
}

impl<S> BlockSizeUser for Stream<'_, S> {
    type BlockSize = U16;
}

impl<S: Sink> BlockCipherEncClosure for Stream<'_, S> {
    #[inline(always)]
    fn call<B: BlockCipherEncBackend<BlockSize = U16>>(mut self, cipher: &B) {
        let mut blocks = ParBlocks::<B>::default();
        let whole = B::ParBlocksSize::USIZE * BLOCK;
        while self.end > 0 {
            for (index, block) in (0_u32..).zip(&mut blocks) {
                // The last blocks of a chunk may lie beyond the keystream's end; they wrap and are not used.
                *block = self.key.counter_block(self.block.wrapping_add(index)).into();
            }
            cipher.encrypt_par_blocks((&mut blocks).into());
            let keystream = Block::<B>::slice_as_flattened(&blocks);
            if self.skip == 0 && self.end >= whole {
                self.sink.take(&keystream[..whole]);
            } else {
                self.sink.take(&keystream[self.skip..self.end.min(whole)]);
            }
            self.block = self.block.wrapping_add(B::ParBlocksSize::U32);
            self.skip = 0;
            self.end = self.end.saturating_sub(whole);
        }
        Block::<B>::slice_as_flattened_mut(&mut blocks).zeroize();
    }
}
