//! A server that lies, against clients that go by the rules. In each story it lies to client 1, which
//! refuses for the rule's own reason before it has said anything that the lie was after.

use secagg::message::{
    AdvertisedKeys, CollectRequest, Message, SetupRequest, ShareKeysRequest, UnmaskRequest,
};
use secagg::server::Suspect;
use secagg::{
    Abort, ChannelPublicKey, ClientId, ContextHash, Malformed, MaskPublicKey, Misuse, Params,
    Refused, ServerMisbehaved, Stage,
};
use secagg_tests::{APPLICATION, Cohort, Round, STAGES, wire};

fn five() -> Cohort {
    Cohort::secagg(5).threshold(3)
}

/// Client 1 refuses at a stage for this reason, and says no more in this round.
fn refuses(cohort: Cohort, stage: Stage, reason: impl Into<Refused>) -> Round<f64> {
    let round = cohort.run::<f64>();
    round.assert_refused(1, stage, reason);
    round
}

/// Other parameters for client 1, with the context that belonged to the old ones.
#[test]
fn parameters_that_are_not_those_of_the_context() {
    let lower = |request: &mut SetupRequest| request.params = lowered();
    refuses(five().edit(1, lower), Stage::Setup, ServerMisbehaved::Context);
}

fn lowered() -> Params {
    Params::secagg(5, 3, 2).build().expect("valid parameters")
}

/// With the context to match, client 1 cannot tell. But none of its boxes opens elsewhere, nor any
/// of theirs at client 1: it leaves with its update, and what it costs is the server's own round.
#[test]
fn a_lower_threshold_for_one_client_alone() {
    let lower = |request: &mut SetupRequest| {
        let params = lowered();
        *request = SetupRequest { context: ContextHash::new(&params, APPLICATION), params };
    };
    let reason = ServerMisbehaved::TooFewShares { have: 0, need: 2 };
    let round = refuses(five().edit(1, lower), Stage::CollectMaskedVectors, reason);
    // The server named false parameters; its client is suspected of what that led to.
    let suspects = vec![Suspect { client: ClientId(1), framers: 4 }];
    assert_eq!(round.abort(), Abort::FalseShares { client: ClientId(1), suspects });
}

fn with_peers(edit: impl Fn(&mut ShareKeysRequest) + 'static, reason: impl Into<Refused>) {
    refuses(five().edit(1, edit), Stage::ShareKeys, reason).assert_mean_of(2..=5);
}

fn mask_key(byte: u8) -> MaskPublicKey {
    MaskPublicKey::from_bytes([byte; 32]).expect("canonical")
}

fn channel_key(byte: u8) -> ChannelPublicKey {
    ChannelPublicKey::from_bytes([byte; 32]).expect("canonical")
}

#[test]
fn own_keys_altered() {
    with_peers(|request| request.peers[0].1.mask = mask_key(9), ServerMisbehaved::OwnKeysAltered);
    let channel = |request: &mut ShareKeysRequest| request.peers[0].1.channel = channel_key(9);
    with_peers(channel, ServerMisbehaved::OwnKeysAltered);
}

#[test]
fn own_keys_left_out() {
    with_peers(|request| _ = request.peers.remove(0), ServerMisbehaved::OwnKeysAltered);
}

/// Its own keys, but in the name of another.
#[test]
fn own_keys_under_another_name() {
    with_peers(|request| request.peers[0].0 = ClientId(0), ServerMisbehaved::OwnKeysAltered);
}

#[test]
fn one_peer_under_two_names() {
    let twin = |request: &mut ShareKeysRequest| request.peers[3].1 = request.peers[2].1;
    with_peers(twin, ServerMisbehaved::DuplicateKey(ClientId(4)));
}

