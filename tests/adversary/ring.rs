//! The server, or a puppet, chooses the ring.

use rand_core::Rng;
use secagg::message::{Message, ShareKeysRequest};
use secagg::server::Collecting;
use secagg::{ClientId, Policy, Refused, ServerMisbehaved, Signature};
use secagg_tests::plain::Clients;
use secagg_tests::puppet::{Bytes, Puppet};
use secagg_tests::{APPLICATION, Cohort, Heist, SESSION, rng};

use super::{assert_refused, assert_unmet, assuming, everyone, ids, loose, plan, planned, strict};

/// Whose keys are tried.
#[derive(Clone, Copy)]
enum Lever {
    /// The last puppet's.
    Puppet,
    /// Those of client 90, who is not told anything.
    Absent,
}

/// Tries keys until the ring has what it is searched for.
fn search<T>(heist: &mut Heist, lever: Lever, found: impl Fn(&Heist) -> Option<T>) -> T {
    let attempt = |attempt| {
        match lever {
            Lever::Puppet => heist.renew(100, attempt),
            Lever::Absent => {
                let keys = Puppet::new(ClientId(90), attempt).keys(&heist.terms, false);
                let signature = Some(Signature([0; 64]));
                heist.claim(90, secagg::message::AdvertisedKeys { signature, ..keys });
            }
        }
        heist.enrol(&everyone(), &[0; 32]);
        found(heist)
    };
    (0..10_000).find_map(attempt).expect("such a ring in a few hundred")
}

/// An honest client with 2t - k puppets around it, and client 90 not among its neighbours.
fn alone(heist: &Heist) -> Option<ClientId> {
    let params = &heist.terms.params;
    let enough = 2 * params.threshold() - params.degree();
    let fits = |(client, near): &(&ClientId, &Clients)| {
        let many = heist.puppets_among(*near).len() >= enough as usize;
        many && **client < ClientId(90) && !near.contains(&ClientId(90))
    };
    heist.graph.iter().find(fits).map(|(client, _)| *client)
}

/// The client is given the boxes of its puppets, and of as many others as it takes, who are then
/// said to have vanished. Its other neighbours, whose boxes it did not get, hold the shares of its
/// seed.
fn withheld_boxes(policy: Policy, lever: Lever) -> Result<(Heist, u64), Refused> {
    let mut heist = planned(policy);
    let (all, mut told) = (everyone(), heist.honest());
    heist.advertise(&told)?;
    let victim = search(&mut heist, lever, alone);
    if matches!(lever, Lever::Absent) {
        told.remove(&ClientId(90));
    }
    heist.share_keys(victim)?;
    told.remove(&victim);
    for &client in &told {
        heist.share_keys(client)?;
    }
    let puppets = heist.puppets_among(&heist.graph[&victim]);
    let missing = heist.terms.params.threshold() as usize - puppets.len();
    let vanished: Clients =
        heist.graph[&victim].difference(&puppets).take(missing).copied().collect();
    heist.collect(victim, &(&puppets | &vanished))?;
    let signers = &told - &vanished;
    for &client in &signers {
        heist.collect(client, &all)?;
    }
    let survivors = &(&signers | &heist.puppets_among(&all)) | &ids([victim.0]);
    heist.confirm(&signers, &survivors)?;
    heist.unmask(&signers, &survivors)?;
    Ok((heist, victim.0))
}

#[test]
fn boxes_withheld_from_one_client() {
    let (heist, victim) = withheld_boxes(assuming(loose()), Lever::Puppet).expect("a found ring");
    heist.assert_reads([victim]);
    assert_unmet(withheld_boxes(assuming(strict()), Lever::Puppet));
}

/// Client 90 has vanished, and its keys are tried in place of a puppet's. Seen to read the update
/// where `ShareKeys::check_signatures` was taken out.
#[test]
fn keys_of_an_absent_client_that_is_no_neighbour() {
    let reason = ServerMisbehaved::BadSignature(ClientId(90));
    let outcome = withheld_boxes(assuming(loose()), Lever::Absent);
    let outcome = outcome.inspect(|(heist, victim)| heist.assert_reads([*victim]));
    assert_refused(outcome, reason);
}

