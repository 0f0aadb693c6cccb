//! Section 11 of the specification: the ten messages, field by field.

use secagg::kernels::pack::pack;
use secagg::kernels::{Backend, Modulus};
use secagg::message::{
    AdvertisedKeys, CollectRequest, ConfirmRequest, Confirmation, MaskedVector, Message,
    RevealedShares, SealedShares, SetupRequest, ShareKeysRequest, UnmaskRequest,
};
use secagg::{ChannelPublicKey, MaskPublicKey, RosterHash, SessionId, Signature, Stage};
use serde::Deserialize;

use crate::json::{Bytes, clients, read, session, stage};
use crate::parameters::encoded;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Messages {
    session: Bytes,
    cases: Vec<Case>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    message: String,
    kind: u8,
    stage: String,
    fields: Fields,
    bytes: Bytes,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Fields {
    parameters: Option<Bytes>,
    context: Option<Bytes>,
    mask_key: Option<Bytes>,
    channel_key: Option<Bytes>,
    signature: Option<Bytes>,
    roster: Option<Bytes>,
    peers: Vec<Peer>,
    /// The reader of boxes is in `secagg` alone: its unit tests compare these four.
    commitment: Option<Bytes>,
    boxes: serde_json::Value,
    shares: serde_json::Value,
    width: Option<u32>,
    lanes: Vec<u64>,
    survivors: Vec<u64>,
    confirmations: Vec<Signed>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Peer {
    id: u64,
    mask_key: Bytes,
    channel_key: Bytes,
    signature: Option<Bytes>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signed {
    id: u64,
    signature: Bytes,
}

fn signature(bytes: &Bytes) -> Signature {
    Signature(bytes.array())
}

fn keys(mask: &Bytes, channel: &Bytes, signed: Option<&Bytes>) -> AdvertisedKeys {
    AdvertisedKeys {
        mask: MaskPublicKey::from_bytes(mask.array()).expect("canonical"),
        channel: ChannelPublicKey::from_bytes(channel.array()).expect("canonical"),
        signature: signed.map(signature),
    }
}

/// The bytes decode, and what they decode to has them as its encoding.
fn decoded<M: Message>(at: SessionId, case: &Case) -> M {
    let (session, message) = M::decode(&case.bytes.0).unwrap_or_else(|e| panic!("{e}: {case:?}"));
    assert_eq!((session, M::STAGE), (at, stage(&case.stage)), "{case:?}");
    assert_eq!(case.kind, M::STAGE.number() | if M::FROM_SERVER { 0x80 } else { 0 }, "{case:?}");
    assert_eq!(message.encode(session), case.bytes.0, "{case:?}");
    message
}

fn check_setup_request(at: SessionId, case: &Case) {
    let SetupRequest { params, context } = decoded(at, case);
    assert_eq!(Some(Bytes(encoded(&params))), case.fields.parameters);
    assert_eq!(Some(Bytes(context.as_bytes().to_vec())), case.fields.context);
}

fn check_advertised_keys(at: SessionId, case: &Case) {
    let Fields { mask_key: Some(mask), channel_key: Some(channel), .. } = &case.fields else {
        panic!("no keys: {case:?}")
    };
    assert_eq!(
        decoded::<AdvertisedKeys>(at, case),
        keys(mask, channel, case.fields.signature.as_ref())
    );
}

fn check_share_keys_request(at: SessionId, case: &Case) {
    let roster = case.fields.roster.as_ref().expect("a hash").array();
    let peers =
        case.fields.peers.iter().map(|peer| {
            (peer.id, keys(&peer.mask_key, &peer.channel_key, peer.signature.as_ref()))
        });
    let (ids, keys): (Vec<_>, Vec<_>) = peers.unzip();
    let peers = clients(&ids).into_iter().zip(keys).collect();
    let expected = ShareKeysRequest { roster: RosterHash::from_bytes(roster), peers };
    assert_eq!(decoded::<ShareKeysRequest>(at, case), expected);
}

fn check_masked_vector(at: SessionId, case: &Case) {
    let width = case.fields.width.expect("a width");
    let modulus = Modulus::from_width(width).expect("1 to 64");
    let mut packed = vec![0; modulus.packed_len(case.fields.lanes.len())];
    pack(Backend::detect(), modulus, &case.fields.lanes, &mut packed).expect("64 bits");
    assert_eq!(decoded::<MaskedVector>(at, case), MaskedVector { packed });
}

fn check_confirm_request(at: SessionId, case: &Case) {
    let survivors = clients(&case.fields.survivors);
    assert_eq!(decoded::<ConfirmRequest>(at, case), ConfirmRequest { survivors });
}

fn check_confirmation(at: SessionId, case: &Case) {
    let signature = signature(case.fields.signature.as_ref().expect("a signature"));
    assert_eq!(decoded::<Confirmation>(at, case), Confirmation { signature });
}

fn check_unmask_request(at: SessionId, case: &Case) {
    let survivors = clients(&case.fields.survivors);
    let signed = case.fields.confirmations.iter();
    let confirmations =
        signed.map(|one| (secagg::ClientId(one.id), signature(&one.signature))).collect();
    assert_eq!(decoded::<UnmaskRequest>(at, case), UnmaskRequest { survivors, confirmations });
}

#[test]
fn every_message_is_that_of_the_reference() {
    let Messages { session: bytes, cases } = read("messages");
    let at = session(&bytes);
    for case in &cases {
        match case.message.as_str() {
            "SetupRequest" => check_setup_request(at, case),
            "AdvertisedKeys" => check_advertised_keys(at, case),
            "ShareKeysRequest" => check_share_keys_request(at, case),
            "SealedShares" => drop(decoded::<SealedShares>(at, case)),
            "CollectRequest" => drop(decoded::<CollectRequest>(at, case)),
            "MaskedVector" => check_masked_vector(at, case),
            "ConfirmRequest" => check_confirm_request(at, case),
            "Confirmation" => check_confirmation(at, case),
            "UnmaskRequest" => check_unmask_request(at, case),
            "RevealedShares" => drop(decoded::<RevealedShares>(at, case)),
            other => panic!("{other} is no message"),
        }
    }
    let mut kinds: Vec<_> = cases.iter().map(|case| case.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds, [0, 1, 2, 3, 4, 0x80, 0x81, 0x82, 0x83, 0x84]);
    assert_eq!(Stage::of(secagg::ThreatModel::ActiveServer).len(), 5);
}
