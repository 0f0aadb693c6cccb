//! Larger cohorts under random schedules: clients drop, repeat themselves at once or stages later, and
//! answer in any order. What comes of it is what the plain model says, under both threat models.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use secagg::{ClientMisbehaved, Malformed, Rejected, Stage, ThreatModel};
use secagg_tests::{Cohort, Log, Round};

/// What one client does beside answering.
#[derive(Clone, Debug)]
struct Mood {
    drop: Option<Index>,
    repeats: Option<Index>,
    /// Repeats at the second stage what it said at the first.
    echoes: Option<(Index, Index)>,
}

#[derive(Clone, Debug)]
struct Schedule {
    threat_model: ThreatModel,
    moods: Vec<Mood>,
    /// None for the complete graph.
    half_degree: Option<Index>,
    threshold: Index,
    seed: u64,
}

fn mood() -> impl Strategy<Value = Mood> {
    let drop = prop::option::weighted(0.12, any::<Index>());
    let repeats = prop::option::weighted(0.1, any::<Index>());
    let echoes = prop::option::weighted(0.1, any::<(Index, Index)>());
    (drop, repeats, echoes).prop_map(|(drop, repeats, echoes)| Mood { drop, repeats, echoes })
}

fn schedule() -> impl Strategy<Value = Schedule> {
    let graph = (any::<Option<Index>>(), any::<Index>(), any::<u64>());
    let drawn = (any::<bool>(), vec(mood(), 10..=24), graph);
    drawn.prop_map(|(active, moods, (half_degree, threshold, seed))| {
        let threat_model = ThreatModel::ALL[usize::from(active)];
        Schedule { threat_model, moods, half_degree, threshold, seed }
    })
}

impl Schedule {
    /// Even, so that no number of members adds a neighbour.
    fn degree(&self) -> u32 {
        let most = self.moods.len() as u32 - 1;
        self.half_degree.map_or(most, |index| 2 * (2 + index.index(most as usize / 2 - 2) as u32))
    }

    /// From half the neighbours to three quarters.
    fn threshold(&self) -> u32 {
        let least = self.degree() / 2 + 1;
        least + self.threshold.index(self.degree() as usize / 4) as u32
    }

    fn stages(&self) -> &'static [Stage] {
        Stage::of(self.threat_model)
    }

    fn cohort(&self) -> Cohort {
        let cohort = Cohort::secagg_plus(self.moods.len() as u64, self.degree());
        let cohort = cohort.threshold(self.threshold()).dimension(2).against(self.threat_model);
        let cohort = cohort.seed(self.seed).shuffled(self.seed);
        (1..).zip(&self.moods).fold(cohort, |cohort, (id, mood)| self.seat(cohort, id, mood))
    }

    fn seat(&self, mut cohort: Cohort, id: u64, mood: &Mood) -> Cohort {
        if let Some(drop) = mood.drop {
            cohort = cohort.drop(id, *drop.get(self.stages()));
        }
        if let Some(repeats) = mood.repeats {
            cohort = cohort.repeat(id, *repeats.get(self.stages()));
        }
        if let Some((said, again)) = mood.echoes {
            let said = *said.get(self.stages());
            cohort = cohort.inject(id, *again.get(self.stages()), move |log| echo(log, id, said));
        }
        cohort
    }
}

/// What a client said at a stage, or nothing at all.
fn echo(log: &Log, client: u64, stage: Stage) -> Vec<u8> {
    let said = |sent: &&secagg_tests::Sent| {
        !sent.from_server && (sent.client.0, sent.stage) == (client, stage)
    };
    log.sent.iter().find(said).map(|sent| sent.bytes.clone()).unwrap_or_default()
}

/// Nobody lies, so all that is rejected is late, early, or has been said.
fn only_repetitions_are_rejected(round: &Round<f64>) {
    for (client, stage, rejected) in round.rejected() {
        let repeated = matches!(
            rejected,
            Rejected::Misbehaved(ClientMisbehaved::Duplicate | ClientMisbehaved::NotExpected)
                | Rejected::Malformed(Malformed::Kind { .. } | Malformed::Truncated)
        );
        assert!(repeated, "client {client} at {stage}: {rejected}");
    }
    assert!(round.log.refusals.is_empty(), "{:?}", round.log.refusals);
}

/// The stage's answers are in the report once each, however often they were sent.
fn everyone_counts_once(round: &Round<f64>) {
    for stage in &round.report.stages {
        let answered: BTreeSet<_> = stage.answered.iter().collect();
        assert_eq!(answered.len(), stage.answered.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn schedules_of_drops_repetitions_and_any_order(schedule in schedule()) {
        let round = schedule.cohort().run::<f64>();
        round.assert_as_predicted();
        only_repetitions_are_rejected(&round);
        everyone_counts_once(&round);
    }
}
