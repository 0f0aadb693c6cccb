//! Every backend gives the bits that the portable one gives.

use secagg_kernels::{Backend, Lane, MaskPlan, Prg, Sign, ceiling};

use crate::support::{all_agree, painted, seed};

/// `EXPECT_BACKENDS=portable,avx2,avx512` says which backends a machine is known to have, so that one that is skipped
/// without a word is a failure.
#[test]
fn the_expected_backends_are_there() {
    let found: Vec<_> = Backend::available().map(Backend::name).collect();
    println!("backends of this machine: {}", found.join(", "));
    let expected = std::env::var("EXPECT_BACKENDS").unwrap_or_default();
    for name in expected.split(',').filter(|name| !name.is_empty()) {
        assert!(
            name.parse::<Backend>().is_ok_and(|found| found.name().starts_with(name)),
            "{name}"
        );
    }
}

/// Every start within the largest group (1 KiB) in steps that are odd in blocks and words, and lengths that end before,
/// at and behind the next groups.
#[test]
fn keystreams_are_equal_from_every_start() {
    let seed = seed(77);
    for prg in Prg::ALL {
        for start in (0..1100).step_by(7).chain([1020, 1023, 1024, 1025]) {
            for len in [0, 1, 15, 16, 17, 127, 128, 255, 500, 513, 1024, 2100] {
                all_agree(|backend| {
                    let mut out = vec![0; len];
                    prg.expand(backend, &seed, start, &mut out).unwrap();
                    out
                });
            }
        }
    }
}

/// Two masks of each sign, so that neither half of the signs is a special case.
fn plan(prg: Prg) -> MaskPlan {
    let masks = [(1, Sign::Add), (2, Sign::Subtract), (3, Sign::Subtract), (4, Sign::Add)];
    MaskPlan::new(prg, &masks.map(|(number, sign)| (seed(number), sign)))
}

fn masks_are_equal<L: Lane>(first_lanes: &[u64], lens: &[usize]) {
    for prg in Prg::ALL {
        let plan = plan(prg);
        for (first_lane, len) in
            first_lanes.iter().flat_map(|first| lens.iter().map(move |len| (*first, *len)))
        {
            all_agree(|backend| {
                let mut lanes = painted::<L>(len);
                plan.apply(backend, first_lane, &mut lanes).unwrap();
                lanes
            });
        }
    }
}

/// Starts: every lane of a group of 1 KiB. Lengths: shorter than what is left of the group, just as long, and several
/// groups; none.
#[test]
fn masks_are_equal_from_every_lane() {
    masks_are_equal::<u16>(&(0..515).collect::<Vec<_>>(), &[0, 1, 2, 9, 300, 512, 1700]);
    masks_are_equal::<u32>(&(0..258).collect::<Vec<_>>(), &[0, 1, 2, 9, 200, 256, 1700]);
    masks_are_equal::<u64>(&(0..130).collect::<Vec<_>>(), &[0, 1, 2, 9, 100, 128, 1700]);
}

/// All lengths to three groups.
#[test]
fn masks_are_equal_at_every_length() {
    let lens: Vec<usize> = (0..800).collect();
    masks_are_equal::<u32>(&[0, 3], &lens);
}

/// Where 8, 16, 24 and 31 bits of the block counter carry, for blocks of 16 bytes and all but the last for blocks of 64; up to the last lane of
/// the keystream.
#[test]
fn masks_are_equal_where_counters_carry() {
    let carries = [8, 16, 24, 31].map(|bits| 1_u64 << bits);
    let bytes = carries.map(|block| block * 16).into_iter().chain([64 << 8, 64 << 16, 64 << 24]);
    for byte in bytes {
        masks_are_equal::<u32>(&[byte / 4 - 300], &[700]);
        masks_are_equal::<u64>(&[byte / 8 - 301], &[700]);
    }
    for prg in Prg::ALL {
        for len in [1, 255, 256, 257, 1000] {
            all_agree(|backend| {
                let mut lanes = painted::<u32>(len);
                plan(prg)
                    .apply(backend, prg.keystream_limit() / 4 - len as u64, &mut lanes)
                    .unwrap();
                lanes
            });
        }
    }
}

/// AEGIS begins anew with every tile (16 KiB), and is stepped from there: starts and ends around a step in the first and
/// around a tile, in lanes of every size.
#[test]
fn masks_are_equal_around_tiles_of_aegis() {
    for byte in [0, 120, 128, 8192, 16_256, 16_376, 16_384, 16_512] {
        masks_are_equal::<u16>(&[byte / 2, byte / 2 + 1], &[8128, 8192, 8195]);
        masks_are_equal::<u32>(&[byte / 4, byte / 4 + 1], &[4064, 4096, 9001]);
        masks_are_equal::<u64>(&[byte / 8, byte / 8 + 1], &[2032, 2048, 2049]);
    }
}

/// A ceiling has no meaning as a number, but every backend must be able to do it.
#[test]
fn every_backend_does_the_rounds_of_the_ceiling() {
    for backend in Backend::available() {
        assert_eq!(ceiling::aes_rounds(backend, 1 << 12), ceiling::aes_rounds(backend, 1 << 12));
    }
}
