//! The server chooses who is on the roster, and whose keys are there.

use secagg::message::{AdvertisedKeys, Message, ShareKeysRequest, UnmaskRequest};
use secagg::{
    ClientId, Directory, Identity, Policy, Refused, RosterHash, ServerMisbehaved, ThreatModel,
    client,
};
use secagg_tests::{APPLICATION, Cohort, Heist, SESSION, identity, wire};

use super::{PUPPETS, assert_refused, assuming, floors, ids, loose, planned};

/// Client 1, all puppets, and two honest clients that are not told, with boxes that do not open:
/// enough for the policy's neighbours. Puppets hold both secrets, so that the masks against these
/// two are known as well.
fn roster_of_puppets(policy: Policy) -> Result<Heist, Refused> {
    let mut heist = planned(policy);
    let members = ids(PUPPETS.chain([1, 2, 3]));
    heist.advertise(&ids([1, 2, 3]))?;
    heist.enrol(&members, &[0; 32]);
    heist.share_keys(ClientId(1))?;
    for client in [2, 3] {
        heist.fake_boxes(ClientId(client));
    }
    heist.collect(ClientId(1), &members)?;
    Ok(heist)
}

/// Seen to read the update where `Policy::check_members` asked for `min_survivors` alone.
#[test]
fn a_roster_of_puppets() {
    let quorum = planned(floors()).terms.params.quorum();
    let reason = |floor| ServerMisbehaved::TooFewMembers { found: 13, floor };
    assert_refused(roster_of_puppets(floors()).inspect(reads), reason(quorum as usize));
    assert_refused(roster_of_puppets(assuming(loose())).inspect(reads), reason(95));
}

fn reads(heist: &Heist) {
    heist.assert_reads([1]);
}

fn seven() -> Heist {
    let cohort = Cohort::secagg(7).threshold(5).against(ThreatModel::ActiveServer);
    Heist::new(cohort.scene(), [], APPLICATION)
}

/// The identity that the false directory has for everyone but client 1, whose secret the server
/// has.
fn false_identity(client: ClientId) -> Identity {
    identity(if client == ClientId(1) { client } else { ClientId(1000 + client.0) })
}

fn false_directory() -> Directory {
    let entries = ids(1..=7).into_iter().map(|id| (id, false_identity(id).verifying_key()));
    Directory::new(entries).expect("all differ")
}

/// Client 1 has its directory from the server. Everyone has the true keys of all others, under
/// signatures that its own directory confirms. Then client 1 alone is told that client 7 dropped.
fn two_directories(
    roster: impl Fn(&Heist, &[(ClientId, AdvertisedKeys)]) -> RosterHash,
) -> Result<(), Refused> {
    let (mut heist, all) = (seven(), ids(1..=7));
    let own = client::Setup::new(ClientId(1)).application(APPLICATION);
    heist.seat(1, own.identity(identity(ClientId(1)), false_directory()));
    heist.advertise(&all)?;
    heist.enrol(&all, &[0; 32]);
    for client in ids(2..=7) {
        heist.share_keys(client)?;
    }
    let signed = |&id| (id, heist.terms.signed_keys(id, &false_identity(id), heist.keys(id)));
    let peers: Vec<_> = all.iter().map(signed).collect();
    let request = ShareKeysRequest { roster: roster(&heist, &peers), peers };
    heist.ask(ClientId(1), &request.encode(SESSION))?;
    heist.collect(ClientId(1), &all)?;
    let told = ids(1..=6);
    heist.confirm(&ids([1]), &told)?;
    let survivors: Vec<_> = told.into_iter().collect();
    let forge = |&id: &ClientId| {
        (id, heist.terms.signed_survivors(id, &false_identity(id), &heist.roster, &survivors))
    };
    let confirmations = survivors.iter().skip(1).map(forge).collect();
    let request = UnmaskRequest { survivors: survivors.clone(), confirmations };
    let answer = heist.ask(ClientId(1), &request.encode(SESSION))?;
    assert_eq!(answer[wire::revealed(5).start], 2, "a share of the mask key of client 7");
    Ok(())
}

/// Seen to have client 1's share of client 7's mask key, though nobody else signed that it dropped,
/// where `RosterHash::active` and the hash of these stories left the verifying keys out.
#[test]
fn two_directories_share_no_roster() {
    let of_the_others = two_directories(|heist, _| heist.roster);
    assert_refused(of_the_others, ServerMisbehaved::RosterAltered);
    let of_its_own =
        |heist: &Heist, peers: &[_]| heist.terms.roster(peers, Some(&false_directory()), &[0; 32]);
    let reason = ServerMisbehaved::TooFewShares { have: 0, need: 5 };
    assert_refused(two_directories(of_its_own), reason);
}

/// One of two rounds of eight clients under one session id, of which each wants to be among seven
/// survivors.
fn round(number: u64, application: &[u8]) -> Heist {
    let policy = Policy { min_survivors: 7, ..Policy::default() };
    let cohort = Cohort::secagg(8).threshold(5).against(ThreatModel::ActiveServer).seed(number);
    let cohort = (1..=8).fold(cohort, |cohort, client| {
        cohort.policy(client, policy).application(client, application)
    });
    Heist::new(cohort.scene(), [], application)
}

/// In the first round client 8 vanishes before it masks, and all is well. In the second it is not
/// there, but its keys of the first are, as if it had advertised them; and client 7 vanishes.
fn replayed_keys(applications: [&[u8]; 2]) -> Result<Heist, Refused> {
    let (all, seven, six) = (ids(1..=8), ids(1..=7), ids(1..=6));
    let [mut first, mut second] =
        [1, 2].map(|number| round(number, applications[number as usize - 1]));
    first.advertise(&all)?;
    first.enrol(&all, &[0; 32]);
    all.iter().try_for_each(|&client| first.share_keys(client))?;
    seven.iter().try_for_each(|&client| first.collect(client, &all))?;
    first.confirm(&seven, &seven)?;
    first.unmask(&seven, &seven)?;
    first.assert_reads(1..=7);
    second.learn(8, first.mask_key(ClientId(8)).expect("it dropped"));
    second.claim(8, first.keys(ClientId(8)));
    second.advertise(&seven)?;
    second.enrol(&all, &[0; 32]);
    seven.iter().try_for_each(|&client| second.share_keys(client))?;
    second.fake_boxes(ClientId(8));
    six.iter().try_for_each(|&client| second.collect(client, &all))?;
    let survivors = &six | &ids([8]);
    second.confirm(&six, &survivors)?;
    second.unmask(&six, &survivors)?;
    Ok(second)
}

/// Where application bytes do not name the round, a sum over six passes for one over seven.
#[test]
fn signed_keys_of_an_earlier_round() {
    let same = replayed_keys([APPLICATION; 2]).expect("nobody can tell the rounds apart");
    same.assert_reads(1..=6);
    let reason = ServerMisbehaved::BadSignature(ClientId(8));
    assert_refused(replayed_keys([b"round 1", b"round 2"]), reason);
}
