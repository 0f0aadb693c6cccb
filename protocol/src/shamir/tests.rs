use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::*;
use crate::vectors::{Fixed, array, client, hex, list, number, numbers, shamir_file};

const SECRET: [u8; SHARE_LEN] = *b"thirty-two bytes, none repeated!";

fn holders(ids: impl IntoIterator<Item = u64>) -> Vec<ClientId> {
    ids.into_iter().map(ClientId).collect()
}

fn shares(threshold: usize, holders: &[ClientId]) -> Vec<Share> {
    split(&SECRET, threshold, holders, &mut ChaCha20Rng::seed_from_u64(7))
}

#[test]
fn one_is_neutral_and_inverses_invert() {
    // Values whose products reach both ends of the reduction.
    for value in [1, 2, 1 << 127, u128::MAX, (1 << 64) | 5] {
        let a = FieldElement::from(value);
        assert_eq!(u128::from(a * one()), value);
        assert_eq!(u128::from(a * invert(a)), ONE);
    }
}

#[test]
fn every_set_of_threshold_holders_recovers() {
    let holders = holders([0, 1, 2, 7, u64::MAX]);
    let shares = shares(3, &holders);
    for chosen in subsets(5, 3) {
        let basis = LagrangeBasis::new(&chosen.iter().map(|&at| holders[at]).collect::<Vec<_>>());
        assert_eq!(*basis.recover(chosen.iter().map(|&at| &shares[at])), SECRET, "{chosen:?}");
    }
}

#[test]
fn a_basis_of_one_more_serves_without_any_one() {
    let holders = holders(10..14);
    let shares = shares(3, &holders);
    let basis = LagrangeBasis::new(&holders);
    for omitted in 0..4 {
        let others = (0..4).filter(|&at| at != omitted).map(|at| &shares[at]);
        assert_eq!(*basis.without(&[omitted]).recover(others), SECRET);
    }
}

#[test]
fn a_basis_without_any_two_is_that_of_the_others() {
    let ids = holders([3, 4, 9, 11, 12, u64::MAX]);
    let basis = LagrangeBasis::new(&ids);
    for omitted in subsets(6, 2) {
        let others: Vec<_> = (0..6).filter(|at| !omitted.contains(at)).map(|at| ids[at]).collect();
        let numbers = |basis: &LagrangeBasis| {
            let both = basis.points.iter().zip(&basis.weights);
            both.map(|(&x, &weight)| (u128::from(x), u128::from(weight))).collect::<Vec<_>>()
        };
        assert_eq!(numbers(&basis.without(&omitted)), numbers(&LagrangeBasis::new(&others)));
    }
}

#[test]
fn others_tell_a_holders_share() {
    let holders = holders([0, 5, 6, 8, u64::MAX]);
    let shares = shares(3, &holders);
    let basis = LagrangeBasis::new(&holders[..3]);
    for (holder, share) in holders.iter().zip(&shares).skip(3) {
        assert_eq!(basis.share_of(*holder, shares[..3].iter()).0, share.0);
    }
}

#[test]
fn fewer_than_the_threshold_give_something_else() {
    let holders = holders(0..4);
    let shares = shares(4, &holders);
    let basis = LagrangeBasis::new(&holders[..3]);
    assert_ne!(*basis.recover(shares[..3].iter()), SECRET);
}

#[test]
fn a_thousand_holders_have_a_thousand_points() {
    let holders = holders(0..1500);
    let shares = shares(1000, &holders);
    let basis = LagrangeBasis::new(&holders[500..]);
    assert_eq!(*basis.recover(shares[500..].iter()), SECRET);
}

#[test]
fn a_share_says_nothing_in_debug() {
    assert_eq!(format!("{:?}", Share([0x5a; SHARE_LEN])), "Share(..)");
}

fn sum(a: &[u8; SHARE_LEN], b: &[u8; SHARE_LEN]) -> [u8; SHARE_LEN] {
    core::array::from_fn(|at| a[at] ^ b[at])
}

/// Zero, one, words of one bit, and any.
fn element() -> impl Strategy<Value = FieldElement> {
    let number = prop_oneof![
        1 => Just(0),
        1 => Just(ONE),
        2 => (0..128).prop_map(|bit| 1_u128 << bit),
        6 => any::<u128>(),
    ];
    number.prop_map(FieldElement::from)
}

