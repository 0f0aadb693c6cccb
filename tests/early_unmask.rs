//! Masks that come off while answers arrive, where some who answer lie: a lie costs hardly more
//! than itself, whoever tells it, and when.

use std::collections::BTreeSet;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use secagg::server::{Aggregate, Collecting, Recovered, Save, Unmask};
use secagg::{ClientId, Outgoing, StateKey};
use secagg_tests::{Cohort, Scene, wire};

type Answers = Vec<(ClientId, Vec<u8>)>;

/// A round up to its last stage, in which the first clients vanish with their vectors.
fn until_unmask(cohort: &Cohort, dropped: u64) -> (Unmask, Answers) {
    let mut scene = cohort.scene();
    let (setup, outgoing) = scene.open();
    let (share_keys, outgoing) = step(&mut scene, setup, &outgoing);
    let (collect, mut outgoing) = step(&mut scene, share_keys, &outgoing);
    outgoing.retain(|sent| sent.to.0 > dropped);
    let (confirm, outgoing) = step(&mut scene, collect, &outgoing);
    let (unmask, outgoing) = step(&mut scene, confirm, &outgoing);
    (unmask, scene.ask_all(&outgoing))
}

fn step<S: Collecting>(
    scene: &mut Scene<f64>,
    mut stage: S,
    outgoing: &[Outgoing],
) -> (S::Next, Vec<Outgoing>) {
    for (from, answer) in scene.ask_all(outgoing) {
        stage.receive(from, &answer).expect("an honest answer");
    }
    stage.close(&mut secagg_tests::rng()).expect("enough answers")
}

fn bring(unmask: &mut Unmask, answers: &[(ClientId, Vec<u8>)]) {
    unmask.concurrently(|receive| {
        for (from, answer) in answers {
            receive(*from, answer).expect("a well-formed answer");
        }
    });
}

fn close(unmask: Unmask) -> Recovered {
    unmask.close(&mut secagg_tests::rng()).expect("enough true shares").0
}

/// Number of masks that are removed before the last answer, and the round's result.
fn play(cohort: &Cohort, dropped: u64, lie: impl FnOnce(&mut Answers)) -> (usize, Aggregate<f64>) {
    let (mut unmask, mut answers) = until_unmask(cohort, dropped);
    lie(&mut answers);
    let (last, others) = answers.split_last().expect("answers");
    bring(&mut unmask, others);
    let (key, mut rng) = (StateKey::from_bytes([7; 32]), ChaCha20Rng::seed_from_u64(1));
    let state = unmask.save(&[], &key, &mut rng);
    let (mut saved, _) = Unmask::restore(&state, &key, None).expect("what was saved");
    bring(&mut saved, core::slice::from_ref(last));
    bring(&mut unmask, core::slice::from_ref(last));
    let (recovered, saved) = (close(unmask), close(saved));
    let early = recovered.masks_taken_off();
    let [aggregate, saved] = [recovered, saved].map(|it| it.aggregate().expect("a sum"));
    assert_eq!((&aggregate.mean, liars(&aggregate)), (&saved.mean, liars(&saved)));
    (early, aggregate)
}

/// Makes some answers come first; all of their shares that `about` picks by place are false.
fn lie_first(answers: &mut Answers, liars: &[u64], about: impl Fn(usize) -> bool) {
    answers.sort_by_key(|(from, _)| !liars.contains(&from.0));
    lie(answers, liars, about);
}

fn lie(answers: &mut Answers, liars: &[u64], about: impl Fn(usize) -> bool) {
    let of_liars = answers.iter_mut().filter(|(from, _)| liars.contains(&from.0));
    for (_, answer) in of_liars {
        let shares = (0..).map(wire::revealed).take_while(|share| share.end <= answer.len());
        let ends: Vec<_> = shares.map(|share| share.end).collect();
        for (_, end) in ends.into_iter().enumerate().filter(|(at, _)| about(*at)) {
            answer[end - 1] ^= 1;
        }
    }
}

fn liars(aggregate: &Aggregate<f64>) -> BTreeSet<u64> {
    aggregate.false_shares.iter().map(|share| share.holder.0).collect()
}

fn complete() -> Cohort {
    Cohort::secagg(100).threshold(0.67).dimension(50)
}

fn sparse() -> Cohort {
    Cohort::secagg_plus(100, 40).threshold(0.6).dimension(10)
}

/// A lie costs a tenth of the masks that come off early at most. Ten clients vanish. Gives who is
/// named.
fn named(cohort: fn() -> Cohort, lie: impl Fn(&mut Answers)) -> Vec<u64> {
    let (without, honest) = play(&cohort(), 10, |_| {});
    let (with, aggregate) = play(&cohort(), 10, lie);
    assert!(10 * with >= 9 * without, "{with} instead of {without} masks come off early");
    assert_eq!(aggregate.mean, honest.mean);
    Vec::from_iter(liars(&aggregate))
}

#[test]
fn liars_that_answer_first_cost_little() {
    for liars in [&[50][..], &[50, 99]] {
        assert_eq!(named(complete, |answers| lie_first(answers, liars, |_| true)), liars);
    }
}

/// Among the first t + 1, or after masks have come off.
#[test]
fn liars_in_the_middle_cost_little() {
    for liar in [50, 90] {
        let named = named(complete, |answers| lie(answers, &[liar], |_| true));
        assert!(named.iter().all(|&client| client == liar), "{named:?}");
    }
}

/// About a dropped client, whose masks are many.
#[test]
fn liars_about_one_client_cost_little() {
    for liars in [&[50][..], &[50, 70]] {
        assert_eq!(named(complete, |answers| lie_first(answers, liars, |at| at == 0)), liars);
    }
}

/// Every other share is missing; the others are false.
#[test]
fn liars_that_withhold_shares_cost_little() {
    let lie = |answers: &mut Answers| {
        lie_first(answers, &[50], |_| true);
        let missing = (0..99).filter(|at| at % 2 == 0);
        for share in missing.map(wire::revealed) {
            answers[0].1[share].fill(0);
        }
    };
    assert_eq!(named(complete, lie), [50]);
}

#[test]
fn liars_in_a_sparse_graph_cost_little() {
    for liars in [&[50][..], &[50, 51], &[20, 50, 51, 90]] {
        let first = named(sparse, |answers| lie_first(answers, liars, |_| true));
        assert_eq!(first, liars);
        let named = named(sparse, |answers| lie(answers, liars, |_| true));
        assert!(named.iter().all(|client| liars.contains(client)), "{named:?}");
    }
}

/// As many as can be made good in the end, and before that in vain.
#[test]
fn many_liars_put_masks_off_till_the_end() {
    let many: Vec<_> = (20..31).collect();
    let (early, aggregate) = play(&complete(), 10, |answers| lie_first(answers, &many, |_| true));
    assert_eq!(early, 0);
    assert_eq!(liars(&aggregate), BTreeSet::from_iter(many));
}
