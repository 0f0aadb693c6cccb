//! Lanes of b bits as bytes, and back: eight lanes at a time, with the width as a constant.

use crate::Lane;
use crate::lane::{Lanes, LanesMut};

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
pub(crate) fn pack(width: u32, lanes: Lanes<'_>, out: &mut [u8]) {
    match lanes {
        Lanes::U16(lanes) => with_width!(width, WIDTH => pack_width::<u16, WIDTH>(lanes, out)),
        Lanes::U32(lanes) => with_width!(width, WIDTH => pack_width::<u32, WIDTH>(lanes, out)),
        Lanes::U64(lanes) => with_width!(width, WIDTH => pack_width::<u64, WIDTH>(lanes, out)),
    }
}

/// Unpacks lanes of `width` bits from `bytes`, which has exactly their length, over `lanes`.
#[inline(always)]
pub(crate) fn unpack(width: u32, bytes: &[u8], lanes: LanesMut<'_>) {
    match lanes {
        LanesMut::U16(lanes) => unpack_lanes(width, bytes, lanes, |_, new| new),
        LanesMut::U32(lanes) => unpack_lanes(width, bytes, lanes, |_, new| new),
        LanesMut::U64(lanes) => unpack_lanes(width, bytes, lanes, |_, new| new),
    }
}

/// Unpacks lanes of `width` bits from `bytes`, which has exactly their length, and adds them to `lanes`.
#[inline(always)]
pub(crate) fn unpack_add(width: u32, bytes: &[u8], lanes: LanesMut<'_>) {
    match lanes {
        LanesMut::U16(lanes) => unpack_lanes(width, bytes, lanes, u16::wrapping_add),
        LanesMut::U32(lanes) => unpack_lanes(width, bytes, lanes, u32::wrapping_add),
        LanesMut::U64(lanes) => unpack_lanes(width, bytes, lanes, u64::wrapping_add),
    }
}

/// Unpacks lanes; lane = put(lane, unpacked).
#[inline(always)]
fn unpack_lanes<L: Lane>(
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
