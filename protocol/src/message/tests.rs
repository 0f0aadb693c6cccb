use core::fmt;

use proptest::prelude::*;

use super::*;
use crate::identity::SIGNATURE_LEN;
use crate::keys::{ChannelPublicKey, Commitment, KEY_LEN, MaskPublicKey};
use crate::sealed::SEALED_LEN;
use crate::shamir::Share;
use crate::wire::HEADER_LEN;
use crate::{ContextHash, Params, RosterHash, Signature};

const SESSION: SessionId = SessionId(*b"sixteen bytes...");

fn keys(number: u8) -> AdvertisedKeys {
    let key = |byte| [byte; KEY_LEN];
    AdvertisedKeys {
        mask: MaskPublicKey::from_bytes(key(number)).expect("canonical"),
        channel: ChannelPublicKey::from_bytes(key(number + 1)).expect("canonical"),
        signature: None,
    }
}

fn signed_keys(number: u8) -> AdvertisedKeys {
    AdvertisedKeys { signature: Some(Signature([number; SIGNATURE_LEN])), ..keys(number) }
}

fn setup_request() -> SetupRequest {
    let params = Params::secagg(5, 3, 2).build().expect("valid parameters");
    SetupRequest { context: ContextHash::new(&params, b"model"), params }
}

fn share_keys_request() -> ShareKeysRequest {
    let peers = vec![(ClientId(1), keys(1)), (ClientId(u64::MAX), signed_keys(3))];
    ShareKeysRequest { roster: RosterHash::from_bytes([8; KEY_LEN]), peers }
}

fn sealed_shares() -> SealedShares {
    SealedShares { commitment: Commitment([9; KEY_LEN]), boxes: vec![[1; SEALED_LEN]; 2] }
}

fn collect_request() -> CollectRequest {
    CollectRequest { boxes: vec![(ClientId(0), [1; SEALED_LEN]), (ClientId(7), [2; SEALED_LEN])] }
}

fn unmask_request() -> UnmaskRequest {
    let confirmations = [2, 5].map(|id| (ClientId(id), Signature([id as u8; SIGNATURE_LEN])));
    let survivors = [1, 2, 5].map(ClientId).to_vec();
    UnmaskRequest { survivors, confirmations: confirmations.to_vec() }
}

fn confirm_request() -> ConfirmRequest {
    ConfirmRequest { survivors: [1, 2, 5].map(ClientId).to_vec() }
}

fn revealed_shares() -> RevealedShares {
    let share = |byte| Share([byte; KEY_LEN]);
    let (seed, key) = (Revealed::SelfMaskSeed(share(1)), Revealed::MaskSecretKey(share(2)));
    RevealedShares { shares: vec![seed, Revealed::Nothing, key] }
}

/// Every message decodes from its own bytes to what encodes to the same bytes again; from no
/// shorter and no longer ones; and from no other version or kind.
fn check<M: Message + fmt::Debug>(message: &M) {
    let bytes = message.encode(SESSION);
    let (session, decoded) = M::decode(&bytes).expect("it decodes");
    assert_eq!((session, decoded.encode(SESSION)), (SESSION, bytes.clone()));
    assert_eq!(error::<M>(&[bytes.as_slice(), &[0]].concat()), Malformed::TrailingBytes(1));
    for len in 0..bytes.len() {
        assert_eq!(error::<M>(&bytes[..len]), Malformed::Truncated, "{len} bytes");
    }
    check_header::<M>(bytes);
}

fn check_header<M: Message + fmt::Debug>(mut bytes: Vec<u8>) {
    let (expected, found) = (bytes[1], bytes[1] ^ 0x80);
    bytes[1] = found;
    assert_eq!(error::<M>(&bytes), Malformed::Kind { expected, found });
    bytes[0] = 2;
    assert_eq!(error::<M>(&bytes), Malformed::Version(2));
}

fn error<M: Message + fmt::Debug>(bytes: &[u8]) -> Malformed {
    M::decode(bytes).expect_err("it does not decode")
}

#[test]
fn every_message_has_one_encoding() {
    check(&setup_request());
    check(&keys(1));
    check(&signed_keys(1));
    check(&share_keys_request());
    check(&sealed_shares());
    check(&collect_request());
    check(&confirm_request());
    check(&Confirmation { signature: Signature([7; SIGNATURE_LEN]) });
    check(&unmask_request());
    check(&revealed_shares());
}

/// The rest of a masked vector is its lanes, whose number the accumulator knows.
#[test]
fn a_masked_vector_ends_with_its_lanes() {
    let vector = MaskedVector { packed: vec![1, 2, 3] };
    let bytes = vector.encode(SESSION);
    assert_eq!(MaskedVector::decode(&bytes), Ok((SESSION, vector)));
    assert_eq!(MaskedVector::split(&bytes), Ok((SESSION, &[1, 2, 3][..])));
    for len in 0..HEADER_LEN {
        assert_eq!(error::<MaskedVector>(&bytes[..len]), Malformed::Truncated);
    }
    check_header::<MaskedVector>(bytes);
}

#[test]
fn no_two_messages_are_of_one_kind() {
    let kinds = [
        kind::<SetupRequest>(),
        kind::<AdvertisedKeys>(),
        kind::<ShareKeysRequest>(),
        kind::<SealedShares>(),
        kind::<CollectRequest>(),
        kind::<MaskedVector>(),
        kind::<ConfirmRequest>(),
        kind::<Confirmation>(),
        kind::<UnmaskRequest>(),
        kind::<RevealedShares>(),
    ];
    assert_eq!(kinds, [0x80, 0x00, 0x81, 0x01, 0x82, 0x02, 0x84, 0x04, 0x83, 0x03]);
}

