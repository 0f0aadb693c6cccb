//! Keys and members where the server may be active: what is not signed by its owner, or is not what
//! everyone was told, is refused by the server as by the clients.

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use secagg::message::{AdvertisedKeys, Message, SetupRequest, ShareKeysRequest};
use secagg::plan::Assumptions;
use secagg::{
    ClientId, ClientMisbehaved, ContextHash, Directory, Identity, MaskPublicKey, Misuse, Params,
    Policy, Refused, Rejected, RosterHash, ServerMisbehaved, SessionId, Signature, Stage,
    ThreatModel, client,
};
use secagg_tests::{APPLICATION, Cohort, SESSION, identity, rng};
use sha2::{Digest, Sha256};

fn five() -> Cohort {
    Cohort::secagg(5).threshold(3).against(ThreatModel::ActiveServer)
}

fn context(application: &[u8]) -> ContextHash {
    ContextHash::new(&five().scene::<f64>().params, application)
}

/// Keys that a client signed at another occasion.
fn signed(id: u64, by: Identity, session: SessionId, application: &[u8]) -> AdvertisedKeys {
    let (params, context) = (five().scene::<f64>().params, context(application));
    let request = SetupRequest { params, context }.encode(session);
    let directory = Directory::new([(ClientId(id), by.verifying_key())]).expect("one entry");
    let client = client::Setup::new(ClientId(id)).application(application).identity(by, directory);
    let answer = client.answer(&request, &mut ChaCha20Rng::seed_from_u64(77));
    let (_, reply) = answer.expect("no reason to refuse");
    AdvertisedKeys::decode(&reply).expect("an honest message").1
}

/// Keys of client `id` with signatures that are not its own over these keys in this round.
fn falsely_signed(id: u64) -> Vec<AdvertisedKeys> {
    let own = || identity(ClientId(id));
    let honest = signed(id, own(), SESSION, APPLICATION);
    vec![
        signed(id, identity(ClientId(id + 1)), SESSION, APPLICATION),
        signed(id, own(), SessionId([9; 16]), APPLICATION),
        signed(id, own(), SESSION, b"another model"),
        signed(id + 1, own(), SESSION, APPLICATION),
        AdvertisedKeys { mask: mask_key(9), ..honest },
        AdvertisedKeys { signature: None, ..honest },
        AdvertisedKeys { signature: Some(Signature([0; 64])), ..honest },
    ]
}

fn mask_key(byte: u8) -> MaskPublicKey {
    MaskPublicKey::from_bytes([byte; 32]).expect("canonical")
}

/// The server does not take client 2's keys, and the others go on.
fn rejected(cohort: Cohort, keys: AdvertisedKeys) {
    let round = cohort.edit(2, move |said: &mut AdvertisedKeys| *said = keys).run::<f64>();
    let reason = Rejected::Misbehaved(ClientMisbehaved::BadSignature);
    assert_eq!(round.rejected(), [(2, Stage::Setup, reason)]);
    round.assert_mean_of([1, 3, 4, 5]);
}

#[test]
fn the_server_takes_no_keys_that_their_owner_did_not_sign_here() {
    for keys in falsely_signed(2) {
        rejected(five(), keys);
    }
    let own = signed(2, identity(ClientId(2)), SESSION, APPLICATION);
    five().edit(2, move |keys: &mut AdvertisedKeys| *keys = own).run::<f64>();
}

/// A message has one meaning: nobody signs for a curious server.
#[test]
fn a_curious_server_takes_no_signed_keys() {
    let keys = signed(2, identity(ClientId(2)), SESSION, APPLICATION);
    rejected(Cohort::secagg(5).threshold(3), keys);
}

#[test]
fn a_client_without_an_identity_takes_no_part() {
    let (_, outgoing) = five().scene::<f64>().open();
    let client = client::Setup::new(ClientId(1)).application(APPLICATION);
    let answer = client.answer(&outgoing[0].message, &mut ChaCha20Rng::seed_from_u64(1));
    assert_eq!(answer.err(), Some(Refused::Misuse(Misuse::NoIdentity)));
}

#[test]
fn a_client_that_the_directory_does_not_know_takes_no_part() {
    let round = five().identity(1, Identity::from_bytes(&[7; 32])).run::<f64>();
    round.assert_refused(1, Stage::Setup, Misuse::IdentityNotInDirectory);
    round.assert_mean_of(2..=5);
}

