//! Every message in every stage, to clients and to the server, under both threat models: only the one
//! that is due is read. And messages of other sessions, as they came and with this session's name.

use secagg::message::{
    AdvertisedKeys, CollectRequest, ConfirmRequest, Confirmation, MaskedVector, RevealedShares,
    SealedShares, SetupRequest, ShareKeysRequest, UnmaskRequest,
};
use secagg::server::{Collecting, Suspect};
use secagg::{
    Abort, ClientId, ClientMisbehaved, Malformed, Misuse, Outgoing, Refused, Rejected,
    ServerMisbehaved, SessionId, Stage, ThreatModel,
};
use secagg_tests::{Cohort, Log, SESSION, Scene, wire};

const ELSEWHERE: SessionId = SessionId([9; 16]);

fn five(threat_model: ThreatModel) -> Cohort {
    Cohort::secagg(5).threshold(3).against(threat_model)
}

fn active() -> Cohort {
    five(ThreatModel::ActiveServer)
}

/// All ten kinds of messages, as client 1 got or sent them.
fn messages() -> Vec<Vec<u8>> {
    let log = active().run::<f64>().log;
    let sent = [
        log.bytes::<SetupRequest>(1),
        log.bytes::<AdvertisedKeys>(1),
        log.bytes::<ShareKeysRequest>(1),
        log.bytes::<SealedShares>(1),
        log.bytes::<CollectRequest>(1),
        log.bytes::<MaskedVector>(1),
        log.bytes::<ConfirmRequest>(1),
        log.bytes::<Confirmation>(1),
        log.bytes::<UnmaskRequest>(1),
        log.bytes::<RevealedShares>(1),
    ];
    sent.map(|bytes| bytes.expect("it was sent").to_vec()).to_vec()
}

#[test]
fn a_client_reads_no_message_but_the_one_that_is_due() {
    for threat_model in ThreatModel::ALL {
        for &stage in Stage::of(threat_model) {
            let expected = 0x80 | stage.number();
            for message in messages().into_iter().filter(|message| message[1] != expected) {
                let found = message[1];
                let forge = move |bytes: &mut Vec<u8>| bytes.clone_from(&message);
                let round = five(threat_model).forge(1, stage, forge).run::<f64>();
                round.assert_refused(1, stage, Malformed::Kind { expected, found }).assert_mean();
            }
        }
    }
}

/// Sends all that is not due to an open stage, in the name of client 1.
fn only_the_due_is_read<S: Collecting>(stage: &mut S) {
    let expected = S::STAGE.number();
    for message in messages().into_iter().filter(|message| message[1] != expected) {
        let found = message[1];
        let reason = Rejected::Malformed(Malformed::Kind { expected, found });
        assert_eq!(stage.receive(ClientId(1), &message), Err(reason), "{}", S::STAGE);
    }
}

/// Closes a stage with honest answers, after all that is not due.
fn pass<S: Collecting>(
    scene: &mut Scene<f64>,
    (mut stage, outgoing): (S, Vec<Outgoing>),
) -> (S::Next, Vec<Outgoing>) {
    if !outgoing.is_empty() {
        only_the_due_is_read(&mut stage);
    }
    for (client, answer) in scene.ask_all(&outgoing) {
        stage.receive(client, &answer).expect("an honest answer");
    }
    stage.close(&mut secagg_tests::rng()).expect("all have answered")
}

#[test]
fn the_server_reads_no_message_but_the_one_that_is_due() {
    for threat_model in ThreatModel::ALL {
        let mut scene = five(threat_model).scene::<f64>();
        let setup = scene.open();
        let share_keys = pass(&mut scene, setup);
        let collect = pass(&mut scene, share_keys);
        let confirm = pass(&mut scene, collect);
        let unmask = pass(&mut scene, confirm);
        let (recovered, _) = pass(&mut scene, unmask);
        assert_eq!(recovered.aggregate::<f64>().expect("a mean").survivors.len(), 5);
    }
}

/// Nobody is asked to confirm anything there, and nobody may.
#[test]
fn a_curious_server_takes_no_confirmations() {
    let mut scene = five(ThreatModel::HonestButCurious).scene::<f64>();
    let setup = scene.open();
    let share_keys = pass(&mut scene, setup);
    let collect = pass(&mut scene, share_keys);
    let (mut confirm, outgoing) = pass(&mut scene, collect);
    assert!(outgoing.is_empty() && confirm.waiting_for().is_empty());
    assert_eq!(confirm.check(), Ok(()));
    let confirmation = messages().swap_remove(7);
    let reason = Rejected::Misbehaved(ClientMisbehaved::NotExpected);
    assert_eq!(confirm.receive(ClientId(1), &confirmation), Err(reason));
}

