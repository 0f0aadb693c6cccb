//! The quantizer in every backend against plain f64: what it refuses, each lane within one level of the exact product,
//! each mean within the bound, and the documented arithmetic followed word by word, on the way there and back.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use secagg_fuzz::mean::{Crowd, mean, scale, zero};
use secagg_fuzz::number::{Levels, Number};
use secagg_fuzz::{Generator, Mask, one_thread, plan_of};
use secagg_kernels::{
    Accumulator, Backend, ClientPass, ClientPassError, DequantizeError, Lane,
    MAX_QUANTIZATION_RANGE, MIN_QUANTIZATION_RANGE, MaskPlan, Modulus, Prg, QuantizeError,
    Quantizer, Real, Seed, WeightedMean, pack,
};

/// What one binary64 operation loses at most, with room for a few of them.
const LOST: f64 = 1e-14;

#[derive(Arbitrary, Debug)]
struct Input {
    clipping_range: Number,
    levels: Levels,
    max_weight: Number,
    generator: Generator,
    rounding: [u8; 32],
    masks: Vec<Mask>,
    width: u8,
    clients: Vec<Client>,
    /// Dequantized as it is, whoever made it.
    sum: Vec<u64>,
    single: bool,
    crowd: Crowd,
}

#[derive(Arbitrary, Debug)]
struct Client {
    weight: Number,
    /// Of the largest weight; else `weight` as it is.
    relative: bool,
    update: Vec<Number>,
}

fuzz_target!(init: one_thread(), |input: Input| {
    let (c, w_max) = (input.clipping_range.get(), input.max_weight.get());
    let q = input.levels.get();
    let ranges = [c, w_max].iter().all(|x| (1e-100..=1e100).contains(x));
    let valid = ranges && (MIN_QUANTIZATION_RANGE..=MAX_QUANTIZATION_RANGE).contains(&q);
    let quantizer = Quantizer::new(c, q, w_max);
    assert_eq!(quantizer.is_ok(), valid, "{c} {q} {w_max}");
    let Ok(quantizer) = quantizer else { return };
    if input.single {
        check::<f32>(&quantizer, &input);
    } else {
        check::<f64>(&quantizer, &input);
    }
});

fn check<F: Real>(quantizer: &Quantizer, input: &Input) {
    let rounding = Seed::from_bytes(input.rounding);
    let prg = input.generator.prg();
    let clients: Vec<_> = input.clients.iter().take(8).collect();
    for client in &clients {
        let (weight, update) = client.values::<F>(quantizer);
        check_word::<F, u16>(quantizer, prg, &rounding, weight, &update);
        check_word::<F, u32>(quantizer, prg, &rounding, weight, &update);
        check_word::<F, u64>(quantizer, prg, &rounding, weight, &update);
        check_pass(quantizer, input, weight, &update);
    }
    check_mean::<F>(quantizer, input, &clients);
    let modulus = Modulus::from_width(u32::from(input.width % 64) + 1).expect("1 to 64");
    check_any_sum::<F>(quantizer, modulus, input.clients.len() as u64, &input.sum);
    let clients = input.crowd.clients(quantizer, modulus);
    check_any_sum::<F>(quantizer, modulus, clients, &input.crowd.sum(quantizer, modulus));
}

/// Why an update is refused, judged one element after another.
fn refusal<F: Real>(quantizer: &Quantizer, weight: f64, update: &[F]) -> Option<QuantizeError> {
    let max_weight = quantizer.max_weight();
    if weight.is_nan() || weight < 0.0 || weight > max_weight {
        return Some(QuantizeError::InvalidWeight { max_weight });
    }
    let index = update.iter().position(|x| !x.to_f64().is_finite())?;
    Some(QuantizeError::NonFinite { index })
}

fn check_word<F: Real, L: Lane>(
    quantizer: &Quantizer,
    prg: Prg,
    rounding: &Seed,
    weight: f64,
    update: &[F],
) {
    let q = quantizer.quantization_range();
    let narrow = L::BITS < 64 && q > 1 << L::BITS;
    let refused = refusal(quantizer, weight, update);
    for backend in Backend::available() {
        let mut lanes = vec![L::default(); update.len() + 2];
        let done = quantizer.quantize(backend, prg, rounding, weight, update, &mut lanes);
        if narrow {
            assert!(matches!(done, Err(QuantizeError::LaneTooNarrow { .. })), "{done:?}");
        } else if let Some(refused) = refused {
            assert_eq!(done, Err(refused), "{backend}");
        } else {
            assert_eq!(done, Ok(()), "{backend}");
            let lanes: Vec<_> = lanes.into_iter().map(L::to_u64).collect();
            assert_eq!(lanes, specified(quantizer, prg, rounding, weight, update), "{backend}");
            check_lanes(quantizer, weight, update, &lanes);
        }
    }
}

