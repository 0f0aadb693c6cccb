//! Rings drawn at random, and every choice of a server on small ones, against the bounds of
//! docs/protocol.md, section 5. Nothing is taken from the planner but its k and t.

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use secagg::ThreatModel;
use secagg::plan::{Assumptions, Plan};

/// Members in ring order, and which of them collude.
struct Ring {
    corrupted: Vec<bool>,
    /// Colluders on the first places, going round twice.
    before: Vec<usize>,
    /// h = k/2: neighbours on either side.
    window: usize,
}

/// Role that the server gives an honest member.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Role {
    /// In the part that is to be opened, and signs.
    Inside,
    /// In the part, and is never asked to sign.
    Silent,
    /// Among the survivors, but not in the part; signs.
    Outside,
    /// The same, and is never asked to sign.
    SilentOutside,
    /// Its mask key is recovered.
    Vanished,
}

const ROLES: [Role; 5] =
    [Role::Inside, Role::Silent, Role::Outside, Role::SilentOutside, Role::Vanished];

impl Ring {
    fn draw(members: u32, corrupted: u32, degree: u32, random: &mut ChaCha20Rng) -> Self {
        let corrupted = marks(members as usize, corrupted as usize, random);
        let mut before = vec![0];
        for &colludes in corrupted.iter().chain(&corrupted) {
            before.push(before[before.len() - 1] + usize::from(colludes));
        }
        Self { corrupted, before, window: degree as usize / 2 }
    }

    /// Colluders on the window's places from `start` on.
    fn colluders(&self, start: usize) -> usize {
        let start = start % self.len();
        self.before[start + self.window] - self.before[start]
    }

    fn len(&self) -> usize {
        self.corrupted.len()
    }

    fn honest(&self) -> impl Iterator<Item = usize> {
        (0..self.len()).filter(|&place| !self.corrupted[place])
    }

    fn neighbours(&self, place: usize) -> impl Iterator<Item = usize> {
        let (len, window) = (self.len(), self.window);
        (1..=window).flat_map(move |step| [(place + step) % len, (place + len - step) % len])
    }

    fn colluders_around(&self, place: usize) -> usize {
        self.colluders(place + 1) + self.colluders(place + self.len() - self.window)
    }

    /// An honest member with 2t - k colluding neighbours or more.
    fn alone(&self, threshold: usize) -> Option<usize> {
        let least = 2 * threshold - 2 * self.window;
        self.honest().find(|&place| self.colluders_around(place) >= least)
    }

    /// The first places of two disjoint windows with t - k/2 colluders or more each.
    fn crowded(&self, threshold: usize) -> Option<[usize; 2]> {
        let (len, window) = (self.len(), self.window);
        let crowded: Vec<_> =
            (0..len).filter(|&start| self.colluders(start) >= threshold - window).collect();
        let pairs = crowded.iter().flat_map(|&one| crowded.iter().map(move |&other| [one, other]));
        pairs.into_iter().find(|[one, other]| one + window <= *other && other + window <= one + len)
    }

    /// Whether the secrets of all that are inside can be recovered, and these are not all honest
    /// survivors. The model of the protocol, in the server's favour: there is no quorum.
    fn opens(&self, roles: &[Role], threshold: usize) -> bool {
        let is_inside = |place: usize| matches!(roles[place], Role::Inside | Role::Silent);
        let is_left_out =
            |place: usize| matches!(roles[place], Role::Outside | Role::SilentOutside);
        self.honest().any(is_inside)
            && self.honest().any(is_left_out)
            && self.honest().filter(|&place| is_inside(place)).all(|place| {
                let honest = || self.neighbours(place).filter(|&other| !self.corrupted[other]);
                let colluding = self.colluders_around(place);
                // Boxes that it may be given, and shares of its seed that are revealed.
                let boxes = honest().filter(|&other| !is_left_out(other)).count() + colluding;
                let signs = |other: &usize| matches!(roles[*other], Role::Inside | Role::Outside);
                let shares = honest().filter(signs).count() + colluding;
                let sees_others = roles[place] == Role::Inside && honest().any(is_left_out);
                boxes >= threshold && shares >= threshold && !sees_others
            })
    }

    /// Boxes are withheld from one member, and those whose boxes it got vanish.
    fn withhold(&self, place: usize, threshold: usize) -> Vec<Role> {
        let mut roles = vec![Role::Outside; self.len()];
        roles[place] = Role::Silent;
        let vanish = threshold.saturating_sub(self.colluders_around(place));
        let honest = self.neighbours(place).filter(|&other| !self.corrupted[other]);
        honest.take(vanish).for_each(|other| roles[other] = Role::Vanished);
        roles
    }

