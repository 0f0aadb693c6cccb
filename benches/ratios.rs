//! How near the kernels come to what the machine allows, and how far ahead of their rivals they are: both sides of every
//! ratio taken in turns in one process, so that noise strikes both. One row per ratio; medians. One thread, in seconds
//! of that thread on a core, unless the row says otherwise. An argument chooses the rows whose names contain it.

use std::hint::black_box;
use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};
use secagg_benches::rival;
use secagg_benches::{modulus, on_one_thread, plan, publics, seed, update};
use secagg_kernels::{Accumulator, Backend, ClientPass, Lane, Prg, Quantizer, ceiling, x25519};

const MASKS: usize = 64;
/// The plan's vector: 4 MiB.
const BYTES: usize = 4 << 20;
/// Vectors that no cache holds: 64 MiB of `u32` or `f32`.
const LARGE: usize = 16 << 20;

fn main() {
    // `cargo bench -- --test` asks whether everything runs, not how fast.
    let turns = if std::env::args().any(|argument| argument == "--test") { 1 } else { 21 };
    println!("{:<62} {:>10} {:>7}", "", "GB/s", "ratio");
    on_one_thread(|| {
        masks(turns);
        rivals(turns);
        server(turns);
        client(turns);
        agreements(turns);
    });
    if asked_for("threads") {
        threads(turns.div_ceil(4));
    }
}

/// Plans of 64 masks over 4 MiB against the AES rounds they cannot do without.
fn masks(turns: usize) {
    for backend in Backend::available() {
        let own = || rounds(backend);
        row(turns, &format!("AES ceiling {backend} / AES ceiling"), MASKS * BYTES, own, fastest);
        for prg in Prg::ALL {
            mask_row::<u32>(turns, backend, prg);
            mask_row::<u16>(turns, backend, prg);
            mask_row::<u64>(turns, backend, prg);
        }
    }
}

fn mask_row<L: Lane>(turns: usize, backend: Backend, prg: Prg) {
    let name = format!("{prg} {backend} u{} / AES ceiling", L::BITS);
    row(turns, &name, MASKS * BYTES, masking::<L>(backend, prg), fastest);
}

/// The same plans against what a user would write, and against each other.
fn rivals(turns: usize) {
    let (backend, lanes) = (Backend::detect(), BYTES / 4);
    let bytes = MASKS * BYTES;
    let aes = || masking::<u32>(backend, Prg::Aes128Ctr);
    let mut ctr = rival::ctr::<ctr::Ctr32LE<aes::Aes128>>(MASKS, lanes);
    row(turns, "aes-128-ctr / ctr over aes, then add", bytes, aes(), || ctr.expand_then_add());
    let portable = masking::<u32>(Backend::Portable, Prg::Aes128Ctr);
    row(turns, "aes-128-ctr portable / ctr over aes, then add", bytes, portable, || {
        ctr.expand_then_add();
    });
    let (portable, mut crate_alone) =
        (masking::<u32>(Backend::Portable, Prg::ChaCha20), rival::chacha20(MASKS, lanes));
    let name = "chacha20 portable / chacha20, then add";
    row(turns, name, bytes, portable, || crate_alone.expand_then_add());
    row(turns, "aegis-128x4 / aes-128-ctr", bytes, masking::<u32>(backend, Prg::Aegis128X4), aes());
    for backend in Backend::available() {
        let mut rand_chacha = rival::rand_chacha(MASKS, lanes);
        let name = format!("chacha20 {backend} / rand_chacha, then add");
        let chacha = masking::<u32>(backend, Prg::ChaCha20);
        row(turns, &name, bytes, chacha, || rand_chacha.expand_then_add());
    }
}

/// Uploads unpacked and added, against two vectors of words that are added.
fn server(turns: usize) {
    let words: Vec<u32> = (0..LARGE as u32).collect();
    for backend in Backend::available() {
        for width in [20, 32] {
            let packed = vec![0x5a; modulus(width).packed_len(LARGE)];
            let mut sum = Accumulator::new(modulus(width), LARGE);
            let mut words_sum = vec![0_u32; LARGE];
            let name = format!("unpack_add {backend} {width} bits / add two vectors");
            let unpack_add = || sum.add_packed(backend, &packed).expect("whole bytes");
            row(turns, &name, LARGE * 4, unpack_add, || {
                for (sum, word) in words_sum.iter_mut().zip(&words) {
                    *sum = sum.wrapping_add(*word);
                }
            });
        }
    }
}

