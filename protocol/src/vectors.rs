//! Vectors that a second implementation of the specification made (tests/vectors), where only the inside of this
//! crate sees what they are about: keys, boxes, fields of messages. Those of the graph and of shares are compared beside their
//! code, with the helpers below.

use secagg_kernels::Backend;
use serde_json::Value;

use crate::identity::{Directory, Identity, Statement, SurvivorsHash, VerifyingKey};
use crate::keys::{
    Channel, ChannelPublicKey, ChannelSecretKey, End, Hub, MaskPublicKey, MaskSecretKey, Salt,
    SelfMaskSeed, ShareChannel,
};
use crate::message::{
    AdvertisedKeys, CollectRequest, Message, Revealed, RevealedShares, SealedShares,
};
use crate::sealed::{Route, SharePair, open, seal};
use crate::session::Session;
use crate::shamir::Share;
use crate::{ClientId, ContextHash, Params, RosterHash, SessionId};

/// The list of this name in a file.
pub(crate) fn list<'a>(file: &'a Value, name: &str) -> &'a [Value] {
    let list = file[name].as_array().unwrap_or_else(|| panic!("a list of {name}"));
    assert!(!list.is_empty(), "{name}");
    list
}

pub(crate) fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

pub(crate) fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("no number: {value}"))
}

pub(crate) fn numbers(value: &Value) -> Vec<u64> {
    value.as_array().expect("a list").iter().map(number).collect()
}

pub(crate) fn client(value: &Value) -> ClientId {
    ClientId(number(value))
}

