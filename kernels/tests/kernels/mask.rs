//! Mask plans: what they add, in any split, on any number of threads.

use proptest::prelude::*;
use secagg_kernels::{Backend, KeystreamLimit, Lane, MaskPlan, Prg, Seed, Sign};

use crate::support::{all_agree, mask, on_threads, painted, seed};

/// Three masks of both signs.
fn masks() -> [(Seed, Sign); 3] {
    [(seed(1), Sign::Add), (seed(2), Sign::Subtract), (seed(3), Sign::Add)]
}

fn plan(prg: Prg) -> MaskPlan {
    MaskPlan::new(prg, &masks())
}

fn applied<L: Lane>(plan: &MaskPlan, first_lane: u64, lanes: &[L]) -> Vec<L> {
    all_agree(|backend| {
        let mut lanes = lanes.to_vec();
        plan.apply(backend, first_lane, &mut lanes).unwrap();
        lanes
    })
}

/// The sum of the masks, one lane at a time.
fn model<L: Lane>(prg: Prg, mut lanes: Vec<L>) -> Vec<L> {
    for (seed, sign) in masks() {
        let mask = mask::<L>(prg, &seed, lanes.len());
        for (lane, mask) in lanes.iter_mut().zip(mask) {
            *lane = match sign {
                Sign::Add => lane.wrapping_add(mask),
                Sign::Subtract => lane.wrapping_sub(mask),
            };
        }
    }
    lanes
}

/// Lengths around a block, around what a backend makes at once (128 bytes to 1 KiB), and around one
/// and three tiles (16 KiB).
fn lengths<L: Lane>() -> impl Iterator<Item = usize> {
    let bytes = [0_usize, 16, 64, 128, 256, 512, 1024, 16 << 10, 48 << 10];
    bytes.into_iter().flat_map(|bytes| (bytes / L::BYTES).saturating_sub(2)..=bytes / L::BYTES + 2)
}

fn a_plan_is_the_sum_of_its_masks<L: Lane>() {
    for prg in Prg::ALL {
        for len in lengths::<L>() {
            assert_eq!(
                applied::<L>(&plan(prg), 0, &painted(len)),
                model(prg, painted(len)),
                "{prg} {len}"
            );
        }
    }
}

#[test]
fn a_plan_is_the_sum_of_its_masks_in_every_word() {
    a_plan_is_the_sum_of_its_masks::<u16>();
    a_plan_is_the_sum_of_its_masks::<u32>();
    a_plan_is_the_sum_of_its_masks::<u64>();
}

/// Cuts inside a block, at a block, inside a tile, at a tile, and near the end.
#[test]
fn any_cut_gives_the_same_lanes() {
    const LEN: usize = 9000; // two tiles of u32 and a bit
    for prg in Prg::ALL {
        let whole = applied::<u32>(&plan(prg), 0, &painted(LEN));
        for cut in [0, 1, 3, 4, 5, 15, 16, 17, 255, 256, 4095, 4096, 4097, 8191, LEN - 1, LEN] {
            let mut parts = painted::<u32>(LEN);
            let (first, second) = parts.split_at_mut(cut);
            plan(prg).apply(Backend::detect(), cut as u64, second).unwrap();
            plan(prg).apply(Backend::detect(), 0, first).unwrap();
            assert_eq!(parts, whole, "{prg} cut at {cut}");
        }
    }
}

#[test]
fn any_number_of_threads_gives_the_same_lanes() {
    for prg in Prg::ALL {
        let by = |threads| on_threads(threads, || applied::<u64>(&plan(prg), 5, &painted(20_000)));
        let one = by(1);
        assert_eq!(by(2), one);
        assert_eq!(by(3), one);
    }
}