/// Replaces the four bytes of a list's length.
fn with_count(mut bytes: Vec<u8>, at: usize, count: u32) -> Vec<u8> {
    bytes[at..at + 4].copy_from_slice(&count.to_le_bytes());
    bytes
}

/// One more than the bytes that are left in the longest-packed message, as many as make the product
/// with an element's length wrap in 32 bits, and the most.
#[test]
fn lengths_beyond_the_message_are_refused() {
    for count in [68, u32::MAX / 72 + 1, u32::MAX] {
        check_count::<ShareKeysRequest>(&share_keys_request(), HEADER_LEN + KEY_LEN, count);
        check_count::<SealedShares>(&sealed_shares(), HEADER_LEN + KEY_LEN, count);
        check_count::<CollectRequest>(&collect_request(), HEADER_LEN, count);
        check_count::<ConfirmRequest>(&confirm_request(), HEADER_LEN, count);
        check_count::<UnmaskRequest>(&unmask_request(), HEADER_LEN, count);
        check_count::<UnmaskRequest>(&unmask_request(), HEADER_LEN + 4 + 3 * 8, count);
        check_count::<RevealedShares>(&revealed_shares(), HEADER_LEN, count);
    }
}

fn check_count<M: Message + fmt::Debug>(message: &M, at: usize, count: u32) {
    let bytes = with_count(message.encode(SESSION), at, count);
    assert_eq!(error::<M>(&bytes), Malformed::Truncated, "{count} elements");
}

#[test]
fn lists_of_clients_ascend_strictly() {
    for survivors in [[2, 1], [1, 1]] {
        let survivors = survivors.map(ClientId).to_vec();
        let request = UnmaskRequest { survivors: survivors.clone(), ..unmask_request() };
        assert_eq!(error::<UnmaskRequest>(&request.encode(SESSION)), Malformed::Order);
        let request = ConfirmRequest { survivors };
        assert_eq!(error::<ConfirmRequest>(&request.encode(SESSION)), Malformed::Order);
    }
    let mut request = unmask_request();
    request.confirmations.reverse();
    assert_eq!(error::<UnmaskRequest>(&request.encode(SESSION)), Malformed::Order);
    let mut peers = share_keys_request();
    peers.peers.reverse();
    assert_eq!(error::<ShareKeysRequest>(&peers.encode(SESSION)), Malformed::Order);
    let mut boxes = collect_request();
    boxes.boxes.reverse();
    assert_eq!(error::<CollectRequest>(&boxes.encode(SESSION)), Malformed::Order);
}

#[test]
fn tags_without_a_meaning_are_refused() {
    let mut bytes = revealed_shares().encode(SESSION);
    for tag in 3..=u8::MAX {
        bytes[HEADER_LEN + 4] = tag;
        assert_eq!(error::<RevealedShares>(&bytes), Malformed::Tag);
    }
    let mut bytes = signed_keys(1).encode(SESSION);
    for tag in 2..=u8::MAX {
        bytes[HEADER_LEN + 2 * KEY_LEN] = tag;
        assert_eq!(error::<AdvertisedKeys>(&bytes), Malformed::Tag);
    }
}

#[test]
fn messages_with_secrets_say_nothing_in_debug() {
    assert_eq!(format!("{:?}", sealed_shares()), "SealedShares(2 boxes)");
    let revealed = format!("{:?}", revealed_shares());
    assert!(revealed.contains("SelfMaskSeed(Share(..))"), "{revealed}");
}

/// Decodes bytes as any message; what decodes must encode to the same bytes.
fn one_encoding<M: Message>(bytes: &[u8]) -> bool {
    M::decode(bytes).is_ok_and(|(session, message)| {
        assert_eq!(message.encode(session), bytes);
        true
    })
}

proptest! {
    /// A message with one byte changed is refused, or it is another message's one encoding.
    #[test]
    fn changed_messages_have_one_encoding_too(which in 0..10_usize, at: prop::sample::Index, to: u8) {
        let messages = [
            setup_request().encode(SESSION), keys(1).encode(SESSION),
            share_keys_request().encode(SESSION), sealed_shares().encode(SESSION),
            collect_request().encode(SESSION), unmask_request().encode(SESSION),
            revealed_shares().encode(SESSION), MaskedVector { packed: vec![1] }.encode(SESSION),
            confirm_request().encode(SESSION), signed_keys(1).encode(SESSION),
        ];
        let mut bytes = messages[which].clone();
        let at = at.index(bytes.len());
        bytes[at] = to;
        let readings = [
            one_encoding::<ConfirmRequest>(&bytes), one_encoding::<Confirmation>(&bytes),
            one_encoding::<SetupRequest>(&bytes), one_encoding::<AdvertisedKeys>(&bytes),
            one_encoding::<ShareKeysRequest>(&bytes), one_encoding::<SealedShares>(&bytes),
            one_encoding::<CollectRequest>(&bytes), one_encoding::<MaskedVector>(&bytes),
            one_encoding::<UnmaskRequest>(&bytes), one_encoding::<RevealedShares>(&bytes),
        ];
        prop_assert!(readings.into_iter().filter(|&read| read).count() <= 1);
    }
}
