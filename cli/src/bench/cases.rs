//! What is measured: a kernel, the inputs that it runs on, and how much it moves.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
use secagg_kernels::{
    Accumulator, Backend, ClientPass, Lane, MaskPlan, Modulus, Prg, Quantizer, Seed, Sign, ceiling,
};

use super::{BenchArgs, Measurement};

/// The ceilings' names; what they bound refers to them.
const AES: &str = "ceiling: AES rounds";
const MEMORY: &str = "ceiling: add from memory";

/// Bytes for which the AES ceiling does its rounds: a few milliseconds of work.
const CEILING_BYTES: u64 = 1 << 26;

/// Bytes of the vectors that come from memory, beyond any cache of a core.
const MEMORY_BYTES: usize = 1 << 26;

/// Elements of the client's update and of the server's upload.
const ELEMENTS: usize = 1 << 22;

/// One kernel with its inputs, and how long it took each time.
pub(super) struct Case {
    name: Name,
    pool: Arc<ThreadPool>,
    bytes: usize,
    elements: Option<usize>,
    run: Box<dyn FnMut() + Send>,
    seconds: Vec<f64>,
}

/// What a case is called, and what bounds it.
#[derive(Clone)]
struct Name {
    kernel: &'static str,
    variant: String,
    backend: Option<Backend>,
    bounded_by: Option<&'static str>,
}

impl Case {
    pub(super) fn measure(&mut self) {
        let start = Instant::now();
        self.pool.install(&mut self.run);
        self.seconds.push(start.elapsed().as_secs_f64());
    }

    fn bytes_per_second(&self) -> f64 {
        let mut seconds = self.seconds.clone();
        seconds.sort_by(f64::total_cmp);
        self.bytes as f64 / seconds[seconds.len() / 2]
    }

    fn measurement(&self, cases: &[Self]) -> Measurement {
        let bytes_per_second = self.bytes_per_second();
        Measurement {
            kernel: self.name.kernel,
            variant: self.name.variant.clone(),
            backend: self.name.backend.map(|backend| backend.to_string()),
            threads: self.threads(),
            bytes_per_second,
            elements_per_second: self
                .elements
                .map(|elements| bytes_per_second * elements as f64 / self.bytes as f64),
            of_ceiling: self.ceiling(cases).map(|ceiling| bytes_per_second / ceiling),
        }
    }

    /// The fastest run of the ceiling that bounds this case: of all backends, since the best
    /// instructions of the machine are the limit.
    fn ceiling(&self, cases: &[Self]) -> Option<f64> {
        let bounded_by = self.name.bounded_by?;
        let same =
            |case: &&Self| case.name.kernel == bounded_by && case.threads() == self.threads();
        cases.iter().filter(same).map(Self::bytes_per_second).reduce(f64::max)
    }

    fn threads(&self) -> usize {
        self.pool.current_num_threads()
    }
}

/// Every case's result, in order.
pub(super) fn measurements(cases: &[Case]) -> Vec<Measurement> {
    cases.iter().map(|case| case.measurement(cases)).collect()
}

/// All cases, the ceilings first: on one thread, and on all if there are more.
pub(super) fn all(args: &BenchArgs) -> Vec<Case> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut cases = Vec::new();
    for threads in if cores > 1 { vec![1, cores] } else { vec![1] } {
        // Without a pool of this width there is nothing to measure with it.
        let Ok(pool) = ThreadPoolBuilder::new().num_threads(threads).build() else { continue };
        let mut shelf = Shelf { cases: &mut cases, pool: Arc::new(pool) };
        shelf.ceilings(args);
        for backend in args.backends() {
            shelf.masks(args, backend);
            shelf.passes(backend);
        }
    }
    cases
}

/// Where cases of one number of threads are put.
struct Shelf<'a> {
    cases: &'a mut Vec<Case>,
    pool: Arc<ThreadPool>,
}