/// The documentation of the quantizer, followed word by word.
fn specified<F: Real>(
    quantizer: &Quantizer,
    prg: Prg,
    rounding: &Seed,
    weight: f64,
    update: &[F],
) -> Vec<u64> {
    let (c, w_max) = (quantizer.clipping_range(), quantizer.max_weight());
    let level = zero(quantizer) as f64;
    let mut words = vec![0; 4 * (update.len() + 1)];
    prg.expand(Backend::Portable, rounding, 0, &mut words).expect("a short vector");
    let mut offsets = words.chunks_exact(4).map(|word| {
        let word = i32::from_le_bytes(word.try_into().expect("four bytes"));
        (f64::from(word) + 0.5) * 2_f64.powi(-32)
    });
    let mut round = |y: f64, low: f64, high: f64, zero: f64| {
        let offset = offsets.next().expect("a word for each lane");
        let z = (y + offset).max(low).min(high);
        (z + (2_f64.powi(52) + zero)) as u64 - (1 << 52)
    };
    let (s, largest) = scale(quantizer);
    let k = (weight * s).round_ties_even();
    let weight_lane = round(weight * s - k, -k, largest - k, k);
    let reach = level * (weight_lane as f64 / s / w_max);
    let a = if c * (reach / c) < reach { (reach / c).next_up() } else { reach / c };
    let element = |x: &F| round((x.to_f64() * a).max(-reach).min(reach), -level, level, level);
    let elements: Vec<_> = update.iter().map(element).collect();
    let clipped = update.iter().any(|x| x.to_f64().abs() > c);
    [weight_lane].into_iter().chain(elements).chain([clipped.into()]).collect()
}

/// Rounding moves a lane by less than one, whatever the arithmetic in between.
fn check_lanes<F: Real>(quantizer: &Quantizer, weight: f64, update: &[F], lanes: &[u64]) {
    let level = zero(quantizer) as f64;
    let c = quantizer.clipping_range();
    let (s, largest) = scale(quantizer);
    let near = |lane: u64, exact: f64, top: f64| {
        assert!(lane as f64 <= top);
        assert!((lane as f64 - exact).abs() <= 1.0 + top * LOST, "{lane} for {exact}");
    };
    near(lanes[0], weight * s, largest);
    let part = lanes[0] as f64 / s / quantizer.max_weight();
    for (x, &lane) in update.iter().zip(&lanes[1..]) {
        // From -1 to 1, so that nothing overflows.
        let share = (x.to_f64() / c).clamp(-1.0, 1.0) * part;
        near(lane, (1.0 + share) * level, 2.0 * level);
        // Zero is a level, and no element changes its sign.
        let side = x.to_f64().partial_cmp(&0.0).expect("a finite element");
        assert!(lane.cmp(&zero(quantizer)) == side || lane == zero(quantizer), "{lane} for {x:?}");
    }
}

/// A client's one pass is: quantize, mask, pack.
fn check_pass<F: Real>(quantizer: &Quantizer, input: &Input, weight: f64, update: &[F]) {
    let modulus = Modulus::from_width(u32::from(input.width % 64) + 1).expect("1 to 64");
    let masks = plan_of(&input.masks);
    let plan = MaskPlan::new(input.generator.prg(), &masks);
    let rounding = Seed::from_bytes(input.rounding);
    let fits = u128::from(quantizer.quantization_range()) <= modulus.range();
    let expected = match refusal(quantizer, weight, update) {
        _ if !fits => None,
        Some(refused) => Some(Err(ClientPassError::Quantize(refused))),
        None => Some(Ok(match modulus.width() {
            ..=16 => model_pass::<F, u16>(quantizer, &plan, modulus, &rounding, weight, update),
            17..=32 => model_pass::<F, u32>(quantizer, &plan, modulus, &rounding, weight, update),
            _ => model_pass::<F, u64>(quantizer, &plan, modulus, &rounding, weight, update),
        })),
    };
    for backend in Backend::available() {
        let pass = ClientPass { backend, modulus, quantizer, plan: &plan, rounding: &rounding };
        let mut out = vec![0xa5];
        let done = pass.masked_vector(weight, update, &mut out);
        assert_eq!(out[0], 0xa5);
        match &expected {
            None => assert!(matches!(done, Err(ClientPassError::SumOverflow(_))), "{done:?}"),
            Some(Err(refused)) => assert_eq!((done, out.len()), (Err(*refused), 1)),
            Some(Ok(bytes)) => assert_eq!((done, &out[1..]), (Ok(()), &bytes[..]), "{backend}"),
        }
    }
}

fn model_pass<F: Real, L: Lane>(
    quantizer: &Quantizer,
    plan: &MaskPlan,
    modulus: Modulus,
    rounding: &Seed,
    weight: f64,
    update: &[F],
) -> Vec<u8> {
    let lanes = specified(quantizer, plan.prg(), rounding, weight, update);
    let mut lanes: Vec<L> = lanes.into_iter().map(L::from_u64).collect();
    plan.apply(Backend::Portable, 0, &mut lanes).expect("a short vector");
    let mut bytes = Vec::new();
    pack::append(Backend::Portable, modulus, &lanes, &mut bytes).expect("the word holds the width");
    bytes
}

