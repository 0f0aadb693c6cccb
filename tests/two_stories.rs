//! The attack that the active threat model is for. A server tells some neighbours of a client that it
//! survived, and the others that it dropped: shares of both its secrets unmask its vector alone.

use std::ops::RangeInclusive;

use secagg::message::{
    AdvertisedKeys, ConfirmRequest, Confirmation, Message, ShareKeysRequest, UnmaskRequest,
};
use secagg::server::Collecting;
use secagg::{ClientId, ContextHash, Outgoing, Refused, ServerMisbehaved, Signature, ThreatModel};
use secagg_tests::puppet::Terms;
use secagg_tests::{APPLICATION, Cohort, SESSION, Scene, wire};

/// Whose vector the server is after. Its neighbours are 2 to 5.
const VICTIM: u64 = 1;

/// The tags of revealed shares.
const SEED: u8 = 1;
const KEY: u8 = 2;

fn five(threat_model: ThreatModel, threshold: u32) -> Scene<f64> {
    Cohort::secagg(5).threshold(threshold).against(threat_model).scene()
}

/// Lets everyone go on to the stage that asks about survivors; the server has been honest so far.
fn up_to_the_survivors(scene: &mut Scene<f64>) {
    let setup = scene.open();
    let share_keys = pass(scene, 1..=5, setup);
    let (_, outgoing) = pass(scene, 1..=5, share_keys);
    scene.ask_all(&outgoing);
}

/// Closes a stage that some clients have answered.
fn pass<S: Collecting>(
    scene: &mut Scene<f64>,
    who: RangeInclusive<u64>,
    (mut stage, outgoing): (S, Vec<Outgoing>),
) -> (S::Next, Vec<Outgoing>) {
    for Outgoing { to, message } in outgoing.into_iter().filter(|sent| who.contains(&sent.to.0)) {
        let answer = scene.ask(to.0, &message).expect("no reason to refuse");
        stage.receive(to, &answer).expect("an honest answer");
    }
    stage.close(&mut secagg_tests::rng()).expect("enough have answered")
}

/// Who survived, in the story that a client is told.
fn survivors(victim_survived: bool) -> Vec<ClientId> {
    (if victim_survived { 1 } else { 2 }..=5).map(ClientId).collect()
}

/// The tag of what a client revealed of the victim, which is the first of its neighbours.
fn revealed_of_the_victim(answer: &[u8]) -> u8 {
    answer[wire::revealed(0).start]
}

/// Where the server is believed, it gets two shares of either secret, and the threshold is two.
#[test]
fn a_curious_models_clients_give_both_secrets_of_a_client_to_a_server_that_lies() {
    let mut scene = five(ThreatModel::HonestButCurious, 2);
    up_to_the_survivors(&mut scene);
    let mut revealed = Vec::new();
    for client in 2..=5 {
        let survivors = survivors(client <= 3);
        let request = UnmaskRequest { survivors, confirmations: Vec::new() }.encode(SESSION);
        revealed.push(revealed_of_the_victim(&scene.ask(client, &request).expect("an answer")));
    }
    assert_eq!(revealed, [SEED, SEED, KEY, KEY]);
}

/// Asks for signatures; who is told what is said by a bit for each client.
fn confirmations(scene: &mut Scene<f64>, stories: u32) -> Vec<(u64, Signature)> {
    let sign = |client: u64| {
        let survived = client == VICTIM || stories >> client & 1 == 1;
        let request = ConfirmRequest { survivors: survivors(survived) }.encode(SESSION);
        let answer = scene.ask(client, &request).expect("either story is possible");
        (client, Confirmation::decode(&answer).expect("honest").1.signature)
    };
    (1..=5).map(sign).collect()
}

/// Asks a client to unmask, with all signatures over its story that there are.
fn unmask(
    scene: &mut Scene<f64>,
    client: u64,
    survived: bool,
    signed: &[(u64, Signature)],
) -> Result<u8, Refused> {
    let confirmations = signed.iter().map(|&(client, by)| (ClientId(client), by)).collect();
    let request = UnmaskRequest { survivors: survivors(survived), confirmations };
    scene.ask(client, &request.encode(SESSION)).map(|answer| revealed_of_the_victim(&answer))
}

/// Half the neighbours are told one thing and half another. Whoever is asked to unmask misses
/// signatures, and says nothing.
#[test]
fn in_an_active_round_nobody_answers_to_half_a_story() {
    let mut scene = five(ThreatModel::ActiveServer, 3);
    up_to_the_survivors(&mut scene);
    let stories = 0b00_1100;
    let signed = confirmations(&mut scene, stories);
    for client in 1..=5 {
        let survived = client <= 3;
        let told: Vec<_> =
            signed.iter().copied().filter(|&(id, _)| (id <= 3) == survived).collect();
        let reason = ServerMisbehaved::TooFewConfirmations { have: told.len(), need: 4 };
        assert_eq!(unmask(&mut scene, client, survived, &told), Err(reason.into()));
    }
}

/// And whichever way the server tells its stories, with client 5 in league with it, which signs both and
/// reveals both shares: it never has enough shares of both secrets.
#[test]
fn in_an_active_round_no_two_stories_give_both_secrets() {
    for stories in (0..1 << 5).filter(|stories| stories % 4 == 0) {
        let (seeds, keys) = (shares(stories, true), shares(stories, false));
        assert!(seeds < 3 || keys < 3, "{stories:b}: {seeds} and {keys} shares");
    }
}

/// Shares of the victim's seed (if it is to have survived) or key that the server gets, client 5's
/// included. Honest clients are told what the bits say, and client 5 what helps.
fn shares(stories: u32, survived: bool) -> usize {
    let mut scene = five(ThreatModel::ActiveServer, 3);
    up_to_the_survivors(&mut scene);
    let stories = stories | if survived { 1 << 5 } else { 0 };
    let is_told = |client: u64| client == VICTIM || stories >> client & 1 == 1;
    let signed = confirmations(&mut scene, stories);
    let told: Vec<_> = signed.into_iter().filter(|&(id, _)| is_told(id) == survived).collect();
    let honest = (2..=4).filter(|&client| is_told(client) == survived);
    let wanted = if survived { SEED } else { KEY };
    1 + honest.filter(|&client| unmask(&mut scene, client, survived, &told) == Ok(wanted)).count()
}

/// Two halves of a sparse cohort are told of their own half alone, in one session: every
/// neighbourhood would be whole. But neither half has as many members as must confirm.
#[test]
fn in_an_active_round_two_rosters_give_no_two_sums() {
    let cohort = Cohort::secagg_plus(40, 8).threshold(6).against(ThreatModel::ActiveServer);
    let mut scene = cohort.scene::<f64>();
    let context = ContextHash::new(&scene.params, APPLICATION);
    let terms = Terms { session: SESSION, params: scene.params.clone(), context };
    for half in [1..=20, 21..=40] {
        let (_, outgoing) = scene.open();
        let asked = outgoing.into_iter().filter(|sent| half.contains(&sent.to.0));
        let peers: Vec<_> = asked
            .map(|Outgoing { to, message }| {
                let answer = scene.ask(to.0, &message).expect("no reason to refuse");
                (to, AdvertisedKeys::decode(&answer).expect("honest").1)
            })
            .collect();
        let roster = terms.roster(&peers, scene.directory.as_ref(), &[0; 32]);
        let request = ShareKeysRequest { roster, peers }.encode(SESSION);
        let reason = ServerMisbehaved::TooFewMembers { found: 20, floor: 28 };
        assert_eq!(scene.ask(*half.start(), &request), Err(reason.into()));
    }
}
