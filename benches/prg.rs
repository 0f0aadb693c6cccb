//! Keystream bytes written to memory that stays in cache, beside the AES rounds that AES-128-CTR needs for them.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use secagg_benches::seed;
use secagg_kernels::{Backend, Prg, ceiling};

fn expand(c: &mut Criterion) {
    let mut group = c.benchmark_group("prg/expand");
    let mut out = vec![0; 32 << 10];
    group.throughput(Throughput::Bytes(out.len() as u64));
    for backend in Backend::available() {
        group.bench_function(format!("ceiling/{backend}"), |b| {
            b.iter(|| ceiling::aes_rounds(backend, black_box(32 << 10)));
        });
        for prg in Prg::ALL {
            let seed = seed(1);
            group.bench_function(format!("{prg}/{backend}"), |b| {
                b.iter(|| prg.expand(backend, &seed, 0, &mut out));
            });
        }
    }
}

criterion_group!(benches, expand);
criterion_main!(benches);
