//! One liar costs itself: whatever one client of twenty does, or any two of fifty, the others' mean
//! comes out, at the first attempt or at the second, and no honest client is left out.

use std::collections::BTreeSet;

use secagg::message::{SealedShares, ShareKeysRequest};
use secagg::{Abort, ClientId, Failure, Misuse, Stage, ThreatModel};
use secagg_tests::{Cohort, Round, wire};

/// What a liar does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Lie {
    /// Its boxes do not open.
    FalseBoxes,
    FalseBoxesThenVanish,
    /// The box of every second neighbour does not open.
    SomeFalseBoxes,
    FalseCommitment,
    /// Half of its boxes open, and hold shares of another polynomial.
    FalseShares,
    FalseSharesThenVanish,
    /// It reveals false shares, of one client or of all.
    FalsifyOne,
    FalsifyAll,
    /// It reveals none.
    WithholdOne,
    WithholdAll,
    VanishAtShareKeys,
    VanishAtCollect,
    VanishAtUnmask,
}

use Lie::*;

const ALL: [Lie; 13] = [
    FalseBoxes,
    FalseBoxesThenVanish,
    SomeFalseBoxes,
    FalseCommitment,
    FalseShares,
    FalseSharesThenVanish,
    FalsifyOne,
    FalsifyAll,
    WithholdOne,
    WithholdAll,
    VanishAtShareKeys,
    VanishAtCollect,
    VanishAtUnmask,
];

impl Lie {
    /// Whether it ends the first attempt.
    fn ends_a_round(self) -> bool {
        self <= FalseSharesThenVanish
    }

    /// Whether its update is in no sum, though it is not left out.
    fn vanishes_early(self) -> bool {
        matches!(self, VanishAtShareKeys | VanishAtCollect)
    }

    /// In a cohort of so many clients.
    fn told_by(self, liar: u64, clients: u64, cohort: Cohort) -> Cohort {
        let neighbours = clients as usize - 1;
        match self {
            FalseBoxes => spoil_boxes(cohort, liar, (0..neighbours).collect()),
            SomeFalseBoxes => spoil_boxes(cohort, liar, (0..neighbours).step_by(2).collect()),
            FalseCommitment => {
                cohort.tamper(liar, Stage::ShareKeys, |bytes| bytes[wire::COMMITMENT][7] ^= 4)
            }
            FalseShares => deal_other_shares(cohort, liar, clients),
            FalseBoxesThenVanish => {
                FalseBoxes.told_by(liar, clients, cohort).drop(liar, Stage::CollectMaskedVectors)
            }
            FalseSharesThenVanish => {
                FalseShares.told_by(liar, clients, cohort).drop(liar, Stage::CollectMaskedVectors)
            }
            FalsifyOne => reveal(cohort, liar, vec![3], |share| share[9] ^= 0x40),
            FalsifyAll => reveal(cohort, liar, (0..neighbours).collect(), |share| share[9] ^= 0x40),
            WithholdOne => reveal(cohort, liar, vec![3], |share| share.fill(0)),
            WithholdAll => reveal(cohort, liar, (0..neighbours).collect(), |share| share.fill(0)),
            VanishAtShareKeys => cohort.drop(liar, Stage::ShareKeys),
            VanishAtCollect => cohort.drop(liar, Stage::CollectMaskedVectors),
            VanishAtUnmask => cohort.drop(liar, Stage::Unmask),
        }
    }
}

fn spoil_boxes(cohort: Cohort, liar: u64, places: Vec<usize>) -> Cohort {
    cohort.tamper(liar, Stage::ShareKeys, move |bytes| {
        for &place in &places {
            bytes[wire::sealed_box(place)].fill(0x5a);
        }
    })
}

/// What the liar seals under the same keys where it is told of one neighbour less.
fn deal_other_shares(cohort: Cohort, liar: u64, clients: u64) -> Cohort {
    let half = (clients as usize - 1) / 2;
    let fewer = move |request: &mut ShareKeysRequest| {
        let last = request.peers.iter().rposition(|(peer, _)| peer.0 != liar);
        request.peers.remove(last.expect("peers"));
    };
    let round = honest(clients).edit(liar, fewer).run::<f64>();
    let other = round.log.bytes::<SealedShares>(liar).expect("it was sent").to_vec();
    cohort.tamper(liar, Stage::ShareKeys, move |bytes| {
        let boxes = wire::sealed_box(0).start..wire::sealed_box(half).end;
        bytes[boxes.clone()].copy_from_slice(&other[boxes]);
    })
}

fn honest(clients: u64) -> Cohort {
    Cohort::secagg(clients).threshold(0.67)
}

fn reveal(cohort: Cohort, liar: u64, places: Vec<usize>, lie: fn(&mut [u8])) -> Cohort {
    cohort.tamper(liar, Stage::Unmask, move |bytes| {
        for place in places.iter().map(|&place| wire::revealed(place)) {
            // An owner that shared no keys leaves one place less.
            if let Some(share) = bytes.get_mut(place) {
                lie(share);
            }
        }
    })
}

fn told(clients: u64, lies: &[(u64, Lie)]) -> Cohort {
    let cohort = honest(clients);
    lies.iter().fold(cohort, |cohort, &(liar, lie)| lie.told_by(liar, clients, cohort))
}

