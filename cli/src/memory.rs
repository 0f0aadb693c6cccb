//! Whether a round fits into memory: asked before it starts, since an allocation that fails ends
//! the program.

use std::hint::black_box;
use std::io;

use secagg::Params;

use crate::error::CommandError;

/// Bytes that a client and the server keep of each neighbour at least: keys, shares and their
/// boxes. A round of 10,000 clients with 46 neighbours took 174 MB, which is 378 bytes; half of
/// that refuses nothing that fits.
const NEIGHBOUR_BYTES: u128 = 200;

/// The stack of a thread.
pub(crate) const STACK: usize = 2 << 20;

/// Memory of a thread beside its stack: guard pages, the stack of its signal handlers, its first
/// allocations.
const BESIDE_STACK: usize = 1 << 18;

/// Memory of the program itself, its tables and its texts, however small the work is. It is above
/// 32 MiB, since glibc may give less from memory that it kept, and then the answer says nothing of
/// what the system has left.
const PROGRAM: usize = 40 << 20;

/// Memory that an allocator wastes for each thread at work. The pieces themselves are taken when
/// threads start.
const ARENA: u128 = 8 << 20;

/// The most threads for which that is counted.
const ARENAS: usize = 4;

/// Holds the memory of a round, or refuses one that all memory of this machine, or all that this
/// process may have, cannot hold.
///
/// `element_bytes` is the size of an update's element in memory. Other programs may leave less than
/// there is; this finds a number with a few zeros too many, and limits of the process.
///
/// # Errors
/// [`CommandError::Memory`] says how much the round takes.
pub(crate) fn check(
    params: &Params,
    threads: usize,
    element_bytes: usize,
    checked: bool,
) -> Result<Held, CommandError> {
    check_bytes(least_bytes(params, threads as u128, element_bytes as u128, checked), threads)
}

/// Holds the memory of some work on so many threads, or refuses it.
///
/// # Errors
/// [`CommandError::Memory`] says how much it takes.
pub(crate) fn check_bytes(bytes: u128, threads: usize) -> Result<Held, CommandError> {
    let bytes = bytes + threads.min(ARENAS) as u128 * ARENA + PROGRAM as u128;
    let held = usize::try_from(bytes).ok().and_then(hold);
    held.ok_or(CommandError::Memory { bytes })
}

/// Refuses to start so many threads where there is no memory for them.
///
/// # Errors
/// [`io::ErrorKind::OutOfMemory`].
pub(crate) fn check_threads(threads: usize) -> io::Result<()> {
    let bytes = threads.saturating_mul(STACK + BESIDE_STACK).saturating_add(PROGRAM);
    if hold(bytes).is_some() {
        return Ok(());
    }
    let needed = format!("there is no {} MB of memory for them", bytes.div_ceil(1_000_000));
    Err(io::Error::new(io::ErrorKind::OutOfMemory, needed))
}

/// The sum, the mean and a copy to write, and for each client at work its update and its masked
/// vector; what neighbours keep; and the two sums of a check.
fn least_bytes(params: &Params, threads: u128, element_bytes: u128, checked: bool) -> u128 {
    let (lanes, packed) = (params.lanes() as u128, params.packed_len() as u128);
    let (clients, degree) = (u128::from(params.cohort_size()), u128::from(params.degree()));
    let at_work = threads.min(clients) * (element_bytes * lanes + packed);
    let (sum, mean, check) = (packed, 16 * lanes, if checked { 16 * lanes } else { 0 });
    sum + mean + check + at_work + clients * degree * NEIGHBOUR_BYTES
}

/// Memory that is kept for the work while threads start, which take what they can get. To be
/// dropped when they run.
#[must_use]
#[derive(Debug)]
pub(crate) struct Held {
    _memory: Vec<u8>,
}

/// Asks for the memory. Nothing of it is touched.
fn hold(bytes: usize) -> Option<Held> {
    let mut memory = Vec::<u8>::new();
    let outcome = memory.try_reserve_exact(bytes);
    // A vector that nobody looks at would not be asked for.
    black_box(&memory);
    outcome.ok().map(|()| Held { _memory: memory })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_beyond_memory_are_refused_and_say_what_they_take() {
        assert!(check(&round(20, 10_000), 2, 4, true).is_ok());
        let many = check(&round(1_000_000, 1), 2, 4, false);
        let Err(CommandError::Memory { bytes }) = many else { panic!("{many:?}") };
        assert_eq!(bytes / 1_000_000_000, 199_999);
    }

    /// 1,000 lanes of 64 bits: the sum, the mean twice, the check's sums, and three updates with
    /// their masked vectors.
    #[test]
    fn vectors_count_at_the_server_and_at_each_client_at_work() {
        let (round, neighbours) = (round(4, 998), 4 * 3 * NEIGHBOUR_BYTES);
        assert_eq!(least_bytes(&round, 3, 4, false), 24_000 + 3 * 12_000 + neighbours);
        assert_eq!(least_bytes(&round, 3, 8, true), 40_000 + 3 * 16_000 + neighbours);
        assert_eq!(least_bytes(&round, 9, 4, false), least_bytes(&round, 4, 4, false));
    }

    fn round(clients: u32, dimension: usize) -> Params {
        Params::secagg(clients, dimension, 0.67).modulus_range(1 << 64).build().unwrap()
    }
}
