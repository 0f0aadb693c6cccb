//! What ends a round when a stage is closed, and that `Collecting::check` foresees it.

use secagg::server::Collecting;
use secagg::{Abort, ClientId, Outgoing, Stage, ThreatModel};
use secagg_tests::{Cohort, Scene};

fn aborts(cohort: Cohort, silent: &[u64], stage: Stage, abort: &Abort) {
    let round = silent.iter().fold(cohort, |cohort, &client| cohort.drop(client, stage));
    let round = round.run::<f64>();
    assert_eq!(round.abort(), *abort);
    round.assert_as_predicted();
}

/// One answer more than the threshold is needed, since nobody holds a share of its own; in the end
/// the threshold itself is enough.
#[test]
fn too_few_answers_end_the_round_at_every_stage() {
    for threat_model in ThreatModel::ALL {
        for &stage in Stage::of(threat_model) {
            let cohort = || Cohort::secagg(5).threshold(3).against(threat_model);
            let need = if stage == Stage::Unmask { 3 } else { 4 };
            let silent: Vec<_> = (need..=5).collect();
            let have = need as usize - 1;
            let abort = Abort::TooFew { stage, have, need: need as usize };
            aborts(cohort(), &silent, stage, &abort);
            aborts(
                cohort(),
                &[1, 2, 3, 4, 5],
                stage,
                &Abort::TooFew { stage, have: 0, need: need as usize },
            );
        }
    }
}

/// Two of four neighbours are gone where three are needed; which two is for the graph to say.
#[test]
fn a_neighbourhood_below_the_threshold_ends_the_round_at_every_stage() {
    for threat_model in ThreatModel::ALL {
        for &stage in &Stage::of(threat_model)[2..] {
            let cohort = || Cohort::secagg_plus(12, 4).threshold(3).against(threat_model);
            let graph = cohort().run::<f64>().neighbours();
            let silent: Vec<_> = graph[&ClientId(1)].iter().map(|id| id.0).take(2).collect();
            let drop = |cohort: Cohort, &client: &u64| cohort.drop(client, stage);
            let round = silent.iter().fold(cohort(), drop).run::<f64>();
            let Abort::TooFewNeighbours { stage: at, client, have, need } = round.abort() else {
                panic!("{:?}", round.abort());
            };
            assert_eq!((at, client, need), (stage, ClientId(1), 3));
            assert!(have < need);
            round.assert_as_predicted();
        }
    }
}

/// In a ring with two neighbours each, and two needed, one gap makes its ends lonely, and then theirs.
#[test]
fn a_round_whose_clients_are_all_lonely_ends() {
    let cohort = || Cohort::secagg_plus(6, 2).threshold(2);
    let graph = cohort().run::<f64>().neighbours();
    let gap = graph[&ClientId(1)].first().expect("two neighbours").0;
    let round = cohort().drop(gap, Stage::ShareKeys).run::<f64>();
    let (stage, client) = (Stage::ShareKeys, ClientId(1));
    assert_eq!(round.abort(), Abort::TooFewNeighbours { stage, client, have: 1, need: 2 });
    round.assert_as_predicted();
}

/// A stage to which so many have answered, each honestly.
fn answered<S: Collecting>(
    scene: &mut Scene<f64>,
    (mut stage, outgoing): (S, Vec<Outgoing>),
    answers: usize,
) -> S {
    for (client, answer) in scene.ask_all(&outgoing[..answers.min(outgoing.len())]) {
        stage.receive(client, &answer).expect("an honest answer");
    }
    stage
}

/// What a check says, and what closing says then.
fn foreseen<S: Collecting>(stage: S) -> Option<(S::Next, Vec<Outgoing>)> {
    let foreseen = stage.check();
    match stage.close(&mut secagg_tests::rng()) {
        Ok(next) => {
            assert_eq!(foreseen, Ok(()), "{}", S::STAGE);
            Some(next)
        }
        Err(abort) => {
            assert_eq!(foreseen, Err(abort), "{}", S::STAGE);
            None
        }
    }
}

/// Runs a round in which so many answer each stage, and tells at which it ended, if it did.
fn run(cohort: &Cohort, answers: [usize; 5]) -> Option<Stage> {
    let mut scene = cohort.scene::<f64>();
    let setup = scene.open();
    let setup = answered(&mut scene, setup, answers[0]);
    let Some(share_keys) = foreseen(setup) else { return Some(Stage::Setup) };
    let share_keys = answered(&mut scene, share_keys, answers[1]);
    let Some(collect) = foreseen(share_keys) else { return Some(Stage::ShareKeys) };
    let collect = answered(&mut scene, collect, answers[2]);
    let Some(confirm) = foreseen(collect) else { return Some(Stage::CollectMaskedVectors) };
    let confirm = answered(&mut scene, confirm, answers[3]);
    let Some(unmask) = foreseen(confirm) else { return Some(Stage::ConfirmSurvivors) };
    let unmask = answered(&mut scene, unmask, answers[4]);
    if foreseen(unmask).is_some() { None } else { Some(Stage::Unmask) }
}

/// Each stage with every number of answers, on a complete graph and on a ring.
#[test]
fn a_check_says_what_closing_would() {
    for threat_model in ThreatModel::ALL {
        for cohort in [Cohort::secagg(7), Cohort::secagg_plus(8, 4)] {
            let cohort = cohort.threshold(4).with(|params| params.corrupted_neighbours(0));
            let cohort = cohort.against(threat_model);
            for &stage in Stage::of(threat_model) {
                let at = Stage::ALL.iter().position(|&other| other == stage).expect("a stage");
                let endings = (0..=8).map(|answers| {
                    let mut all = [8; 5];
                    all[at] = answers;
                    run(&cohort, all)
                });
                let endings: Vec<_> = endings.collect();
                assert_eq!(endings[0], Some(stage));
                assert_eq!(endings[8], None);
            }
        }
    }
}
