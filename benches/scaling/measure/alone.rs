//! Single steps of a round, each by itself on one thread: what the fitted costs are held against.

use std::collections::BTreeMap;

use secagg::Params;
use secagg::plan::Rehearsal;
use secagg_benches::clock::{median, timed};
use secagg_benches::{modulus, on_one_thread, plan};
use secagg_kernels::{Accumulator, Backend, Prg};

/// How long each step is repeated, at least.
const SECONDS: f64 = 0.2;

const MASKS: usize = 64;
const LANES: usize = 1 << 20;

/// What each step took, time after time.
#[derive(Default)]
pub(crate) struct Steps(BTreeMap<&'static str, Vec<f64>>);

impl Steps {
    /// Does each step for a while.
    pub(crate) fn measure(&mut self) {
        on_one_thread(|| {
            self.masks();
            self.uploads();
            self.agreements();
        });
    }

    /// Seconds of a core for each step, by name.
    pub(crate) fn medians(self) -> BTreeMap<String, f64> {
        self.0.into_iter().map(|(name, times)| (name.into(), median(times))).collect()
    }

    fn masks(&mut self) {
        let (plan, mut lanes) = (plan(Prg::Aes128Ctr, MASKS), vec![0_u32; LANES]);
        self.take("byte of keystream", MASKS * LANES * 4, || {
            plan.apply(Backend::detect(), 0, &mut lanes).expect("a short vector");
        });
    }

    /// Uploads come from the network: 64 MiB of them pass by.
    fn uploads(&mut self) {
        let (modulus, lanes) = (modulus(32), 100_000);
        let (mut sum, length) = (Accumulator::new(modulus, lanes), modulus.packed_len(lanes));
        let uploads = vec![0x5a; (64 << 20) / length * length];
        let mut next = uploads.chunks_exact(length).cycle();
        self.take("lane added", lanes, || {
            let upload = next.next().expect("a cycle has no end");
            sum.add_packed(Backend::detect(), upload).expect("whole bytes");
        });
    }

    fn agreements(&mut self) {
        let params = Params::secagg_plus(1000, 1, 40, 20).build().expect("parameters");
        let rehearsal = Rehearsal::new(&params, params.threshold());
        self.take("agreement", Rehearsal::NEIGHBOURS, || rehearsal.agree());
    }

    fn take(&mut self, name: &'static str, units: usize, mut work: impl FnMut()) {
        // The first time warms the caches.
        work();
        let (mut seconds, mut done) = (0.0, 0);
        while seconds < SECONDS {
            let ((), took) = timed(|| (0..16).for_each(|_| work()));
            (seconds, done) = (seconds + took.processor, done + 16);
        }
        self.0.entry(name).or_default().push(seconds / (done * units) as f64);
    }
}
