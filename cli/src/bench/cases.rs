//! What is measured: a kernel, the inputs that it runs on, and how much it moves.

use std::hint::black_box;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use rayon::ThreadPool;
use rayon::prelude::*;
use secagg_kernels::{
    Accumulator, Backend, ClientPass, Lane, MaskPlan, Modulus, Prg, Quantizer, Seed, Sign, ceiling,
};

use super::{BenchArgs, Measurement};
use crate::error::CommandError;
use crate::{crew, memory};

/// The ceilings' names; what they bound refers to them.
const AES: &str = "ceiling: AES rounds";
const ADD: &str = "ceiling: add from memory";
const COPY: &str = "ceiling: copy in memory";

/// Bytes for which the AES ceiling does its rounds: a few milliseconds of work.
const CEILING_BYTES: u64 = 1 << 26;

/// Bytes of vectors that come from memory, and their elements where an element has 4.
const MEMORY_BYTES: usize = 1 << 26;
const ELEMENTS: usize = MEMORY_BYTES / 4;

/// Bits of the moduli: two below a lane's word, with the modulus that is exactly one between.
const WIDTHS: [u32; 3] = [20, 32, 40];

/// A client's update for the whole pass, and its masks: its own and those of 100 neighbours.
const UPDATE: usize = 1 << 20;
const CLIENT_MASKS: usize = 101;

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
///
/// # Errors
/// [`CommandError`] if the threads cannot be started, or there is no memory for what they measure.
pub(super) fn all(args: &BenchArgs) -> Result<Vec<Case>, CommandError> {
    let cores = crew::cores();
    let pool = |threads| {
        let refused = |source| CommandError::Threads { threads, source };
        crew::pool(threads).map(Arc::new).map_err(refused)
    };
    let widths = if cores > 1 { vec![1, cores] } else { vec![1] };
    let held = memory::check_bytes(bytes(args, widths.len()) as u128, cores)?;
    let pools = widths.into_iter().map(pool).collect::<Result<Vec<_>, _>>()?;
    drop(held);
    let (vectors, mut cases) = (Vectors::new(), Vec::new());
    for pool in pools {
        let vectors = vectors.clone();
        let mut shelf = Shelf { cases: &mut cases, pool, vectors };
        shelf.ceilings();
        for backend in args.backends() {
            shelf.masks(args, backend);
            shelf.passes(backend);
        }
    }
    Ok(cases)
}

/// Bytes of all vectors: those of [`Vectors`], and for each pool those of the ceilings, and one
/// accumulator for each PRG, lane and backend.
fn bytes(args: &BenchArgs, pools: usize) -> usize {
    let shared = (4 + WIDTHS.len()) * MEMORY_BYTES;
    let accumulators = 3 * Prg::ALL.len() * args.backends().len() * args.accumulator_bytes();
    shared + pools * (3 * MEMORY_BYTES + accumulators)
}

/// Long vectors, which all cases share; one runs at a time.
#[derive(Clone)]
struct Vectors {
    update: Arc<Vec<f32>>,
    masked: Arc<Mutex<Vec<u8>>>,
    upload: Arc<Vec<u8>>,
    sums: Vec<(Modulus, Arc<Mutex<Accumulator>>)>,
}

impl Vectors {
    fn new() -> Self {
        let update = (0..ELEMENTS).map(|i| (i % 2003) as f32 / 1001.0 - 1.0).collect();
        // Widths from 1 to 64 make a modulus.
        let moduli = WIDTHS.into_iter().flat_map(Modulus::from_width);
        let sum = |modulus| Arc::new(Mutex::new(Accumulator::new(modulus, lanes(modulus))));
        Self {
            update: Arc::new(update),
            // Room for the longest packed vector.
            masked: Arc::new(Mutex::new(Vec::with_capacity(8 * (ELEMENTS + 1)))),
            upload: Arc::new(vec![0; MEMORY_BYTES]),
            sums: moduli.map(|modulus| (modulus, sum(modulus))).collect(),
        }
    }
}

/// Lanes of an accumulator of 64 MiB.
fn lanes(modulus: Modulus) -> usize {
    MEMORY_BYTES / if modulus.width() > 32 { 8 } else { 4 }
}

