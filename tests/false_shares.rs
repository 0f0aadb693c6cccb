//! Shares that do not fit: holders that lie about them, and dealers that deal false ones. The sum is
//! right or there is none, and whoever can be named is.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::subsequence;
use secagg::message::{SealedShares, ShareKeysRequest};
use secagg::server::{FalseShare, Suspect};
use secagg::{Abort, ClientId, Stage};
use secagg_tests::{Cohort, wire};

fn five() -> Cohort {
    Cohort::secagg(5).threshold(3)
}

/// Client 2's answers with the share of its first neighbour (client 1) changed in one bit.
fn lie(cohort: Cohort, liar: u64) -> Cohort {
    cohort.tamper(liar, Stage::Unmask, |bytes| bytes[wire::revealed(0).end - 1] ^= 1)
}

/// The abort of a round without client `client`'s secret, with its suspects and their framers.
fn spoiled(client: u64, suspects: &[(u64, usize)]) -> Abort {
    let suspect = |&(client, framers)| Suspect { client: ClientId(client), framers };
    let suspects = suspects.iter().map(suspect).collect();
    Abort::FalseShares { client: ClientId(client), suspects }
}

fn false_share(holder: u64, owner: u64) -> FalseShare {
    FalseShare { holder: ClientId(holder), owner: ClientId(owner) }
}

#[test]
fn a_false_share_is_named_where_there_is_one_to_spare() {
    let round = lie(five(), 2).run::<f64>();
    round.assert_mean_of(1..=5);
    assert_eq!(round.aggregate().false_shares, [false_share(2, 1)]);
}

#[test]
fn a_false_share_of_a_dropped_clients_key_is_named() {
    let round = lie(five().drop(1, Stage::CollectMaskedVectors), 2).run::<f64>();
    round.assert_mean_of(2..=5);
    assert_eq!(round.aggregate().false_shares, [false_share(2, 1)]);
}

#[test]
fn a_lie_without_a_share_to_spare_ends_the_round() {
    let complete = lie(Cohort::secagg(5).threshold(4), 2);
    // One liar among four: nobody can be named.
    assert_eq!(complete.run::<f64>().abort(), spoiled(1, &[]));
}

/// Liars who change their shares of these owners' secrets, in a cohort named 1, 2, 3 and so on, on the
/// complete graph.
fn lies(cohort: Cohort, liars: &[u64], owners: &[u64]) -> Cohort {
    liars.iter().fold(cohort, |cohort, &liar| {
        let owners: Vec<_> = owners.iter().copied().filter(|&owner| owner != liar).collect();
        cohort.tamper(liar, Stage::Unmask, move |bytes| {
            for &owner in &owners {
                let before = owner - 1 - u64::from(owner > liar);
                bytes[wire::revealed(before as usize).start + 1 + (liar % 32) as usize] ^= 0x10;
            }
        })
    })
}

fn false_shares(owner: u64, holders: &[u64]) -> Vec<FalseShare> {
    holders.iter().map(|&holder| false_share(holder, owner)).collect()
}

/// Nine shares of each secret, of which four are to spare.
fn ten() -> Cohort {
    Cohort::secagg(10).threshold(5)
}

#[test]
fn two_lies_are_found_among_four_shares_to_spare() {
    for (first, second) in
        (2..=10).flat_map(|first| (first + 1..=10).map(move |second| (first, second)))
    {
        let round = lies(ten(), &[first, second], &[1]).run::<f64>();
        round.assert_mean_of(1..=10);
        // Clients 2 to 6 are asked first; what others say is not needed if these are true.
        let found = if first <= 6 { false_shares(1, &[first, second]) } else { Vec::new() };
        assert_eq!(round.aggregate().false_shares, found);
    }
}

/// With an odd number to spare, the check of the secret makes good for half a share.
#[test]
fn two_lies_are_found_among_three_shares_to_spare() {
    for liars in [[2, 3], [2, 10], [4, 7]] {
        let round = lies(ten().threshold(6), &liars, &[1]).run::<f64>();
        round.assert_mean_of(1..=10);
        assert_eq!(round.aggregate().false_shares, false_shares(1, &liars));
    }
}

#[test]
fn lies_about_a_dropped_clients_key_are_found() {
    let cohort = ten().drop(7, Stage::CollectMaskedVectors).drop(10, Stage::Unmask);
    let round = lies(cohort, &[3, 4], &[7]).run::<f64>();
    round.assert_mean_of([1, 2, 3, 4, 5, 6, 8, 9, 10]);
    assert_eq!(round.aggregate().false_shares, false_shares(7, &[3, 4]));
}

#[test]
fn three_lies_among_four_shares_to_spare_end_the_round() {
    let round = lies(ten(), &[2, 3, 5], &[1]).run::<f64>();
    // Three are enough to frame client 1.
    assert_eq!(round.abort(), spoiled(1, &[(1, 3)]));
}