#[test]
fn one_key_in_two_roles() {
    let same = |request: &mut ShareKeysRequest| {
        request.peers[2].1 =
            AdvertisedKeys { mask: mask_key(9), channel: channel_key(9), signature: None };
    };
    with_peers(same, ServerMisbehaved::DuplicateKey(ClientId(3)));
    let mirror = |request: &mut ShareKeysRequest| {
        let own = *request.peers[0].1.mask.as_bytes();
        request.peers[2].1.channel = ChannelPublicKey::from_bytes(own).expect("canonical");
    };
    with_peers(mirror, ServerMisbehaved::DuplicateKey(ClientId(3)));
}

#[test]
fn one_peer_twice() {
    with_peers(|request| request.peers[3] = request.peers[2], Malformed::Order);
}

#[test]
fn more_peers_than_the_parameters_allow() {
    let more = |request: &mut ShareKeysRequest| {
        let keys = AdvertisedKeys { mask: mask_key(8), channel: channel_key(9), signature: None };
        request.peers.push((ClientId(6), keys));
    };
    with_peers(more, ServerMisbehaved::TooManyPeers { found: 5, most: 4 });
}

#[test]
fn fewer_peers_than_the_threshold() {
    let fewer = |request: &mut ShareKeysRequest| request.peers.truncate(3);
    with_peers(fewer, ServerMisbehaved::TooFewPeers { have: 2, need: 3 });
}

#[test]
fn a_channel_key_of_low_order() {
    let low = |request: &mut ShareKeysRequest| request.peers[2].1.channel = channel_key(0);
    with_peers(low, ServerMisbehaved::LowOrderKey(ClientId(3)));
}

/// The mask key is first used a stage later, and no vector leaves.
#[test]
fn a_mask_key_of_low_order() {
    let low = |request: &mut ShareKeysRequest| request.peers[2].1.mask = mask_key(0);
    let reason = ServerMisbehaved::LowOrderKey(ClientId(3));
    refuses(five().edit(1, low), Stage::CollectMaskedVectors, reason).assert_mean_of(2..=5);
}

/// What replaces a `CollectRequest`'s fields, of which none is anyone's business.
fn with_boxes(forge: impl Fn(&mut Vec<u8>) + 'static, reason: impl Into<Refused>) {
    let stage = Stage::CollectMaskedVectors;
    refuses(five().forge(1, stage, forge), stage, reason).assert_mean_of(2..=5);
}

fn name_sender(bytes: &mut [u8], position: usize, sender: u64) {
    let end = wire::forwarded_box(position).start;
    bytes[end - 8..end].copy_from_slice(&sender.to_le_bytes());
}

#[test]
fn a_box_from_a_stranger() {
    let reason = ServerMisbehaved::NotANeighbour(ClientId(77));
    with_boxes(|bytes| name_sender(bytes, 3, 77), reason);
}

#[test]
fn a_box_from_the_client_itself() {
    let reason = ServerMisbehaved::NotANeighbour(ClientId(1));
    with_boxes(|bytes| name_sender(bytes, 0, 1), reason);
}

#[test]
fn two_boxes_from_one_neighbour() {
    with_boxes(|bytes| name_sender(bytes, 1, 2), Malformed::Order);
}

/// With two boxes the shares would not reach the threshold: the vector could be unmasked by fewer
/// than were promised.
#[test]
fn fewer_boxes_than_the_threshold() {
    let fewer = |bytes: &mut Vec<u8>| {
        bytes.truncate(wire::forwarded_box(1).end);
        bytes[wire::HEADER_LEN] = 2;
    };
    with_boxes(fewer, ServerMisbehaved::TooFewShares { have: 2, need: 3 });
}

#[test]
fn boxes_that_do_not_open() {
    let garble = |bytes: &mut Vec<u8>| {
        bytes[wire::forwarded_box(0)].fill(0);
        bytes[wire::forwarded_box(2)].fill(0);
    };
    with_boxes(garble, ServerMisbehaved::TooFewShares { have: 2, need: 3 });
}

/// Each box opens for its own sender and for no other.
#[test]
fn boxes_under_each_others_names() {
    let exchange = |bytes: &mut Vec<u8>| {
        let first = bytes[wire::forwarded_box(0)].to_vec();
        bytes.copy_within(wire::forwarded_box(1), wire::forwarded_box(0).start);
        bytes[wire::forwarded_box(1)].copy_from_slice(&first);
    };
    with_boxes(exchange, ServerMisbehaved::TooFewShares { have: 2, need: 3 });
}

