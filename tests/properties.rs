//! Whole rounds with arbitrary parameters, updates and drop-outs, against plain arithmetic.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::strategy::ValueTree;
use secagg::kernels::{DequantizeError, MIN_QUANTIZATION_RANGE, Modulus, Prg, Quantizer, Real};
use secagg::{Abort, Failure, Imprecise, Params, ParamsBuilder, Stage, ThreatModel};
use secagg_tests::plain::error_bound;
use secagg_tests::{Cohort, Round};

/// What is drawn for one round. Indices choose among what the other numbers leave possible.
#[derive(Clone, Debug)]
struct Draw {
    threat_model: ThreatModel,
    clients: Vec<DrawnClient>,
    dimension: usize,
    /// None for the complete graph.
    num_shares: Option<Index>,
    threshold: Index,
    width: u32,
    levels: Index,
    prg: Prg,
    clipping_range: f64,
    max_weight: f64,
    seed: u64,
}

#[derive(Clone, Debug)]
struct DrawnClient {
    /// Of the largest weight.
    weight: f64,
    /// In clipping ranges; some are beyond.
    update: Vec<f64>,
    /// Among the stages of the threat model.
    drop: Option<Index>,
}

fn drawn_client() -> impl Strategy<Value = DrawnClient> {
    let weight = prop_oneof![Just(0.0), Just(1.0), 0.0..=1.0];
    let drop = prop::option::weighted(0.2, any::<Index>());
    (weight, vec(-1.2..1.2, 24), drop).prop_map(|(weight, update, drop)| DrawnClient {
        weight,
        update,
        drop,
    })
}

fn draw() -> impl Strategy<Value = Draw> {
    let graph = (any::<Option<Index>>(), any::<Index>(), select(ThreatModel::ALL.to_vec()));
    let shape = (vec(drawn_client(), 3..=9), 0..=24_usize, graph);
    let lanes = (6..=64_u32, any::<Index>(), select(Prg::ALL.to_vec()));
    let ranges = (0.001..100.0, select(vec![0.37, 1.0, 1000.0, 1e9]), any::<u64>());
    (shape, lanes, ranges).prop_map(|(shape, lanes, ranges)| {
        let (clients, dimension, (num_shares, threshold, threat_model)) = shape;
        let (width, levels, prg) = lanes;
        let (clipping_range, max_weight, seed) = ranges;
        Draw {
            threat_model,
            clients,
            dimension,
            num_shares,
            threshold,
            width,
            levels,
            prg,
            clipping_range,
            max_weight,
            seed,
        }
    })
}

impl Draw {
    /// Any number of shares from 2 to the cohort's size, both included.
    fn num_shares(&self) -> Option<u32> {
        let choices = self.clients.len() - 1;
        self.num_shares.map(|index| 2 + index.index(choices) as u32)
    }

    /// Any threshold from 2 to the number of shares; against an active server from more than half
    /// of the neighbours that a client can have, since two stories must not both reach it.
    fn threshold(&self) -> u32 {
        let clients = self.clients.len() as u32;
        let shares = self.num_shares().map_or(clients - 1, |shares| shares.min(clients - 1));
        let most = (shares + shares % 2).min(clients - 1);
        let least = match self.threat_model {
            ThreatModel::ActiveServer => (most / 2 + 1).max(2),
            _ => 2,
        };
        least + self.threshold.index((shares - least) as usize + 1) as u32
    }

    /// Any number of levels that the modulus has room for; the number of its bits is drawn, so that
    /// few are as likely as many.
    fn levels(&self) -> u64 {
        let modulus = Modulus::from_width(self.width).expect("a width");
        let clients = self.clients.len() as u64;
        let largest = Quantizer::largest_for(modulus, clients).expect("room for seven levels");
        (largest >> self.levels.index(largest.ilog2() as usize)).max(MIN_QUANTIZATION_RANGE)
    }