/// Of the first t + 1 holders one lies, and so do those whose shares come after these, or most.
#[test]
fn one_lie_among_the_first_is_found_whatever_the_others_say() {
    for liars in [&[4, 8, 9, 10][..], &[4, 8, 10]] {
        let round = lies(ten(), liars, &[1]).run::<f64>();
        round.assert_mean_of(1..=10);
        assert_eq!(round.aggregate().false_shares, false_shares(1, liars));
    }
}

/// Who lies about everyone is found at the first owner that it lies about, and not asked again.
#[test]
fn a_lie_to_all_is_searched_for_once() {
    let all: Vec<_> = (1..=10).collect();
    let round = lies(ten(), &[2, 6], &all).run::<f64>();
    round.assert_mean_of(1..=10);
    assert_eq!(round.aggregate().false_shares, false_shares(1, &[2, 6]));
}

/// Four lies about client 10, as many as there are shares to spare: all liars are known by then.
#[test]
fn liars_that_are_known_cost_one_share_each() {
    let cohort = lies(lies(ten(), &[2, 3], &[1, 10]), &[4, 5], &[6, 10]);
    let round = cohort.run::<f64>();
    round.assert_mean_of(1..=10);
    let found = [false_shares(1, &[2, 3]), false_shares(6, &[4, 5])].concat();
    assert_eq!(round.aggregate().false_shares, found);
}

/// Three lies about client 10 are more than half of the shares to spare. Two are known liars'.
#[test]
fn a_new_lie_is_found_beside_known_ones() {
    let cohort = lies(lies(ten(), &[2, 3], &[1, 10]), &[4], &[10]);
    let round = cohort.run::<f64>();
    round.assert_mean_of(1..=10);
    let found = [false_shares(1, &[2, 3]), false_shares(10, &[2, 3, 4])].concat();
    assert_eq!(round.aggregate().false_shares, found);
    // Two new ones are one too many.
    let cohort = lies(lies(ten(), &[2, 3], &[1, 10]), &[4, 5], &[10]);
    assert_eq!(cohort.run::<f64>().abort(), spoiled(10, &[(10, 3)]));
}

/// Four holders are suspects, of lies about others. Two more lie about client 8, to whom the suspects'
/// shares are true and needed.
#[test]
fn suspects_are_heard_where_there_are_not_enough_others() {
    let cohort = lies(lies(ten(), &[2, 3], &[1]), &[4, 5], &[6]);
    let round = lies(cohort, &[1, 6], &[8]).run::<f64>();
    round.assert_mean_of(1..=10);
    let found = [false_shares(1, &[2, 3]), false_shares(6, &[4, 5]), false_shares(8, &[1, 6])];
    assert_eq!(round.aggregate().false_shares, found.concat());
}

/// Liars on a sparse graph, who lie to all their neighbours.
#[test]
fn lies_on_a_sparse_graph_are_found() {
    let liars = [1, 2, 3];
    let cohort = Cohort::secagg_plus(24, 10).threshold(4);
    let cohort = liars.iter().fold(cohort, |cohort, &liar| {
        cohort.tamper(liar, Stage::Unmask, |bytes| {
            (0..10).for_each(|at| bytes[wire::revealed(at).end - 1] ^= 1);
        })
    });
    let round = cohort.run::<f64>();
    round.assert_mean_of(1..=24);
    let found: BTreeSet<_> =
        round.aggregate().false_shares.iter().map(|share| share.holder.0).collect();
    assert_eq!(found, BTreeSet::from(liars));
}

/// A dealer that commits to another seed than the one it shares.
#[test]
fn a_false_commitment_ends_the_round_and_names_its_dealer() {
    let lie = |bytes: &mut Vec<u8>| bytes[wire::COMMITMENT][7] ^= 4;
    let cohort = || five().tamper(2, Stage::ShareKeys, lie);
    assert_eq!(cohort().run::<f64>().abort(), spoiled(2, &[(2, 2)]));
    // A dealer that drops needs no seed, and harms no one.
    cohort().drop(2, Stage::CollectMaskedVectors).run::<f64>().assert_mean_of([1, 3, 4, 5]);
}

/// What client 2 seals under the same keys when it is asked something else: its coefficients follow
/// from the request. Here it is told of one neighbour less, and the other boxes stay in their
/// places.
fn other_shares(cohort: Cohort) -> Vec<u8> {
    let fewer = |request: &mut ShareKeysRequest| _ = request.peers.pop();
    let round = cohort.edit(2, fewer).run::<f64>();
    round.log.bytes::<SealedShares>(2).expect("it was sent").to_vec()
}

/// A dealer whose box for client 1 opens, and holds a share of another secret. The sum is right if
/// there is a share to spare. Both are named, since who of the two lied cannot be told.
#[test]
fn a_false_share_from_a_dealer_is_outvoted() {
    let other = other_shares(five());
    let swap = move |bytes: &mut Vec<u8>| {
        bytes[wire::sealed_box(0)].copy_from_slice(&other[wire::sealed_box(0)]);
    };
    let round = five().tamper(2, Stage::ShareKeys, swap).run::<f64>();
    round.assert_mean_of(1..=5);
    assert_eq!(round.aggregate().false_shares, [false_share(1, 2)]);
}

