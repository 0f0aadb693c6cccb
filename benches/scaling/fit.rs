//! Least squares, small enough to be seen through.

/// A straight line: `rise` for each step along, from `start` on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// What one step adds.
    pub rise: f64,
    /// Where it begins.
    pub start: f64,
}

impl Line {
    /// The line nearest to some points, in the sum of squared distances upwards.
    pub fn through(points: &[(f64, f64)]) -> Self {
        let count = points.len() as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
        let (x, y) = (mean(|point| point.0), mean(|point| point.1));
        let across: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
        let along: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
        let rise = along / across;
        Self { rise, start: y - rise * x }
    }

    /// The exponent e of the law c x^e that is nearest in logarithms.
    pub fn exponent(points: &[(f64, f64)]) -> f64 {
        let logarithms: Vec<_> = points.iter().map(|&(x, y)| (x.ln(), y.ln())).collect();
        Self::through(&logarithms).rise
    }
}

/// The costs c ≥ 0 for which Σ c_i x_i is nearest to y, in the sum of squared *relative* errors over all rows (x, y), so
/// that a millisecond counts as much as a minute.
///
/// Where a free fit would make a cost negative, that cost is zero: each set of costs that are not zero is tried, and
/// the best kept. There are few terms.
pub fn least_squares(rows: &[(Vec<f64>, f64)]) -> Vec<f64> {
    let terms = rows.first().map_or(0, |row| row.0.len());
    let fits = (1..1_u32 << terms).filter_map(|set| {
        let chosen: Vec<_> = (0..terms).filter(|term| set >> term & 1 == 1).collect();
        let costs = costs_of(rows, &chosen)?;
        let mut all = vec![0.0; terms];
        for (&term, cost) in chosen.iter().zip(costs) {
            all[term] = cost;
        }
        all.iter().all(|&cost| cost >= 0.0).then(|| (error(rows, &all), all))
    });
    let best = fits.min_by(|a, b| a.0.total_cmp(&b.0));
    best.map_or(vec![0.0; terms], |(_, costs)| costs)
}

/// The sum of squared relative errors.
fn error(rows: &[(Vec<f64>, f64)], costs: &[f64]) -> f64 {
    let dot = |x: &[f64]| x.iter().zip(costs).map(|(x, cost)| x * cost).sum::<f64>();
    rows.iter().map(|(x, y)| (dot(x) / y - 1.0).powi(2)).sum()
}

/// Solves the normal equations for the chosen terms; nothing if they do not tell the terms apart.
fn costs_of(rows: &[(Vec<f64>, f64)], chosen: &[usize]) -> Option<Vec<f64>> {
    // Every row divided by its y, so that all right sides are 1; every column by its length, so that counts of
    // very different sizes do not lose digits.
    let column = |term: usize| rows.iter().map(|(x, y)| x[term] / y).collect::<Vec<_>>();
    let columns: Vec<_> = chosen.iter().map(|&term| column(term)).collect();
    let lengths: Vec<_> = columns.iter().map(|it| dot(it, it).sqrt()).collect();
    let mut system: Vec<Vec<f64>> = Vec::new();
    for (a, length) in columns.iter().zip(&lengths) {
        let products = columns.iter().zip(&lengths).map(|(b, other)| dot(a, b) / length / other);
        system.push(products.chain([a.iter().sum::<f64>() / length]).collect());
    }
    let solved = eliminate(system)?;
    Some(solved.iter().zip(&lengths).map(|(value, length)| value / length).collect())
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Gauss and Jordan, on a symmetric system with ones on its diagonal.
fn eliminate(mut system: Vec<Vec<f64>>) -> Option<Vec<f64>> {
    for pivot in 0..system.len() {
        let row = system[pivot].clone();
        if row[pivot].is_nan() || row[pivot] < 1e-9 {
            return None;
        }
        for (_, other) in system.iter_mut().enumerate().filter(|&(at, _)| at != pivot) {
            let factor = other[pivot] / row[pivot];
            other.iter_mut().zip(&row).for_each(|(cell, from)| *cell -= factor * from);
        }
    }
    Some(system.iter().enumerate().map(|(at, row)| row[row.len() - 1] / row[at]).collect())
}
