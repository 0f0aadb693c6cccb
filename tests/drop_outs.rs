//! Every subset of drop-outs at every stage, against the plain model.

use secagg::{Stage, ThreatModel};
use secagg_tests::{Cohort, STAGES};

/// Every client of a cohort drops at one of the four stages or at none: 5^n rounds, each of which
/// gives the mean of the survivors that the model names, or the abort that it names. Answers how many
/// end well.
fn exhaust(clients: u64, cohort: impl Fn() -> Cohort) -> usize {
    end_well(clients, STAGES, cohort)
}

/// The same with five stages.
fn exhaust_active(clients: u64, cohort: impl Fn() -> Cohort) -> usize {
    let active = || cohort().dimension(1).against(ThreatModel::ActiveServer);
    end_well(clients, &Stage::ALL, active)
}

fn end_well(clients: u64, stages: &'static [Stage], cohort: impl Fn() -> Cohort) -> usize {
    let drop = |cohort: Cohort, (client, stage)| cohort.drop(client, stage);
    let rounds = schedules(clients, stages).map(|drops| drops.into_iter().fold(cohort(), drop));
    let rounds = rounds.map(Cohort::run::<f64>);
    rounds.filter(|round| round.assert_as_predicted().outcome.is_ok()).count()
}

/// All ways in which clients 1 to `clients` can drop.
fn schedules(clients: u64, stages: &'static [Stage]) -> impl Iterator<Item = Vec<(u64, Stage)>> {
    let ways = stages.len() + 1;
    (0..ways.pow(clients as u32)).map(move |number| {
        let digit = |client: u64| number / ways.pow(client as u32 - 1) % ways;
        let drop = |client| Some((client, *stages.get(digit(client))?));
        (1..=clients).filter_map(drop).collect()
    })
}

/// One of four may drop, at any stage: the other three hold two shares of each other's secrets.
#[test]
fn complete_graph_with_a_share_to_spare() {
    let good = exhaust(4, || Cohort::secagg(4).dimension(1).threshold(2));
    assert_eq!(good, 1 + 4 * 4);
}

/// Nobody may drop.
#[test]
fn complete_graph_without_a_share_to_spare() {
    assert_eq!(exhaust(4, || Cohort::secagg(4).dimension(1).threshold(3)), 1);
}

#[test]
fn least_cohort() {
    assert_eq!(exhaust(3, || Cohort::secagg(3).dimension(1).threshold(2)), 1);
}

/// A ring of five, in which no neighbourhood has a share to spare, and one drop-out after setup
/// spreads all the way round. Before that, one or two may drop: the others close the ring.
#[test]
fn ring() {
    let good = exhaust(5, || Cohort::secagg_plus(5, 2).dimension(1).threshold(2));
    assert_eq!(good, 1 + 5 + 10);
}

/// Five clients cannot have three neighbours each, so each has four. Any two may drop at any stages.
#[test]
fn odd_degree_in_an_odd_cohort() {
    let good = exhaust(5, || Cohort::secagg_plus(5, 3).dimension(1).threshold(2));
    assert_eq!(good, 1 + 5 * 4 + 10 * 4 * 4);
}

#[test]
fn least_cohort_against_an_active_server() {
    assert_eq!(exhaust_active(3, || Cohort::secagg(3).threshold(2)), 1);
}

/// With a share to spare one of four may drop at any stage, the confirmation included.
#[test]
fn complete_graph_against_an_active_server() {
    assert_eq!(exhaust_active(4, || Cohort::secagg(4).threshold(2)), 1 + 4 * 5);
    assert_eq!(exhaust_active(4, || Cohort::secagg(4).threshold(3)), 1);
}

/// As against a curious server, whoever drops after the setup was needed. Before, only one may drop: four
/// must confirm, since two of the five may be corrupted.
#[test]
fn ring_against_an_active_server() {
    assert_eq!(exhaust_active(5, || Cohort::secagg_plus(5, 2).threshold(2)), 1 + 5);
}
