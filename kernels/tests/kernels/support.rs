//! What several tests need.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use secagg_kernels::{Backend, Lane, Modulus, Prg, Seed};

/// The answer of every backend of this machine, which must be one.
pub(crate) fn all_agree<T: PartialEq>(answer: impl Fn(Backend) -> T) -> T {
    let truth = answer(Backend::Portable);
    for backend in Backend::available() {
        assert!(answer(backend) == truth, "{backend} differs from portable");
    }
    truth
}

/// A seed whose bytes all differ from each other and from those of the seeds around it.
pub(crate) fn seed(number: u8) -> Seed {
    Seed::from_bytes(std::array::from_fn(|i| number.wrapping_mul(31).wrapping_add(7 * i as u8)))
}

/// The bytes that a string of hexadecimal digits and spaces stands for.
pub(crate) fn hex(digits: &str) -> Vec<u8> {
    let digits: Vec<u8> = digits.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks_exact(2).map(byte).collect()
}

/// Lanes painted with a period of 251, a prime, so that swapped or repeated blocks show.
pub(crate) fn painted<L: Lane>(len: usize) -> Vec<L> {
    (0..len).map(|i| L::from_u64((i as u64 % 251).wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect()
}

/// A generator for test inputs, the same in every run.
pub(crate) fn rng(number: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(number)
}

/// A uniform number from -1 to 1.
pub(crate) fn unit(rng: &mut impl Rng) -> f64 {
    f64::from(rng.next_u32() as i32) / f64::from(1_u32 << 31)
}

/// The mask of one seed, from the keystream bytes.
pub(crate) fn mask<L: Lane>(prg: Prg, seed: &Seed, len: usize) -> Vec<L> {
    let mut bytes = vec![0; len * L::BYTES];
    prg.expand(Backend::Portable, seed, 0, &mut bytes).unwrap();
    bytes.chunks_exact(L::BYTES).map(L::from_le_slice).collect()
}

pub(crate) fn modulus(width: u32) -> Modulus {
    Modulus::from_width(width).unwrap()
}

/// Runs `work` on a rayon pool of so many threads.
pub(crate) fn on_threads<R: Send>(threads: usize, work: impl FnOnce() -> R + Send) -> R {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
}