/// A dealer that makes two suspects, and two others that lie: nobody's shares run out.
#[test]
fn a_dealer_that_makes_suspects_does_not_spoil_others_secrets() {
    let other = other_shares(ten());
    let swap = move |bytes: &mut Vec<u8>| {
        let boxes = wire::sealed_box(1).start..wire::sealed_box(2).end;
        bytes[boxes.clone()].copy_from_slice(&other[boxes]);
    };
    let cohort = lies(ten().tamper(2, Stage::ShareKeys, swap), &[1, 5], &[9]);
    let round = cohort.run::<f64>();
    round.assert_mean_of(1..=10);
    let found = [false_shares(2, &[3, 4]), false_shares(9, &[1, 5])].concat();
    assert_eq!(round.aggregate().false_shares, found);
}

#[test]
fn a_dealer_of_false_shares_is_named() {
    let other = other_shares(five());
    let swap = move |bytes: &mut Vec<u8>| {
        let boxes = wire::sealed_box(0).start..wire::sealed_box(1).end;
        bytes[boxes.clone()].copy_from_slice(&other[boxes]);
    };
    let round = five().tamper(2, Stage::ShareKeys, swap).run::<f64>();
    assert_eq!(round.abort(), spoiled(2, &[(2, 2)]));
}

/// Rubbish for one neighbour costs one share.
#[test]
fn a_box_that_does_not_open_is_a_share_less() {
    let garble = |bytes: &mut Vec<u8>| bytes[wire::sealed_box(0)].fill(0);
    let round = five().tamper(2, Stage::ShareKeys, garble).run::<f64>();
    round.assert_mean_of(1..=5);
    assert!(round.rejected().is_empty() && round.aggregate().false_shares.is_empty());
}

/// Rubbish for all makes a vector that cannot be unmasked; who sent it is named.
#[test]
fn a_dealer_of_rubbish_is_named() {
    let garble = |bytes: &mut Vec<u8>| bytes[wire::sealed_box(0).start..].fill(0);
    let round = five().tamper(2, Stage::ShareKeys, garble).run::<f64>();
    assert_eq!(round.abort(), spoiled(2, &[(2, 4)]));
}

/// Boxes for two neighbours, exchanged: neither opens under the other's key.
#[test]
fn boxes_open_for_their_receiver_alone() {
    let exchange = |bytes: &mut Vec<u8>| {
        let (start, len) = (wire::sealed_box(0).start, wire::sealed_box(0).len());
        bytes[start..start + 2 * len].rotate_left(len);
    };
    let round = five().tamper(2, Stage::ShareKeys, exchange).run::<f64>();
    assert_eq!(round.abort(), spoiled(2, &[(2, 2)]));
}

/// What each of eight clients lies about: clients 1 to 8, where it is not itself.
type Lies = Vec<Vec<u64>>;

fn liars_about(owner: u64, lied: &Lies) -> BTreeSet<u64> {
    let liars = (1..).zip(lied).filter(|(liar, about)| *liar != owner && about.contains(&owner));
    liars.map(|(liar, _)| liar).collect()
}

/// As many lies about anyone as are always made good.
fn few(lied: &Lies, threshold: u32) -> bool {
    let most = (7 - threshold as usize).div_ceil(2);
    (1..=8).all(|owner| liars_about(owner, lied).len() <= most)
}

fn only_lies(found: &[FalseShare], lied: &Lies) -> bool {
    found.iter().all(|share| liars_about(share.owner.0, lied).contains(&share.holder.0))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whoever lies about whom: the mean is right, as it must be where lies are few, or the round ends
    /// and names an owner that was lied about. Nobody is named for a share that is true, nor
    /// suspected with more framers than there were.
    #[test]
    fn lies_never_make_a_wrong_sum(
        threshold in 2_u32..8,
        lied in prop::collection::vec(subsequence((1..=8).collect::<Vec<u64>>(), 0..=4), 8),
    ) {
        let cohort = Cohort::secagg(8).threshold(threshold);
        let told = (1..).zip(&lied);
        let cohort = told.fold(cohort, |cohort, (liar, owners)| lies(cohort, &[liar], owners));
        let round = cohort.run::<f64>();
        if let Ok(aggregate) = &round.outcome {
            round.assert_mean_of(1..=8);
            prop_assert!(only_lies(&aggregate.false_shares, &lied));
        } else {
            let Abort::FalseShares { client, suspects } = round.abort() else {
                panic!("{:?}", round.abort())
            };
            prop_assert!(!few(&lied, threshold) && !liars_about(client.0, &lied).is_empty());
            for suspect in suspects {
                prop_assert!(liars_about(suspect.client.0, &lied).len() >= suspect.framers);
            }
        }
    }
}
