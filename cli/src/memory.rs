//! Whether a round fits into memory: asked before it starts, since an allocation that fails ends the program.

use std::hint::black_box;

use secagg::Params;

use crate::error::CommandError;

/// What a client and the server keep of each neighbour at least: keys, shares and their boxes. A round of 10,000 clients with
/// 46 neighbours took 174 MB, which is 378 bytes; half of that refuses nothing that fits.
const NEIGHBOUR_BYTES: u128 = 200;

/// Refuses a round that all memory of this machine cannot hold.
///
/// Other programs may leave less than that; this finds a number with a few zeros too many.
///
/// # Errors
/// [`CommandError::Memory`] says how much the round takes.
pub(crate) fn check(params: &Params, threads: usize) -> Result<(), CommandError> {
    let bytes = least_bytes(params, threads as u128);
    match usize::try_from(bytes) {
        Ok(len) if is_there(len) => Ok(()),
        _ => Err(CommandError::Memory { gigabytes: bytes.div_ceil(1_000_000_000) }),
    }
}

/// The sum, the mean, and for each client at work its update and its masked vector; and what neighbours keep.
fn least_bytes(params: &Params, threads: u128) -> u128 {
    let (lanes, packed) = (params.lanes() as u128, params.packed_len() as u128);
    let (clients, degree) = (u128::from(params.cohort_size()), u128::from(params.degree()));
    let vectors = packed + 8 * lanes + threads.min(clients) * (4 * lanes + packed);
    vectors + clients * degree * NEIGHBOUR_BYTES
}

/// Asks for the memory and gives it back. Nothing of it is touched.
fn is_there(bytes: usize) -> bool {
    let mut memory = Vec::<u8>::new();
    let outcome = memory.try_reserve_exact(bytes);
    // A vector that nobody looks at would not be asked for.
    black_box(&memory);
    outcome.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_beyond_memory_are_refused_and_say_what_they_take() {
        assert!(check(&round(20, 10_000), 2).is_ok());
        let many = check(&round(1_000_000, 1), 2);
        assert!(matches!(many, Err(CommandError::Memory { gigabytes: 200_000 })), "{many:?}");
    }

    /// 1,000 lanes of 64 bits: the sum, the mean, and three updates in binary32 with their masked vectors.
    #[test]
    fn vectors_count_at_the_server_and_at_each_client_at_work() {
        let neighbours = 4 * 3 * NEIGHBOUR_BYTES;
        assert_eq!(least_bytes(&round(4, 999), 3), 8_000 + 8_000 + 3 * 12_000 + neighbours);
        assert_eq!(least_bytes(&round(4, 999), 9), least_bytes(&round(4, 999), 4));
    }

    fn round(clients: u32, dimension: usize) -> Params {
        Params::secagg(clients, dimension, 0.67).modulus_range(1 << 64).build().unwrap()
    }
}