    /// The honest members of two windows vanish, and what lies between is the part.
    fn cut(&self, [one, other]: [usize; 2]) -> Vec<Role> {
        let mut roles = vec![Role::Outside; self.len()];
        roles[one + self.window..other].fill(Role::Inside);
        for start in [one, other] {
            let window = start..start + self.window;
            window.for_each(|place| roles[place % self.len()] = Role::Vanished);
        }
        roles
    }
}

/// A random choice of `marked` out of `of` places.
fn marks(of: usize, marked: usize, random: &mut ChaCha20Rng) -> Vec<bool> {
    let mut marks: Vec<_> = (0..of).map(|place| place < marked).collect();
    for last in (1..of).rev() {
        marks.swap(last, (random.next_u64() % (last as u64 + 1)) as usize);
    }
    marks
}

/// All choices of roles for the honest, as digits of a number.
fn all_roles(ring: &Ring) -> impl Iterator<Item = Vec<Role>> {
    let choices = ROLES.len().pow(ring.honest().count() as u32);
    (0..choices).map(|mut digits| {
        let mut roles = vec![Role::Vanished; ring.len()];
        for place in ring.honest() {
            roles[place] = ROLES[digits % ROLES.len()];
            digits /= ROLES.len();
        }
        roles
    })
}

#[test]
fn no_choice_opens_a_part_where_the_planner_sees_no_way() {
    let mut random = ChaCha20Rng::seed_from_u64(1);
    let mut safe = 0;
    for round in 0..80 {
        let (members, degree) = (9 + round % 3, [4, 6][round as usize / 3 % 2]);
        let ring = Ring::draw(members, members - 4 - round % 3, degree, &mut random);
        let (least, most) = (degree as usize / 2 + 1, degree as usize);
        for threshold in least..=most {
            if ring.alone(threshold).is_none() && ring.crowded(threshold).is_none() {
                safe += 1;
                let opens = all_roles(&ring).find(|roles| ring.opens(roles, threshold));
                assert_eq!(opens, None, "t = {threshold}, {:?}", ring.corrupted);
            }
        }
    }
    assert!(safe >= 20, "{safe} are not many");
}

/// (L-A) · Pr[Hyp(L-1, A, k) ≥ 2t-k], and the placings of section 5 that split a ring, over all.
fn bounds(case: [u32; 4]) -> [f64; 2] {
    let [members, corrupted, degree, threshold] = case.map(u64::from);
    let honest = members - corrupted;
    let around = |v| choose(corrupted, v) * choose(honest - 1, degree - v);
    let alone: f64 = (2 * threshold - degree..=degree.min(corrupted)).map(around).sum();
    let (window, crowd) = (degree / 2, threshold - degree / 2);
    // Of so many places so many are colluders'; the others are anywhere else.
    let others = |places, of_them| {
        corrupted.checked_sub(of_them).map_or(0.0, |left| choose(members - places, left))
    };
    let inside = choose(window - 1, crowd - 1);
    let pairs = (members - degree - 1) as f64 / 2.0 * inside * others(degree + 2, 2 * crowd);
    let beside = |j| choose(window, j) * others(degree + 1, crowd + j);
    let beside: f64 = (crowd..=window).map(beside).sum();
    let split = members as f64 * inside * (pairs + beside);
    [honest as f64 * alone / choose(members - 1, degree), split / choose(members, corrupted)]
}

fn choose(n: u64, k: u64) -> f64 {
    if k > n {
        return 0.0;
    }
    (0..k).map(|i| (n - i) as f64 / (i + 1) as f64).product()
}

/// The fraction of trials in which `event` holds, and its standard error.
fn frequency(trials: u32, mut event: impl FnMut() -> bool) -> [f64; 2] {
    let rate = f64::from((0..trials).filter(|_| event()).count() as u32) / f64::from(trials);
    [rate, (rate * (1.0 - rate) / f64::from(trials)).sqrt()]
}

/// A union over events that hardly ever come together is not far above what is seen.
fn assert_agrees([seen, error]: [f64; 2], bound: f64, case: &[u32]) {
    assert!(seen <= bound + 4.0 * error, "{case:?}: {seen} seen, {bound} at most");
    assert!(seen + 4.0 * error >= bound / 4.0, "{case:?}: {seen} seen, {bound} is far more");
}