/// The client's pass: without masks against a copy, and with 100 against so many masks alone.
fn client(turns: usize) {
    for backend in Backend::available() {
        let (large, mut copy) = (update(LARGE), vec![0.0; LARGE]);
        let name = format!("client pass {backend}, no masks / copy");
        let pass = pass(backend, 0, large.clone());
        let copying = || black_box(&mut copy).copy_from_slice(black_box(&large));
        row(turns, &name, LARGE * 4, pass, copying);
        let name = format!("client pass {backend}, 1M, 100 masks / 101 masks alone");
        let plan = plan(Prg::Aes128Ctr, 101);
        let mut lanes = vec![0_u32; 1 << 20];
        let alone = || plan.apply(backend, 0, &mut lanes).expect("a short vector");
        row(turns, &name, 101 << 22, self::pass(backend, 100, update((1 << 20) - 1)), alone);
    }
}

/// One secret with many public keys, against `x25519-dalek` with one after another. The rate is in millions a second.
fn agreements(turns: usize) {
    let secret = [0x5a; 32];
    for (backend, keys) in Backend::available().flat_map(|found| [1, 8, 512].map(|n| (found, n))) {
        let name = format!("x25519 {backend}, {keys} keys, M/s / x25519-dalek");
        if !asked_for(&name) {
            continue;
        }
        let publics = publics(keys);
        let ours = || drop(black_box(x25519::agree_many(backend, &secret, &publics)));
        let (seconds, ratio) = in_turns(turns, ours, || {
            for public in &publics {
                black_box(x25519_dalek::x25519(black_box(secret), *public));
            }
        });
        println!("{name:<62} {:10.4} {ratio:7.3}", keys as f64 / seconds / 1e6);
    }
}

/// 256 masks over 64 MiB on all threads and on one, by the clock on the wall.
fn threads(turns: usize) {
    let (plan, mut lanes) = (plan(Prg::Aes128Ctr, 256), vec![0_u32; LARGE]);
    let mut ratios: Vec<f64> = Vec::new();
    for _ in 0..turns {
        let mut apply = || plan.apply(Backend::detect(), 0, &mut lanes).expect("a short vector");
        let start = Instant::now();
        apply();
        let all = start.elapsed();
        on_one_thread(|| {
            let start = Instant::now();
            apply();
            ratios.push(start.elapsed().as_secs_f64() / all.as_secs_f64());
        });
    }
    let name = format!(
        "{} threads / one, 256 masks over 64 MiB, by the wall",
        rayon::current_num_threads()
    );
    println!("{name:<62} {:>10} {:7.3}", "", median(ratios));
}

fn masking<L: Lane>(backend: Backend, prg: Prg) -> impl FnMut() {
    let (plan, mut lanes) = (plan(prg, MASKS), vec![L::default(); BYTES / L::BYTES]);
    move || plan.apply(backend, 0, &mut lanes).expect("a short vector")
}

fn pass(backend: Backend, masks: usize, update: Vec<f32>) -> impl FnMut() {
    let quantizer = Quantizer::new(8.0, 1 << 22, 1000.0).expect("the defaults");
    let (plan, rounding, mut out) = (plan(Prg::Aes128Ctr, masks), seed(200), Vec::new());
    move || {
        let (modulus, quantizer) = (modulus(32), &quantizer);
        let pass = ClientPass { backend, modulus, quantizer, plan: &plan, rounding: &rounding };
        out.clear();
        pass.masked_vector(7.0, &update, &mut out).expect("a finite update");
    }
}

/// The rounds of as many bytes with the widest instructions.
fn fastest() {
    rounds(Backend::detect());
}

fn rounds(backend: Backend) {
    black_box(ceiling::aes_rounds(backend, (MASKS * BYTES) as u64));
}

/// Prints how many times as fast as the other side ours is, and our rate.
fn row(turns: usize, name: &str, bytes: usize, ours: impl FnMut(), other: impl FnMut()) {
    if asked_for(name) {
        let (seconds, ratio) = in_turns(turns, ours, other);
        println!("{name:<62} {:10.2} {ratio:7.3}", bytes as f64 / seconds / 1e9);
    }
}

/// Our seconds, and how many times as many the other side takes.
fn in_turns(turns: usize, mut ours: impl FnMut(), mut other: impl FnMut()) -> (f64, f64) {
    let (mut own_times, mut ratios) = (Vec::new(), Vec::new());
    for _ in 0..turns {
        let start = seconds();
        ours();
        let middle = seconds();
        other();
        own_times.push(middle - start);
        ratios.push((seconds() - middle) / (middle - start));
    }
    (median(own_times), median(ratios))
}

fn asked_for(name: &str) -> bool {
    let asked = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    asked.is_none_or(|part| name.contains(&part))
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_unstable_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

/// The time that this thread has spent on a core: waiting for other processes does not count.
fn seconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}
