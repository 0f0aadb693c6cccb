//! Keystream bytes written to memory that stays in cache.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use secagg_benches::seed;
use secagg_kernels::{Backend, Prg};

fn expand(c: &mut Criterion) {
    let mut group = c.benchmark_group("prg/expand");
    let mut out = vec![0; 32 << 10];
    group.throughput(Throughput::Bytes(out.len() as u64));
    for backend in Backend::available() {
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