/// Where cases of one number of threads are put.
struct Shelf<'a> {
    cases: &'a mut Vec<Case>,
    pool: Arc<ThreadPool>,
    vectors: Vectors,
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

    fn ceilings(&mut self) {
        // Of all backends, whichever are measured: the best instructions of the machine are the
        // limit.
        for backend in Backend::available() {
            let name = Name {
                backend: Some(backend),
                ..Name::ceiling(AES, "10 rounds per block, registers only")
            };
            let threads = self.pool.current_num_threads() as u64;
            self.put(name, (CEILING_BYTES * threads) as usize, None, move || {
                (0..threads).into_par_iter().for_each(|_| {
                    black_box(ceiling::aes_rounds(backend, CEILING_BYTES));
                });
            });
        }
        self.add_ceiling();
        self.copy_ceiling();
    }

    fn add_ceiling(&mut self) {
        let (mut sum, other) = (vec![0_u64; MEMORY_BYTES / 8], vec![1_u64; MEMORY_BYTES / 8]);
        self.put(Name::ceiling(ADD, "two 64 MiB vectors"), MEMORY_BYTES, None, move || {
            sum.par_chunks_mut(1 << 13).zip(other.par_chunks(1 << 13)).for_each(|(sum, other)| {
                sum.iter_mut().zip(other).for_each(|(sum, &x)| *sum = sum.wrapping_add(x));
            });
            black_box(&sum);
        });
    }

    fn copy_ceiling(&mut self) {
        let (from, mut to) = (Arc::clone(&self.vectors.update), vec![0_f32; ELEMENTS]);
        self.put(Name::ceiling(COPY, "64 MiB"), MEMORY_BYTES, Some(ELEMENTS), move || {
            let chunks = to.par_chunks_mut(1 << 14).zip(from.par_chunks(1 << 14));
            chunks.for_each(|(to, from)| to.copy_from_slice(from));
            black_box(&to);
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
        let (plan, bytes) = (plan(prg, args.masks()), args.accumulator_bytes());
        let mut lanes = vec![L::default(); bytes / L::BYTES];
        let name = Name {
            kernel: "mask",
            variant: format!("{prg}, u{}", L::BITS),
            backend: Some(backend),
            bounded_by: (prg == Prg::Aes128Ctr).then_some(AES),
        };
        let elements = args.masks() * lanes.len();
        self.put(name, args.masks() * bytes, Some(elements), move || {
            // The accumulator is far shorter than any keystream's limit.
            let _ = black_box(plan.apply(backend, 0, &mut lanes));
        });
    }

    fn passes(&mut self, backend: Backend) {
        for (modulus, sum) in self.vectors.sums.clone() {
            let bits = format!("{} bits", modulus.width());
            self.quantize(backend, modulus, bits.clone());
            self.server(backend, modulus, bits, sum);
            if modulus.width() == 32 {
                self.client(backend, modulus);
            }
        }
    }

    fn quantize(&mut self, backend: Backend, modulus: Modulus, variant: String) {
        let kernel = "client: quantize + pack";
        let name = Name { kernel, variant, backend: Some(backend), bounded_by: Some(COPY) };
        let run = self.masked_vector(backend, modulus, 0, ELEMENTS);
        self.put(name, 4 * ELEMENTS, Some(ELEMENTS), run);
    }

    fn client(&mut self, backend: Backend, modulus: Modulus) {
        let kernel = "client: whole pass";
        let variant = format!("32 bits, {CLIENT_MASKS} masks");
        let name = Name { kernel, variant, backend: Some(backend), bounded_by: Some(AES) };
        let run = self.masked_vector(backend, modulus, CLIENT_MASKS, UPDATE);
        let keystream = 4 * UPDATE * CLIENT_MASKS;
        self.put(name, keystream, Some(UPDATE * CLIENT_MASKS), run);
    }

    fn masked_vector(
        &self,
        backend: Backend,
        modulus: Modulus,
        masks: usize,
        elements: usize,
    ) -> impl FnMut() + Send + use<> {
        let Vectors { update, masked, .. } = self.vectors.clone();
        let plan = plan(Prg::Aes128Ctr, masks);
        // 2^10 clients fit into each of the moduli measured here.
        let levels = 1 << (modulus.width() - 10).min(22);
        let quantizer = Quantizer::new(8.0, levels, 1000.0);
        move || {
            let (Ok(quantizer), Ok(mut out)) = (&quantizer, masked.lock()) else { return };
            let (plan, rounding) = (&plan, &Seed::from_bytes([1; 32]));
            let pass = ClientPass { backend, modulus, quantizer, plan, rounding };
            out.clear();
            let _ = black_box(pass.masked_vector(1000.0, &update[..elements], &mut out));
        }
    }

    fn server(
        &mut self,
        backend: Backend,
        modulus: Modulus,
        variant: String,
        sum: Arc<Mutex<Accumulator>>,
    ) {
        let kernel = "server: unpack + add";
        let name = Name { kernel, variant, backend: Some(backend), bounded_by: Some(ADD) };
        let (packed, upload) =
            (modulus.packed_len(lanes(modulus)), Arc::clone(&self.vectors.upload));
        self.put(name, MEMORY_BYTES, Some(lanes(modulus)), move || {
            let Ok(mut sum) = sum.lock() else { return };
            let _ = black_box(sum.add_packed(backend, &upload[..packed]));
        });
    }
}

impl Name {
    fn ceiling(kernel: &'static str, variant: &str) -> Self {
        Self { kernel, variant: variant.into(), backend: None, bounded_by: None }
    }
}

/// A plan of so many masks, half of them subtracted; the seeds do not matter.
fn plan(prg: Prg, masks: usize) -> MaskPlan {
    let sign = |number| if number % 2 == 0 { Sign::Add } else { Sign::Subtract };
    let seed = |number| Seed::from_bytes([number as u8; 32]);
    let masks: Vec<_> = (0..masks).map(|number| (seed(number), sign(number))).collect();
    MaskPlan::new(prg, &masks)
}
