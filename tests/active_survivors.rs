//! Unmasking where the server may be active: clients reveal shares for the survivors alone that they have
//! signed, once enough neighbours have signed them too. In each story the lie is told to client 1.

use secagg::message::{AdvertisedKeys, Confirmation, Message, RevealedShares, UnmaskRequest};
use secagg::{
    Abort, ClientId, ClientMisbehaved, Malformed, Refused, Rejected, ServerMisbehaved, SessionId,
    Signature, Stage, ThreatModel,
};
use secagg_tests::{Cohort, Log, SESSION, wire};

const CONFIRM: Stage = Stage::ConfirmSurvivors;

fn active(cohort: Cohort) -> Cohort {
    cohort.threshold(3).against(ThreatModel::ActiveServer)
}

fn five() -> Cohort {
    active(Cohort::secagg(5))
}

/// On a ring, each with its next two on either side.
fn twelve() -> Cohort {
    active(Cohort::secagg_plus(12, 4))
}

fn ids(ids: &[u64]) -> Vec<ClientId> {
    ids.iter().copied().map(ClientId).collect()
}

/// Client 1 has confirmed, and refuses to reveal anything.
fn unrevealed(
    cohort: Cohort,
    edit: impl Fn(&mut UnmaskRequest) + 'static,
    reason: impl Into<Refused>,
) {
    let round = cohort.edit(1, edit).run::<f64>();
    round.assert_refused(1, Stage::Unmask, reason).assert_mean();
}

fn other_survivors(survivors: &[u64], reason: impl Into<Refused>) {
    let survivors = ids(survivors);
    unrevealed(five(), move |request| request.survivors.clone_from(&survivors), reason);
}

/// Each of these would be a second story.
#[test]
fn survivors_other_than_those_confirmed() {
    for survivors in [[1, 2, 3, 4], [1, 2, 3, 5], [1, 3, 4, 5]] {
        other_survivors(&survivors, ServerMisbehaved::SurvivorsChanged);
    }
}

/// Who dropped when the survivors were confirmed has not come back.
#[test]
fn more_survivors_than_those_confirmed() {
    let cohort = active(Cohort::secagg(6)).drop(6, Stage::CollectMaskedVectors);
    let edit = |request: &mut UnmaskRequest| request.survivors.push(ClientId(6));
    unrevealed(cohort, edit, ServerMisbehaved::SurvivorsChanged);
}

#[test]
fn survivors_to_unmask_that_no_honest_server_names() {
    other_survivors(&[2, 3, 4, 5], ServerMisbehaved::SurvivorsChanged);
    other_survivors(&[1, 2, 3, 4, 9], ServerMisbehaved::SurvivorsChanged);
    other_survivors(&[1, 2, 3], ServerMisbehaved::SurvivorsChanged);
    other_survivors(&[1, 2, 2, 3, 4], Malformed::Order);
}

/// Without confirmations, the request is a curious server's.
#[test]
fn no_confirmations_at_all() {
    let reason = ServerMisbehaved::TooFewConfirmations { have: 1, need: 4 };
    unrevealed(five(), |request| request.confirmations.clear(), reason);
}

#[test]
fn fewer_confirmations_than_the_quorum() {
    let reason = ServerMisbehaved::TooFewConfirmations { have: 3, need: 4 };
    let fewer = |request: &mut UnmaskRequest| {
        request.confirmations.retain(|(client, _)| *client != ClientId(1));
        request.confirmations.truncate(2);
    };
    unrevealed(five(), fewer, reason);
}

/// Three signatures, of which one is client 1's: it counts itself once in any case.
#[test]
fn ones_own_confirmation_counts_no_second_time() {
    let reason = ServerMisbehaved::TooFewConfirmations { have: 3, need: 4 };
    let fewer = |request: &mut UnmaskRequest| {
        request.confirmations.truncate(3);
        assert_eq!(request.confirmations[0].0, ClientId(1));
    };
    unrevealed(five(), fewer, reason);
}

#[test]
fn one_neighbours_confirmation_twice() {
    let twice = |request: &mut UnmaskRequest| request.confirmations[3] = request.confirmations[2];
    unrevealed(five(), twice, Malformed::Order);
}

#[test]
fn a_confirmation_of_a_stranger() {
    let reason = ServerMisbehaved::UnknownSurvivor(ClientId(9));
    unrevealed(five(), |request| request.confirmations[3].0 = ClientId(9), reason);
}

#[test]
fn a_confirmation_of_a_client_that_dropped() {
    let cohort = active(Cohort::secagg(6)).drop(6, Stage::CollectMaskedVectors);
    let reason = ServerMisbehaved::UnknownSurvivor(ClientId(6));
    unrevealed(cohort, |request| request.confirmations[3].0 = ClientId(6), reason);
}

/// On a ring the neighbours are fewer than the quorum: everyone's confirmations count.
#[test]
fn the_quorum_is_of_the_cohort_and_not_of_a_neighbourhood() {
    let reason = ServerMisbehaved::TooFewConfirmations { have: 7, need: 8 };
    let fewer = |request: &mut UnmaskRequest| {
        request.confirmations.retain(|(client, _)| *client != ClientId(1));
        request.confirmations.truncate(6);
    };
    unrevealed(twelve(), fewer, reason);
    let abort = (8..=12).fold(twelve(), |cohort, client| cohort.drop(client, CONFIRM));
    assert_eq!(abort.run::<f64>().abort(), Abort::TooFew { stage: CONFIRM, have: 7, need: 8 });
}

