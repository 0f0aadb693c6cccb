use proptest::prelude::*;
use proptest::sample::{Index, subsequence};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use super::super::{SHARE_LEN, split};
use super::*;
use crate::ClientId;

const SECRET: [u8; SHARE_LEN] = *b"thirty-two bytes, none repeated!";
const BOTH: [bool; 2] = [true, true];

/// Shares of `SECRET`, some of which a test makes false.
struct Word {
    threshold: usize,
    holders: Vec<ClientId>,
    shares: Vec<Share>,
    random: ChaCha20Rng,
}

impl Word {
    fn new(holders: u64, threshold: usize) -> Self {
        Self::of(&SECRET, 11, holders, threshold)
    }

    fn of(secret: &[u8; SHARE_LEN], seed: u64, holders: u64, threshold: usize) -> Self {
        let holders: Vec<_> = (0..holders).map(|id| ClientId(id * id)).collect();
        let mut random = ChaCha20Rng::seed_from_u64(seed);
        let shares = split(secret, threshold, &holders, &mut random);
        Self { threshold, holders, shares, random }
    }

    fn syndromes(&self, half: usize) -> Vec<u128> {
        let basis = LagrangeBasis::new(&self.holders);
        let spare = self.holders.len() - self.threshold;
        let shares: Vec<_> = self.shares.iter().collect();
        syndromes(&basis, spare, &shares, half).into_iter().map(u128::from).collect()
    }

    fn falsify(mut self, which: &[usize], halves: [bool; 2]) -> Self {
        for &at in which {
            for (half, _) in halves.iter().enumerate().filter(|&(_, &is)| is) {
                self.random.fill_bytes(&mut self.shares[at].0[16 * half..][..16]);
            }
        }
        self
    }

    /// Replaces shares by those of the polynomial through the others of `through`, t in all, and a
    /// false share of the last of them.
    fn move_to_polynomial(mut self, through: &[usize], which: &[usize]) -> Self {
        let last = *through.last().expect("t holders");
        self = self.falsify(&[last], BOTH);
        let basis = LagrangeBasis::new(&self.holders_at(through));
        for &at in which {
            let shares = through.iter().map(|&at| &self.shares[at]);
            self.shares[at] = basis.share_of(self.holders[at], shares);
        }
        self
    }

    fn errors(&self) -> Vec<Errors> {
        let basis = LagrangeBasis::new(&self.holders);
        errors(&basis, self.threshold, &self.shares.iter().collect::<Vec<_>>())
    }

    fn recover_without(&self, errors: &[usize]) -> [u8; SHARE_LEN] {
        let kept: Vec<_> = (0..self.holders.len()).filter(|at| !errors.contains(at)).collect();
        let basis = LagrangeBasis::new(&self.holders_at(&kept));
        *basis.recover(kept.iter().map(|&at| &self.shares[at]))
    }

    fn holders_at(&self, places: &[usize]) -> Vec<ClientId> {
        places.iter().map(|&at| self.holders[at]).collect()
    }

    /// What `explanations` promises, by trying all sets.
    fn explanations_by_trial(&self, half: usize) -> Vec<Errors> {
        let most = (self.holders.len() - self.threshold).div_ceil(2);
        let all = (0_u32..1 << self.holders.len()).filter(|set| set.count_ones() as usize <= most);
        let all = all.map(|set| (0..self.holders.len()).filter(|at| set >> at & 1 == 1).collect());
        let mut found: Vec<Errors> = all.filter(|errors| self.explains(half, errors)).collect();
        found.sort_unstable();
        found
    }