/// It was given for rounds whose server is not trusted, and a server could propose to be trusted.
#[test]
fn an_identity_is_not_forgotten() {
    let (_, outgoing) = Cohort::secagg(5).threshold(3).scene::<f64>().open();
    let directory = Directory::new((1..=5).map(|id| {
        let id = ClientId(id);
        (id, identity(id).verifying_key())
    }));
    let (directory, own) = (directory.expect("all differ"), identity(ClientId(1)));
    let setup = client::Setup::new(ClientId(1)).application(APPLICATION).identity(own, directory);
    let answer = |setup: client::Setup| setup.answer(&outgoing[0].message, &mut rng()).err();
    let reason = Refused::Misbehaved(ServerMisbehaved::Downgrade);
    assert_eq!(answer(setup.clone()), Some(reason));
    assert_eq!(answer(setup.also_curious()), None);
}

fn with_peers(edit: impl Fn(&mut ShareKeysRequest) + 'static, reason: ServerMisbehaved) {
    refuses(five().edit(1, edit), reason);
}

fn refuses(cohort: Cohort, reason: ServerMisbehaved) {
    let round = cohort.run::<f64>();
    round.assert_refused(1, Stage::ShareKeys, reason).assert_mean_of(2..=5);
}

/// Gives a list of the five the hash that belongs to it.
fn with_its_hash(request: &mut ShareKeysRequest) {
    with_its_hash_in(request, &five().scene::<f64>().params);
}

fn with_its_hash_in(request: &mut ShareKeysRequest, params: &Params) {
    with_hash(request, ContextHash::new(params, APPLICATION), identity);
}

/// The hash of a list by a directory, as section 4 of the specification says.
fn with_hash(
    request: &mut ShareKeysRequest,
    context: ContextHash,
    directory: impl Fn(ClientId) -> Identity,
) {
    let mut hash = Sha256::new().chain_update(b"secagg roster").chain_update(SESSION.0);
    hash.update(context.as_bytes());
    for (client, keys) in &request.peers {
        hash.update(client.0.to_le_bytes());
        hash.update(keys.mask.as_bytes());
        hash.update(keys.channel.as_bytes());
        hash.update(directory(*client).verifying_key().as_bytes());
    }
    request.roster = RosterHash::from_bytes(hash.finalize().into());
}

/// Makes another list of peers, which only its hash would tell.
fn with_consistent_peers(edit: impl Fn(&mut ShareKeysRequest) + 'static, reason: ServerMisbehaved) {
    let edit = move |request: &mut ShareKeysRequest| {
        edit(request);
        with_its_hash(request);
    };
    with_peers(edit, reason);
}

#[test]
fn a_roster_hash_that_is_not_the_lists() {
    let other = |request: &mut ShareKeysRequest| request.roster = RosterHash::from_bytes([7; 32]);
    with_peers(other, ServerMisbehaved::RosterAltered);
}

#[test]
fn a_member_left_out() {
    with_peers(|request| _ = request.peers.pop(), ServerMisbehaved::RosterAltered);
}

#[test]
fn a_member_added() {
    let more = |request: &mut ShareKeysRequest| {
        let keys = signed(6, identity(ClientId(6)), SESSION, APPLICATION);
        request.peers.push((ClientId(6), keys));
    };
    with_consistent_peers(more, ServerMisbehaved::TooManyMembers { found: 6, most: 5 });
}

#[test]
fn a_members_keys_swapped_with_anothers() {
    let swap = |request: &mut ShareKeysRequest| {
        let keys = request.peers[3].1;
        request.peers[3].1 = core::mem::replace(&mut request.peers[2].1, keys);
    };
    with_peers(swap, ServerMisbehaved::RosterAltered);
    with_consistent_peers(swap, ServerMisbehaved::BadSignature(ClientId(3)));
}

/// Signed with its own key even, if the server is in league with it.
#[test]
fn a_stranger_in_a_members_place() {
    let stranger = |request: &mut ShareKeysRequest| {
        let keys = signed(9, identity(ClientId(9)), SESSION, APPLICATION);
        request.peers[4] = (ClientId(9), keys);
    };
    with_consistent_peers(stranger, ServerMisbehaved::NotInDirectory(ClientId(9)));
}

#[test]
fn keys_that_the_neighbour_did_not_sign_here() {
    for keys in falsely_signed(3) {
        let reason = ServerMisbehaved::BadSignature(ClientId(3));
        with_consistent_peers(move |request| request.peers[2].1 = keys, reason);
    }
}

#[test]
fn own_keys_in_the_active_model() {
    let mask = |request: &mut ShareKeysRequest| request.peers[0].1.mask = mask_key(9);
    with_consistent_peers(mask, ServerMisbehaved::OwnKeysAltered);
    let signature = |request: &mut ShareKeysRequest| request.peers[0].1.signature = None;
    with_consistent_peers(signature, ServerMisbehaved::OwnKeysAltered);
    let gone = |request: &mut ShareKeysRequest| _ = request.peers.remove(0);
    with_consistent_peers(gone, ServerMisbehaved::OwnKeysAltered);
}