impl Shelf<'_> {
    fn put(
        &mut self,
        name: Name,
        bytes: usize,
        elements: Option<usize>,
        run: impl FnMut() + Send + 'static,
    ) {
        let (pool, run, seconds) = (Arc::clone(&self.pool), Box::new(run), Vec::new());
        self.cases.push(Case { name, pool, bytes, elements, run, seconds });
    }

    fn ceilings(&mut self, args: &BenchArgs) {
        for backend in args.backends() {
            let name = Name {
                kernel: AES,
                variant: "10 rounds per block, registers only".into(),
                backend: Some(backend),
                bounded_by: None,
            };
            let threads = self.pool.current_num_threads() as u64;
            self.put(name, (CEILING_BYTES * threads) as usize, None, move || {
                (0..threads).into_par_iter().for_each(|_| {
                    black_box(ceiling::aes_rounds(backend, CEILING_BYTES));
                });
            });
        }
        self.memory_ceiling();
    }

    fn memory_ceiling(&mut self) {
        let variant = "two 64 MiB vectors".into();
        let name = Name { kernel: MEMORY, variant, backend: None, bounded_by: None };
        let (mut sum, other) = (vec![0_u64; MEMORY_BYTES / 8], vec![1_u64; MEMORY_BYTES / 8]);
        self.put(name, MEMORY_BYTES, None, move || {
            sum.par_chunks_mut(1 << 13).zip(other.par_chunks(1 << 13)).for_each(|(sum, other)| {
                sum.iter_mut().zip(other).for_each(|(sum, &x)| *sum = sum.wrapping_add(x));
            });
            black_box(&sum);
        });
    }

    fn masks(&mut self, args: &BenchArgs, backend: Backend) {
        for prg in Prg::ALL {
            self.mask::<u16>(args, backend, prg);
            self.mask::<u32>(args, backend, prg);
            self.mask::<u64>(args, backend, prg);
        }
    }

    fn mask<L: Lane>(&mut self, args: &BenchArgs, backend: Backend, prg: Prg) {
        let (plan, bytes) = (plan(prg, args.masks), args.accumulator_bytes());
        let mut lanes = vec![L::default(); bytes / L::BYTES];
        let name = Name {
            kernel: "mask",
            variant: format!("{prg}, u{}", L::BITS),
            backend: Some(backend),
            bounded_by: (prg == Prg::Aes128Ctr).then_some(AES),
        };
        let elements = args.masks * lanes.len();
        self.put(name, args.masks * bytes, Some(elements), move || {
            // The accumulator is far shorter than any keystream's limit.
            let _ = black_box(plan.apply(backend, 0, &mut lanes));
        });
    }

    fn passes(&mut self, backend: Backend) {
        for width in [20, 32, 40] {
            // Widths from 1 to 64 make a modulus.
            let Ok(modulus) = Modulus::from_width(width) else { continue };
            self.client(backend, modulus);
            self.server(backend, modulus);
        }
    }

    fn client(&mut self, backend: Backend, modulus: Modulus) {
        let Ok(quantizer) = Quantizer::new(8.0, 1 << (modulus.width() - 10).min(22), 1000.0) else {
            return;
        };
        let (plan, rounding) = (plan(Prg::Aes128Ctr, 0), Seed::from_bytes([1; 32]));
        let update: Vec<f32> = (0..ELEMENTS).map(|i| (i % 2003) as f32 / 1001.0 - 1.0).collect();
        let mut out = Vec::with_capacity(modulus.packed_len(ELEMENTS + 1));
        let name = name("client: quantize + pack", backend, modulus);
        self.put(name, 4 * ELEMENTS, Some(ELEMENTS), move || {
            let (quantizer, plan, rounding) = (&quantizer, &plan, &rounding);
            let pass = ClientPass { backend, modulus, quantizer, plan, rounding };
            out.clear();
            let _ = black_box(pass.masked_vector(1000.0, &update, &mut out));
        });
    }

    fn server(&mut self, backend: Backend, modulus: Modulus) {
        let mut sum = Accumulator::new(modulus, ELEMENTS);
        let packed = vec![0; modulus.packed_len(ELEMENTS)];
        let lane_bytes = if modulus.width() > 32 { 8 } else { 4 };
        let name =
            Name { bounded_by: Some(MEMORY), ..name("server: unpack + add", backend, modulus) };
        self.put(name, lane_bytes * ELEMENTS, Some(ELEMENTS), move || {
            let _ = black_box(sum.add_packed(backend, &packed));
        });
    }
}

fn name(kernel: &'static str, backend: Backend, modulus: Modulus) -> Name {
    let variant = format!("{} bits", modulus.width());
    Name { kernel, variant, backend: Some(backend), bounded_by: None }
}

/// A plan of so many masks, half of them subtracted; the seeds do not matter.
fn plan(prg: Prg, masks: usize) -> MaskPlan {
    let sign = |number| if number % 2 == 0 { Sign::Add } else { Sign::Subtract };
    MaskPlan::new(
        prg,
        (0..masks).map(|number| (Seed::from_bytes([number as u8; 32]), sign(number))),
    )
}