    /// Whether exactly the shares outside of `errors` are on the polynomial of the first t of them.
    fn explains(&self, half: usize, errors: &Errors) -> bool {
        let kept = (0..self.holders.len()).filter(|at| !errors.contains(at));
        let first: Vec<_> = kept.take(self.threshold).collect();
        let basis = LagrangeBasis::new(&self.holders_at(&first));
        let mut others = (0..self.holders.len()).filter(|at| !first.contains(at));
        others.all(|at| {
            let shares = first.iter().map(|&at| &self.shares[at]);
            let expected = basis.share_of(self.holders[at], shares);
            let bytes = 16 * half..16 * half + 16;
            (expected.0[bytes.clone()] == self.shares[at].0[bytes]) != errors.contains(&at)
        })
    }
}

const SHAPES: [(u64, usize); 8] =
    [(4, 4), (4, 3), (5, 2), (6, 2), (7, 3), (10, 9), (12, 7), (31, 16)];

#[test]
fn true_shares_need_no_explanation() {
    for (holders, threshold) in SHAPES {
        assert_eq!(Word::new(holders, threshold).errors(), [Errors::new()]);
    }
}

/// All that the search decides by: other secrets and other polynomials leave it as it is.
#[test]
fn syndromes_tell_of_falsehoods_alone() {
    for (holders, threshold) in SHAPES {
        let mut words = [Word::new(holders, threshold), Word::of(&[9; 32], 5, holders, threshold)];
        for word in &mut words {
            for (at, falsehood) in [(1, 0x31), (3, 0x07)] {
                word.shares[at].0.iter_mut().for_each(|byte| *byte ^= falsehood);
            }
        }
        let [one, other] = words.each_ref().map(|word| [0, 1].map(|half| word.syndromes(half)));
        assert_eq!(one, other, "{holders}, {threshold}");
        let spare = holders as usize - threshold;
        assert!(one[0].len() == spare && one[0].iter().all(|&term| term != 0), "{one:?}");
    }
}

#[test]
fn false_shares_are_found_up_to_half_of_those_to_spare() {
    for (holders, threshold) in SHAPES {
        for count in 0..=(holders as usize - threshold) / 2 {
            for first in [0, 1, holders as usize - count] {
                let which: Vec<_> = (first..holders as usize).take(count).collect();
                let word = Word::new(holders, threshold).falsify(&which, BOTH);
                assert_eq!(word.recover_without(&which), SECRET);
                assert_eq!(word.errors(), [which], "{count} of {holders}, {threshold}");
            }
        }
    }
}

#[test]
fn half_a_share_too_many_is_among_a_few_choices() {
    for (holders, threshold) in [(4, 3), (5, 2), (10, 9), (12, 7), (31, 16)] {
        let which: Vec<_> = (1..).take((holders as usize - threshold).div_ceil(2)).collect();
        let word = Word::new(holders, threshold).falsify(&which, BOTH);
        let errors = word.errors();
        assert!(errors.contains(&which) && errors.len() * which.len() <= holders as usize);
        assert!(errors.is_sorted());
    }
}

#[test]
fn each_half_has_its_own_false_shares() {
    let word = Word::new(9, 4).falsify(&[7, 2], [true, false]).falsify(&[3, 2], [false, true]);
    assert_eq!(word.errors(), [[2, 3, 7]]);
    let word = Word::new(9, 4).falsify(&[8, 5], [false, true]);
    assert_eq!(word.errors(), [[5, 8]]);
    // One choice for a half, several for the other.
    let word = Word::new(9, 4).falsify(&[1], [true, false]).falsify(&[3, 5, 6], [false, true]);
    assert!(word.errors().contains(&vec![1, 3, 5, 6]));
    assert!(word.errors().iter().all(|errors| errors.contains(&1)));
}

#[test]
fn one_share_to_spare_leaves_each_choice_of_one() {
    let word = Word::new(5, 4).falsify(&[3], BOTH);
    assert_eq!(word.errors(), [[0], [1], [2], [3], [4]]);
    let true_secret = |at: &usize| word.recover_without(&[*at]) == SECRET;
    assert_eq!((0..5).filter(true_secret).collect::<Vec<_>>(), [3]);
}

