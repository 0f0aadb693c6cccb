//! A whole round in one thread of messages, and what the server does after its last answer.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use secagg::server::{Collecting, Setup};
use secagg::{Params, Pending, Workflow};
use secagg_benches::cohort::{Cohort, SESSION};

fn whole_round(c: &mut Criterion) {
    let params = Params::secagg(20, 10_000, 0.67).build().expect("parameters");
    c.benchmark_group("round").sample_size(10).bench_function("whole/20 clients/10k", |b| {
        b.iter(|| {
            let mut cohort = Cohort::new(&params, 2);
            let ids = cohort.ids();
            let setup = Setup::open(params.clone(), SESSION, &ids, b"").expect("the cohort's size");
            let answer = |stage, id, request: &[u8]| cohort.answer(stage, id, request);
            let mut random = ChaCha20Rng::seed_from_u64(1);
            let mut loopback = secagg::Loopback(answer);
            let mut workflow = Workflow::new(&mut loopback, &mut random);
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
                || Cohort::new(&params, dropped).before_unmasking(&params),
                |stage| {
                    stage
                        .close(&mut ChaCha20Rng::seed_from_u64(1))
                        .expect("enough shares")
                        .0
                        .aggregate::<f32>()
                },
                BatchSize::PerIteration,
            );
        });
    }
}

criterion_group!(benches, whole_round, unmask);
criterion_main!(benches);
