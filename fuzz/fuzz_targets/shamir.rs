//! Secret sharing against plain polynomials over GF(2^128), multiplied bit by bit; the decoder against a trial of all
//! sets of liars.
#![no_main]

use std::collections::BTreeSet;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use secagg::ClientId;
use secagg::fuzzing::{Bytes, errors, recover, share_of, split};

/// More holders than this are not tried in all sets.
const FEW: usize = 8;

#[derive(Arbitrary, Debug)]
struct Input {
    secret: Bytes,
    holders: Vec<Holder>,
    threshold: u8,
    seed: u64,
    lies: Vec<Lie>,
    omitted: u64,
}

/// Neighbouring ids differ in few bits.
#[derive(Arbitrary, Debug)]
enum Holder {
    Low(u8),
    High(u8),
    Any(u64),
}

#[derive(Arbitrary, Debug)]
struct Lie {
    holder: u8,
    low: bool,
    high: bool,
    what: Falsehood,
}

#[derive(Arbitrary, Debug)]
enum Falsehood {
    Flip(u8),
    Zero,
    Any([u8; 16]),
    /// The share of another secret: those who agree on one are on a polynomial, too.
    OtherSecret,
}

fuzz_target!(|input: Input| {
    let holders: BTreeSet<_> = input.holders.iter().take(40).map(Holder::id).collect();
    let holders: Vec<_> = holders.into_iter().collect();
    if holders.len() < 2 {
        return;
    }
    let threshold = 2 + usize::from(input.threshold) % (holders.len() - 1);
    let shares = dealt(&input.secret, threshold, &holders, input.seed);
    check_recovery(&input, threshold, &holders, &shares);
    let (told, liars) = tell(&input, threshold, &holders, &shares);
    let found = errors(&holders, threshold, &told);
    // The promise to the server.
    if liars.len() <= (holders.len() - threshold) / 2 {
        assert_eq!(found, [liars]);
    }
    if holders.len() <= FEW {
        assert_eq!(found, by_trial(threshold, &holders, &told));
    }
});

/// Shares, which are the values of both halves' polynomials.
fn dealt(secret: &Bytes, threshold: usize, holders: &[ClientId], seed: u64) -> Vec<Bytes> {
    let random = || ChaCha20Rng::seed_from_u64(seed);
    let shares = split(secret, threshold, holders, &mut random());
    let mut coefficients = vec![*secret];
    let mut random = random();
    coefficients.resize_with(threshold, || {
        let mut bytes = Bytes::default();
        random.fill_bytes(&mut bytes);
        bytes
    });
    for (&holder, share) in holders.iter().zip(&shares) {
        for half in [0, 1] {
            let polynomial: Vec<_> = coefficients.iter().map(|bytes| halves(bytes)[half]).collect();
            assert_eq!(halves(share)[half], evaluate(&polynomial, point(holder)));
        }
    }
    shares
}

/// Who is left, if they are at least the threshold, recovers the secret, and tells everyone's share.
fn check_recovery(input: &Input, threshold: usize, holders: &[ClientId], shares: &[Bytes]) {
    let omitted: Vec<_> = (0..holders.len()).filter(|at| input.omitted >> at & 1 == 1).collect();
    if holders.len() - omitted.len() < threshold {
        return;
    }
    assert_eq!(recover(holders, shares, &omitted), [input.secret; 2]);
    let kept = || (0..holders.len()).filter(|at| !omitted.contains(at));
    let others: Vec<_> = kept().map(|at| holders[at]).collect();
    let held: Vec<_> = kept().map(|at| shares[at]).collect();
    for &at in &omitted {
        assert_eq!(share_of(holders[at], &others, &held), shares[at]);
    }
}

/// The shares as they are told, and the places of those that are not what was dealt.
fn tell(
    input: &Input,
    threshold: usize,
    holders: &[ClientId],
    shares: &[Bytes],
) -> (Vec<Bytes>, Vec<usize>) {
    let mut other = input.secret;
    other.iter_mut().for_each(|byte| *byte ^= 0x5a);
    let random = &mut ChaCha20Rng::seed_from_u64(!input.seed);
    let others = split(&other, threshold, holders, random);
    let mut told = shares.to_vec();
    for lie in &input.lies {
        let at = usize::from(lie.holder) % holders.len();
        let chosen = [(lie.low, 0), (lie.high, 16)].into_iter().filter(|&(chosen, _)| chosen);
        for (_, start) in chosen {
            let half = &mut told[at][start..start + 16];
            match lie.what {
                Falsehood::Flip(bit) => half[usize::from(bit) % 128 / 8] ^= 1 << (bit % 8),
                Falsehood::Zero => half.fill(0),
                Falsehood::Any(bytes) => half.copy_from_slice(&bytes),
                Falsehood::OtherSecret => half.copy_from_slice(&others[at][start..start + 16]),
            }
        }
    }
    let liars = (0..holders.len()).filter(|&at| told[at] != shares[at]).collect();
    (told, liars)
}