pub(crate) fn hex(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap_or_else(|| panic!("no text: {value}")).as_bytes();
    let digit = |digit: u8| char::from(digit).to_digit(16).expect("a hexadecimal digit") as u8;
    text.chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

pub(crate) fn array<const N: usize>(value: &Value) -> [u8; N] {
    hex(value).try_into().expect("as many bytes as the field has")
}

/// The session of a case, with parameters of so high a threshold; what is derived depends on its context alone.
fn session(case: &Value, threshold: u32) -> Session {
    let clients = (threshold + 1).max(3);
    let params = Params::secagg(clients, 3, threshold).modulus_range(1 << 64).build();
    Session {
        id: SessionId(array(&case["session"])),
        context: ContextHash::from_bytes(array(&case["context"])),
        params: params.expect("valid parameters"),
    }
}

fn mask_key(member: &Value) -> MaskPublicKey {
    MaskPublicKey::from_bytes(array(&member["mask_key"])).expect("canonical")
}

fn channel_key(member: &Value) -> ChannelPublicKey {
    ChannelPublicKey::from_bytes(array(&member["channel_key"])).expect("canonical")
}

fn keys_file() -> Value {
    parsed(include_str!("../../tests/vectors/keys.json"))
}

#[test]
fn contexts_are_those_of_the_reference() {
    for case in list(&keys_file(), "contexts") {
        let bytes = hex(&case["parameters"]);
        let params = Params::decode(&mut crate::wire::Reader::new(&bytes)).expect("parameters");
        let context = ContextHash::new(&params, &hex(&case["application"]));
        assert_eq!(context.as_bytes()[..], hex(&case["context"]), "{case}");
    }
}

#[test]
fn rosters_and_keys_are_those_of_the_reference() {
    for case in list(&keys_file(), "pairs") {
        let session = session(case, 2);
        let members = list(case, "members").iter().map(|member| {
            let (mask, channel) = (mask_key(member), channel_key(member));
            (client(&member["id"]), AdvertisedKeys { mask, channel, signature: None })
        });
        let members: Vec<_> = members.collect();
        let listed = members.iter().map(|(id, keys)| (*id, keys));
        let roster = RosterHash::curious(&session, &array(&case["fresh"]), listed.clone());
        assert_eq!(roster.as_bytes()[..], hex(&case["roster"]), "{case}");
        let known = list(case, "members").iter().map(|member| {
            let key = VerifyingKey::from_bytes(&array(&member["verifying_key"]));
            (client(&member["id"]), key.expect("a key"))
        });
        let known = Directory::new(known).expect("all keys differ");
        let active = RosterHash::active(&session, &known, listed);
        assert_eq!(active.as_bytes()[..], hex(&case["active_roster"]), "{case}");
        let salt = Salt::new(&session, &roster);
        check_pairwise_seed(case, &salt);
        check_channel(case, &salt);
    }
}

fn check_pairwise_seed(case: &Value, salt: &Salt) {
    let [first, second] = [0, 1].map(|at| {
        let secret = MaskSecretKey::from_bytes(&array(&case["clients"][at]["mask_secret"]));
        (End { client: client(&case["clients"][at]["id"]), key: secret.public() }, secret)
    });
    for ((ours, secret), (theirs, _)) in [(&first, &second), (&second, &first)] {
        let hub = Hub { backend: Backend::detect(), salt, secret, end: *ours };
        let mut masks = Vec::new();
        hub.pairwise_masks(std::slice::from_ref(theirs), &mut masks).expect("full order");
        assert_eq!(masks[0].0.as_bytes()[..], hex(&case["pairwise_seed"]), "{case}");
    }
}

/// A client's end of a channel, and its secret key.
fn channel_end(client_of: &Value) -> (End<Channel>, ChannelSecretKey) {
    let secret = ChannelSecretKey::from_bytes(&array(&client_of["channel_secret"]));
    (End { client: client(&client_of["id"]), key: secret.public() }, secret)
}

pub(crate) fn share_channel(
    salt: &Salt,
    secret: &ChannelSecretKey,
    end: End<Channel>,
    theirs: End<Channel>,
) -> ShareChannel {
    let hub = Hub { backend: Backend::detect(), salt, secret, end };
    hub.share_channels(&[theirs]).expect("full order").next().expect("one neighbour")
}

fn check_channel(case: &Value, salt: &Salt) {
    let [(ours, secret), (theirs, _)] = [0, 1].map(|at| channel_end(&case["clients"][at]));
    let channel = share_channel(salt, &secret, ours, theirs);
    let [there, back] =
        [channel.sending, channel.receiving].map(|key| [&key.key[..], &key.nonce].concat());
    assert_eq!(there, hex(&case["channel_there"]), "{case}");
    assert_eq!(back, hex(&case["channel_back"]), "{case}");
}

#[test]
fn commitments_and_signatures_are_those_of_the_reference() {
    for case in list(&keys_file(), "pairs") {
        let (session, owner) = (session(case, 2), client(&case["clients"][0]["id"]));
        let seed = SelfMaskSeed::from_bytes(&array(&case["self_mask_seed"]));
        assert_eq!(seed.commitment(&session, owner).0[..], hex(&case["commitment"]), "{case}");
        let identity = Identity::from_bytes(&array(&case["identity"]));
        let verifying_key = VerifyingKey::from_bytes(&array(&case["verifying_key"]));
        assert_eq!(Ok(identity.verifying_key()), verifying_key);
        let survivors = numbers(&case["survivors"]).into_iter().map(ClientId);
        let roster = RosterHash::from_bytes(array(&case["roster"]));
        let survivors = SurvivorsHash::new(survivors);
        let statement = Statement::survivors(&session, owner, &roster, &survivors);
        assert_eq!(identity.sign(&statement).0[..], hex(&case["survivors_signature"]), "{case}");
        let statement = Statement::advertised_keys(&session, owner, &advertised(case));
        assert_eq!(identity.sign(&statement).0[..], hex(&case["keys_signature"]), "{case}");
    }
}

/// What the first client of a case advertises.
fn advertised(case: &Value) -> AdvertisedKeys {
    let secrets = &case["clients"][0];
    AdvertisedKeys {
        mask: MaskSecretKey::from_bytes(&array(&secrets["mask_secret"])).public(),
        channel: ChannelSecretKey::from_bytes(&array(&secrets["channel_secret"])).public(),
        signature: None,
    }
}

#[test]
fn boxes_are_those_of_the_reference() {
    let file = parsed(include_str!("../../tests/vectors/sealed.json"));
    for case in list(&file, "cases") {
        let session = session(case, number(&case["threshold"]) as u32);
        let salt = Salt::new(&session, &RosterHash::from_bytes(array(&case["roster"])));
        let [(from, secret), (to, other)] =
            ["sender", "receiver"].map(|role| channel_end(&case[role]));
        let channel = share_channel(&salt, &secret, from, to);
        let route = Route { sender: from.client, receiver: to.client };
        let pair = SharePair {
            mask_secret_key: Share(array(&case["mask_key_share"])),
            self_mask_seed: Share(array(&case["self_mask_share"])),
        };
        let sealed = seal(&session, &channel.sending, route, &pair);
        assert_eq!(sealed[..], hex(&case["box"]), "{case}");
        let channel = share_channel(&salt, &other, to, from);
        let opened = open(&session, &channel.receiving, route, &sealed).expect("it opens");
        assert_eq!(opened.mask_secret_key.0, pair.mask_secret_key.0);
        assert_eq!(opened.self_mask_seed.0, pair.self_mask_seed.0);
    }
}

pub(crate) fn shamir_file() -> Value {
    parsed(include_str!("../../tests/vectors/shamir.json"))
}

/// Bytes in place of random ones, first to last.
pub(crate) struct Fixed(pub(crate) Vec<u8>);

impl rand_core::TryRng for Fixed {
    type Error = core::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        panic!("shares are made of bytes")
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        panic!("shares are made of bytes")
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Self::Error> {
        let drawn: Vec<u8> = self.0.drain(..out.len()).collect();
        out.copy_from_slice(&drawn);
        Ok(())
    }
}

impl rand_core::TryCryptoRng for Fixed {}

fn messages(name: &str) -> Vec<(Value, Vec<u8>)> {
    let file = parsed(include_str!("../../tests/vectors/messages.json"));
    let cases = list(&file, "cases").iter().filter(|case| case["message"] == name);
    cases.map(|case| (case["fields"].clone(), hex(&case["bytes"]))).collect()
}

#[test]
fn messages_hold_what_the_reference_put_into_them() {
    for (fields, bytes) in messages("SealedShares") {
        let (_, message) = SealedShares::decode(&bytes).expect("a message");
        assert_eq!(message.commitment.0[..], hex(&fields["commitment"]));
        let boxes: Vec<_> = message.boxes.iter().map(|sealed| sealed.to_vec()).collect();
        assert_eq!(boxes, list(&fields, "boxes").iter().map(hex).collect::<Vec<_>>());
    }
    for (fields, bytes) in messages("CollectRequest") {
        let (_, message) = CollectRequest::decode(&bytes).expect("a message");
        let boxes = message.boxes.iter().map(|(sender, sealed)| (*sender, sealed.to_vec()));
        let expected = list(&fields, "boxes").iter();
        assert!(boxes.eq(expected.map(|one| (client(&one["sender"]), hex(&one["box"])))));
    }
    for (fields, bytes) in messages("RevealedShares") {
        let (_, message) = RevealedShares::decode(&bytes).expect("a message");
        let shares = message.shares.iter().map(|revealed| match revealed {
            Revealed::Nothing => (0, vec![0; 32]),
            Revealed::SelfMaskSeed(share) => (1, share.0.to_vec()),
            Revealed::MaskSecretKey(share) => (2, share.0.to_vec()),
        });
        let expected = list(&fields, "shares").iter();
        assert!(shares.eq(expected.map(|one| (number(&one["tag"]), hex(&one["share"])))));
    }
}