proptest! {
    #[test]
    fn dot_and_sum_make_a_field(a in element(), b in element(), c in element()) {
        let same = |left: FieldElement, right: FieldElement| u128::from(left) == u128::from(right);
        let zero = FieldElement::default();
        prop_assert!(same((a + b) + c, a + (b + c)) && same((a * b) * c, a * (b * c)));
        prop_assert!(same(a + b, b + a) && same(a * b, b * a));
        prop_assert!(same(a + zero, a) && same(a * one(), a) && same(a + a, zero));
        prop_assert!(same(a * (b + c), a * b + a * c));
        prop_assert!(is_zero(a) || same(a * invert(a), one()));
        prop_assert_eq!(is_zero(a * b), is_zero(a) || is_zero(b));
        let mut inverses: Vec<_> = [a, b, c].into_iter().filter(|&a| !is_zero(a)).collect();
        let before = inverses.clone();
        invert_all(&mut inverses);
        prop_assert!(before.iter().zip(&inverses).all(|(&a, &inverse)| same(a * inverse, one())));
    }

    /// Shares of two secrets, added, are shares of the sum; whoever the holders are.
    #[test]
    fn sharing_is_linear(
        secrets: [[u8; SHARE_LEN]; 2],
        ids in prop::collection::btree_set(any::<u64>(), 2..12),
        seeds: [u64; 2],
    ) {
        let holders = holders(ids);
        let deal = |at: usize| {
            split(&secrets[at], 2, &holders, &mut ChaCha20Rng::seed_from_u64(seeds[at]))
        };
        let both = deal(0).into_iter().zip(deal(1));
        let sums: Vec<_> = both.map(|(a, b)| Share(sum(&a.0, &b.0))).collect();
        let basis = LagrangeBasis::new(&holders);
        prop_assert_eq!(*basis.recover(sums.iter()), sum(&secrets[0], &secrets[1]));
    }

    /// Whichever `threshold` of the holders come, and in whatever order.
    #[test]
    fn any_of_the_holders_recover(
        secret: [u8; SHARE_LEN],
        ids in prop::collection::btree_set(any::<u64>(), 2..20),
        order in Just((0..20_usize).collect::<Vec<_>>()).prop_shuffle(),
        part in 0.0..1.0,
        seed: u64,
    ) {
        let holders = holders(ids);
        let threshold = 2 + (part * (holders.len() - 2) as f64) as usize;
        let shares = split(&secret, threshold, &holders, &mut ChaCha20Rng::seed_from_u64(seed));
        let come = order.into_iter().filter(|&at| at < holders.len()).take(threshold);
        let (chosen, held): (Vec<_>, Vec<_>) = come.map(|at| (holders[at], &shares[at])).unzip();
        prop_assert_eq!(*LagrangeBasis::new(&chosen).recover(held.into_iter()), secret);
    }

    #[test]
    fn splitting_then_recovering_is_identity(
        secret: [u8; SHARE_LEN],
        ids in prop::collection::btree_set(any::<u64>(), 2..20),
        part in 0.0..1.0,
        seed: u64,
    ) {
        let holders = holders(ids);
        let threshold = 2 + (part * (holders.len() - 2) as f64) as usize;
        let shares = split(&secret, threshold, &holders, &mut ChaCha20Rng::seed_from_u64(seed));
        let basis = LagrangeBasis::new(&holders[..threshold]);
        prop_assert_eq!(*basis.recover(shares.iter()), secret);
    }
}

/// All ways to choose `size` out of `len`.
fn subsets(len: usize, size: u32) -> impl Iterator<Item = Vec<usize>> {
    let masks = (0u32..1 << len).filter(move |mask| mask.count_ones() == size);
    masks.map(move |mask| (0..len).filter(|at| mask >> at & 1 == 1).collect())
}

#[test]
fn products_and_inverses_are_those_of_the_reference() {
    let element = |value: &serde_json::Value| FieldElement::from(array::<16>(value));
    let file = shamir_file();
    for case in list(&file, "products") {
        let product = element(&case["a"]) * element(&case["b"]);
        assert_eq!(u128::from(product), u128::from(element(&case["dot"])), "{case}");
    }
    for case in list(&file, "inverses") {
        let inverse = invert(element(&case["a"]));
        assert_eq!(u128::from(inverse), u128::from(element(&case["inverse"])), "{case}");
    }
}

#[test]
fn shares_are_those_of_the_reference() {
    for case in list(&shamir_file(), "deals") {
        let (threshold, rows) = (number(&case["threshold"]) as usize, list(case, "shares"));
        let holders: Vec<_> = rows.iter().map(|row| client(&row["holder"])).collect();
        let mut drawn = Fixed(hex(&case["coefficients"]));
        let shares = split(&array(&case["secret"]), threshold, &holders, &mut drawn);
        assert!(drawn.0.is_empty(), "{case}");
        for (share, row) in shares.iter().zip(rows) {
            assert_eq!(share.0[..], hex(&row["share"]), "{row}");
        }
        let chosen: Vec<_> = numbers(&case["recover_from"]).into_iter().map(ClientId).collect();
        let held = holders.iter().zip(&shares).filter(|(holder, _)| chosen.contains(holder));
        let (chosen, held): (Vec<_>, Vec<_>) = held.map(|(&holder, share)| (holder, share)).unzip();
        let secret = LagrangeBasis::new(&chosen).recover(held.into_iter());
        assert_eq!(secret[..], hex(&case["secret"]), "{case}");
    }
}
