//! The definitions of the specification in whole numbers, by trying every degree and every value in
//! turn; exact for cohorts of up to 60 and 80 bits. Probabilities are ways out of C(n, k), and
//! compared with that number shifted down: whole numbers below a fraction are those below its whole
//! part.

use super::*;

pub(super) fn sparse(of: &Assumptions) -> Option<(u32, u32, u32)> {
    let (n, corrupted, dropped) = (of.cohort_size, of.corrupted_clients(), of.dropped_clients());
    let trials = u128::from(of.rounds);
    let bits = of.security_bits + of.search_bits + 1;
    let degrees = (2..n - 1).step_by(2).filter(|_| corrupted + dropped + 2 <= n);
    degrees
        .filter(|&k| of.threat_model == ActiveServer || connected(of, corrupted + dropped, k))
        .find_map(|k| {
            let others = n - dropped - 1;
            let t1 = most(others, corrupted, k.min(others), trials * u128::from(n), bits);
            let t2 = k - most(n - 1, dropped, k, u128::from(n), of.correctness_bits);
            let members = (n - dropped).max(k + 2);
            let active = |&t: &u32| {
                let whole = || {
                    split(members, corrupted, k, t) * trials <= choose(members, corrupted) >> bits
                };
                of.threat_model != ActiveServer || (2 * t > k + t1 && whole())
            };
            let least = (2..=t2).filter(|&t| t > t1).find(active)?;
            Some((k, least, t2))
        })
}

/// n(n-k-1)/2 · C(lost, k) / C(n, k) < 2^-(σ+g+1)/R, multiplied out.
fn connected(of: &Assumptions, lost: u32, k: u32) -> bool {
    let n = of.cohort_size;
    let gaps = u128::from(n) * u128::from(n - k - 1) * u128::from(of.rounds);
    let bits = of.security_bits + of.search_bits;
    let (less, rest) = (choose(n, k) >> bits, choose(n, k) % (1 << bits));
    gaps * choose(lost, k) < less + u128::from(rest > 0)
}

/// The least v with `trials` · Pr[Hyp(n, marked, k) > v] ≤ 2^-bits, multiplied out.
fn most(n: u32, marked: u32, k: u32, trials: u128, bits: u32) -> u32 {
    let ways = |i| choose(marked, i) * choose(n - marked, k - i);
    let holds = |v| {
        let more: u128 = (v + 1..=k).map(ways).sum();
        more * trials <= choose(n, k) >> bits
    };
    (0..=k).find(|&v| holds(v)).expect("there are no more than k")
}

/// Placings of colluders, of all C(members, corrupted), that the bound on a split counts: two runs
/// of crowded windows that start, or one that starts beside another crowded window.
pub(super) fn split(members: u32, corrupted: u32, degree: u32, threshold: u32) -> u128 {
    let (h, r) = (degree / 2, threshold - degree / 2);
    let Some(left) = corrupted.checked_sub(2 * r) else { return 0 };
    let inside = choose(h - 1, r - 1);
    let pairs = u128::from(members * (members - degree - 1) / 2);
    let crowded = |j| {
        choose(h, j)
            * corrupted.checked_sub(r + j).map_or(0, |left| choose(members - degree - 1, left))
    };
    let beside: u128 = (r..=h).map(crowded).sum();
    pairs * inside * inside * choose(members - degree - 2, left)
        + u128::from(members) * inside * beside
}

pub(super) fn choose(n: u32, k: u32) -> u128 {
    if k > n {
        return 0;
    }
    (0..u128::from(k)).fold(1, |product, i| product * (u128::from(n) - i) / (i + 1))
}
