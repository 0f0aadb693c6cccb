//! Lanes packed and unpacked per second, on one thread, in vectors that fit in cache; beside a copy of lanes of 32 bits.

use std::hint::black_box;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use secagg_benches::modulus;
use secagg_kernels::{Backend, Lane, pack};

const LANES: usize = 1 << 13;

/// Whole words, whole bytes, and widths that straddle both.
fn widths(c: &mut Criterion) {
    let mut group = c.benchmark_group("pack");
    group.throughput(Throughput::Elements(LANES as u64));
    let (lanes, mut copy) = (vec![1_u32; LANES], vec![0_u32; LANES]);
    group.bench_function("ceiling: copy", |b| {
        b.iter(|| black_box(&mut copy).copy_from_slice(black_box(&lanes)));
    });
    for backend in Backend::available() {
        for width in [1, 8, 12, 16] {
            both_ways::<u16>(&mut group, backend, width);
        }
        for width in [20, 24, 31, 32] {
            both_ways::<u32>(&mut group, backend, width);
        }
        for width in [40, 62, 64] {
            both_ways::<u64>(&mut group, backend, width);
        }
    }
}

fn both_ways<L: Lane>(group: &mut BenchmarkGroup<'_, WallTime>, backend: Backend, width: u32) {
    let modulus = modulus(width);
    let mut lanes: Vec<L> = (0..LANES as u64).map(L::from_u64).collect();
    let mut bytes = vec![0; modulus.packed_len(LANES)];
    group.bench_function(format!("pack/{backend}/{width} bits"), |b| {
        b.iter(|| pack::pack(backend, modulus, &lanes, &mut bytes));
    });
    group.bench_function(format!("unpack_add/{backend}/{width} bits"), |b| {
        b.iter(|| pack::unpack_add(backend, modulus, &bytes, &mut lanes));
    });
}

criterion_group!(benches, widths);
criterion_main!(benches);