#[test]
fn no_client_answers_a_second_request_at_any_stage_of_an_active_round() {
    for stage in Stage::ALL {
        let round = active().ask_twice(1, stage).run::<f64>();
        let (at, refused) = round.log.refusals.get(&ClientId(1)).expect("client 1 refuses");
        let is_next = matches!(refused, Refused::Malformed(Malformed::Kind { .. }));
        let finished = *refused == Refused::Misuse(Misuse::Finished);
        assert!(if stage == Stage::Unmask { finished } else { is_next }, "{stage}: {refused:?}");
        assert_eq!(*at, stage);
        round.assert_mean();
    }
}

/// What client 1 got or sent at a stage of a story.
fn at(log: &Log, stage: Stage, from_server: bool) -> Vec<u8> {
    let fits = |sent: &&secagg_tests::Sent| {
        (sent.stage, sent.client, sent.from_server) == (stage, ClientId(1), from_server)
    };
    log.sent.iter().find(fits).expect("it was sent").bytes.clone()
}

/// Even where everyone drew the same random numbers in both.
#[test]
fn requests_of_another_session_are_refused_at_every_stage() {
    for threat_model in ThreatModel::ALL {
        let other = five(threat_model).session(ELSEWHERE).run::<f64>().log;
        for &stage in &Stage::of(threat_model)[1..] {
            let replayed = at(&other, stage, true);
            let forge = move |bytes: &mut Vec<u8>| bytes.clone_from(&replayed);
            let round = five(threat_model).forge(1, stage, forge).run::<f64>();
            round.assert_refused(1, stage, ServerMisbehaved::ForeignSession).assert_mean();
        }
    }
}

/// A first request opens its session, whichever that is; the answer then is none to this one.
#[test]
fn answers_of_another_session_are_rejected_at_every_stage() {
    for threat_model in ThreatModel::ALL {
        let other = five(threat_model).session(ELSEWHERE).run::<f64>().log;
        for &stage in Stage::of(threat_model) {
            let replayed = at(&other, stage, false);
            let tamper = move |bytes: &mut Vec<u8>| bytes.clone_from(&replayed);
            let round = five(threat_model).tamper(1, stage, tamper).run::<f64>();
            let reason = Rejected::Misbehaved(ClientMisbehaved::ForeignSession);
            assert_eq!(round.rejected(), [(1, stage, reason)]);
            round.assert_mean();
        }
    }
}

/// A message of another session with this one's name in its header, for client 1 or from it.
fn renamed(stage: Stage, from_server: bool) -> impl Fn(&mut Vec<u8>) {
    let other = active().session(ELSEWHERE).seed(2).run::<f64>().log;
    let mut replayed = at(&other, stage, from_server);
    replayed[wire::SESSION].copy_from_slice(&SESSION.0);
    move |bytes| bytes.clone_from(&replayed)
}

#[test]
fn requests_that_were_renamed_to_this_session_are_refused() {
    for (stage, reason) in [
        (Stage::ShareKeys, ServerMisbehaved::OwnKeysAltered),
        (Stage::CollectMaskedVectors, ServerMisbehaved::TooFewShares { have: 0, need: 3 }),
        (Stage::Unmask, ServerMisbehaved::BadSignature(ClientId(2))),
    ] {
        let round = active().forge(1, stage, renamed(stage, true)).run::<f64>();
        round.assert_refused(1, stage, reason).assert_mean();
    }
}

#[test]
fn answers_that_were_renamed_to_this_session_bear_no_valid_signature() {
    for stage in [Stage::Setup, Stage::ConfirmSurvivors] {
        let round = active().tamper(1, stage, renamed(stage, false)).run::<f64>();
        let reason = Rejected::Misbehaved(ClientMisbehaved::BadSignature);
        assert_eq!(round.rejected(), [(1, stage, reason)]);
        round.assert_mean();
    }
}

/// Nobody opens the boxes, so client 1's vector cannot be unmasked.
#[test]
fn sealed_shares_that_were_renamed_to_this_session_open_for_no_one() {
    let stage = Stage::ShareKeys;
    let round = active().tamper(1, stage, renamed(stage, false)).run::<f64>();
    let suspects = vec![Suspect { client: ClientId(1), framers: 4 }];
    assert_eq!(round.abort(), Abort::FalseShares { client: ClientId(1), suspects });
}

/// Its masks are those of another round, and nothing takes them off.
#[test]
fn a_masked_vector_that_was_renamed_to_this_session_spoils_the_sum_visibly() {
    let stage = Stage::CollectMaskedVectors;
    let round = active().tamper(1, stage, renamed(stage, false)).run::<f64>();
    assert!(matches!(round.abort(), Abort::Sum(_)));
}

/// Each is a false share of a neighbour's secret, and there is one to spare.
#[test]
fn revealed_shares_that_were_renamed_to_this_session_are_found_out() {
    let round = active().tamper(1, Stage::Unmask, renamed(Stage::Unmask, false)).run::<f64>();
    round.assert_mean_of(1..=5);
    let found = &round.aggregate().false_shares;
    assert!(!found.is_empty() && found.iter().all(|share| share.holder == ClientId(1)));
}
