//! Arithmetic modulo p = 2^255 - 19 on elements of five limbs: limb `k` counts multiples of 2^51k.
//!
//! Products come in two halves. The upper begins at bit 52 where limbs have 51 bits, so it counts twice in the next
//! column. Columns 5 to 9 are multiples of 2^255, which is 19 modulo p: they count 19 times in columns 0 to 4.
//!
//! How large things get:
//!
//! - A limb of an [`Element`] is below 2^51 + 2^14, so all of it fits the multiplier's 52 bits.
//! - Of the product of two such limbs, the lower half is below 2^52 and the upper below 2^50 + 2^14.
//! - Column 0 of a product is the largest: 1 + 4 · 19 lower halves and 5 · 2 · 19 upper ones, below
//!   77 · 2^52 + 190 · (2^50 + 2^14) < 2^59. So every limb of a [`Loose`] product is.
//! - 256 p has limbs of at least 2^59 - 4864, which is more than column 0 can be: with it, no difference of products is negative. Sums and
//!   differences of two products are below 2^60.
//! - [`Loose::carry`] moves what is above bit 51 of a limb, less than 2^9, into the next; the last one's counts 19
//!   times in the first, which is 2^14 at most. So an element is what it says.

use crate::arch::register::FieldRegister;

pub(super) const LIMBS: usize = 5;

/// Bits of a limb.
pub(super) const BITS: u32 = 51;
const LIMB: u64 = (1 << BITS) - 1;

/// 256 p.
const MULTIPLE_OF_P: [u64; LIMBS] =
    [256 * (LIMB - 18), 256 * LIMB, 256 * LIMB, 256 * LIMB, 256 * LIMB];

/// (A - 2) / 4 of the curve y² = x³ + A x² + x, where A is 486662.
const A24: u64 = 121_665;

/// An element that can be multiplied. Not necessarily the least of its class.
#[derive(Clone, Copy)]
pub(super) struct Element<R>(pub(super) [R; LIMBS]);

/// An element that can be added once and must then be carried.
#[derive(Clone, Copy)]
pub(super) struct Loose<R>(pub(super) [R; LIMBS]);

impl<R: FieldRegister> Element<R> {
    #[inline(always)]
    pub(super) fn small(token: R::Token, value: u64) -> Self {
        let mut limbs = [R::splat(token, 0); LIMBS];
        limbs[0] = R::splat(token, value);
        Self(limbs)
    }

    /// An element is also a loose one, and a small one at that.
    #[inline(always)]
    pub(super) fn loose(self) -> Loose<R> {
        Loose(self.0)
    }

    #[inline(always)]
    pub(super) fn mul(self, other: Self) -> Loose<R> {
        let mut columns = [self.0[0].same(0); 2 * LIMBS];
        for (i, one) in self.0.into_iter().enumerate() {
            for (j, other) in other.0.into_iter().enumerate() {
                columns[i + j + 1] = columns[i + j + 1].add_high(one, other);
            }
        }
        double(&mut columns[1..]);
        for (i, one) in self.0.into_iter().enumerate() {
            for (j, other) in other.0.into_iter().enumerate() {
                columns[i + j] = columns[i + j].add_low(one, other);
            }
        }
        Loose::folded(columns)
    }

    /// Products of two different limbs are made once and count twice.
    #[inline(always)]
    pub(super) fn square(self) -> Loose<R> {
        let limbs = self.0;
        let mut columns = [limbs[0].same(0); 2 * LIMBS];
        for (i, one) in limbs.into_iter().enumerate() {
            for (j, other) in limbs.into_iter().enumerate().skip(i + 1) {
                columns[i + j + 1] = columns[i + j + 1].add_high(one, other);
            }
        }
        double(&mut columns[2..2 * LIMBS - 1]);
        for (i, limb) in limbs.into_iter().enumerate() {
            columns[2 * i + 1] = columns[2 * i + 1].add_high(limb, limb);
        }
        for (i, one) in limbs.into_iter().enumerate() {
            for (j, other) in limbs.into_iter().enumerate().skip(i + 1) {
                columns[i + j] = columns[i + j].add_low(one, other);
            }
        }
        double(&mut columns[1..]);
        for (i, limb) in limbs.into_iter().enumerate() {
            columns[2 * i] = columns[2 * i].add_low(limb, limb);
        }
        Loose::folded(columns)
    }

    /// 121665 times this element, plus another.
    #[inline(always)]
    pub(super) fn times_a24_plus(self, other: Self) -> Loose<R> {
        let a24 = self.0[0].same(A24);
        let mut columns = [self.0[0].same(0); LIMBS + 1];
        for (i, limb) in self.0.into_iter().enumerate() {
            columns[i + 1] = columns[i + 1].add_high(limb, a24);
        }
        double(&mut columns[1..]);
        let [mut limbs @ .., over] = columns;
        limbs[0] = limbs[0].add_low(over, over.same(19));
        for ((sum, limb), other) in limbs.iter_mut().zip(self.0).zip(other.0) {
            *sum = sum.add(other).add_low(limb, a24);
        }
        Loose(limbs)
    }

