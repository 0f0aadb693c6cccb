//! A plan as bytes, for other processes that apply it to their ranges of lanes.
//!
//! The generator's wire id; then, for each mask, a byte for its sign (0 to add, 1 to subtract) and its seed of 32 bytes, of
//! which those that the generator does not use are zero.

use thiserror::Error;
use zeroize::Zeroizing;

use super::{MaskPlan, Masks, Sign};
use crate::prg::{Aegis128X4Key, Aes128CtrKey, ChaCha20Key};
use crate::{Prg, Seed, UnknownPrg};

/// Bytes of a sign and a seed.
const MASK_LEN: usize = 1 + 32;

/// Bytes that are no plan of masks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum InvalidPlan {
    /// There is not one byte for the generator, and 33 for each mask.
    #[error("{0} bytes are no plan: one is for the generator, and each mask has 33")]
    Length(usize),
    /// No generator has this wire id.
    #[error(transparent)]
    Prg(#[from] UnknownPrg),
    /// A sign is neither 0 nor 1.
    #[error("a sign of {0} is neither 0, to add, nor 1, to subtract")]
    Sign(u8),
}

impl MaskPlan {
    /// The plan as bytes that [`from_bytes`](Self::from_bytes) reads: 1, and 33 for each mask. They hold every seed, so they
    /// are as secret as the plan, and wiped on drop.
    ///
    /// ```
    /// use secagg_kernels::{Backend, MaskPlan, Prg, Seed, Sign};
    ///
    /// let plan = MaskPlan::new(Prg::ChaCha20, &[(Seed::from_bytes([5; 32]), Sign::Subtract)]);
    /// let elsewhere = MaskPlan::from_bytes(&plan.to_bytes())?;
    ///
    /// let (mut here, mut there) = ([0_u32; 100], [0_u32; 40]);
    /// plan.apply(Backend::detect(), 0, &mut here)?;
    /// elsewhere.apply(Backend::detect(), 60, &mut there)?;
    /// assert_eq!(here[60..], there);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        // With its final capacity from the start, the vector never moves seeds and leaves copies.
        let mut bytes = Zeroizing::new(Vec::with_capacity(1 + self.len() * MASK_LEN));
        bytes.push(self.prg().id());
        match &self.masks {
            Masks::Aes128Ctr(masks) => append(&mut bytes, masks, Aes128CtrKey::seed),
            Masks::ChaCha20(masks) => append(&mut bytes, masks, ChaCha20Key::seed),
            Masks::Aegis128X4(masks) => append(&mut bytes, masks, Aegis128X4Key::seed),
        }
        bytes
    }

    /// The plan of such bytes.
    ///
    /// # Errors
    /// [`InvalidPlan`] for any that [`to_bytes`](Self::to_bytes) does not make, but for seed bytes that the generator does
    /// not use.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidPlan> {
        let (&prg, masks) = bytes.split_first().ok_or(InvalidPlan::Length(0))?;
        let (masks, []) = masks.as_chunks::<MASK_LEN>() else {
            return Err(InvalidPlan::Length(bytes.len()));
        };
        let prg = Prg::from_id(prg)?;
        let mut seeds = Vec::with_capacity(masks.len());
        for mask in masks {
            seeds.push(read(mask)?);
        }
        Ok(Self::new(prg, &seeds))
    }
}

fn append<K>(bytes: &mut Vec<u8>, masks: &[(K, Sign)], seed: impl Fn(&K) -> Seed) {
    for (key, sign) in masks {
        bytes.push(u8::from(*sign == Sign::Subtract));
        bytes.extend_from_slice(seed(key).as_bytes());
    }
}

fn read(mask: &[u8; MASK_LEN]) -> Result<(Seed, Sign), InvalidPlan> {
    let sign = match mask[0] {
        0 => Sign::Add,
        1 => Sign::Subtract,
        other => return Err(InvalidPlan::Sign(other)),
    };
    let mut seed = Zeroizing::new([0; 32]);
    seed.copy_from_slice(&mask[1..]);
    Ok((Seed::from_bytes(*seed), sign))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Backend;

    /// Seeds whose bytes all differ, so that one in the wrong place shows.
    fn masks() -> Vec<(Seed, Sign)> {
        let seed = |first: u8| Seed::from_bytes(std::array::from_fn(|at| first + at as u8));
        vec![(seed(1), Sign::Add), (seed(77), Sign::Subtract), (seed(150), Sign::Subtract)]
    }

    fn applied(plan: &MaskPlan) -> Vec<u32> {
        let mut lanes = vec![0; 9000];
        plan.apply(Backend::Portable, 12_345, &mut lanes).expect("within the keystream");
        lanes
    }

    #[test]
    fn a_plan_that_was_bytes_does_what_it_did_before() {
        for prg in Prg::ALL {
            let plan = MaskPlan::new(prg, &masks());
            let bytes = plan.to_bytes();
            assert_eq!(bytes.len(), 1 + 3 * 33);
            let read = MaskPlan::from_bytes(&bytes).expect("a plan");
            assert_eq!((read.prg(), read.len()), (prg, 3));
            assert_eq!(applied(&read), applied(&plan), "{prg}");
            assert_eq!(read.to_bytes(), bytes);
        }
        let none = MaskPlan::new(Prg::ChaCha20, &[]).to_bytes();
        assert!(MaskPlan::from_bytes(&none).expect("a plan of nothing").is_empty());
    }

    #[test]
    fn seeds_are_written_as_far_as_they_are_used() {
        for (prg, used) in [(Prg::Aes128Ctr, 28), (Prg::ChaCha20, 32), (Prg::Aegis128X4, 28)] {
            let bytes = MaskPlan::new(prg, &masks()).to_bytes();
            assert_eq!(bytes[..2], [prg.id(), 0]);
            assert_eq!(bytes[2..2 + used], masks()[0].0.as_bytes()[..used], "{prg}");
            assert!(bytes[2 + used..34].iter().all(|&byte| byte == 0), "{prg}");
            assert_eq!(bytes[34], 1);
        }
    }

    #[test]
    fn other_bytes_are_no_plan() {
        let plan = MaskPlan::new(Prg::default(), &masks()).to_bytes();
        let refused = |bytes: &[u8]| MaskPlan::from_bytes(bytes).map(|plan| plan.len());
        assert_eq!(refused(&[]), Err(InvalidPlan::Length(0)));
        assert_eq!(refused(&plan[..99]), Err(InvalidPlan::Length(99)));
        assert_eq!(refused(&[&plan[..], &[0]].concat()), Err(InvalidPlan::Length(101)));
        assert_eq!(refused(&[&[9], &plan[1..]].concat()), Err(InvalidPlan::Prg(UnknownPrg)));
        assert_eq!(refused(&[&plan[..1], &[2], &plan[2..]].concat()), Err(InvalidPlan::Sign(2)));
    }
}