/// What `errors` promises: a choice for each half, as long as enough are left beside both.
fn by_trial(threshold: usize, holders: &[ClientId], shares: &[Bytes]) -> Vec<Vec<usize>> {
    let points: Vec<_> = holders.iter().map(|&holder| point(holder)).collect();
    let inverses = differences(&points);
    let [low, high] = [0, 1].map(|half| {
        let values: Vec<_> = shares.iter().map(|share| halves(share)[half]).collect();
        explanations(threshold, &points, &inverses, &values)
    });
    let unions = low.iter().flat_map(|low| {
        high.iter().map(move |high| low.iter().chain(high).copied().collect::<BTreeSet<_>>())
    });
    let spare = shares.len() - threshold;
    unions.filter(|union| union.len() <= spare).map(|union| union.into_iter().collect()).collect()
}

/// The sets of at most ⌈d/2⌉ places outside of which all values are on one polynomial, and within which none is.
fn explanations(
    threshold: usize,
    points: &[u128],
    inverses: &[Vec<u128>],
    values: &[u128],
) -> Vec<Vec<usize>> {
    let most = (points.len() - threshold).div_ceil(2);
    let sets = (0_u32..1 << points.len()).filter(|set| set.count_ones() as usize <= most);
    let places = |set: u32, inside: bool| {
        let chosen = move |at: &usize| (set >> at & 1 == 1) == inside;
        (0..points.len()).filter(chosen).collect::<Vec<_>>()
    };
    let explains = |&set: &u32| {
        let kept = places(set, false);
        let (first, rest) = kept.split_at(threshold);
        let newton = interpolate(first, inverses, values);
        let is_on = |&at: &usize| newton_at(&newton, first, points, points[at]) == values[at];
        rest.iter().all(is_on) && !places(set, true).iter().any(is_on)
    };
    let mut found: Vec<_> = sets.filter(explains).map(|set| places(set, true)).collect();
    found.sort_unstable();
    found
}

/// Newton's divided differences over the values in some places.
fn interpolate(places: &[usize], inverses: &[Vec<u128>], values: &[u128]) -> Vec<u128> {
    let mut table: Vec<_> = places.iter().map(|&at| values[at]).collect();
    for order in 1..places.len() {
        for at in (order..places.len()).rev() {
            let inverse = inverses[places[at]][places[at - order]];
            table[at] = dot(table[at] ^ table[at - 1], inverse);
        }
    }
    table
}

fn newton_at(newton: &[u128], places: &[usize], points: &[u128], x: u128) -> u128 {
    let terms = newton.iter().zip(places).rev();
    terms.fold(0, |value, (&a, &at)| dot(value, x ^ points[at]) ^ a)
}

/// One over x_i - x_j, for all i and j.
fn differences(points: &[u128]) -> Vec<Vec<u128>> {
    points.iter().map(|a| points.iter().map(|b| invert(a ^ b)).collect()).collect()
}

/// Of coefficients from the constant term upward.
fn evaluate(polynomial: &[u128], x: u128) -> u128 {
    polynomial.iter().rev().fold(0, |value, &a| dot(value, x) ^ a)
}

/// x^127 + x^126 + x^121 + 1, which is x^128 modulo POLYVAL's polynomial, and the one of its multiplication.
const ONE: u128 = 1 << 127 | 1 << 126 | 1 << 121 | 1;

/// a · b · x^-128: for each bit of b, from the lowest, a is added and the sum divided by x.
fn dot(a: u128, b: u128) -> u128 {
    (0..128).fold(0, |sum, bit| {
        let sum = if b >> bit & 1 == 1 { sum ^ a } else { sum };
        if sum & 1 == 1 { (sum ^ ONE) >> 1 | 1 << 127 } else { sum >> 1 }
    })
}

/// a^(2^128 - 2).
fn invert(a: u128) -> u128 {
    let squares = core::iter::successors(Some(dot(a, a)), |&square| Some(dot(square, square)));
    squares.take(127).fold(ONE, dot)
}

fn point(holder: ClientId) -> u128 {
    1 << 64 | u128::from(holder.0)
}

fn halves(bytes: &Bytes) -> [u128; 2] {
    let half = |start| u128::from_le_bytes(bytes[start..start + 16].try_into().expect("16 bytes"));
    [half(0), half(16)]
}

impl Holder {
    fn id(&self) -> ClientId {
        ClientId(match *self {
            Self::Low(id) => id.into(),
            Self::High(id) => u64::MAX - u64::from(id),
            Self::Any(id) => id,
        })
    }
}
