//! What a Rust user would write without this crate, beside it and in the same process. One thread; 64 masks over 1 MiB
//! of `u32`.

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use prio::field::{Field64, FieldElement};
use prio::vdaf::xof::{IntoFieldVec, Xof, XofTurboShake128};
use secagg_benches::rival::{self, Rival};
use secagg_benches::{on_one_thread, plan};
use secagg_kernels::{Backend, Prg};

const MASKS: usize = 64;
const LANES: usize = 1 << 18;

fn peers(c: &mut Criterion) {
    let mut group = c.benchmark_group("peers");
    group.sample_size(10).throughput(Throughput::Bytes((MASKS * LANES * 4) as u64));
    for backend in Backend::available() {
        for prg in Prg::ALL {
            let plan = plan(prg, MASKS);
            let mut lanes = vec![0_u32; LANES];
            group.bench_function(format!("secagg-kernels {prg}/{backend}"), |b| {
                on_one_thread(|| b.iter(|| plan.apply(backend, 0, &mut lanes)));
            });
        }
    }
    let big_endian = rival::ctr::<ctr::Ctr32BE<aes::Aes128>>(MASKS, LANES);
    peer(&mut group, "ctr (big-endian) over aes", big_endian);
    let little_endian = rival::ctr::<ctr::Ctr32LE<aes::Aes128>>(MASKS, LANES);
    peer(&mut group, "ctr (little-endian) over aes", little_endian);
    peer(&mut group, "chacha20", rival::chacha20(MASKS, LANES));
    peer(&mut group, "rand_chacha", rival::rand_chacha(MASKS, LANES));
    prio_fields(&mut group);
}

/// The Prio family masks with field elements: an XOF's output, and what is not below the modulus drawn
/// again. As many bytes as our lanes, in elements of 8.
fn prio_fields(group: &mut BenchmarkGroup<'_, WallTime>) {
    let seeds: Vec<[u8; 32]> = (0..MASKS).map(|number| [number as u8; 32]).collect();
    let mut sum = vec![Field64::zero(); LANES / 2];
    group.bench_function("prio XofTurboShake128 into Field64, then add", |b| {
        b.iter(|| {
            for seed in &seeds {
                let stream = XofTurboShake128::seed_stream(seed, &[b"mask"], &[]);
                let mask: Vec<Field64> = stream.into_field_vec(LANES / 2);
                sum.iter_mut().zip(mask).for_each(|(sum, mask)| *sum += mask);
            }
        });
    });
}

fn peer<C>(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, mut rival: Rival<C>) {
    group.bench_function(format!("{name}, then add"), |b| b.iter(|| rival.expand_then_add()));
}

criterion_group!(benches, peers);
criterion_main!(benches);