/// Two windows of k/2 places, each with t - k/2 puppets, and what lies between: the honest clients
/// in the windows, and those on one side of them.
fn parted(heist: &Heist) -> Option<[Clients; 2]> {
    let (params, places) = (&heist.terms.params, heist.places());
    let (len, half) = (places.len(), params.degree() as usize / 2);
    let arc = |start: usize, end: usize| -> Clients {
        (start..end).map(|place| places[place % len]).collect()
    };
    let crowded = |start: usize| {
        let puppets = heist.puppets_among(&arc(start, start + half)).len();
        puppets + half >= params.threshold() as usize
    };
    let starts: Vec<_> = (0..len).filter(|&start| crowded(start)).collect();
    let pairs = starts.iter().flat_map(|&one| starts.iter().map(move |&other| (one, other)));
    let mut apart =
        pairs.filter(|(one, other)| one + 2 * half < *other && other + 2 * half < one + len);
    let (one, other) = apart.next()?;
    let honest = |clients: Clients| &clients - &heist.puppets_among(&clients);
    let windows = &arc(one, one + half) | &arc(other, other + half);
    Some([honest(windows), honest(arc(one + half, other))])
}

/// The honest clients in two windows vanish once they have advertised their keys. All others sign,
/// and are on two sides that only puppets connect.
fn part_of_the_ring(policy: Policy) -> Result<(Heist, Clients), Refused> {
    let mut heist = planned(policy);
    let (all, honest) = (everyone(), heist.honest());
    heist.advertise(&honest)?;
    let [vanished, part] = search(&mut heist, Lever::Puppet, parted);
    let told = &honest - &vanished;
    for &client in &told {
        heist.share_keys(client)?;
    }
    for &client in &told {
        heist.collect(client, &all)?;
    }
    let survivors = &all - &vanished;
    heist.confirm(&told, &survivors)?;
    heist.unmask(&told, &survivors)?;
    Ok((heist, part))
}

#[test]
fn a_part_of_the_ring_split_off() {
    let (heist, part) = part_of_the_ring(assuming(loose())).expect("a found ring");
    assert!(part.len() < heist.terms.params.quorum() as usize);
    heist.assert_reads(part.iter().map(|client| client.0));
    assert_unmet(part_of_the_ring(assuming(strict())));
    assert_eq!(plan().corrupted(), 10);
}

/// In a curious round of 40 clients, six neighbours each, the last of eight puppets to advertise
/// tries keys until four of them are around client 1, on the ring that would follow from the bytes
/// it foresees.
fn last_to_advertise(foreseen: &Bytes) -> Heist {
    let scene = Cohort::secagg_plus(40, 6).threshold(4).scene();
    let (mut setup, outgoing) = scene.open();
    let mut heist = Heist::new(scene, 33..=40, APPLICATION);
    let (all, honest) = (ids(1..=40), heist.honest());
    heist.advertise(&honest).expect("an honest server");
    let found = |attempt| {
        heist.renew(40, attempt);
        heist.enrol(&all, foreseen);
        heist.puppets_among(&heist.graph[&ClientId(1)]).len() >= 4
    };
    assert!((0..10_000).any(found), "such a ring in a few hundred");
    for to in outgoing.iter().map(|outgoing| outgoing.to) {
        setup.receive(to, &heist.keys(to).encode(SESSION)).expect("true keys");
    }
    let (_, requests) = setup.close(&mut rng()).expect("all are there");
    let asks_the_first = requests.iter().find(|sent| sent.to == ClientId(1)).expect("a member");
    let (_, request) = ShareKeysRequest::decode(&asks_the_first.message).expect("honest");
    heist.believe(&all, request.roster);
    let answer = heist.ask(ClientId(1), &asks_the_first.message).expect("an honest server");
    heist.keep_boxes(ClientId(1), &answer);
    for client in ids(2..=32) {
        heist.share_keys(client).expect("an honest server");
    }
    heist.collect(ClientId(1), &all).expect("an honest server");
    heist
}

/// With the server's bytes known in advance, which come from its generator, a puppet has the ring
/// that it wants; without them it has one by chance.
#[test]
fn the_last_to_advertise_chooses_no_ring() {
    let mut fresh = [0; 32];
    rng().fill_bytes(&mut fresh);
    last_to_advertise(&fresh).assert_reads([1]);
    let heist = last_to_advertise(&[0; 32]);
    assert!(heist.puppets_among(&heist.graph[&ClientId(1)]).len() < 4);
    assert!(heist.read(&ids([1])).is_none());
}