/// Client 1 sent its vector before, so the sum is of all.
fn with_survivors(cohort: Cohort, survivors: &'static [u64], reason: impl Into<Refused>) {
    let edit = |request: &mut UnmaskRequest| {
        request.survivors = survivors.iter().copied().map(ClientId).collect();
    };
    let round = refuses(cohort.edit(1, edit), Stage::Unmask, reason);
    round.assert_as_predicted();
    assert!(round.outcome.is_ok());
}

#[test]
fn survivors_without_the_client_itself() {
    with_survivors(five(), &[2, 3, 4, 5], ServerMisbehaved::SurvivorsOmitSelf);
    with_survivors(five(), &[], ServerMisbehaved::SurvivorsOmitSelf);
}

#[test]
fn survivors_below_the_threshold() {
    let reason = ServerMisbehaved::TooFewSurvivors { have: 2, need: 3 };
    with_survivors(five(), &[1, 2, 3], reason);
}

#[test]
fn survivors_twice() {
    with_survivors(five(), &[1, 2, 2, 3, 4], Malformed::Order);
}

#[test]
fn survivors_out_of_order() {
    with_survivors(five(), &[1, 3, 2, 4], Malformed::Order);
}

#[test]
fn survivors_that_no_one_invited() {
    with_survivors(five(), &[1, 2, 3, 4, 6], ServerMisbehaved::UnknownSurvivor(ClientId(6)));
}

/// Client 5 shared no keys, so it cannot be in any sum.
#[test]
fn survivors_that_left_before() {
    let cohort = five().threshold(2).drop(5, Stage::ShareKeys);
    let reason = ServerMisbehaved::UnknownSurvivor(ClientId(5));
    with_survivors(cohort, &[1, 2, 3, 4, 5], reason);
}

/// Whatever is asked first, there is no second question: not the same, nor with other survivors.
#[test]
fn a_second_request_at_any_stage() {
    for &stage in STAGES {
        let round = five().ask_twice(1, stage).run::<f64>();
        let (_, refused) = round.log.refusals.get(&ClientId(1)).expect("client 1 refuses");
        let finished = Refused::Misuse(Misuse::Finished);
        let is_next = matches!(refused, Refused::Malformed(Malformed::Kind { .. }));
        assert!(is_next && stage < Stage::Unmask || *refused == finished, "{stage}: {refused:?}");
        round.assert_mean();
    }
}

/// The request that is due, with another stage's kind.
#[test]
fn requests_of_another_stage() {
    for &stage in STAGES {
        for &other in STAGES.iter().filter(|&&other| other != stage) {
            let kind = |stage: Stage| 0x80 | stage.number();
            let (expected, found) = (kind(stage), kind(other));
            let cohort = five().forge(1, stage, move |bytes| bytes[1] = found);
            refuses(cohort, stage, Malformed::Kind { expected, found });
        }
    }
}

/// A client's first message starts its session, so there is none that it could be foreign to; the
/// server then does not take the answer.
#[test]
fn requests_of_another_session() {
    let other = |bytes: &mut Vec<u8>| bytes[wire::SESSION].fill(9);
    for &stage in STAGES.iter().skip(1) {
        refuses(five().forge(1, stage, other), stage, ServerMisbehaved::ForeignSession);
    }
    let round = five().forge(1, Stage::Setup, other).run::<f64>();
    assert_eq!(round.rejected().len(), 1);
    round.assert_mean_of(2..=5);
}

/// Stages follow from the types of messages that these stories edit.
#[test]
fn each_request_opens_its_stage() {
    let stages =
        [SetupRequest::STAGE, ShareKeysRequest::STAGE, CollectRequest::STAGE, UnmaskRequest::STAGE];
    assert_eq!(stages, STAGES);
}
