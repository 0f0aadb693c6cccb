//! Key agreements with many public keys, beside as many of `x25519-dalek`, on one thread.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use secagg_benches::{on_one_thread, publics};
use secagg_kernels::{Backend, x25519};

const SECRET: [u8; 32] = [0x5a; 32];

/// One key, one register of eight, and many.
fn agree(c: &mut Criterion) {
    let mut group = c.benchmark_group("x25519");
    for count in [1, 8, 64, 512] {
        let publics = publics(count);
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(format!("x25519-dalek/{count}"), |b| {
            b.iter(|| publics.iter().for_each(one_by_one));
        });
        for backend in Backend::available() {
            group.bench_function(format!("{backend}/{count}"), |b| {
                on_one_thread(|| b.iter(|| x25519::agree_many(backend, &SECRET, &publics)));
            });
        }
    }
}

fn one_by_one(public: &[u8; 32]) {
    black_box(x25519_dalek::x25519(black_box(SECRET), *public));
}

criterion_group!(benches, agree);
criterion_main!(benches);
