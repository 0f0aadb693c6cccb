//! Whether two classes of measurements have one mean: Welch's t-test (Welch, 1947), as dudect uses it (Reparaz, Balasch and
//! Verbauwhede, *Dude, is my code constant time?*, 2017).

/// What the slowest of all measurements are left out from: interrupts fall on either class alike, and hide the rest. No choice is right
/// for every leak, so several are tried.
const KEPT: [f64; 4] = [0.5, 0.75, 0.9, 0.99];

/// The largest |t| of all croppings. Above 4.5 chance is unlikely for one test; for many on a busy machine, the threshold has to
/// be higher. A leak's grows without bound with the number of measurements.
pub(crate) fn largest_t(classes: &[Vec<f64>; 2]) -> f64 {
    let mut all = classes.concat();
    all.sort_by(f64::total_cmp);
    let bounds = KEPT.map(|kept| all[(all.len() as f64 * kept) as usize]);
    bounds.iter().map(|&bound| cropped_t(classes, bound).abs()).fold(0.0, f64::max)
}

/// A class of which nothing is left is as far from the other as can be.
fn cropped_t(classes: &[Vec<f64>; 2], bound: f64) -> f64 {
    let crop = |class: &Vec<f64>| class.iter().copied().filter(|&time| time <= bound).collect();
    let [first, second]: [Vec<f64>; 2] = classes.each_ref().map(crop);
    if first.len() < 2 || second.len() < 2 {
        return f64::INFINITY;
    }
    t(&first, &second)
}

fn t(first: &[f64], second: &[f64]) -> f64 {
    let [(first, error), (second, other)] = [first, second].map(mean_and_error);
    (first - second) / (error + other).sqrt().max(f64::MIN_POSITIVE)
}

/// The mean, and its variance.
fn mean_and_error(times: &[f64]) -> (f64, f64) {
    let count = times.len() as f64;
    let mean = times.iter().sum::<f64>() / count;
    let variance = times.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / (count - 1.0);
    (mean, variance / count)
}