/// Four of five must confirm: with three members the round cannot end.
#[test]
fn fewer_members_than_the_quorum() {
    let fewer = |request: &mut ShareKeysRequest| request.peers.truncate(3);
    with_consistent_peers(fewer, ServerMisbehaved::TooFewMembers { found: 3, floor: 4 });
}

/// Of ten, two may drop out: eight members were assumed at least, and the quorum is seven.
#[test]
fn fewer_members_than_were_assumed() {
    let assumptions = Assumptions {
        corrupted: 0.2,
        dropout: 0.2,
        ..Assumptions::new(10, ThreatModel::ActiveServer)
    };
    let policy = Policy::assuming(assumptions).expect("it has a plan");
    let told = |members: usize| {
        let fewer = move |request: &mut ShareKeysRequest| {
            request.peers.truncate(members);
            with_its_hash_in(request, &ten().scene::<f64>().params);
        };
        let round = ten().policy(1, policy).edit(1, fewer).run::<f64>();
        round.refusal(1).cloned()
    };
    let reason = |found| Refused::Misbehaved(ServerMisbehaved::TooFewMembers { found, floor: 8 });
    assert_eq!(told(7), Some(reason(7)));
    assert_eq!(told(8), None);
    assert_eq!(ten().scene::<f64>().params.quorum(), 7);
}

fn ten() -> Cohort {
    Cohort::secagg(10).threshold(6).against(ThreatModel::ActiveServer)
}

/// A directory in which client 5 is someone else gives another roster: the two never agree on
/// anything.
#[test]
fn members_of_another_directory() {
    let other = |request: &mut ShareKeysRequest| {
        with_its_hash(request);
        let honest = request.roster;
        with_hash(request, context(APPLICATION), |client| {
            identity(if client == ClientId(5) { ClientId(6) } else { client })
        });
        assert_ne!(request.roster, honest);
    };
    with_peers(other, ServerMisbehaved::RosterAltered);
}

/// On a ring of twelve with four neighbours each, whoever is not client 1's neighbour is checked
/// too.
#[test]
fn keys_that_a_member_far_away_did_not_sign() {
    let cohort =
        || Cohort::secagg_plus(12, 4).threshold(3).dimension(1).against(ThreatModel::ActiveServer);
    let params = cohort().scene::<f64>().params;
    for liar in 2..=12 {
        let params = params.clone();
        let forge = move |request: &mut ShareKeysRequest| {
            request.peers[liar as usize - 1].1.mask = mask_key(9);
            with_its_hash_in(request, &params);
        };
        let round = cohort().edit(1, forge).run::<f64>();
        let reason = ServerMisbehaved::BadSignature(ClientId(liar));
        assert_eq!(round.refusal(1), Some(&Refused::Misbehaved(reason)));
    }
}

/// The honest server has five of six members left; client 1 wants all.
#[test]
fn fewer_members_than_the_policys_survivors() {
    let six = |floor| {
        let policy = Policy { min_survivors: floor, ..Policy::default() };
        let cohort = Cohort::secagg(6).threshold(3).against(ThreatModel::ActiveServer);
        cohort.policy(1, policy).drop(6, Stage::Setup)
    };
    refuses(six(6), ServerMisbehaved::TooFewMembers { found: 5, floor: 6 });
    six(5).run::<f64>().assert_mean_of(1..=5);
}

#[test]
fn fewer_neighbours_than_the_policy_asks_for() {
    let policy = Policy { min_neighbours: 4, ..Policy::default() };
    let fewer = |request: &mut ShareKeysRequest| {
        request.peers.pop();
        with_its_hash(request);
    };
    let reason = ServerMisbehaved::NeighboursBelowPolicy { found: 3, floor: 4 };
    refuses(five().policy(1, policy).edit(1, fewer), reason);
}

/// Client 1 cannot see that it is told of fewer members than others are. But it is alone with its
/// roster: it makes a box too few, and opens nobody's.
#[test]
fn a_roster_for_one_client_alone() {
    let fewer = |request: &mut ShareKeysRequest| {
        request.peers.pop();
        with_its_hash(request);
    };
    let round = five().edit(1, fewer).run::<f64>();
    let reason = ClientMisbehaved::ShareCount { expected: 4, found: 3 };
    assert_eq!(round.rejected(), [(1, Stage::ShareKeys, reason.into())]);
    round.assert_mean_of(2..=5);
}
