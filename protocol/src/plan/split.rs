//! The probability that an active server can split a part off a ring.
//!
//! **When it can.** Let h = k/2. The last honest signer before the cut reveals to nobody beyond it:
//! of the h places next to it, only those of colluders give shares of its secret. With its h
//! neighbours on the other side they must be t, so r = t - h of these h places are colluders'; and
//! so it is at the other end of the part. The window of h places is then called *crowded*, and two
//! of them are disjoint (`docs/protocol.md`, section 5, has the argument in full).
//!
//! **How probable that is.** r is above the mean, so not all windows of the ring are crowded. A run
//! of crowded ones *starts* where the place before is honest, r of the window's places are
//! colluders', and the last of them is one. Take two disjoint crowded windows. Either two runs have
//! starts with disjoint windows, or the window next to a start's own is crowded too: where both are
//! in one run, or in two with overlapping starts, all windows are crowded that begin h places after
//! the earlier start. Two starts with disjoint windows share no place at all, since the last of a
//! window is a colluder and the one before a window is not. So there are L(L-k-1)/2 pairs of
//! starts, and L starts with a neighbour:
//!
//! Pr ≤ L · Pr[start] · ((L-k-1)/2 · Pr[start | start] + Pr[crowded | start]).

use super::hypergeometric::Hypergeometric;

/// Members of a roster, and how many of them collude.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places {
    pub(super) members: u32,
    pub(super) corrupted: u32,
}

impl Places {
    /// A bound on the probability that there are two disjoint crowded windows.
    ///
    /// The degree is even and at most two below the members; the threshold is above half of the
    /// degree.
    pub(super) fn split(self, degree: u32, threshold: u32) -> f64 {
        let window = degree / 2;
        let crowd = threshold - window;
        if u64::from(self.corrupted) < 2 * u64::from(crowd) {
            return 0.0;
        }
        let start = self.start(window, crowd);
        if start == 0.0 {
            return 0.0;
        }
        // The places that are left beside those of a start.
        let rest = Self { members: self.members - window - 1, corrupted: self.corrupted - crowd };
        let pairs = f64::from(self.members - degree - 1) / 2.0;
        let other = pairs * rest.start(window, crowd) + rest.crowded(window, crowd);
        f64::from(self.members) * start * other
    }

    /// An honest place, then a window with so many colluders, the last of which is at its end.
    fn start(self, window: u32, crowd: u32) -> f64 {
        let Self { members, corrupted } = self;
        if corrupted == 0 || corrupted >= members {
            return 0.0;
        }
        let ends = f64::from(members - corrupted) / f64::from(members) * f64::from(corrupted)
            / f64::from(members - 1);
        let inner =
            Hypergeometric { population: members - 2, marked: corrupted - 1, drawn: window - 1 };
        ends * inner.exactly(crowd - 1)
    }

    /// A window with so many colluders or more.
    fn crowded(self, window: u32, crowd: u32) -> f64 {
        let Self { members, corrupted } = self;
        Hypergeometric { population: members, marked: corrupted, drawn: window }.at_least(crowd)
    }
}