/// What a client signs in a story.
fn confirmation(cohort: Cohort, client: u64) -> Signature {
    let round = cohort.run::<f64>();
    round.log.message::<Confirmation>(client).expect("it confirmed").signature
}

/// Signatures that are not client 3's over the survivors of the five in this round.
fn false_confirmations() -> Vec<Signature> {
    let mut flipped = confirmation(five(), 3);
    flipped.0[20] ^= 1;
    let keys: AdvertisedKeys = five().run::<f64>().log.message(3).expect("it was sent");
    vec![
        flipped,
        confirmation(five(), 4),
        confirmation(five().drop(5, Stage::CollectMaskedVectors), 3),
        confirmation(five().session(SessionId([9; 16])), 3),
        confirmation(five().with(|params| params.max_weight(999.0)), 3),
        confirmation(five().seed(2), 3),
        keys.signature.expect("they are signed"),
    ]
}

#[test]
fn confirmations_by_another_or_over_anything_else() {
    for signature in false_confirmations() {
        let replace = move |request: &mut UnmaskRequest| request.confirmations[2].1 = signature;
        unrevealed(five(), replace, ServerMisbehaved::BadSignature(ClientId(3)));
    }
}

/// A false confirmation is the server's doing even where there are enough without it.
#[test]
fn a_false_confirmation_beside_enough_true_ones() {
    let [second, third] = [2, 4].map(|client| confirmation(five(), client));
    let add = move |request: &mut UnmaskRequest| {
        request.confirmations = vec![(ClientId(2), second), (ClientId(3), third)];
        request.confirmations.extend([4, 5].map(|id| (ClientId(id), confirmation(five(), id))));
    };
    unrevealed(five(), add, ServerMisbehaved::BadSignature(ClientId(3)));
}

/// The server does not take what client 3 signed: it is in the sum, and is not asked to unmask.
fn rejected(cohort: Cohort, reason: impl Into<Rejected>) {
    let round = cohort.run::<f64>();
    assert_eq!(round.rejected(), [(3, CONFIRM, reason.into())]);
    assert_eq!(round.report.stages[4].asked, ids(&[1, 2, 4, 5]));
    round.assert_mean_of(1..=5);
}

#[test]
fn the_server_takes_no_false_confirmation() {
    for signature in false_confirmations() {
        let replace = move |said: &mut Confirmation| said.signature = signature;
        rejected(five().edit(3, replace), ClientMisbehaved::BadSignature);
    }
}

#[test]
fn the_server_takes_no_confirmation_of_another_session() {
    let other = |bytes: &mut Vec<u8>| wire::flip(&mut bytes[wire::SESSION], 5);
    rejected(five().tamper(3, CONFIRM, other), ClientMisbehaved::ForeignSession);
    rejected(five().tamper(3, CONFIRM, |bytes| bytes.truncate(81)), Malformed::Truncated);
    rejected(five().tamper(3, CONFIRM, |bytes| bytes.push(0)), Malformed::TrailingBytes(1));
}

fn ignored(cohort: Cohort, from: u64, stage: Stage, reason: ClientMisbehaved) {
    let round = cohort.run::<f64>();
    assert_eq!(round.rejected(), [(from, stage, reason.into())]);
    round.assert_mean();
}

fn said_by_the_first<M: Message>(log: &Log) -> Vec<u8> {
    log.message::<M>(1).expect("it was said").encode(SESSION)
}

#[test]
fn the_server_takes_confirmations_of_survivors_alone_and_once() {
    let not = ClientMisbehaved::NotExpected;
    let stranger = five().inject(9, CONFIRM, said_by_the_first::<Confirmation>);
    ignored(stranger, 9, CONFIRM, not);
    let dropped = five().drop(5, Stage::CollectMaskedVectors);
    ignored(dropped.inject(5, CONFIRM, said_by_the_first::<Confirmation>), 5, CONFIRM, not);
    ignored(five().repeat(2, CONFIRM), 2, CONFIRM, ClientMisbehaved::Duplicate);
}

/// A survivor that confirmed nothing has not been told whom to unmask.
#[test]
fn the_server_takes_no_shares_from_who_did_not_confirm() {
    let silent =
        five().drop(5, CONFIRM).inject(5, Stage::Unmask, said_by_the_first::<RevealedShares>);
    ignored(silent, 5, Stage::Unmask, ClientMisbehaved::NotExpected);
}

#[test]
fn a_round_with_too_few_confirmations_ends() {
    let abort = five().drop(4, CONFIRM).drop(5, CONFIRM).run::<f64>().abort();
    assert_eq!(abort, Abort::TooFew { stage: CONFIRM, have: 3, need: 4 });
}

/// Enough confirm, but of client 1's neighbours only two.
#[test]
fn a_neighbourhood_with_too_few_confirmations_ends_the_round() {
    let gone = twelve().run::<f64>().near(1).into_iter().filter(|&client| client != 1).take(2);
    let round = gone.fold(twelve(), |cohort, client| cohort.drop(client, CONFIRM)).run::<f64>();
    round.assert_as_predicted();
    let Abort::TooFewNeighbours { stage, client, .. } = round.abort() else {
        panic!("{:?}", round.abort());
    };
    assert_eq!((stage, client), (CONFIRM, ClientId(1)));
}
