//! What a Rust user would write without this crate, beside it and in the same process: for each seed and each tile,
//! expand into a buffer with a standard crate, then add. One thread; 64 masks over 1 MiB of `u32`.

use aes::cipher::{KeyIvInit, StreamCipher, StreamCipherSeek};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
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
    let mut peer = |name: &str, expand: &dyn Fn(&Seed, u64, &mut [u8])| {
        let (seeds, mut lanes) =
            (masks(MASKS).map(|(seed, _)| seed).collect::<Vec<_>>(), vec![0; LANES]);
        group.bench_function(format!("{name}, then add"), |b| {
            b.iter(|| expand_then_add(&seeds, expand, &mut lanes));
        });
    };
    peer("ctr (big-endian) over aes", &expand_with_ctr_be);
    peer("ctr (little-endian) over aes", &expand_with_ctr_le);
    peer("chacha20", &expand_with_chacha20);
    peer("rand_chacha", &expand_with_rand_chacha);
}

fn expand_then_add(seeds: &[Seed], expand: &dyn Fn(&Seed, u64, &mut [u8]), lanes: &mut [u32]) {
    let mut keystream = vec![0; TILE * 4];
    for (index, tile) in lanes.chunks_mut(TILE).enumerate() {
        for seed in seeds {
            keystream.fill(0);
            expand(seed, (index * TILE * 4) as u64, &mut keystream);
            for (lane, bytes) in tile.iter_mut().zip(keystream.as_chunks().0) {
                *lane = lane.wrapping_add(u32::from_le_bytes(*bytes));
            }
        }
    }
}

fn expand_with_ctr_be(seed: &Seed, first_byte: u64, out: &mut [u8]) {
    let (key, iv) = seed.as_bytes().split_at(16);
    let mut cipher =
        ctr::Ctr32BE::<aes::Aes128>::new_from_slices(key, iv).expect("16 and 16 bytes");
    cipher.seek(first_byte);
    cipher.apply_keystream(out);
}

fn expand_with_ctr_le(seed: &Seed, first_byte: u64, out: &mut [u8]) {
    let (key, iv) = seed.as_bytes().split_at(16);
    let mut cipher =
        ctr::Ctr32LE::<aes::Aes128>::new_from_slices(key, iv).expect("16 and 16 bytes");
    cipher.seek(first_byte);
    cipher.apply_keystream(out);
}

fn expand_with_chacha20(seed: &Seed, first_byte: u64, out: &mut [u8]) {
    let mut cipher =
        chacha20::ChaCha20::new_from_slices(seed.as_bytes(), &[0; 12]).expect("32 and 12 bytes");
    cipher.seek(first_byte);
    cipher.apply_keystream(out);
}

fn expand_with_rand_chacha(seed: &Seed, first_byte: u64, out: &mut [u8]) {
    let mut rng = ChaCha20Rng::from_seed(*seed.as_bytes());
    rng.set_word_pos(u128::from(first_byte / 4));
    rng.fill_bytes(out);
}

criterion_group!(benches, peers);
criterion_main!(benches);