    fn settings(&self) -> impl Fn(ParamsBuilder) -> ParamsBuilder + 'static {
        let (Self { width, prg, clipping_range, max_weight, .. }, levels) =
            (self.clone(), self.levels());
        move |params| {
            let params = params.modulus_range(1 << width).quantization_range(levels).prg(prg);
            params.clipping_range(clipping_range).max_weight(max_weight)
        }
    }

    fn cohort(&self) -> Cohort {
        let clients = self.clients.len() as u64;
        let cohort = match self.num_shares() {
            None => Cohort::secagg(clients),
            Some(num_shares) => Cohort::secagg_plus(clients, num_shares),
        };
        let cohort = cohort.threshold(self.threshold()).dimension(self.dimension);
        let cohort = cohort.against(self.threat_model);
        let cohort = cohort.with(self.settings()).seed(self.seed).shuffled(self.seed);
        (1..).zip(&self.clients).fold(cohort, |cohort, (id, client)| self.seat(cohort, id, client))
    }

    fn seat(&self, cohort: Cohort, id: u64, client: &DrawnClient) -> Cohort {
        let update: Vec<_> = client.update[..self.dimension]
            .iter()
            .map(|element| element * self.clipping_range)
            .collect();
        let cohort = cohort.update(id, &update).weight(id, client.weight * self.max_weight);
        let stages = Stage::of(self.threat_model);
        client.drop.into_iter().fold(cohort, |cohort, drop| cohort.drop(id, *drop.get(stages)))
    }
}

/// The weighted mean of those whom the model calls survivors, within the bound; the abort that it
/// names; no weight at all; or too little for the levels.
fn check<F: Real>(round: &Round<F>) {
    if let Err(Failure::Abort(Abort::Imprecise(imprecise))) = &round.outcome {
        return assert_imprecise(round, imprecise);
    }
    let zero = Failure::Abort(Abort::Sum(DequantizeError::ZeroTotalWeight));
    if round.outcome.as_ref().err() == Some(&zero) {
        return assert_weightless(round);
    }
    round.assert_as_predicted();
}

/// The bound may be as large as the clipping range, each weight being rounded down by less than a
/// lane.
fn assert_imprecise<F: Real>(round: &Round<F>, imprecise: &Imprecise) {
    let (asked, quantizer) =
        (&round.report.stages.last().expect("a stage").asked, round.params.quantizer());
    let total: f64 = asked.iter().map(|client| round.updates[client].0).sum();
    let least = (total - asked.len() as f64 / quantizer.weight_scale()).max(f64::MIN_POSITIVE);
    let c = quantizer.clipping_range();
    assert!(imprecise.error_bound >= c && error_bound(quantizer, asked.len(), least, false) >= c);
}

/// A weight of less than one lane may be rounded to none.
fn assert_weightless<F: Real>(round: &Round<F>) {
    let last = round.report.stages.last().expect("a stage");
    assert_eq!(last.stage, Stage::Unmask);
    let lanes = last
        .asked
        .iter()
        .map(|client| round.updates[client].0 * round.params.quantizer().weight_scale());
    assert!(lanes.into_iter().all(|lane| lane < 1.0));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rounds_of_double_precision(draw in draw()) {
        check(&draw.cohort().run::<f64>());
    }

    #[test]
    fn rounds_of_single_precision(draw in draw()) {
        check(&draw.cohort().run::<f32>());
    }

    /// Nobody drops, so nothing excuses an abort.
    #[test]
    fn rounds_without_drop_outs_end_well(mut draw in draw()) {
        for client in &mut draw.clients {
            (client.drop, client.weight) = (None, 1.0);
        }
        let clients = draw.clients.len() as u64;
        draw.cohort().run::<f64>().assert_mean_of(1..=clients);
    }

    /// What is built from a fraction of the shares is what is built from the count.
    #[test]
    fn fractions_mean_the_least_count_not_below(clients in 3_u32..200, part in 0.0..1.0_f64) {
        let count = (part * f64::from(clients - 1)).ceil().max(2.0) as u32;
        let fraction = f64::from(count) / f64::from(clients - 1);
        let built = |amount: secagg::Amount| Params::secagg(clients, 1, amount).build();
        prop_assert_eq!(built(fraction.into()), built(count.into()));
    }
}

/// Drawn rounds must be of all kinds, or the properties above say little.
#[test]
fn draws_are_of_all_kinds() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut endings = BTreeMap::<_, u32>::new();
    for _ in 0..150 {
        let tree = draw().new_tree(&mut runner).expect("a draw");
        let round = tree.current().cohort().run::<f64>();
        let ending = round.outcome.err().map(|_| round.report.stages.len());
        *endings.entry((round.params.threat_model().name(), ending)).or_default() += 1;
    }
    for threat_model in ThreatModel::ALL.map(ThreatModel::name) {
        assert!(endings[&(threat_model, None)] >= 15, "{endings:?}");
        let kinds = endings.keys().filter(|(found, _)| *found == threat_model);
        assert!(kinds.count() >= 3, "{endings:?}");
    }
}
