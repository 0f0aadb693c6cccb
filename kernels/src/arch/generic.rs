//! Loops that every backend shares. They are plain and inline, so that the compiler vectorises them for the
//! instructions of whoever calls them. A crate of vector types fixes its instructions when it is compiled instead: with
//! `wide` in a default build, quantizing was 2.4 times slower than the loop here, and adding masks was no faster.

use crate::quantize::{Scale, Unscale};
use crate::{Lane, Real};

/// Takes a keystream piece by piece. Every piece but the first and the last is a whole number of blocks.
pub(crate) trait Sink {
    /// Takes the next bytes.
    fn take(&mut self, keystream: &[u8]);
}

/// A stream is asked for exactly what its sink can take.
const COVERED: &str = "a sink as long as the stream";

/// Writes the keystream down.
pub(crate) struct Fill<'a> {
    pub(crate) out: &'a mut [u8],
}

impl Sink for Fill<'_> {
    #[inline(always)]
    fn take(&mut self, keystream: &[u8]) {
        let out = self.out.split_off_mut(..keystream.len()).expect(COVERED);
        out.copy_from_slice(keystream);
    }
}

/// Adds the keystream to lanes. No lane straddles two pieces, since blocks are a whole number of lanes.
pub(crate) struct AddLanes<'a, L> {
    pub(crate) lanes: &'a mut [L],
}

impl<L: Lane> Sink for AddLanes<'_, L> {
    #[inline(always)]
    fn take(&mut self, keystream: &[u8]) {
        let lanes = self.lanes.split_off_mut(..keystream.len() / L::BYTES).expect(COVERED);
        for (lane, bytes) in lanes.iter_mut().zip(keystream.chunks_exact(L::BYTES)) {
            *lane = lane.wrapping_add(L::from_le_slice(bytes));
        }
    }
}

/// Subtracts the keystream from lanes.
pub(crate) struct SubLanes<'a, L> {
    pub(crate) lanes: &'a mut [L],
}

impl<L: Lane> Sink for SubLanes<'_, L> {
    #[inline(always)]
    fn take(&mut self, keystream: &[u8]) {
        let lanes = self.lanes.split_off_mut(..keystream.len() / L::BYTES).expect(COVERED);
        for (lane, bytes) in lanes.iter_mut().zip(keystream.chunks_exact(L::BYTES)) {
            *lane = lane.wrapping_sub(L::from_le_slice(bytes));
        }
    }
}

/// Quantizes elements, rounding by the keystream.
pub(crate) struct Quantize<'a, F, L> {
    pub(crate) scale: &'a Scale,
    pub(crate) elements: &'a [F],
    pub(crate) lanes: &'a mut [L],
    /// Whether all elements so far were finite.
    pub(crate) finite: bool,
}

impl<F: Real, L: Lane> Sink for Quantize<'_, F, L> {
    #[inline(always)]
    fn take(&mut self, keystream: &[u8]) {
        let count = keystream.len() / 4;
        let lanes = self.lanes.split_off_mut(..count).expect(COVERED);
        let elements = self.elements.split_off(..count).expect(COVERED);
        self.finite &= quantize(*self.scale, elements, keystream, lanes);
    }
}

/// Quantizes as many elements as there are words, and says whether all were finite.
///
/// The arguments of a function do not alias, and the scale is a copy: that is what lets the loop be vectorised.
#[inline(always)]
fn quantize<F: Real, L: Lane>(scale: Scale, elements: &[F], words: &[u8], lanes: &mut [L]) -> bool {
    let mut finite = true;
    for ((lane, element), word) in lanes.iter_mut().zip(elements).zip(words.as_chunks().0) {
        let element = element.to_f64();
        finite &= element.is_finite();
        *lane = L::from_u64(scale.lane(element, u32::from_le_bytes(*word)));
    }
    finite
}

/// Turns sums into means. Answers the index of the first sum that honest clients cannot make.
#[inline(always)]
pub(crate) fn dequantize<F: Real, L: Lane>(
    unscale: Unscale,
    sums: &[L],
    mean: &mut [F],
) -> Option<usize> {
    let mut all_honest = true;
    for (mean, sum) in mean.iter_mut().zip(sums) {
        let (value, honest) = unscale.mean(*sum);
        *mean = F::from_f64(value);
        all_honest &= honest;
    }
    if all_honest { None } else { sums.iter().position(|sum| !unscale.mean(*sum).1) }
}

/// Lanes that are packed together: eight lanes of b bits are exactly b bytes.
const GROUP: usize = 8;

/// Calls a function with the width as a constant, so that every shift in it is one too.
macro_rules! with_width {
    ($width:expr, $constant:ident => $body:expr) => {
        with_width!(@ $width, $constant => $body;
            1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32
            33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63 64)
    };
    (@ $width:expr, $constant:ident => $body:expr; $($value:literal)*) => {
        match $width {
            $($value => { const $constant: usize = $value; $body })*
            _ => unreachable!("a width is from 1 to 64"),
        }
    };
}

