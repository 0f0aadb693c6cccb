//! A plan of 64 masks over an accumulator of 1 MiB: bytes of keystream expanded and added per second, on one thread and
//! on all, beside the AES rounds of as many bytes on one thread.

use std::hint::black_box;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use secagg_benches::{on_one_thread, plan};
use secagg_kernels::{Backend, Lane, Prg, ceiling};

const MASKS: usize = 64;
const BYTES: usize = 1 << 20;

fn lanes<L: Lane>(group: &mut BenchmarkGroup<'_, WallTime>, backend: Backend, prg: Prg) {
    let plan = plan(prg, MASKS);
    let mut lanes = vec![L::default(); BYTES / L::BYTES];
    let name = format!("{prg}/{backend}/u{}", L::BITS);
    group.bench_function(format!("{name}/1 thread"), |b| {
        on_one_thread(|| b.iter(|| plan.apply(backend, 0, &mut lanes)));
    });
    group.bench_function(format!("{name}/all threads"), |b| {
        b.iter(|| plan.apply(backend, 0, &mut lanes));
    });
}

fn apply(c: &mut Criterion) {
    let mut group = c.benchmark_group("mask/apply");
    group.sample_size(10).throughput(Throughput::Bytes((MASKS * BYTES) as u64));
    for backend in Backend::available() {
        group.bench_function(format!("ceiling/{backend}/1 thread"), |b| {
            b.iter(|| ceiling::aes_rounds(backend, black_box((MASKS * BYTES) as u64)));
        });
        for prg in Prg::ALL {
            lanes::<u16>(&mut group, backend, prg);
            lanes::<u32>(&mut group, backend, prg);
            lanes::<u64>(&mut group, backend, prg);
        }
    }
}

criterion_group!(benches, apply);
criterion_main!(benches);
