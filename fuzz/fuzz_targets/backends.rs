//! Every backend against the portable one; and that against models that go lane by lane, and key by key.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use secagg_fuzz::{Generator, Length, Mask, one_thread, plan_of};
use secagg_kernels::{
    Accumulator, Backend, Lane, MaskPlan, Modulus, Prg, Seed, Sign, pack, x25519,
};

#[derive(Arbitrary, Debug)]
enum Input {
    Keystream { generator: Generator, mask: Mask, start: Start, len: Length, cut: u16 },
    Masks { generator: Generator, masks: Vec<Mask>, start: Start, len: Length, before: [u64; 3] },
    Sum { generator: Generator, width: u8, len: Length, steps: Vec<Step> },
    Agreements { pairs: Vec<(Key, Key)>, len: u8 },
}

/// Where in a keystream; all but the last in bytes.
#[derive(Arbitrary, Debug)]
enum Start {
    Near(u16),
    /// Before a power of two, where a counter may carry.
    Carry {
        bits: u8,
        before: u16,
    },
    /// Before the end of the keystream.
    End(u16),
    Lane(u64),
}

#[derive(Arbitrary, Debug)]
enum Step {
    Add([u64; 3]),
    Apply { masks: Vec<Mask>, from: u16, to: u16 },
    Pack,
}

/// A secret or a public key. Carries run far where most bytes are 0 or 255.
#[derive(Arbitrary, Debug)]
enum Key {
    Any([u8; 32]),
    Filled { ones: bool, changes: [(u8, u8); 3] },
}

fuzz_target!(init: one_thread(), |input: Input| {
    match input {
        Input::Keystream { generator, mask, start, len, cut } => {
            let prg = generator.prg();
            let cut = usize::from(cut) % (len.get() + 1);
            check_keystream(prg, &mask.seed(), start.byte(prg), len.get(), cut);
        }
        Input::Masks { generator, masks, start, len, before } => {
            let (prg, masks) = (generator.prg(), plan_of(&masks));
            check_masks::<u16>(prg, &masks, &start, len.get(), before);
            check_masks::<u32>(prg, &masks, &start, len.get(), before);
            check_masks::<u64>(prg, &masks, &start, len.get(), before);
        }
        Input::Sum { generator, width, len, steps } => {
            let modulus = Modulus::from_width(u32::from(width % 64) + 1).expect("1 to 64");
            for backend in Backend::available() {
                check_sum(backend, generator.prg(), modulus, len.get(), &steps);
            }
        }
        Input::Agreements { pairs, len } => check_agreements(&pairs, len),
    }
});

impl Start {
    fn byte(&self, prg: Prg) -> u64 {
        match *self {
            Self::Near(byte) => byte.into(),
            Self::Carry { bits, before } => (1_u64 << (bits % 48)).saturating_sub(before.into()),
            Self::End(before) => prg.keystream_limit() - u64::from(before),
            Self::Lane(lane) => lane,
        }
    }

    fn lane<L: Lane>(&self, prg: Prg) -> u64 {
        match *self {
            Self::Lane(lane) => lane,
            _ => self.byte(prg) / L::BYTES as u64,
        }
    }
}

/// A keystream in one piece and in two.
fn check_keystream(prg: Prg, seed: &Seed, start: u64, len: usize, cut: usize) {
    let reaches = u128::from(start) + len as u128 <= u128::from(prg.keystream_limit());
    let mut truth = vec![0xa5; len];
    assert_eq!(prg.expand(Backend::Portable, seed, start, &mut truth).is_ok(), reaches);
    assert!(reaches || truth.iter().all(|&byte| byte == 0xa5), "refusing touches nothing");
    for backend in Backend::available() {
        let mut whole = vec![0xa5; len];
        assert_eq!(prg.expand(backend, seed, start, &mut whole).is_ok(), reaches);
        assert_eq!(whole, truth, "{backend}");
        if reaches {
            let (left, right) = whole.split_at_mut(cut);
            prg.expand(backend, seed, start + cut as u64, right).expect("within the same reach");
            prg.expand(backend, seed, start, left).expect("within the same reach");
            assert_eq!(whole, truth, "{backend} in two pieces");
        }
    }
}

fn check_masks<L: Lane>(
    prg: Prg,
    masks: &[(Seed, Sign)],
    start: &Start,
    len: usize,
    before: [u64; 3],
) {
    let first = start.lane::<L>(prg);
    let lanes: Vec<L> = painted(before, len);
    let end = (u128::from(first) + len as u128) * L::BYTES as u128;
    let reaches = end <= u128::from(prg.keystream_limit());
    let expected = if reaches { masked(prg, masks, first, &lanes) } else { lanes.clone() };
    let plan = MaskPlan::new(prg, masks);
    for backend in Backend::available() {
        let mut lanes = lanes.clone();
        assert_eq!(plan.apply(backend, first, &mut lanes).is_ok(), reaches);
        assert_eq!(lanes, expected, "{backend}");
    }
}

