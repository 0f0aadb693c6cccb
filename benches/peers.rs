//! What a Rust user would write without this crate, beside it and in the same process: for each seed and each tile,
//! expand into a buffer with a standard crate, then add. One thread; 64 masks over 1 MiB of `u32`.

use aes::cipher::{KeyIvInit, StreamCipher, StreamCipherSeek};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use secagg_benches::{masks, on_one_thread, plan};
use secagg_kernels::{Backend, Prg, Seed};

const MASKS: usize = 64;
const LANES: usize = 1 << 18;
/// 16 KiB: the peers get the tiling too, at the size that is best for them.
const TILE: usize = 4096;

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
    peer(&mut group, "ctr (big-endian) over aes", aes_ctr::<ctr::Ctr32BE<aes::Aes128>>, apply);
    peer(&mut group, "ctr (little-endian) over aes", aes_ctr::<ctr::Ctr32LE<aes::Aes128>>, apply);
    peer(&mut group, "chacha20", chacha20, apply);
    peer(&mut group, "rand_chacha", |seed| ChaCha20Rng::from_seed(*seed.as_bytes()), fill);
}

/// Measures one peer. As in our plan, its key schedules are made before the clock starts.
fn peer<C>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    new: fn(&Seed) -> C,
    expand: fn(&mut C, u64, &mut [u8]),
) {
    let mut ciphers: Vec<C> = masks(MASKS).map(|(seed, _)| new(&seed)).collect();
    let (mut lanes, mut keystream) = (vec![0_u32; LANES], vec![0; TILE * 4]);
    let mut expand_then_add = || {
        for (index, tile) in lanes.chunks_mut(TILE).enumerate() {
            for cipher in &mut ciphers {
                expand(cipher, (index * TILE * 4) as u64, &mut keystream);
                for (lane, bytes) in tile.iter_mut().zip(keystream.as_chunks().0) {
                    *lane = lane.wrapping_add(u32::from_le_bytes(*bytes));
                }
            }
        }
    };
    group.bench_function(format!("{name}, then add"), |b| b.iter(&mut expand_then_add));
}

fn aes_ctr<C: KeyIvInit>(seed: &Seed) -> C {
    let (key, iv) = seed.as_bytes().split_at(16);
    C::new_from_slices(key, iv).expect("16 and 16 bytes")
}

fn chacha20(seed: &Seed) -> chacha20::ChaCha20 {
    chacha20::ChaCha20::new_from_slices(seed.as_bytes(), &[0; 12]).expect("32 and 12 bytes")
}

fn apply<C: StreamCipher + StreamCipherSeek>(
    cipher: &mut C,
    first_byte: u64,
    keystream: &mut [u8],
) {
    keystream.fill(0);
    cipher.seek(first_byte);
    cipher.apply_keystream(keystream);
}

fn fill(rng: &mut ChaCha20Rng, first_byte: u64, keystream: &mut [u8]) {
    rng.set_word_pos(u128::from(first_byte / 4));
    rng.fill_bytes(keystream);
}

criterion_group!(benches, peers);
criterion_main!(benches);
