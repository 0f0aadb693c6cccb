//! How costs grow along an axis, as measured and as the laws say.

use super::{Axis, Laws, Line, Measured, Part, Point};

/// A part's growth along an axis.
#[derive(Clone, Copy, Debug)]
pub struct Slope {
    /// The part, or all of the server's or of a client's; or bytes.
    pub what: &'static str,
    /// Log-log exponent; for dropped clients, of which there may be none, seconds or bytes for each.
    pub measured: f64,
    /// The same of what the formula says at the same points.
    pub formula: f64,
    /// Whether the formula says that it grows, or shrinks, so that a ratio means something.
    pub grows: bool,
}

impl Slope {
    /// Measured over formula; none where the formula says that nothing grows.
    pub fn ratio(&self) -> Option<f64> {
        self.grows.then_some(self.measured / self.formula)
    }
}

/// What grows along an axis. Over threads it is time on the wall, and the formula says that twice the threads take half of it.
pub fn slopes(measured: &Measured, laws: &Laws, axis: Axis) -> Vec<Slope> {
    let points: Vec<_> = measured.points.iter().filter(|point| point.axis == axis).collect();
    if points.len() < 2 {
        return Vec::new();
    }
    let parts = Part::SERVER.iter().chain(&Part::CLIENT);
    let mut slopes: Vec<_> = parts
        .filter(|part| axis != Axis::Threads || SPREAD.contains(part))
        .map(|&part| slope(part.name(), &points, laws, axis, &[part]))
        .collect();
    let sums: [(_, &[Part]); 2] =
        [("server, all parts", &Part::SERVER), ("client, all parts", &Part::CLIENT)];
    for (what, parts) in sums.into_iter().filter(|_| axis != Axis::Threads) {
        slopes.push(slope(what, &points, laws, axis, parts));
    }
    if axis != Axis::Threads {
        slopes.push(bytes("client, bytes up", &points, axis, 1));
        slopes.push(bytes("client, bytes down", &points, axis, 0));
    }
    // Along the others, that nothing grows is worth a look, too.
    slopes.retain(|slope| axis != Axis::Dropped || slope.grows);
    slopes
}

/// What one server spreads over threads by itself when one thread brings it all messages. Agreements come in batches of 64, which
/// is more than the neighbours of a client here.
const SPREAD: [Part; 3] = [Part::Add, Part::Apply, Part::Read];

fn slope(what: &'static str, points: &[&Point], laws: &Laws, axis: Axis, parts: &[Part]) -> Slope {
    if axis == Axis::Threads {
        let walls = |point: &Point| parts.iter().map(|part| point.parts[part].wall).sum();
        let halves = |point: &Point| 1.0 / axis.place(&point.case);
        return between(what, points, axis, walls, halves);
    }
    let taken = |point: &Point| parts.iter().map(|part| point.parts[part].processor).sum();
    between(what, points, axis, taken, |point| laws.seconds(parts, &point.case))
}

fn bytes(what: &'static str, points: &[&Point], axis: Axis, way: usize) -> Slope {
    between(what, points, axis, |point| point.bytes[way], |point| point.case.bytes()[way])
}

fn between(
    what: &'static str,
    points: &[&Point],
    axis: Axis,
    measured: impl Fn(&Point) -> f64,
    formula: impl Fn(&Point) -> f64,
) -> Slope {
    let said = || points.iter().map(|point| formula(point));
    let (least, most) = (said().fold(f64::MAX, f64::min), said().fold(0.0, f64::max));
    Slope {
        what,
        measured: grade(points, axis, measured),
        formula: grade(points, axis, &formula),
        grows: most > 1.05 * least,
    }
}

fn grade(points: &[&Point], axis: Axis, of: impl Fn(&Point) -> f64) -> f64 {
    let at: Vec<_> = points.iter().map(|point| (axis.place(&point.case), of(point))).collect();
    if axis == Axis::Dropped { Line::through(&at).rise } else { Line::exponent(&at) }
}