/// The model of a plan: keystreams are stored, and added lane by lane.
fn masked<L: Lane>(prg: Prg, masks: &[(Seed, Sign)], first: u64, lanes: &[L]) -> Vec<L> {
    let mut masked = lanes.to_vec();
    let mut keystream = vec![0; lanes.len() * L::BYTES];
    for (seed, sign) in masks {
        let byte = first * L::BYTES as u64;
        prg.expand(Backend::Portable, seed, byte, &mut keystream).expect("within reach");
        for (lane, word) in masked.iter_mut().zip(keystream.chunks_exact(L::BYTES)) {
            let word = L::from_le_slice(word);
            *lane = match sign {
                Sign::Add => lane.wrapping_add(word),
                Sign::Subtract => lane.wrapping_sub(word),
            };
        }
    }
    masked
}

/// An accumulator against a vector of words that are reduced after every step.
fn check_sum(backend: Backend, prg: Prg, modulus: Modulus, len: usize, steps: &[Step]) {
    let mut sum = Accumulator::new(modulus, len);
    let mut model = vec![0_u64; len];
    for step in steps.iter().take(8) {
        match step {
            Step::Add(lanes) => add(backend, modulus, *lanes, &mut sum, &mut model),
            Step::Apply { masks, from, to } => {
                let masks = plan_of(masks);
                let to = usize::from(*to) % (len + 1);
                let range = usize::from(*from) % (to + 1)..to;
                let plan = MaskPlan::new(prg, &masks);
                sum.apply_range(backend, &plan, range.clone()).expect("a short vector");
                let first = range.start as u64;
                let part = &mut model[range];
                part.copy_from_slice(&masked_in_word(prg, modulus, &masks, first, part));
            }
            Step::Pack => sum = packed_and_unpacked(backend, modulus, &sum),
        }
        model.iter_mut().for_each(|lane| *lane &= modulus.max_value());
        assert!((0..len).all(|lane| sum.get(lane) == model[lane]), "{backend}: {step:?}");
    }
}

fn add(
    backend: Backend,
    modulus: Modulus,
    lanes: [u64; 3],
    sum: &mut Accumulator,
    model: &mut [u64],
) {
    let lanes: Vec<u64> = painted(lanes, model.len());
    let mut packed = Vec::new();
    pack::append(Backend::Portable, modulus, &lanes, &mut packed).expect("words hold any width");
    sum.add_packed(backend, &packed).expect("packed as it should be");
    model.iter_mut().zip(lanes).for_each(|(sum, lane)| *sum = sum.wrapping_add(lane));
}

/// Masks are words of the smallest size that holds the modulus.
fn masked_in_word(
    prg: Prg,
    modulus: Modulus,
    masks: &[(Seed, Sign)],
    first: u64,
    lanes: &[u64],
) -> Vec<u64> {
    fn within<L: Lane>(prg: Prg, masks: &[(Seed, Sign)], first: u64, lanes: &[u64]) -> Vec<u64> {
        let lanes: Vec<L> = lanes.iter().map(|&lane| L::from_u64(lane)).collect();
        masked(prg, masks, first, &lanes).into_iter().map(L::to_u64).collect()
    }
    match modulus.width() {
        ..=16 => within::<u16>(prg, masks, first, lanes),
        17..=32 => within::<u32>(prg, masks, first, lanes),
        _ => within::<u64>(prg, masks, first, lanes),
    }
}

fn packed_and_unpacked(backend: Backend, modulus: Modulus, sum: &Accumulator) -> Accumulator {
    let (mut bytes, mut again) = (Vec::new(), Accumulator::new(modulus, sum.len()));
    sum.append_packed(backend, &mut bytes);
    again.add_packed(backend, &bytes).expect("packed as it should be");
    again
}

fn painted<L: Lane>(pattern: [u64; 3], len: usize) -> Vec<L> {
    pattern.into_iter().cycle().take(len).map(L::from_u64).collect()
}

/// Pairs, repeated to a number around those that registers and batches have room for, against one pair after another
/// by `x25519-dalek`.
fn check_agreements(pairs: &[(Key, Key)], len: u8) {
    let len = match len % 32 {
        len @ ..20 => usize::from(len),
        many => usize::from(many) + 43, // 63 to 74; a batch is 64
    };
    let distinct: Vec<_> = pairs.iter().take(20).map(|(a, b)| (a.bytes(), b.bytes())).collect();
    let agreed: Vec<_> = distinct.iter().map(|(a, b)| x25519_dalek::x25519(*a, *b)).collect();
    let pairs: Vec<_> = distinct.iter().cycle().take(len).map(|(a, b)| (a, b)).collect();
    let expected: Vec<_> = agreed.iter().copied().cycle().take(pairs.len()).collect();
    for backend in Backend::available() {
        assert_eq!(*x25519::agree_pairs(backend, &pairs), expected, "{backend}");
    }
    let Some(&(secret, _)) = pairs.first() else { return };
    let publics: Vec<_> = distinct.iter().map(|(_, public)| *public).collect();
    let one = |public: &[u8; 32]| x25519_dalek::x25519(*secret, *public);
    let expected: Vec<_> = publics.iter().map(one).collect();
    for backend in Backend::available() {
        assert_eq!(*x25519::agree_many(backend, secret, &publics), expected, "{backend}");
    }
}

impl Key {
    fn bytes(&self) -> [u8; 32] {
        match self {
            Self::Any(bytes) => *bytes,
            Self::Filled { ones, changes } => {
                let mut bytes = [if *ones { 0xff } else { 0 }; 32];
                changes.iter().for_each(|&(at, byte)| bytes[usize::from(at) % 32] = byte);
                bytes
            }
        }
    }
}