/// The mean of all clients whose update is sound, against the weighted mean in f64.
fn check_mean<F: Real>(quantizer: &Quantizer, input: &Input, clients: &[&Client]) {
    let modulus = Modulus::from_width(64).expect("64");
    let dimension = clients.first().map_or(0, |client| client.update.len());
    let mut sound: Vec<(f64, Vec<F>)> =
        clients.iter().map(|client| client.values(quantizer)).collect();
    sound.retain(|(weight, update)| {
        update.len() == dimension && refusal(quantizer, *weight, update).is_none()
    });
    let plan = MaskPlan::new(input.generator.prg(), &[]);
    let mut sum = Accumulator::new(modulus, dimension + 2);
    for (number, (weight, update)) in (0..).zip(&sound) {
        let mut rounding = input.rounding;
        rounding[0] ^= number;
        let rounding = Seed::from_bytes(rounding);
        let backend = Backend::Portable;
        let pass = ClientPass { backend, modulus, quantizer, plan: &plan, rounding: &rounding };
        let mut bytes = Vec::new();
        pass.masked_vector(*weight, update, &mut bytes).expect("a sound update");
        sum.add_packed(backend, &bytes).expect("a vector of this length");
    }
    let result = match dequantized::<F>(quantizer, &sum, sound.len() as u64) {
        Ok(result) => result,
        // All that honest clients can be refused for.
        Err(DequantizeError::ZeroTotalWeight | DequantizeError::NotRepresentable) => return,
        Err(error) => panic!("honest clients: {error}"),
    };
    check_bound(quantizer, &sound, &result);
}

fn check_bound<F: Real>(
    quantizer: &Quantizer,
    clients: &[(f64, Vec<F>)],
    result: &WeightedMean<F>,
) {
    let c = quantizer.clipping_range();
    let count = clients.len() as u64;
    let total: f64 = clients.iter().map(|(weight, _)| weight).sum();
    let off = count as f64 / quantizer.weight_scale();
    assert!((result.total_weight - total).abs() <= off * (1.0 + LOST) + total * LOST);
    if total == 0.0 {
        return;
    }
    let bound = quantizer.error_bound_with_inexact_weights(count, result.total_weight)
        + c * F::UNIT_ROUNDOFF
        + c * LOST;
    let clips = |(_, update): &&(f64, Vec<F>)| update.iter().any(|x| x.to_f64().abs() > c);
    assert_eq!(result.clipped, clients.iter().filter(clips).count() as u64);
    for (index, mean) in result.mean.iter().enumerate() {
        // From -1 to 1 and divided by the total first, so that nothing overflows.
        let share = |(weight, update): &(f64, Vec<F>)| {
            (update[index].to_f64() / c).clamp(-1.0, 1.0) * (weight / total)
        };
        let expected = clients.iter().map(share).sum::<f64>() * c;
        let error = (mean.to_f64() - expected).abs();
        assert!(
            error <= bound,
            "{mean:?} for {expected}, which is {error} off where {bound} may be"
        );
    }
}

/// Lanes that nobody made honestly.
fn check_any_sum<F: Real>(quantizer: &Quantizer, modulus: Modulus, clients: u64, lanes: &[u64]) {
    let (mut bytes, mut sum) = (Vec::new(), Accumulator::new(modulus, lanes.len()));
    let packed = pack::append(Backend::Portable, modulus, lanes, &mut bytes);
    packed.expect("words hold any width");
    sum.add_packed(Backend::Portable, &bytes).expect("packed as it should be");
    let _ = dequantized::<F>(quantizer, &sum, clients);
}

/// The mean, or why it is refused: every backend says what the page does, to the bit.
fn dequantized<F: Real>(
    quantizer: &Quantizer,
    sum: &Accumulator,
    clients: u64,
) -> Result<WeightedMean<F>, DequantizeError> {
    let lanes: Vec<_> = (0..sum.len()).map(|lane| sum.get(lane)).collect();
    let expected = mean::<F>(quantizer, sum.modulus(), clients, &lanes);
    for backend in Backend::available() {
        let found = sum.dequantize::<F>(backend, quantizer, clients);
        assert_eq!(found.as_ref().map(bits), expected.as_ref().map(bits), "{backend}");
    }
    expected
}

fn bits<F: Real>(result: &WeightedMean<F>) -> Vec<u64> {
    let mean = result.mean.iter().map(|x| x.to_f64().to_bits());
    [result.total_weight.to_bits(), result.clipped].into_iter().chain(mean).collect()
}

impl Client {
    /// The weight and the update, in clipping ranges unless they are meant as they are.
    fn values<F: Real>(&self, quantizer: &Quantizer) -> (f64, Vec<F>) {
        let (w_max, c) = (quantizer.max_weight(), quantizer.clipping_range());
        let weight = self.weight.get() * if self.relative { w_max } else { 1.0 };
        let update = self.update.iter().map(|x| F::from_f64(x.within(c))).collect();
        (weight, update)
    }
}
