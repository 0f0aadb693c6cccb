//! Clients that lie, repeat themselves or send rubbish, against a server that goes by the rules: the
//! message is rejected for its own reason, and the round lives without whoever has nothing better
//! to say.

use secagg::kernels::PackError;
use secagg::message::{
    AdvertisedKeys, MaskedVector, Message, RevealedShares, SealedShares, UnmaskRequest,
};
use secagg::{ChannelPublicKey, ClientMisbehaved, Malformed, MaskPublicKey, Rejected, Stage};
use secagg_tests::{Cohort, Log, STAGES, wire};

/// Client 2 of five says something at a stage that is rejected for this reason, and nothing else.
/// The mean is that of the others, or of all if client 2 had sent its vector before.
fn rejected(cohort: Cohort, stage: Stage, reason: impl Into<Rejected>) {
    let round = cohort.run::<f64>();
    assert_eq!(round.rejected(), [(2, stage, reason.into())]);
    let in_sum = |&client: &u64| client != 2 || stage == Stage::Unmask;
    round.assert_mean_of((1..=5).filter(in_sum));
}

/// Everyone is honest, but one more message comes from client `from`, and changes nothing.
fn ignored(cohort: Cohort, from: u64, stage: Stage, reason: impl Into<Rejected>) {
    let round = cohort.run::<f64>();
    assert_eq!(round.rejected(), [(from, stage, reason.into())]);
    round.assert_as_predicted();
    assert!(round.outcome.is_ok());
}

fn five() -> Cohort {
    Cohort::secagg(5).threshold(3)
}

/// What client 1 sent at a stage.
fn said_by_the_first(log: &Log, stage: Stage) -> Vec<u8> {
    let bytes = match stage {
        Stage::Setup => log.bytes::<AdvertisedKeys>(1),
        Stage::ShareKeys => log.bytes::<SealedShares>(1),
        Stage::CollectMaskedVectors => log.bytes::<MaskedVector>(1),
        Stage::Unmask => log.bytes::<RevealedShares>(1),
        other => panic!("no story has the stage {other}"),
    };
    bytes.expect("it was said").to_vec()
}

#[test]
fn strangers_are_not_expected() {
    for &stage in STAGES {
        let cohort = five().inject(6, stage, move |log| said_by_the_first(log, stage));
        ignored(cohort, 6, stage, ClientMisbehaved::NotExpected);
    }
}

/// Who has left is a stranger from then on: its masks are gone from the plan.
#[test]
fn no_one_comes_back() {
    for (left, at) in [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)] {
        let (left, at) = (STAGES[left], STAGES[at]);
        let cohort = five().drop(2, left).inject(2, at, move |log| said_by_the_first(log, at));
        ignored(cohort, 2, at, ClientMisbehaved::NotExpected);
    }
}

#[test]
fn no_one_answers_twice() {
    for &stage in STAGES {
        let round = five().repeat(2, stage).run::<f64>();
        let reason = Rejected::Misbehaved(ClientMisbehaved::Duplicate);
        assert_eq!(round.rejected(), [(2, stage, reason)]);
        round.assert_mean_of(1..=5);
    }
}

/// A second vector, another one than the first, must not get into the sum.
#[test]
fn no_one_sends_a_second_vector() {
    let other = |log: &Log| {
        let mut vector: MaskedVector = log.message(2).expect("it was sent");
        vector.packed[5] ^= 1;
        vector.encode(secagg_tests::SESSION)
    };
    let stage = Stage::CollectMaskedVectors;
    ignored(five().inject(2, stage, other), 2, stage, ClientMisbehaved::Duplicate);
}

#[test]
fn messages_belong_to_their_stage() {
    for (due, said) in [(1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2)] {
        let (due, said) = (STAGES[due], STAGES[said]);
        let cohort = five().drop(1, Stage::Unmask);
        let cohort = cohort.inject(3, due, move |log| said_by_the_first(log, said));
        let (expected, found) = (due.number(), said.number());
        ignored(cohort, 3, due, Malformed::Kind { expected, found });
    }
}

#[test]
fn messages_belong_to_their_session() {
    for &stage in STAGES {
        let other = |bytes: &mut Vec<u8>| wire::flip(&mut bytes[wire::SESSION], 77);
        rejected(five().tamper(2, stage, other), stage, ClientMisbehaved::ForeignSession);
    }
}

#[test]
fn messages_that_the_server_sends_are_not_for_it() {
    let echo = |log: &Log| log.bytes::<UnmaskRequest>(2).expect("it was asked").to_vec();
    let stage = Stage::Unmask;
    ignored(five().inject(2, stage, echo), 2, stage, Malformed::Kind { expected: 3, found: 0x83 });
}

fn low_order() -> ([u8; 32], [u8; 32]) {
    let one = core::array::from_fn(|at| u8::from(at == 0));
    ([0; 32], one)
}