fn play(clients: u64, attempts: u32, lies: &[(u64, Lie)]) -> Round<f64> {
    told(clients, lies).attempts(attempts).run()
}

fn ids(clients: impl IntoIterator<Item = u64>) -> BTreeSet<ClientId> {
    clients.into_iter().map(ClientId).collect()
}

/// The mean is that of all honest clients, and of liars that are neither left out nor gone.
fn assert_one_liar_costs_itself(clients: u64, lies: &[(u64, Lie)]) {
    let round = play(clients, 2, lies);
    let (ends, others): (Vec<_>, Vec<_>) = lies.iter().partition(|(_, lie)| lie.ends_a_round());
    let left_out = round.report.left_out();
    let who = |lies: &[(u64, Lie)]| ids(lies.iter().map(|(liar, _)| *liar));
    assert!(left_out.is_superset(&who(&ends)), "{lies:?}: {left_out:?}");
    assert!(left_out.is_subset(&who(lies)), "{lies:?}: {left_out:?}");
    assert_eq!(round.report.failed.len(), usize::from(!ends.is_empty()), "{lies:?}");
    let gone = ids(others.iter().filter(|(_, lie)| lie.vanishes_early()).map(|(liar, _)| *liar));
    let absent =
        |client: &u64| left_out.contains(&ClientId(*client)) || gone.contains(&ClientId(*client));
    round.assert_mean_of((1..=clients).filter(|client| !absent(client)));
}

#[test]
fn whatever_one_client_of_twenty_does_the_mean_of_the_others_comes_out() {
    for lie in ALL {
        for liar in [1, 12, 20] {
            assert_one_liar_costs_itself(20, &[(liar, lie)]);
        }
    }
}

#[test]
fn whatever_any_two_of_fifty_do_the_mean_of_the_others_comes_out() {
    for (at, first) in ALL.into_iter().enumerate() {
        for second in ALL.into_iter().skip(at) {
            assert_one_liar_costs_itself(50, &[(9, first), (31, second)]);
        }
    }
}

/// The abort names the liar, and nobody else; how many would have to lie to frame it is in section
/// 13.
#[test]
fn whoever_ends_a_round_is_named() {
    for lie in ALL.into_iter().filter(|lie| lie.ends_a_round()) {
        let round = play(20, 1, &[(12, lie)]);
        let framers = match lie {
            FalseBoxes | FalseBoxesThenVanish => 19,
            SomeFalseBoxes => 10,
            _ => 4,
        };
        let abort = round.abort();
        let [suspect] = abort.suspects() else { panic!("{lie:?}: {abort}") };
        assert_eq!((suspect.client, suspect.framers), (ClientId(12), framers), "{lie:?}");
    }
}

/// Three of twenty say of everyone that their boxes did not open, and four others are gone: each
/// secret is one share short, and those who denied the shares are named for it, not the owners.
#[test]
fn those_who_deny_shares_of_everyone_are_named() {
    let lies = [4, 8, 15].map(|liar| (liar, WithholdAll));
    let gone = [16, 17, 18, 19];
    let cohort = told(20, &lies);
    let round = gone.into_iter().fold(cohort, |cohort, it| cohort.drop(it, Stage::Unmask));
    let abort = round.run::<f64>().abort();
    let suspects: BTreeSet<_> = abort.suspects().iter().map(|suspect| suspect.client).collect();
    assert_eq!(suspects, ids([4, 8, 15]));
}

/// Where liars are as many as it takes to frame somebody, and frame everybody, nobody is named.
#[test]
fn liars_that_spoil_every_secret_frame_nobody() {
    let lies: Vec<_> = (1..=5).map(|liar| (liar, FalsifyAll)).collect();
    let round = play(20, 2, &lies);
    assert!(matches!(round.abort(), Abort::FalseShares { suspects, .. } if suspects.is_empty()));
    assert!(round.report.failed.is_empty());
}

/// Each attempt has a session of its own, and who was left out has no say in the next.
#[test]
fn suspects_are_strangers_to_the_next_attempt() {
    let cohort = told(20, &[(12, FalseBoxes)]).attempts(2);
    let keys = |log: &secagg_tests::Log| {
        let answers = log.sent.iter().rev().find(|sent| sent.stage == Stage::Setup);
        answers.expect("keys of client 20").bytes.clone()
    };
    let round = cohort.inject(12, Stage::Setup, keys).run::<f64>();
    round.assert_mean_of((1..=20).filter(|&client| client != 12));
    let [failed] = round.report.failed.as_slice() else { panic!("{:?}", round.report) };
    let setup = &round.report.stages[0];
    assert_eq!(setup.rejected.len(), 1);
    let asked: BTreeSet<_> = setup.asked.iter().copied().collect();
    assert!(!asked.contains(&ClientId(12)) && failed.stages[0].asked.len() == 20);
    let sessions: BTreeSet<_> =
        round.messages().map(|sent| sent.bytes[wire::SESSION].to_vec()).collect();
    assert_eq!(sessions.len(), 2);
}

#[test]
fn rounds_against_an_active_server_are_played_once() {
    let cohort = Cohort::secagg(20).against(ThreatModel::ActiveServer).attempts(2);
    let round = cohort.run::<f64>();
    assert_eq!(round.outcome, Err(Failure::Misuse(Misuse::ActiveAttempts)));
    assert!(round.log.sent.is_empty());
}
