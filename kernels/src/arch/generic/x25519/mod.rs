//! X25519 (RFC 7748, section 5) on as many pairs at once as a register has lanes.
//!
//! Nothing here branches on a secret or on what comes of it, or looks it up: a bit of a secret chooses between registers.

mod field;
#[cfg(test)]
mod model;
mod words;

use std::iter::zip;

use zeroize::optimization_barrier;

use super::wipe;
use crate::arch::register::{FieldRegister, LANES};
use crate::x25519::{BATCH, Pairs};
use field::{Element, LIMBS, Loose};

const GROUPS: usize = BATCH / LANES;

/// A u-coordinate as a fraction, whose denominator is zero at infinity.
#[derive(Clone, Copy)]
struct Fraction<F> {
    x: F,
    z: F,
}

/// Writes the shared secret of every pair, of which there are at most [`BATCH`].
#[inline(always)]
pub(crate) fn agree<R: FieldRegister>(token: R::Token, pairs: Pairs<'_>, shared: &mut [[u8; 32]]) {
    let one = Element::small(token, 1);
    let mut multiples = [Fraction { x: one, z: one }; GROUPS];
    let multiples = &mut multiples[..shared.len().div_ceil(LANES)];
    for (first, multiple) in (0..).step_by(LANES).zip(&mut *multiples) {
        *multiple = ladder::<R>(token, pairs, first);
    }
    divide(token, multiples);
    for (shared, multiple) in shared.chunks_mut(LANES).zip(&*multiples) {
        write(multiple.x, shared);
    }
    multiples.fill(Fraction { x: one, z: one });
    optimization_barrier(multiples);
}

/// The multiples of the pairs from `first` on. Lanes that are left over do the last pair again.
///
/// After the step for bit i, with k the bits of the secret from i on, the two points are k times the public one and one
/// more. Clamping makes the three lowest bits zero, and then the second point is no longer needed.
#[inline(always)]
fn ladder<R: FieldRegister>(
    token: R::Token,
    pairs: Pairs<'_>,
    first: usize,
) -> Fraction<Element<R>> {
    let (mut swaps, mut u) = ([[0; LANES]; 4], [[0; LANES]; LIMBS]);
    for lane in 0..LANES {
        let (secret, public) = pairs.get((first + lane).min(pairs.len() - 1));
        words::put(&mut swaps, lane, words::swaps(secret));
        words::put(&mut u, lane, words::limbs(public));
    }
    let u = Element(u.map(|limb| R::load(token, &limb)));
    let (zero, one) = (Element::small(token, 0).loose(), Element::small(token, 1).loose());
    let mut points = [Fraction { x: one, z: zero }, Fraction { x: u.loose(), z: one }];
    for bit in (3..255).rev() {
        points = step(flags(token, &swaps, bit), points, u);
    }
    let mut point = choose(flags(token, &swaps, 2), points[1].sums(), points[0].sums()).double();
    wipe(swaps.as_flattened_mut());
    for _ in 0..2 {
        point = point.sums().double();
    }
    Fraction { x: point.x.carry(), z: point.z.carry() }
}

/// What is not zero where the points change places before the step for `bit`.
#[inline(always)]
fn flags<R: FieldRegister>(token: R::Token, swaps: &[[u64; LANES]; 4], bit: usize) -> R {
    R::load(token, &swaps[bit / 64]).and(R::splat(token, 1 << (bit % 64)))
}

/// Doubles the first point and adds the second to it, after they have changed places where a flag is set.
///
/// The sum is the same either way round, so only what is doubled has to be chosen. `u` is their difference.
#[inline(always)]
fn step<R: FieldRegister>(
    flags: R,
    [first, second]: [Fraction<Loose<R>>; 2],
    u: Element<R>,
) -> [Fraction<Loose<R>>; 2] {
    let (first, second) = (first.sums(), second.sums());
    let (da, cb) = (second.z.mul(first.x), second.x.mul(first.z));
    let sum = Fraction {
        x: da.plus(cb).carry().square(),
        z: da.minus(cb).carry().square().carry().mul(u),
    };
    [choose(flags, second, first).double(), sum]
}

#[inline(always)]
fn choose<R: FieldRegister>(
    flags: R,
    set: Fraction<Element<R>>,
    unset: Fraction<Element<R>>,
) -> Fraction<Element<R>> {
    Fraction {
        x: Element::choose(flags, set.x, unset.x),
        z: Element::choose(flags, set.z, unset.z),
    }
}

impl<R: FieldRegister> Fraction<Loose<R>> {
    /// x + z and x - z: all that the formulas need of a point.
    #[inline(always)]
    fn sums(self) -> Fraction<Element<R>> {
        Fraction { x: self.x.plus(self.z).carry(), z: self.x.minus(self.z).carry() }
    }
}

impl<R: FieldRegister> Fraction<Element<R>> {
    /// Twice the point whose [`sums`](Fraction::sums) these are.
    #[inline(always)]
    fn double(self) -> Fraction<Loose<R>> {
        let (aa, bb) = (self.x.square(), self.z.square());
        let e = aa.minus(bb).carry();
        let (aa, bb) = (aa.carry(), bb.carry());
        Fraction { x: aa.mul(bb), z: e.mul(e.times_a24_plus(aa).carry()) }
    }
}

/// Divides every `x` by its `z`, with one inversion for all: that of the product, from which each is got by multiplying
/// with the others. Where `z` is zero, a one takes its place in the product and the result is zero.
#[inline(always)]
fn divide<R: FieldRegister>(token: R::Token, fractions: &mut [Fraction<Element<R>>]) {
    let (zero, one) = (Element::small(token, 0), Element::small(token, 1));
    let (mut before, mut product) = ([one; GROUPS], one);
    for (fraction, before) in zip(&mut *fractions, &mut before) {
        let finite = fraction.z.least().any();
        fraction.x = Element::choose(finite, fraction.x, zero);
        fraction.z = Element::choose(finite, fraction.z, one);
        *before = product;
        product = product.times(fraction.z);
    }
    let mut inverse = product.inverse();
    for (fraction, before) in zip(fractions, &before).rev() {
        fraction.x = fraction.x.times(inverse.times(*before));
        inverse = inverse.times(fraction.z);
    }
    before.fill(one);
    optimization_barrier(&before);
}

/// Writes as many lanes as there is room for.
#[inline(always)]
fn write<R: FieldRegister>(element: Element<R>, out: &mut [[u8; 32]]) {
    let mut limbs = [[0; LANES]; LIMBS];
    for (words, limb) in zip(&mut limbs, element.least().0) {
        limb.store(words);
    }
    for (lane, out) in out.iter_mut().enumerate() {
        *out = words::bytes(limbs.map(|limb| limb[lane]));
    }
    wipe(limbs.as_flattened_mut());
}
