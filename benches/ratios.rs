//! How near the kernels come to what the machine allows: each figure beside its denominator, taken in turns in one
//! process, so that noise strikes both. One row per ratio; medians. One thread unless the row says otherwise.

use std::hint::black_box;

use rustix::time::{ClockId, clock_gettime};
use secagg_benches::{on_one_thread, plan};
use secagg_kernels::{Backend, Lane, MaskPlan, Prg, ceiling};

/// Turns that each side of a ratio gets.
const TURNS: usize = 25;
const MASKS: usize = 64;
/// 4 MiB.
const BYTES: usize = 4 << 20;

fn main() {
    // `cargo bench -- --test` asks whether everything runs, not how fast.
    let turns = if std::env::args().any(|argument| argument == "--test") { 1 } else { TURNS };
    on_one_thread(|| masks(turns));
}

/// Plans of 64 masks over 4 MiB against the AES rounds they cannot do without.
fn masks(turns: usize) {
    let ceiling = || fastest_rounds();
    for backend in Backend::available() {
        let mut own = || rounds(backend);
        let [own, fastest] = medians(turns, [&mut own, &mut { ceiling }]);
        println!(
            "{:<44} {:11} {:6.3}",
            format!("AES ceiling {backend} / AES ceiling"),
            "",
            fastest / own
        );
        for prg in Prg::ALL {
            let plan = plan(prg, MASKS);
            row::<u32>(turns, backend, &plan, &ceiling);
            row::<u16>(turns, backend, &plan, &ceiling);
            row::<u64>(turns, backend, &plan, &ceiling);
        }
    }
}

fn row<L: Lane>(turns: usize, backend: Backend, plan: &MaskPlan, ceiling: &dyn Fn()) {
    let mut lanes = vec![L::default(); BYTES / L::BYTES];
    let mut apply = || plan.apply(backend, 0, &mut lanes).expect("a short vector");
    let [ours, limit] = medians(turns, [&mut apply, &mut { ceiling }]);
    let name = format!("{} {backend} u{} / AES ceiling", plan.prg(), L::BITS);
    let rate = (MASKS * BYTES) as f64 / ours / 1e9;
    println!("{name:<44} {rate:6.2} GB/s {:6.3}", limit / ours);
}

/// The rounds of as many bytes with the widest instructions.
fn fastest_rounds() {
    rounds(Backend::detect());
}

fn rounds(backend: Backend) {
    black_box(ceiling::aes_rounds(backend, (MASKS * BYTES) as u64));
}

/// The median times of several things to do, each done in every turn, in seconds of this thread on a core.
fn medians<const N: usize>(turns: usize, mut sides: [&mut dyn FnMut(); N]) -> [f64; N] {
    let mut times = [(); N].map(|()| Vec::with_capacity(turns));
    for _ in 0..turns {
        for (side, times) in sides.iter_mut().zip(&mut times) {
            let start = seconds();
            side();
            times.push(seconds() - start);
        }
    }
    times.map(|mut times| {
        times.sort_unstable_by(f64::total_cmp);
        times[turns / 2]
    })
}

/// The time that this thread has spent on a core: waiting for other processes does not count.
fn seconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}
