//! Shares that do not fit: holders that lie about them, and dealers that deal false ones. The sum is
//! right or there is none, and whoever can be named is.

use secagg::message::SealedShares;
use secagg::server::FalseShare;
use secagg::{Abort, ClientId, Stage};
use secagg_tests::{Cohort, wire};

fn five() -> Cohort {
    Cohort::secagg(5).threshold(3)
}

/// Client 2's answers with the share of its first neighbour (client 1) changed in one bit.
fn lie(cohort: Cohort, liar: u64) -> Cohort {
    cohort.tamper(liar, Stage::Unmask, |bytes| bytes[wire::revealed(0).end - 1] ^= 1)
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
    assert_eq!(complete.run::<f64>().abort(), Abort::FalseShares(ClientId(1)));
}

/// Two lies about one secret among the first t + 1 shares are more than is made good, though there
/// are four honest ones; two about secrets of two owners are not.
#[test]
fn lies_of_two_never_make_a_wrong_sum() {
    for liar in 3..=7 {
        let round = lie(lie(Cohort::secagg(7).threshold(3), 2), liar).run::<f64>();
        match round.outcome {
            Ok(_) => _ = round.assert_mean_of(1..=7),
            Err(_) => assert_eq!(round.abort(), Abort::FalseShares(ClientId(1))),
        }
    }
}

/// A dealer that commits to another seed than the one it shares.
#[test]
fn a_false_commitment_ends_the_round_and_names_its_dealer() {
    let lie = |bytes: &mut Vec<u8>| bytes[wire::COMMITMENT][7] ^= 4;
    let cohort = || five().tamper(2, Stage::ShareKeys, lie);
    assert_eq!(cohort().run::<f64>().abort(), Abort::FalseShares(ClientId(2)));
    // A dealer that drops needs no seed, and harms no one.
    cohort().drop(2, Stage::CollectMaskedVectors).run::<f64>().assert_mean_of([1, 3, 4, 5]);
}

/// What client 2 would have sealed, had it drawn other secrets under the same keys.
fn other_shares(cohort: Cohort) -> Vec<u8> {
    let round = cohort.reseed(2, Stage::ShareKeys).run::<f64>();
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

#[test]
fn a_dealer_of_false_shares_is_named() {
    let other = other_shares(five());
    let swap = move |bytes: &mut Vec<u8>| {
        let boxes = wire::sealed_box(0).start..wire::sealed_box(1).end;
        bytes[boxes.clone()].copy_from_slice(&other[boxes]);
    };
    let round = five().tamper(2, Stage::ShareKeys, swap).run::<f64>();
    assert_eq!(round.abort(), Abort::FalseShares(ClientId(2)));
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
    let client = ClientId(2);
    let abort = Abort::TooFewNeighbours { stage: Stage::Unmask, client, have: 0, need: 3 };
    assert_eq!(round.abort(), abort);
}

/// Boxes for two neighbours, exchanged: neither opens under the other's key.
#[test]
fn boxes_open_for_their_receiver_alone() {
    let exchange = |bytes: &mut Vec<u8>| {
        let (start, len) = (wire::sealed_box(0).start, wire::sealed_box(0).len());
        bytes[start..start + 2 * len].rotate_left(len);
    };
    let round = five().tamper(2, Stage::ShareKeys, exchange).run::<f64>();
    let client = ClientId(2);
    let abort = Abort::TooFewNeighbours { stage: Stage::Unmask, client, have: 2, need: 3 };
    assert_eq!(round.abort(), abort);
}