#[test]
fn rings_are_cut_as_often_as_the_bounds_say() {
    let mut random = ChaCha20Rng::seed_from_u64(2);
    for case in [[150, 15, 20, 13], [300, 30, 20, 14], [200, 20, 24, 17], [120, 24, 30, 21]] {
        let [members, corrupted, degree, threshold] = case;
        let [alone, split] = bounds(case);
        let t = threshold as usize;
        let (mut cut, mut opened) = (0, 0);
        let seen_alone = frequency(TRIALS, || {
            let ring = Ring::draw(members, corrupted, degree, &mut random);
            let alone = ring.alone(t);
            // Who is named is really opened.
            if let Some(place) = alone {
                assert!(ring.opens(&ring.withhold(place, t), t), "{place} {:?}", ring.corrupted);
            }
            alone.is_some()
        });
        let seen_split = frequency(TRIALS, || {
            let ring = Ring::draw(members, corrupted, degree, &mut random);
            let windows = ring.crowded(t);
            if let Some(windows) = windows {
                cut += 1;
                opened += u32::from(ring.opens(&ring.cut(windows), t));
            }
            windows.is_some()
        });
        assert_agrees(seen_alone, alone, &case);
        assert_agrees(seen_split, split, &case);
        // A part that is shorter than a window does not always hold enough shares.
        assert!(2 * opened >= cut, "{case:?}: {opened} of {cut}");
    }
}

const TRIALS: u32 = 2000;

/// Colluders enough that a plan for all n members breaks its promise where drop-outs stay away.
fn small(threat_model: ThreatModel, security_bits: u32) -> (Assumptions, Plan) {
    let of = Assumptions {
        corrupted: 0.2,
        dropout: if threat_model == ThreatModel::ActiveServer { 0.2 } else { 0.3 },
        security_bits,
        search_bits: 0,
        correctness_bits: 1,
        ..Assumptions::new(200, threat_model)
    };
    (of, of.plan().expect("a plan"))
}

/// Drop-outs are chosen: all that may come before the ring stay away, and then the server does as
/// it likes.
#[test]
fn active_plans_keep_their_promise() {
    let mut random = ChaCha20Rng::seed_from_u64(3);
    for bits in [4, 6] {
        let (_, plan) = small(ThreatModel::ActiveServer, bits);
        assert!(!plan.is_complete());
        for members in [plan.cohort_size(), plan.survivors()] {
            let [seen, error] = frequency(TRIALS, || {
                let ring = Ring::draw(members, plan.corrupted(), plan.degree(), &mut random);
                let t = plan.threshold() as usize;
                ring.alone(t).is_some() || ring.crowded(t).is_some()
            });
            let promised = (-f64::from(bits)).exp2();
            assert!(seen <= promised + 4.0 * error, "{bits} bits, {members} members: {seen}");
        }
    }
}

/// Drop-outs are random, before the ring or after it.
#[test]
fn curious_plans_keep_their_promise() {
    let mut random = ChaCha20Rng::seed_from_u64(4);
    for bits in [4, 6] {
        let (of, plan) = small(ThreatModel::HonestButCurious, bits);
        for (members, dropped) in [(plan.cohort_size(), plan.dropped()), (plan.survivors(), 0)] {
            let mut failed = 0;
            let [seen, error] = frequency(TRIALS, || {
                let ring = Ring::draw(members, plan.corrupted(), plan.degree(), &mut random);
                let gone = vanished(&ring, dropped as usize, &mut random);
                let t = plan.threshold() as usize;
                failed += u32::from(is_short_of_shares(&ring, &gone, t));
                let is_open = |place: usize| !gone[place] && ring.colluders_around(place) >= t;
                ring.honest().any(is_open) || is_cut(&ring, &gone)
            });
            let promised = (-f64::from(bits)).exp2();
            assert!(seen <= promised + 4.0 * error, "{bits} bits, {members} members: {seen}");
            let promised = (-f64::from(of.correctness_bits)).exp2();
            let error = (promised / f64::from(TRIALS)).sqrt();
            let failed = f64::from(failed) / f64::from(TRIALS);
            assert!(failed <= promised + 4.0 * error, "{members} members: {failed} fail");
        }
    }
}

/// Honest members that vanish by chance.
fn vanished(ring: &Ring, dropped: usize, random: &mut ChaCha20Rng) -> Vec<bool> {
    let mut drawn = marks(ring.honest().count(), dropped, random).into_iter();
    ring.corrupted.iter().map(|&corrupted| !corrupted && drawn.next() == Some(true)).collect()
}

fn is_short_of_shares(ring: &Ring, gone: &[bool], threshold: usize) -> bool {
    let answer = |place| ring.neighbours(place).filter(|&other| !gone[other]).count();
    (0..ring.len()).any(|place| answer(place) < threshold)
}

/// Whether two gaps between honest survivors are as wide as a window.
fn is_cut(ring: &Ring, gone: &[bool]) -> bool {
    let left: Vec<_> = ring.honest().filter(|&place| !gone[place]).collect();
    let wrapped = left.iter().skip(1).copied().chain(left.first().map(|first| first + ring.len()));
    left.iter().zip(wrapped).filter(|(one, next)| next - **one > ring.window).count() > 1
}
