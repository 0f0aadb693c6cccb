//! A whole round in one thread of messages, and what the server does after its last answer.

use std::collections::BTreeMap;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use secagg::server::{Collecting, Setup, Unmask};
use secagg::{Client, ClientId, Outgoing, Params, Pending, SessionId, Stage, Workflow};
use secagg_benches::update;

/// Clients in this process, some of which vanish after they have shared their keys.
struct Cohort {
    clients: BTreeMap<ClientId, Client>,
    random: ChaCha20Rng,
    update: Vec<f32>,
    dropped: u64,
}

impl Cohort {
    fn new(params: &Params, dropped: u64) -> Self {
        let ids = (0..u64::from(params.cohort_size())).map(ClientId);
        Self {
            clients: ids.map(|id| (id, Client::new(id))).collect(),
            random: ChaCha20Rng::seed_from_u64(0),
            update: update(params.dimension()),
            dropped,
        }
    }

    fn ids(&self) -> Vec<ClientId> {
        self.clients.keys().copied().collect()
    }

    fn answer(&mut self, stage: Stage, id: ClientId, request: &[u8]) -> Option<Vec<u8>> {
        if stage == Stage::CollectMaskedVectors && id.0 < self.dropped {
            return None;
        }
        let client = self.clients.remove(&id)?;
        let answer = client.answer(request, 100.0, &self.update, &mut self.random);
        let (next, reply) = answer.expect("an honest server");
        self.clients.insert(id, next);
        Some(reply)
    }

    /// Runs one stage to its end.
    fn run<S: Collecting>(
        &mut self,
        stage: S,
        outgoing: Vec<Outgoing>,
    ) -> (S::Next, Vec<Outgoing>) {
        self.collect(stage, outgoing).close().expect("enough clients")
    }

    fn collect<S: Collecting>(&mut self, mut stage: S, outgoing: Vec<Outgoing>) -> S {
        for Outgoing { to, message } in outgoing {
            if let Some(reply) = self.answer(S::STAGE, to, &message) {
                stage.receive(to, &reply).expect("an honest client");
            }
        }
        stage
    }
}

const SESSION: SessionId = SessionId([7; 16]);

/// A server that has its last answer.
fn before_unmasking(params: &Params, dropped: u64) -> Unmask {
    let mut cohort = Cohort::new(params, dropped);
    let ids = cohort.ids();
    let setup = Setup::open(params.clone(), SESSION, &ids, b"").expect("the cohort's size");
    let share_keys = cohort.run(setup.0, setup.1);
    let collect = cohort.run(share_keys.0, share_keys.1);
    let confirm = cohort.run(collect.0, collect.1);
    let unmask = cohort.run(confirm.0, confirm.1);
    cohort.collect(unmask.0, unmask.1)
}

fn whole_round(c: &mut Criterion) {
    let params = Params::secagg(20, 10_000, 0.67).build().expect("parameters");
    c.benchmark_group("round").sample_size(10).bench_function("whole/20 clients/10k", |b| {
        b.iter(|| {
            let mut cohort = Cohort::new(&params, 2);
            let ids = cohort.ids();
            let setup = Setup::open(params.clone(), SESSION, &ids, b"").expect("the cohort's size");
            let answer = |stage, id, request: &[u8]| cohort.answer(stage, id, request);
            let mut loopback = secagg::Loopback(answer);
            let mut workflow = Workflow::new(&mut loopback);
            let share_keys = workflow.setup(Pending::from(setup)).expect("setup");
            let collect = workflow.share_keys(share_keys).expect("share keys");
            let confirm = workflow.collect_masked_vectors(collect).expect("masked vectors");
            let unmask = workflow.confirm_survivors(confirm).expect("a curious server asks nobody");
            workflow.unmask(unmask).expect("unmasking").aggregate::<f32>()
        });
    });
}

fn unmask(c: &mut Criterion) {
    let mut group = c.benchmark_group("round/unmask");
    group.sample_size(10);
    for dropped in [0, 5, 15] {
        let params = Params::secagg(50, 100_000, 0.67).build().expect("parameters");
        group.bench_function(format!("50 clients/100k/{dropped} dropped"), |b| {
            b.iter_batched(
                || before_unmasking(&params, dropped),
                |stage| stage.close().expect("enough shares").0.aggregate::<f32>(),
                BatchSize::PerIteration,
            );
        });
    }
}

criterion_group!(benches, whole_round, unmask);
criterion_main!(benches);
