//! The numbers of an update, and how they become bytes and come from bytes.

use std::cmp::Ordering;
use std::ops::Range;

use half::{bf16, f16};

use super::dtype::EXACT;
use super::{Dtype, Layout};

/// The values of an update: f32 if that holds all its dtypes exactly, else f64.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// No tensor is wider than f32, nor an integer of 32 bits or more.
    F32(Vec<f32>),
    /// Some tensor is.
    F64(Vec<f64>),
}

impl Values {
    /// No values yet, of the kind that the layout needs.
    pub(super) fn empty_for(layout: &Layout) -> Self {
        if layout.tensors().iter().all(|t| t.dtype.fits_f32()) {
            return Self::F32(Vec::new());
        }
        Self::F64(Vec::new())
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(v) => v.len(),
            Self::F64(v) => v.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values from `start` to before `end`, each widened to f64.
    ///
    /// # Panics
    ///
    /// When the range leaves the values, as slices do.
    pub fn widened(&self, range: Range<usize>) -> Vec<f64> {
        match self {
            Self::F32(v) => v[range].iter().map(|&x| f64::from(x)).collect(),
            Self::F64(v) => v[range].to_vec(),
        }
    }

    /// Number of these elements that lie outside of plus or minus `limit`, and the magnitude of the
    /// largest element, outside or not.
    pub fn beyond(&self, elements: Range<usize>, limit: f64) -> (usize, f64) {
        match self {
            Self::F32(v) => beyond(v[elements].iter().map(|&x| f64::from(x)), limit),
            Self::F64(v) => beyond(v[elements].iter().copied(), limit),
        }
    }

    /// The same values in f64.
    pub fn into_f64(self) -> Vec<f64> {
        match self {
            Self::F32(v) => v.into_iter().map(f64::from).collect(),
            Self::F64(v) => v,
        }
    }

    /// Makes room, or says that there is none.
    pub(super) fn reserve(&mut self, more: usize) -> Option<()> {
        match self {
            Self::F32(v) => v.try_reserve_exact(more).ok(),
            Self::F64(v) => v.try_reserve_exact(more).ok(),
        }
    }

    /// Appends the elements in `bytes`, which must be whole ones.
    pub(super) fn extend(&mut self, dtype: Dtype, big_endian: bool, bytes: &[u8]) {
        match dtype {
            Dtype::F16 => self.push_all(bytes, big_endian, |b| f16::from_le_bytes(b).to_f64()),
            Dtype::Bf16 => self.push_all(bytes, big_endian, |b| bf16::from_le_bytes(b).to_f64()),
            Dtype::F32 => self.push_all(bytes, big_endian, |b| f32::from_le_bytes(b).into()),
            Dtype::F64 => self.push_all(bytes, big_endian, f64::from_le_bytes),
            Dtype::I8 => self.push_all(bytes, big_endian, |b| i8::from_le_bytes(b).into()),
            Dtype::I16 => self.push_all(bytes, big_endian, |b| i16::from_le_bytes(b).into()),
            Dtype::I32 => self.push_all(bytes, big_endian, |b| i32::from_le_bytes(b).into()),
            Dtype::I64 => self.push_all(bytes, big_endian, |b| i64::from_le_bytes(b) as f64),
            Dtype::U8 => self.push_all(bytes, big_endian, |[b]| b.into()),
            Dtype::U16 => self.push_all(bytes, big_endian, |b| u16::from_le_bytes(b).into()),
            Dtype::U32 => self.push_all(bytes, big_endian, |b| u32::from_le_bytes(b).into()),
            Dtype::U64 => self.push_all(bytes, big_endian, |b| u64::from_le_bytes(b) as f64),
            Dtype::Bool => self.push_all(bytes, big_endian, |[b]| f64::from(u8::from(b != 0))),
        }
    }

    fn push_all<const N: usize>(
        &mut self,
        bytes: &[u8],
        big_endian: bool,
        decode: impl Fn([u8; N]) -> f64,
    ) {
        let decode = |&element: &[u8; N]| {
            let mut little = element;
            if big_endian {
                little.reverse();
            }
            decode(little)
        };
        let elements = bytes.as_chunks().0.iter().map(decode);
        match self {
            // Exact: where a tensor is f64, the values are too.
            Self::F32(v) => v.extend(elements.map(|x| x as f32)),
            Self::F64(v) => v.extend(elements),
        }
    }

    /// Turns everything from `start` on, one column-major tensor, to row-major.
    pub(super) fn transpose_from(&mut self, start: usize, shape: &[usize]) {
        match self {
            Self::F32(v) => transpose(&mut v[start..], shape),
            Self::F64(v) => transpose(&mut v[start..], shape),
        }
    }

    /// The first value from `start` on that cannot be summed, and its distance from `start`: NaN,
    /// an infinity, or of an integer one that f64 may have rounded.
    pub(super) fn unfit_from(&self, start: usize, dtype: Dtype) -> Option<(usize, f64)> {
        let unfit = |x: f64| !x.is_finite() || (!dtype.is_float() && x.abs() >= EXACT);
        match self {
            Self::F32(v) => first(v[start..].iter().map(|&x| f64::from(x)), unfit),
            Self::F64(v) => first(v[start..].iter().copied(), unfit),
        }
    }
}

/// The little-endian bytes of `values` in `dtype`, rounded to the nearest, ties to even. A bool is
/// true from one half on.
///
/// An integer outside of the dtype's range is put back to the nearest.
///
/// # Errors
///
/// The position of the first value that `dtype` has no finite number for, or that is not finite.
pub(super) fn encode(values: &[f64], dtype: Dtype) -> Result<Vec<u8>, usize> {
    match dtype {
        Dtype::F16 => encode_all(values, |x| {
            let narrow = f16::from_f32(round_to_odd(x));
            narrow.is_finite().then(|| narrow.to_le_bytes())
        }),
        Dtype::Bf16 => encode_all(values, |x| {
            let narrow = bf16::from_f32(round_to_odd(x));
            narrow.is_finite().then(|| narrow.to_le_bytes())
        }),
        Dtype::F32 => encode_all(values, |x| {
            let narrow = x as f32;
            narrow.is_finite().then(|| narrow.to_le_bytes())
        }),
        Dtype::F64 => encode_all(values, |x| x.is_finite().then(|| x.to_le_bytes())),
        Dtype::Bool => encode_all(values, |x| x.is_finite().then(|| [u8::from(x >= 0.5)])),
        Dtype::I8 => encode_all(values, |x| whole(x).map(|x| (x as i8).to_le_bytes())),
        Dtype::I16 => encode_all(values, |x| whole(x).map(|x| (x as i16).to_le_bytes())),
        Dtype::I32 => encode_all(values, |x| whole(x).map(|x| (x as i32).to_le_bytes())),
        Dtype::I64 => encode_all(values, |x| whole(x).map(|x| (x as i64).to_le_bytes())),
        Dtype::U8 => encode_all(values, |x| whole(x).map(|x| (x as u8).to_le_bytes())),
        Dtype::U16 => encode_all(values, |x| whole(x).map(|x| (x as u16).to_le_bytes())),
        Dtype::U32 => encode_all(values, |x| whole(x).map(|x| (x as u32).to_le_bytes())),
        Dtype::U64 => encode_all(values, |x| whole(x).map(|x| (x as u64).to_le_bytes())),
    }
}

/// The nearest whole number. The cast that follows keeps it in the dtype's range.
fn whole(x: f64) -> Option<f64> {
    x.is_finite().then(|| x.round_ties_even())
}

fn encode_all<const N: usize>(
    values: &[f64],
    encode: impl Fn(f64) -> Option<[u8; N]>,
) -> Result<Vec<u8>, usize> {
    let mut bytes = Vec::with_capacity(values.len() * N);
    for (at, &value) in values.iter().enumerate() {
        bytes.extend(encode(value).ok_or(at)?);
    }
    Ok(bytes)
}

/// The f32 next to `x` on the side of zero, with its last bit set unless it is `x` itself.
///
/// Rounding twice to the nearest can miss: 1 + 2^-11 + 2^-40 becomes a tie in f32, and the tie then
/// goes down in f16. The odd bit remembers that something was cut off. Two spare bits suffice, and
/// f32 has 13 more than f16.
fn round_to_odd(x: f64) -> f32 {
    let near = x as f32;
    match f64::from(near).abs().partial_cmp(&x.abs()) {
        Some(Ordering::Greater) => f32::from_bits((near.to_bits() - 1) | 1),
        Some(Ordering::Less) => f32::from_bits(near.to_bits() | 1),
        Some(Ordering::Equal) | None => near,
    }
}

fn transpose<T: Copy>(tensor: &mut [T], shape: &[usize]) {
    let columns = tensor.to_vec();
    for (flat, value) in tensor.iter_mut().enumerate() {
        *value = columns[column_major(flat, shape, columns.len())];
    }
}

/// The row-major bytes of a column-major tensor whose elements have `width` bytes.
pub(super) fn transposed(bytes: &[u8], width: usize, shape: &[usize]) -> Vec<u8> {
    let elements = bytes.len() / width;
    let element = |flat| column_major(flat, shape, elements) * width;
    (0..elements).flat_map(|flat| &bytes[element(flat)..element(flat) + width]).copied().collect()
}

/// Where column-major order keeps the element that row-major order keeps at `flat`.
fn column_major(mut flat: usize, shape: &[usize], elements: usize) -> usize {
    let (mut at, mut stride) = (0, elements);
    for &extent in shape.iter().rev() {
        stride /= extent;
        at += (flat % extent) * stride;
        flat /= extent;
    }
    at
}

fn beyond(values: impl Iterator<Item = f64>, limit: f64) -> (usize, f64) {
    let magnitudes = values.map(f64::abs);
    magnitudes
        .fold((0, 0.0), |(count, largest), x| (count + usize::from(x > limit), x.max(largest)))
}

fn first(values: impl Iterator<Item = f64>, unfit: impl Fn(f64) -> bool) -> Option<(usize, f64)> {
    values.enumerate().find(|&(_, x)| unfit(x))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every finite number of a 16-bit format, its neighbour, their middle, and a hair to either
    /// side of the middle.
    fn check_narrowing(dtype: Dtype, widen: impl Fn(u16) -> f64, infinity: u16) {
        let round = |x: f64| match encode(&[x], dtype).as_deref() {
            Ok(&[low, high]) => u16::from_le_bytes([low, high]),
            _ => infinity,
        };
        for bits in 0..infinity - 1 {
            let (low, high) = (widen(bits), widen(bits + 1));
            let middle = low / 2.0 + high / 2.0;
            let even = bits + bits % 2;
            assert_eq!(round(low), bits, "{low:e} itself");
            assert_eq!(round(middle), even, "the tie above {low:e}");
            assert_eq!(round(middle.next_down()), bits, "just below the tie above {low:e}");
            assert_eq!(round(middle.next_up()), bits + 1, "just above the tie above {low:e}");
            assert_eq!(round(-middle), even | 0x8000, "the tie below {:e}", -low);
        }
    }

    #[test]
    fn narrowing_to_f16_goes_to_the_nearest_for_every_pair_of_neighbours() {
        check_narrowing(Dtype::F16, |b| f16::from_bits(b).to_f64(), f16::INFINITY.to_bits());
    }

    #[test]
    fn narrowing_to_bf16_goes_to_the_nearest_for_every_pair_of_neighbours() {
        check_narrowing(Dtype::Bf16, |b| bf16::from_bits(b).to_f64(), bf16::INFINITY.to_bits());
    }

    #[test]
    fn narrowing_past_the_largest_number_is_refused() {
        // 65504 is the largest f16, and 65520 the tie that would go to infinity.
        assert_eq!(encode(&[0.0, 65519.999], Dtype::F16).map(|b| b.len()), Ok(4));
        assert_eq!(encode(&[0.0, 65520.0], Dtype::F16), Err(1));
        assert_eq!(encode(&[f64::MAX], Dtype::Bf16), Err(0));
        assert_eq!(encode(&[0.0, 0.0, f64::MIN], Dtype::F32), Err(2));
        assert_eq!(encode(&[f64::NAN], Dtype::F64), Err(0));
    }

    #[test]
    fn transposing_follows_the_definition_of_column_major() {
        // Element (i, j, k) of a 2 × 3 × 4 array, stored with i fastest.
        let shape = [2, 3, 4];
        let mut values = Values::F64(Vec::new());
        for (k, j, i) in (0..24).map(|n| (n / 6, n / 2 % 3, n % 2)) {
            let value = f64::from(100 * i + 10 * j + k);
            values.extend(Dtype::F64, false, &value.to_le_bytes());
        }
        values.transpose_from(0, &shape);
        let expected = (0..24).map(|n| f64::from(100 * (n / 12) + 10 * (n / 4 % 3) + n % 4));
        assert_eq!(values, Values::F64(expected.collect()));
    }
}
