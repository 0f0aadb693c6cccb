//! The mean as docs/protocol.md has it in section 9, followed word by word; and sums to read, which nobody made honestly.

use arbitrary::Arbitrary;
use secagg_kernels::{DequantizeError, Modulus, Quantizer, Real, SumOverflow, WeightedMean};

/// A sum over any number of clients, up to as many as there is room for.
#[derive(Arbitrary, Debug)]
pub struct Crowd {
    clients: u64,
    weight: Place,
    elements: Vec<Place>,
    clipped: Place,
    /// Where a fair zero is repeated between the elements, so that others are in the next tile.
    gap: u16,
}

/// A lane of a sum.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Place {
    /// Any.
    Any(u64),
    /// A part of the largest that the clients can make.
    Part(u32),
    /// Near an end of what honest clients of this total weight can make.
    Edge { high: bool, off: i8 },
}

impl Crowd {
    /// The number of clients; one more than fit is the most.
    pub fn clients(&self, quantizer: &Quantizer, modulus: Modulus) -> u64 {
        let most = (modulus.range() - 1) / u128::from(quantizer.quantization_range() - 1);
        (u128::from(self.clients) % (most + 2)) as u64
    }

    /// The lanes of the sum.
    pub fn sum(&self, quantizer: &Quantizer, modulus: Modulus) -> Vec<u64> {
        let clients = self.clients(quantizer, modulus);
        let (_, top_w) = scale(quantizer);
        let all = i128::from(clients) * top_w as i128;
        let weight = self.weight.lane(all, [0, all]) & modulus.max_value();
        let middle = i128::from(clients) * i128::from(zero(quantizer));
        let largest = largest(quantizer, clients, weight as f64 / scale(quantizer).0) as i128;
        let lane = |place: &Place| place.lane(2 * middle, [middle - largest, middle + largest]);
        let mut lanes: Vec<_> = self.elements.iter().map(lane).collect();
        let zeros = vec![middle as u64; self.zeros()];
        lanes.splice(lanes.len() / 2..lanes.len() / 2, zeros);
        let clipped = self.clipped.lane(clients.into(), [0, clients.into()]);
        [vec![weight], lanes, vec![clipped]].concat()
    }

    /// Mostly none. A tile has 16,384 lanes.
    fn zeros(&self) -> usize {
        if self.gap < 0xf000 { 0 } else { usize::from(self.gap & 0xfff) * 5 }
    }
}

impl Place {
    fn lane(self, largest: i128, edges: [i128; 2]) -> u64 {
        match self {
            Self::Any(lane) => lane,
            Self::Part(part) => (largest * i128::from(part) / i128::from(u32::MAX)) as u64,
            Self::Edge { high, off } => {
                let near = edges[usize::from(high)] + i128::from(off);
                near.clamp(0, u64::MAX.into()) as u64
            }
        }
    }
}

/// s and top_w: lanes per unit of weight, and the largest weight lane.
pub fn scale(quantizer: &Quantizer) -> (f64, f64) {
    let (top, w_max) = ((2 * zero(quantizer)) as f64, quantizer.max_weight());
    let s = top / w_max;
    if s >= 1.0 && w_max.fract() == 0.0 { (s.floor(), w_max * s.floor()) } else { (s, top) }
}

/// The ten steps.
///
/// # Errors
/// As the page has them, in its order.
pub fn mean<F: Real>(
    quantizer: &Quantizer,
    modulus: Modulus,
    clients: u64,
    sum: &[u64],
) -> Result<WeightedMean<F>, DequantizeError> {
    let (c, quantization_range) = (quantizer.clipping_range(), quantizer.quantization_range());
    let all = i128::from(clients) * i128::from(quantization_range - 1);
    if all >= modulus.range() as i128 {
        let modulus_range = modulus.range();
        return Err(SumOverflow { clients, quantization_range, modulus_range }.into());
    }
    if c > F::LARGEST / 2.0 {
        return Err(DequantizeError::NotRepresentable);
    }
    // The page speaks of vectors with these two lanes; the error's documentation of those without.
    let [weight, elements @ .., clipped] = sum else {
        return Err(DequantizeError::ZeroTotalWeight);
    };
    let total_weight = total_weight(quantizer, clients, *weight)?;
    let factor = (c / zero(quantizer) as f64) * (quantizer.max_weight() / total_weight);
    let largest = largest(quantizer, clients, total_weight);
    let middle = i128::from(clients) * i128::from(zero(quantizer));
    let element = |(at, &sum): (usize, &u64)| {
        let o = (i128::from(sum) - middle) as f64;
        let honest = i128::from(sum) <= 2 * middle && o.abs() <= largest;
        honest
            .then(|| F::from_f64((o * factor).max(-c).min(c)))
            .ok_or(DequantizeError::SumOutOfRange { lane: 1 + at })
    };
    let mean: Result<_, _> = elements.iter().enumerate().map(element).collect();
    let mean = mean?;
    if *clipped > clients {
        return Err(DequantizeError::SumOutOfRange { lane: sum.len() - 1 });
    }
    Ok(WeightedMean { mean, total_weight, clipped: *clipped })
}

/// Steps 2 to 4.
fn total_weight(quantizer: &Quantizer, clients: u64, sum: u64) -> Result<f64, DequantizeError> {
    let (s, top_w) = scale(quantizer);
    if i128::from(sum) > i128::from(clients) * top_w as i128 {
        Err(DequantizeError::SumOutOfRange { lane: 0 })
    } else if sum == 0 {
        Err(DequantizeError::ZeroTotalWeight)
    } else {
        Ok(sum as f64 / s)
    }
}

/// Step 6: how far an element of honest clients is from the middle at most.
fn largest(quantizer: &Quantizer, clients: u64, total_weight: f64) -> f64 {
    let zero = zero(quantizer) as f64;
    let honest = zero * (total_weight / quantizer.max_weight())
        + clients as f64 * (1.0 + zero * 2_f64.powi(-50));
    honest * (1.0 + 2_f64.powi(-40))
}

/// L, the lane of zero.
pub fn zero(quantizer: &Quantizer) -> u64 {
    (quantizer.quantization_range() - 1) / 2
}
