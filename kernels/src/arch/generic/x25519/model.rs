//! Registers that any machine has, and that fail where the bounds of `field.rs` do not hold.
#![allow(
    clippy::large_types_passed_by_value,
    reason = "elements are values, as where they are registers"
)]

use super::field::{BITS, Element, LIMBS, Loose};
use super::{agree, words};
use crate::arch::register::{FieldRegister, LANES};
use crate::x25519::Pairs;

#[derive(Clone, Copy)]
struct Model([u64; LANES]);

impl Model {
    fn each(self, other: Self, operation: impl Fn(u64, u64) -> u64) -> Self {
        Self(std::array::from_fn(|lane| operation(self.0[lane], other.0[lane])))
    }

    /// The product, all bits of which the multiplier must see.
    fn product(one: u64, other: u64) -> u128 {
        assert!(one >> 52 == 0 && other >> 52 == 0, "{one:x} times {other:x}");
        u128::from(one) * u128::from(other)
    }
}

impl FieldRegister for Model {
    type Token = ();

    fn splat((): (), word: u64) -> Self {
        Self([word; LANES])
    }

    fn same(self, word: u64) -> Self {
        Self([word; LANES])
    }

    fn load((): (), words: &[u64; LANES]) -> Self {
        Self(*words)
    }

    fn store(self, words: &mut [u64; LANES]) {
        *words = self.0;
    }

    fn add(self, other: Self) -> Self {
        self.each(other, |one, other| one.checked_add(other).expect("a sum of 64 bits"))
    }

    fn sub(self, other: Self) -> Self {
        self.each(other, |one, other| one.checked_sub(other).expect("no negative limb"))
    }

    fn and(self, other: Self) -> Self {
        self.each(other, |one, other| one & other)
    }

    fn shift_left<const COUNT: u32>(self) -> Self {
        assert!(self.0.iter().all(|word| word.leading_zeros() >= COUNT), "bits fall off");
        Self(self.0.map(|word| word << COUNT))
    }

    fn shift_right<const COUNT: u32>(self) -> Self {
        Self(self.0.map(|word| word >> COUNT))
    }

    fn add_low(self, one: Self, other: Self) -> Self {
        self.add(one.each(other, |one, other| Self::product(one, other) as u64 & ((1 << 52) - 1)))
    }

    fn add_high(self, one: Self, other: Self) -> Self {
        self.add(one.each(other, |one, other| (Self::product(one, other) >> 52) as u64))
    }

    fn choose(self, set: Self, unset: Self) -> Self {
        Self(std::array::from_fn(|i| if self.0[i] == 0 { unset.0[i] } else { set.0[i] }))
    }
}

/// The largest limb that an element may have.
const LARGEST: u64 = (1 << BITS) + (1 << 14) - 1;

fn element(limb: u64) -> Element<Model> {
    Element([Model([limb; LANES]); LIMBS])
}

/// The bytes of the first lane.
fn value(element: Element<Model>) -> [u8; 32] {
    words::bytes(element.least().0.map(|limb| limb.0[0]))
}

/// Carries, and looks whether what comes is an element.
fn carried(loose: Loose<Model>) -> Element<Model> {
    let element = loose.carry();
    assert!(element.0.iter().flat_map(|limb| limb.0).all(|limb| limb <= LARGEST));
    element
}

#[test]
fn the_largest_elements_pass_no_bound() {
    let (zero, largest) = (element(0), element(LARGEST));
    let (product, square) = (largest.mul(largest), largest.square());
    assert!(product.0.iter().all(|limb| limb.0[0] < 1 << 59));
    assert_eq!(value(carried(product)), value(carried(square)));
    assert_eq!(value(carried(product.minus(square))), [0; 32]);
    assert_eq!(value(carried(largest.times_a24_plus(largest))), a24_by_additions(largest));
    let negative = carried(zero.loose().minus(product));
    assert_eq!(value(carried(negative.loose().plus(product))), [0; 32]);
    carried(product.plus(product));
    carried(product.minus(zero.loose()));
}

/// 121666 times an element: twice itself, and once where a bit is set.
fn a24_by_additions(element: Element<Model>) -> [u8; 32] {
    let mut sum = Element::small((), 0);
    for bit in (0..17).rev() {
        sum = carried(sum.loose().plus(sum.loose()));
        if 121_666 >> bit & 1 == 1 {
            sum = carried(sum.loose().plus(element.loose()));
        }
    }
    value(sum)
}

/// Zero in all its forms that fit, and the values around p: limbs below 2^51 but for one that has been carried into.
#[test]
fn every_class_has_one_least_element() {
    const LIMB: u64 = (1 << BITS) - 1;
    let small = |value: u8| std::array::from_fn(|i| if i == 0 { value } else { 0 });
    for (first, expected) in [(LIMB - 18, small(0)), (LIMB - 17, small(1)), (LIMB, small(18))] {
        let mut limbs = [LIMB; LIMBS];
        limbs[0] = first;
        assert_eq!(value(Element(limbs.map(|limb| Model([limb; LANES])))), expected);
    }
    let carried_into = [LIMB + 1, LIMB, LIMB, LIMB, LIMB].map(|limb| Model([limb; LANES]));
    assert_eq!(value(Element(carried_into)), small(19));
    let p_minus_1 = [LIMB - 19, LIMB, LIMB, LIMB, LIMB];
    let unchanged = value(Element(p_minus_1.map(|limb| Model([limb; LANES]))));
    assert_eq!(unchanged, words::bytes(p_minus_1));
}

#[test]
fn an_inverse_is_one() {
    for limb in [1, 2, 12345, LARGEST] {
        let element = element(limb);
        assert_eq!(value(element.times(element.inverse())), value(Element::small((), 1)));
    }
    assert_eq!(value(element(0).inverse()), [0; 32]);
}

/// The whole of X25519 where no register of the kind is: nine pairs, so that there are two groups, and an unfinished one.
#[test]
fn the_model_agrees_like_the_portable_backend() {
    let keys: Vec<([u8; 32], [u8; 32])> = (0..9)
        .map(|i| {
            (
                [37_u8.wrapping_mul(i); 32],
                if i == 4 { [0; 32] } else { [251_u8.wrapping_mul(i); 32] },
            )
        })
        .collect();
    let pairs: Vec<_> = keys.iter().map(|(secret, public)| (secret, public)).collect();
    let (mut own, mut portable) = ([[1; 32]; 9], [[2; 32]; 9]);
    agree::<Model>((), Pairs::Each(&pairs), &mut own);
    crate::arch::portable::x25519::agree(Pairs::Each(&pairs), &mut portable);
    assert_eq!(own, portable);
    assert_eq!(own[4], [0; 32]);
}