#[test]
fn keys_of_low_order_are_rejected() {
    let (zero, one) = low_order();
    let mask = move |keys: &mut AdvertisedKeys| keys.mask = mask_key(zero);
    let channel = move |keys: &mut AdvertisedKeys| keys.channel = channel_key(one);
    rejected(five().edit(2, mask), Stage::Setup, ClientMisbehaved::LowOrderKey);
    rejected(five().edit(2, channel), Stage::Setup, ClientMisbehaved::LowOrderKey);
}

fn mask_key(bytes: [u8; 32]) -> MaskPublicKey {
    MaskPublicKey::from_bytes(bytes).expect("canonical")
}

fn channel_key(bytes: [u8; 32]) -> ChannelPublicKey {
    ChannelPublicKey::from_bytes(bytes).expect("canonical")
}

#[test]
fn a_client_has_two_keys() {
    let same = |keys: &mut AdvertisedKeys| keys.channel = channel_key(*keys.mask.as_bytes());
    rejected(five().edit(2, same), Stage::Setup, ClientMisbehaved::DuplicateKey);
}

/// Client 1's keys, both or one, in either role.
#[test]
fn no_one_takes_the_keys_of_another() {
    let first: AdvertisedKeys = five().run::<f64>().log.message(1).expect("it was sent");
    let (mask, channel) = (*first.mask.as_bytes(), *first.channel.as_bytes());
    for stolen in [mask, channel] {
        let as_mask = move |keys: &mut AdvertisedKeys| keys.mask = mask_key(stolen);
        let as_channel = move |keys: &mut AdvertisedKeys| keys.channel = channel_key(stolen);
        rejected(five().edit(2, as_mask), Stage::Setup, ClientMisbehaved::DuplicateKey);
        rejected(five().edit(2, as_channel), Stage::Setup, ClientMisbehaved::DuplicateKey);
    }
}

/// One box more or less than there are neighbours; the count in the message says so, too.
#[test]
fn there_is_one_box_for_each_neighbour() {
    for found in [0, 3, 5_usize] {
        let resize = move |bytes: &mut Vec<u8>| {
            bytes.resize(wire::sealed_box(found).start, 0);
            bytes[wire::sealed_box(0).start - 4] = found as u8;
        };
        let reason = ClientMisbehaved::ShareCount { expected: 4, found };
        rejected(five().tamper(2, Stage::ShareKeys, resize), Stage::ShareKeys, reason);
    }
}

#[test]
fn there_is_one_share_for_each_neighbour() {
    for found in [0, 3, 5_usize] {
        let resize = move |bytes: &mut Vec<u8>| {
            bytes.resize(wire::revealed(found).start, 1);
            bytes[wire::HEADER_LEN] = found as u8;
        };
        let reason = ClientMisbehaved::ShareCount { expected: 4, found };
        rejected(five().tamper(2, Stage::Unmask, resize), Stage::Unmask, reason);
    }
}

/// A share of a survivor's key would let the server unmask it alone. It does not want to know.
#[test]
fn shares_are_of_the_secret_that_is_due() {
    let key_of_a_survivor = |bytes: &mut Vec<u8>| bytes[wire::revealed(0).start] = 2;
    let cohort = five().tamper(2, Stage::Unmask, key_of_a_survivor);
    rejected(cohort, Stage::Unmask, ClientMisbehaved::ShareKind);
    let seed_of_the_dropped = |bytes: &mut Vec<u8>| bytes[wire::revealed(0).start] = 1;
    let cohort = five().threshold(2).drop(1, Stage::CollectMaskedVectors);
    let round = cohort.tamper(2, Stage::Unmask, seed_of_the_dropped).run::<f64>();
    let reason = Rejected::Misbehaved(ClientMisbehaved::ShareKind);
    assert_eq!(round.rejected(), [(2, Stage::Unmask, reason)]);
    round.assert_mean_of(2..=5);
}

#[test]
fn vectors_have_the_length_of_the_round() {
    let stage = Stage::CollectMaskedVectors;
    for found in [0, 19, 21, 40_usize] {
        let resize = move |vector: &mut MaskedVector| vector.packed.resize(found, 0);
        let reason = Malformed::MaskedVector(PackError::Length { expected: 20, found });
        rejected(five().edit(2, resize), stage, reason);
    }
}

/// Five lanes of 28 bits leave four bits of the last byte over.
#[test]
fn bits_behind_the_last_lane_are_zero() {
    for bit in 4..8 {
        let set = move |vector: &mut MaskedVector| vector.packed[17] |= 1 << bit;
        let cohort = five().with(|params| params.modulus_range(1 << 28)).edit(2, set);
        let reason = Malformed::MaskedVector(PackError::NonZeroPadding);
        rejected(cohort, Stage::CollectMaskedVectors, reason);
    }
}
