//! What the machine could do at best: the denominators of this crate's benchmarks.

use crate::Backend;
use crate::arch::{Kernel, with_kernel};

/// Does the AES rounds of `bytes` bytes of AES-128-CTR, ten for each block of 16, and nothing else: no counters, no
/// keys but one, no memory. A keystream that does ten rounds for
/// each block cannot be faster; one that shares the first round among blocks can, by a ninth at most.
///
/// The answer depends on all rounds, so that the compiler cannot leave them out; it has no meaning.
pub fn aes_rounds(backend: Backend, bytes: u64) -> u64 {
    with_kernel!(backend, kernel => kernel.aes_rounds(bytes))
}