#[test]
fn beyond_the_limit_no_lane_is_touched() {
    for prg in Prg::ALL {
        let last = prg.keystream_limit() / 4; // in u32 lanes
        for first in [last - 9, last, u64::MAX] {
            let mut lanes = painted::<u32>(10);
            assert_eq!(
                plan(prg).apply(Backend::detect(), first, &mut lanes),
                Err(KeystreamLimit { prg })
            );
            assert_eq!(lanes, painted::<u32>(10));
        }
        assert_ne!(applied::<u32>(&plan(prg), last - 10, &painted(10)), painted(10));
    }
}

#[test]
fn an_empty_plan_changes_nothing() {
    let plan = MaskPlan::new(Prg::ChaCha20, &[]);
    assert!(plan.is_empty() && plan.prg() == Prg::ChaCha20);
    assert_eq!(applied::<u16>(&plan, 0, &painted(99)), painted(99));
}

fn any_masks() -> impl Strategy<Value = Vec<(u8, bool)>> {
    prop::collection::vec(any::<(u8, bool)>(), 0..6)
}

fn plan_of(prg: Prg, masks: &[(u8, bool)], turned: bool) -> MaskPlan {
    let sign = |add| if add ^ turned { Sign::Add } else { Sign::Subtract };
    let masks: Vec<_> = masks.iter().map(|(number, add)| (seed(*number), sign(*add))).collect();
    MaskPlan::new(prg, &masks)
}

proptest! {
    #[test]
    fn masks_come_off_again(masks in any_masks(), first in 0_u64..1 << 33, len in 0_usize..6000) {
        for prg in Prg::ALL {
            let masked = applied::<u32>(&plan_of(prg, &masks, false), first, &painted(len));
            prop_assert_eq!(applied(&plan_of(prg, &masks, true), first, &masked), painted(len));
        }
    }

    #[test]
    fn the_order_of_masks_is_irrelevant(masks in any_masks(), turn in 0_usize..6, len in 0_usize..500) {
        let mut turned = masks.clone();
        turned.rotate_left(turn.min(masks.len()));
        for prg in Prg::ALL {
            let one = applied::<u64>(&plan_of(prg, &masks, false), 0, &painted(len));
            prop_assert_eq!(one, applied(&plan_of(prg, &turned, false), 0, &painted(len)));
        }
    }

    #[test]
    fn ranges_compose(masks in any_masks(), first in 0_u64..1 << 33, cuts in prop::collection::vec(0_usize..3000, 0..4)) {
        for prg in Prg::ALL {
            let plan = plan_of(prg, &masks, false);
            let whole = applied::<u16>(&plan, first, &painted(3000));
            let mut cuts = [&cuts[..], &[0, 3000]].concat();
            cuts.sort_unstable();
            let mut parts = painted::<u16>(3000);
            for pair in cuts.windows(2) {
                plan.apply(Backend::detect(), first + pair[0] as u64, &mut parts[pair[0]..pair[1]]).unwrap();
            }
            prop_assert_eq!(parts, whole);
        }
    }
}

/// A mask that was applied with a sign is removed with its negative.
#[test]
fn negative_signs_take_masks_off() {
    assert_eq!((-Sign::Add, -Sign::Subtract), (Sign::Subtract, Sign::Add));
    let off = masks().map(|(seed, sign)| (seed, -sign));
    let lanes: Vec<u32> = painted(100);
    let masked = applied(&plan(Prg::ChaCha20), 0, &lanes);
    assert_eq!(applied(&MaskPlan::new(Prg::ChaCha20, &off), 0, &masked), lanes);
}

/// A vector that grows leaves copies of the seeds behind. Of its first sizes by doubling, none is
/// that of 5 or 100 masks.
#[test]
fn bytes_of_a_plan_are_written_where_they_stay() {
    for masks in [5, 100] {
        let masks: Vec<_> = (0..masks).map(|at| (seed(at), Sign::Add)).collect();
        let bytes = MaskPlan::new(Prg::Aes128Ctr, &masks).to_bytes();
        assert_eq!(bytes.capacity(), bytes.len());
    }
}
