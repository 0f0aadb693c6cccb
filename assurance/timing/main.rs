//! Whether the time depends on a secret, by the clock: for instructions that valgrind does not know, AVX-512 above all.
//!
//! Each case is timed with one fixed secret and with random ones, in random order, and the two classes' means are compared by
//! Welch's t. Cropped as in `welch.rs`, |t| of at least 10 is a leak: the cases must stay below it, once in three attempts, and the
//! planted leaks must pass it each time.
//!
//! `cargo xtask timing [MEASUREMENTS]`. It sees what it measures, and no more: a test that passes proves little,
//! a planted leak that it sees says how little.

#![forbid(unsafe_code)]

mod cases;
mod planted;
mod welch;

use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

const THRESHOLD: f64 = 10.0;
const ATTEMPTS: u64 = 3;

/// Of both classes together, unless told.
const MEASUREMENTS: usize = 20_000;

type Run = dyn FnMut(&[u8]);

/// Something whose time is taken.
struct Case {
    name: String,
    /// The secret of one class; that of the other is random, and as long.
    fixed: Vec<u8>,
    run: Box<Run>,
    expected: Expected,
}

/// What the clock is to see of a secret.
#[derive(Clone, Copy, PartialEq)]
enum Expected {
    Nothing,
    /// A leak that was planted.
    Leak,
    /// A leak or none, by the CPU: docs/design.md tells of it.
    Either,
}

impl Case {
    fn new(name: impl Into<String>, fixed: &[u8], run: impl FnMut(&[u8]) + 'static) -> Self {
        let expected = Expected::Nothing;
        Self { name: name.into(), fixed: fixed.to_vec(), run: Box::new(run), expected }
    }

    fn passes(&mut self, measurements: usize) -> bool {
        let mut t = self.measure(measurements, 0);
        for attempt in 1..ATTEMPTS {
            if self.expected == Expected::Nothing && t >= THRESHOLD {
                t = self.measure(measurements, attempt);
            }
        }
        let (verdict, passes) = match (self.expected, t < THRESHOLD) {
            (Expected::Nothing, true) => ("nothing seen", true),
            (Expected::Nothing, false) => ("LEAKS", false),
            (Expected::Leak, false) => ("planted, and seen", true),
            (Expected::Leak, true) => ("NOT SEEN, although it was planted", false),
            (Expected::Either, true) => ("may be seen on another CPU", true),
            (Expected::Either, false) => ("seen, as this CPU does it", true),
        };
        println!("{:<44} |t| = {t:>7.1}  {verdict}", self.name);
        passes
    }

    /// Both classes do the same before the clock starts: they draw a secret, and read both to write one in the same place.
    /// Each attempt has an order of its own, so that what one meets by chance the next does not meet again.
    fn measure(&mut self, measurements: usize, attempt: u64) -> f64 {
        let mut rng = ChaCha8Rng::seed_from_u64(measurements as u64);
        rng.set_stream(attempt);
        let mut times = [Vec::new(), Vec::new()];
        let mut drawn = vec![0; self.fixed.len()];
        let mut secret = drawn.clone();
        for _ in 0..measurements {
            rng.fill_bytes(&mut drawn);
            let class = (rng.next_u32() & 1) as usize;
            choose(class, &self.fixed, &drawn, &mut secret);
            let start = Instant::now();
            (self.run)(&secret);
            times[class].push(start.elapsed().as_nanos() as f64);
        }
        welch::largest_t(&times)
    }
}

/// Copying one of the two alone would leave the other class's in another cache, which was seen as a leak.
fn choose(class: usize, fixed: &[u8], drawn: &[u8], secret: &mut [u8]) {
    let mask = black_box((class as u8).wrapping_neg());
    for ((secret, fixed), drawn) in secret.iter_mut().zip(fixed).zip(drawn) {
        *secret = fixed ^ ((fixed ^ drawn) & mask);
    }
}

fn main() -> ExitCode {
    let word = std::env::args().nth(1);
    let measurements = word.map_or(Ok(MEASUREMENTS), |word| word.parse());
    let Ok(measurements @ 100..) = measurements else {
        eprintln!("usage: timing [MEASUREMENTS], at least 100");
        return ExitCode::from(2);
    };
    let cases = planted::cases().into_iter().chain(cases::cases());
    let failed = cases.filter_map(|mut case| (!case.passes(measurements)).then_some(())).count();
    println!("{failed} cases failed, of {measurements} measurements each");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
