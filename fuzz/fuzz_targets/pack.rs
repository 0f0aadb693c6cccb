//! Packing of any width, in every backend and word, against a model that moves one bit at a time.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use secagg_kernels::{Backend, Lane, Modulus, PackError, pack};

#[derive(Arbitrary, Debug)]
struct Input {
    width: u8,
    /// Packed and unpacked again.
    lanes: Vec<u64>,
    /// What the lanes are added to; repeated as needed.
    before: [u64; 3],
    /// Unpacked as so many lanes, which they seldom are.
    bytes: Vec<u8>,
    count: u8,
}

fuzz_target!(|input: Input| {
    // Width 0 is left out; `Modulus` refuses it.
    let modulus = Modulus::from_width(u32::from(input.width % 64) + 1).expect("1 to 64");
    for backend in Backend::available() {
        check::<u16>(backend, modulus, &input);
        check::<u32>(backend, modulus, &input);
        check::<u64>(backend, modulus, &input);
    }
});

fn check<L: Lane>(backend: Backend, modulus: Modulus, input: &Input) {
    if modulus.width() > L::BITS {
        return check_too_narrow::<L>(backend, modulus, input);
    }
    let lanes: Vec<L> = input.lanes.iter().map(|&lane| L::from_u64(lane)).collect();
    let bytes = model_pack(modulus.width(), &lanes);
    let mut packed = vec![0xa5; modulus.packed_len(lanes.len())];
    assert_eq!(pack::pack(backend, modulus, &lanes, &mut packed), Ok(()));
    assert_eq!(packed, bytes, "{}", backend.name());
    let mut appended = vec![0xa5];
    assert_eq!(pack::append(backend, modulus, &lanes, &mut appended), Ok(()));
    assert_eq!(appended[1..], bytes);

    check_unpack::<L>(backend, modulus, lanes.len(), &bytes, input);
    check_unpack::<L>(backend, modulus, input.count.into(), &input.bytes, input);
    // As many lanes as the bytes have room for: this is where padding decides.
    let fitting = input.bytes.len() * 8 / modulus.width() as usize;
    check_unpack::<L>(backend, modulus, fitting, &input.bytes, input);
}

fn check_too_narrow<L: Lane>(backend: Backend, modulus: Modulus, input: &Input) {
    let refusal = PackError::LaneTooNarrow { lane_bits: L::BITS, width: modulus.width() };
    let mut lanes = vec![L::default(); input.lanes.len()];
    let mut bytes = vec![0; modulus.packed_len(lanes.len())];
    assert_eq!(pack::pack(backend, modulus, &lanes, &mut bytes), Err(refusal));
    assert_eq!(pack::unpack(backend, modulus, &bytes, &mut lanes), Err(refusal));
    assert_eq!(pack::unpack_add(backend, modulus, &bytes, &mut lanes), Err(refusal));
}

/// Both ways of unpacking agree with the model, refusals included, and a refusal touches nothing.
fn check_unpack<L: Lane>(
    backend: Backend,
    modulus: Modulus,
    count: usize,
    bytes: &[u8],
    input: &Input,
) {
    let before: Vec<L> =
        input.before.iter().cycle().take(count).map(|&lane| L::from_u64(lane)).collect();
    let (mut lanes, mut sums) = (before.clone(), before.clone());
    let unpacked = pack::unpack(backend, modulus, bytes, &mut lanes);
    let added = pack::unpack_add(backend, modulus, bytes, &mut sums);
    assert_eq!(unpacked, added);
    match model_unpack::<L>(modulus.width(), count, bytes) {
        Some(expected) => {
            assert_eq!((unpacked, &lanes), (Ok(()), &expected));
            let wrapped = before.iter().zip(&expected).map(|(&a, &b)| a.wrapping_add(b));
            assert!(sums.iter().copied().eq(wrapped));
            let mut again = vec![0; bytes.len()];
            assert_eq!(pack::pack(backend, modulus, &lanes, &mut again), Ok(()));
            assert_eq!(again, bytes);
        }
        None => {
            assert!(unpacked.is_err());
            assert_eq!((&lanes, &sums), (&before, &before));
        }
    }
}

/// Bit j of lane i is bit i·width + j of the string.
fn model_pack<L: Lane>(width: u32, lanes: &[L]) -> Vec<u8> {
    let mut bytes = vec![0; (lanes.len() * width as usize).div_ceil(8)];
    let bits = lanes.iter().flat_map(|lane| (0..width).map(|j| lane.to_u64() >> j & 1 == 1));
    for (at, _) in bits.enumerate().filter(|&(_, set)| set) {
        bytes[at / 8] |= 1 << (at % 8);
    }
    bytes
}

fn model_unpack<L: Lane>(width: u32, count: usize, bytes: &[u8]) -> Option<Vec<L>> {
    let used = count * width as usize;
    let bit = |at: usize| bytes[at / 8] >> (at % 8) & 1;
    if bytes.len() != used.div_ceil(8) || (used..bytes.len() * 8).any(|at| bit(at) == 1) {
        return None;
    }
    let lane = |i: usize| {
        (0..width as usize).map(|j| u64::from(bit(i * width as usize + j)) << j).sum::<u64>()
    };
    Some((0..count).map(|i| L::from_u64(lane(i))).collect())
}