/// Two polynomials agree at 1 of the 5 points that are left, and the shares are two of either.
#[test]
fn shares_between_two_polynomials_are_explained_in_two_ways() {
    let word = Word::new(5, 2).move_to_polynomial(&[0, 1], &[3]);
    assert_eq!(word.errors(), [[1, 3], [2, 4]]);
    assert_eq!(word.recover_without(&[1, 3]), SECRET);
    assert_ne!(word.recover_without(&[2, 4]), SECRET);
}

/// A majority that agrees on another polynomial makes the others' shares false ones; only what the
/// owner has published tells.
#[test]
fn false_shares_of_a_polynomial_of_their_own_are_taken_for_true() {
    let word = Word::new(7, 3).move_to_polynomial(&[0, 1, 2], &[3, 4]);
    assert_eq!(word.errors(), [[5, 6]]);
    assert_ne!(word.recover_without(&[5, 6]), SECRET);
}

#[test]
fn more_false_shares_than_can_be_explained_are_not() {
    assert_eq!(Word::new(12, 7).falsify(&[0, 4, 5, 8], BOTH).errors(), Vec::<Errors>::new());
    assert_eq!(Word::new(8, 4).falsify(&[1, 2, 7], BOTH).errors(), Vec::<Errors>::new());
}

#[test]
fn a_thousand_shares_are_decoded() {
    let which: Vec<_> = (0..1000).filter(|at| at % 6 == 1).take(166).collect();
    assert_eq!(Word::new(1000, 667).falsify(&which, BOTH).errors(), [which]);
}

/// Which shares are false, in which halves.
fn falsehoods() -> impl Strategy<Value = (usize, Index, [Vec<usize>; 2])> {
    (3..9_usize).prop_flat_map(|holders| {
        let set = || subsequence((0..holders).collect::<Vec<_>>(), 0..=holders);
        (Just(holders), any::<Index>(), [set(), set()])
    })
}

proptest! {
    #[test]
    fn explanations_are_those_that_a_trial_of_all_sets_finds(
        (holders, threshold, [low, high]) in falsehoods(),
        moved in prop::option::of(0..9_usize),
    ) {
        let threshold = 2 + threshold.index(holders - 1);
        let mut word = Word::new(holders as u64, threshold);
        if let Some(moved) = moved {
            let through: Vec<_> = (0..threshold).collect();
            let which: Vec<_> = (threshold..holders).take(moved).collect();
            word = word.move_to_polynomial(&through, &which);
        }
        let word = word.falsify(&low, [true, false]).falsify(&high, [false, true]);
        let basis = LagrangeBasis::new(&word.holders);
        let shares: Vec<_> = word.shares.iter().collect();
        let [low, high] = [0, 1].map(|half| {
            explanations(&basis, &syndromes(&basis, holders - threshold, &shares, half))
        });
        prop_assert_eq!(&low, &word.explanations_by_trial(0));
        prop_assert_eq!(&high, &word.explanations_by_trial(1));
        for errors in word.errors() {
            prop_assert!(holders - errors.len() >= threshold);
            prop_assert!(low.iter().any(|low| low.iter().all(|at| errors.contains(at))));
            prop_assert!(high.iter().any(|high| high.iter().all(|at| errors.contains(at))));
        }
    }

    /// The promise to the server: whatever is false, no more than half of what is to spare is found.
    #[test]
    fn random_falsehoods_within_the_radius_are_found(
        (holders, threshold, [which, halves]) in falsehoods(),
    ) {
        let threshold = 2 + threshold.index(holders - 1);
        let which: Vec<_> = which.into_iter().take((holders - threshold) / 2).collect();
        let (one, both): (Vec<_>, Vec<_>) = which.iter().partition(|at| halves.contains(at));
        let word = Word::new(holders as u64, threshold);
        let word = word.falsify(&both, BOTH).falsify(&one, [false, true]);
        prop_assert_eq!(word.errors(), [which]);
    }
}