    /// This element squared so many times. A closure that is handed to somebody would not be inlined, and so not be compiled
    /// for the CPU features of this code: with `fold` in place of the loop, it took 50 times as long.
    #[inline(always)]
    fn squared(self, times: u32) -> Self {
        let mut power = self;
        for _ in 0..times {
            power = power.square().carry();
        }
        power
    }

    #[inline(always)]
    pub(super) fn times(self, other: Self) -> Self {
        self.mul(other).carry()
    }

    /// The inverse, and zero of zero: the power of p - 2 = 2^255 - 21. Names say how many bits the exponent has, all ones.
    #[inline(always)]
    pub(super) fn inverse(self) -> Self {
        let square = self.squared(1);
        let ninth = square.squared(2).times(self);
        let eleventh = ninth.times(square);
        let five = eleventh.squared(1).times(ninth);
        let ten = five.squared(5).times(five);
        let twenty = ten.squared(10).times(ten);
        let forty = twenty.squared(20).times(twenty);
        let fifty = forty.squared(10).times(ten);
        let hundred = fifty.squared(50).times(fifty);
        let most = hundred.squared(100).times(hundred).squared(50).times(fifty);
        most.squared(5).times(eleventh)
    }

    /// The least element of its class. As the value is below 2p, it is too large by p if adding 19 reaches bit 255.
    #[inline(always)]
    pub(super) fn least(self) -> Self {
        let mut over = self.0[0].add(self.0[0].same(19)).shift_right::<BITS>();
        for limb in self.0.into_iter().skip(1) {
            over = limb.add(over).shift_right::<BITS>();
        }
        let mut limbs = self.0;
        let mut carry = over.add_low(over, over.same(18));
        for limb in &mut limbs {
            let sum = limb.add(carry);
            *limb = sum.and(sum.same(LIMB));
            carry = sum.shift_right::<BITS>();
        }
        Self(limbs)
    }

    /// Of an element that is the least of its class: a word that is zero if the element is.
    #[inline(always)]
    pub(super) fn any(self) -> R {
        let [mut sum, rest @ ..] = self.0;
        for limb in rest {
            sum = sum.add(limb);
        }
        sum
    }

    /// Lane by lane, `set` where a flag is not zero, and `unset` where it is.
    #[inline(always)]
    pub(super) fn choose(flags: R, set: Self, unset: Self) -> Self {
        let mut limbs = set.0;
        for (limb, unset) in limbs.iter_mut().zip(unset.0) {
            *limb = flags.choose(*limb, unset);
        }
        Self(limbs)
    }
}

impl<R: FieldRegister> Loose<R> {
    /// Brings columns 5 to 9 down. 19 c is c + 2 (c + 8 c).
    #[inline(always)]
    fn folded(columns: [R; 2 * LIMBS]) -> Self {
        let [mut limbs @ .., _, _, _, _, _] = columns;
        for (limb, over) in limbs.iter_mut().zip(columns.into_iter().skip(LIMBS)) {
            let nine = over.add(over.shift_left::<3>());
            *limb = limb.add(over).add(nine).add(nine);
        }
        Self(limbs)
    }

    #[inline(always)]
    pub(super) fn plus(self, other: Self) -> Self {
        let mut limbs = self.0;
        for (limb, other) in limbs.iter_mut().zip(other.0) {
            *limb = limb.add(other);
        }
        Self(limbs)
    }

    #[inline(always)]
    pub(super) fn minus(self, other: Self) -> Self {
        let mut limbs = self.0;
        for ((limb, other), multiple) in limbs.iter_mut().zip(other.0).zip(MULTIPLE_OF_P) {
            *limb = limb.add(limb.same(multiple)).sub(other);
        }
        Self(limbs)
    }

    #[inline(always)]
    pub(super) fn carry(self) -> Element<R> {
        let carries = self.0.map(R::shift_right::<BITS>);
        let mut limbs = self.0.map(|limb| limb.and(limb.same(LIMB)));
        limbs[0] = limbs[0].add_low(carries[LIMBS - 1], limbs[0].same(19));
        for (limb, carry) in limbs.iter_mut().skip(1).zip(carries) {
            *limb = limb.add(carry);
        }
        Element(limbs)
    }
}

#[inline(always)]
fn double<R: FieldRegister>(columns: &mut [R]) {
    for column in columns {
        *column = column.add(*column);
    }
}