/// Packs lanes of `width` bits over `out`, which has exactly their length.
#[inline(always)]
pub(crate) fn pack<L: Lane>(width: u32, lanes: &[L], out: &mut [u8]) {
    with_width!(width, WIDTH => pack_width::<L, WIDTH>(lanes, out));
}

/// Unpacks lanes of `width` bits from `bytes`, which has exactly their length; lane = put(lane, unpacked).
#[inline(always)]
pub(crate) fn unpack<L: Lane>(
    width: u32,
    bytes: &[u8],
    lanes: &mut [L],
    put: impl Fn(L, L) -> L + Copy,
) {
    with_width!(width, WIDTH => unpack_width::<L, WIDTH>(bytes, lanes, put));
}

#[inline(always)]
fn pack_width<L: Lane, const WIDTH: usize>(lanes: &[L], out: &mut [u8]) {
    assert!(
        WIDTH as u32 <= L::BITS,
        "checked by the caller; it also keeps unreachable widths out of the binary"
    );
    let (groups, tail) = lanes.as_chunks::<GROUP>();
    let mut pieces = out.chunks_exact_mut(WIDTH);
    for (group, piece) in groups.iter().zip(&mut pieces) {
        pack_group::<L, WIDTH>(group, piece);
    }
    if !tail.is_empty() {
        let (mut group, mut piece) = ([L::default(); GROUP], [0; WIDTH]);
        group[..tail.len()].copy_from_slice(tail);
        pack_group::<L, WIDTH>(&group, &mut piece);
        let rest = &mut out[groups.len() * WIDTH..];
        rest.copy_from_slice(&piece[..rest.len()]);
    }
}

#[inline(always)]
fn unpack_width<L: Lane, const WIDTH: usize>(
    bytes: &[u8],
    lanes: &mut [L],
    put: impl Fn(L, L) -> L,
) {
    assert!(
        WIDTH as u32 <= L::BITS,
        "checked by the caller; it also keeps unreachable widths out of the binary"
    );
    let (groups, tail) = lanes.as_chunks_mut::<GROUP>();
    let (pieces, rest) = bytes.split_at(groups.len() * WIDTH);
    let (pieces, _) = pieces.as_chunks::<WIDTH>();
    for (group, piece) in groups.iter_mut().zip(pieces) {
        for (index, lane) in group.iter_mut().enumerate() {
            *lane = put(*lane, L::from_u64(bits_at::<WIDTH>(piece, index)));
        }
    }
    if !tail.is_empty() {
        let mut piece = [0; WIDTH];
        piece[..rest.len()].copy_from_slice(rest);
        for (index, lane) in tail.iter_mut().enumerate() {
            *lane = put(*lane, L::from_u64(bits_at::<WIDTH>(&piece, index)));
        }
    }
}

/// Eight lanes become `WIDTH` bytes.
#[inline(always)]
fn pack_group<L: Lane, const WIDTH: usize>(lanes: &[L; GROUP], out: &mut [u8]) {
    let mut words = [0_u64; GROUP + 1];
    for (index, lane) in lanes.iter().enumerate() {
        let value = lane.to_u64() & (u64::MAX >> (64 - WIDTH));
        let (word, shift) = (index * WIDTH / 64, index * WIDTH % 64);
        words[word] |= value << shift;
        if shift + WIDTH > 64 {
            words[word + 1] |= value >> (64 - shift);
        }
    }
    for (bytes, word) in out.chunks_mut(8).zip(words) {
        bytes.copy_from_slice(&word.to_le_bytes()[..bytes.len()]);
    }
}

/// Lane number `index` of a group of eight.
#[inline(always)]
fn bits_at<const WIDTH: usize>(piece: &[u8; WIDTH], index: usize) -> u64 {
    if matches!(WIDTH, 8 | 16 | 32 | 64) {
        let mut word = [0; 8];
        word[..WIDTH / 8].copy_from_slice(&piece[index * WIDTH / 8..][..WIDTH / 8]);
        return u64::from_le_bytes(word);
    }
    let first_bit = index * WIDTH;
    if WIDTH < 8 {
        let mut word = [0; 8];
        word[..WIDTH].copy_from_slice(piece);
        return (u64::from_le_bytes(word) >> first_bit) & (u64::MAX >> (64 - WIDTH));
    }
    // Eight bytes that hold the lane's first bit, as late as the group's end allows.
    let start = (first_bit / 8).min(WIDTH.saturating_sub(8));
    let shift = first_bit - start * 8;
    let mut value = u64::from_le_slice(&piece[start..start + 8]) >> shift;
    if shift + WIDTH > 64 {
        value |= u64::from(piece[start + 8]) << (64 - shift);
    }
    value & (u64::MAX >> (64 - WIDTH))
}
