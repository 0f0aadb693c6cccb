//! Where things are in messages whose fields are no one's business, for tests that tamper with them.

use core::ops::Range;

use secagg::{ClientId, SessionId};

/// Version byte, kind byte, session id.
pub const HEADER_LEN: usize = 18;

const HASH_LEN: usize = 32;
const COUNT_LEN: usize = 4;
const BOX_LEN: usize = 80;
const ID_LEN: usize = 8;
const SHARE_LEN: usize = 32;

/// The session id.
pub const SESSION: Range<usize> = 2..HEADER_LEN;

/// The roster hash in `ShareKeysRequest`.
pub const ROSTER: Range<usize> = span(HEADER_LEN, HASH_LEN);

/// The commitment in `SealedShares`.
pub const COMMITMENT: Range<usize> = span(HEADER_LEN, HASH_LEN);

/// The box for the neighbour at `position` in `SealedShares`.
pub const fn sealed_box(position: usize) -> Range<usize> {
    span(HEADER_LEN + HASH_LEN + COUNT_LEN + position * BOX_LEN, BOX_LEN)
}

/// The box at `position` in a `CollectRequest`, without the sender's id before it.
pub const fn forwarded_box(position: usize) -> Range<usize> {
    span(HEADER_LEN + COUNT_LEN + position * (ID_LEN + BOX_LEN) + ID_LEN, BOX_LEN)
}

/// The tag and the share at `position` in `RevealedShares`, if none before it is missing.
pub const fn revealed(position: usize) -> Range<usize> {
    span(HEADER_LEN + COUNT_LEN + position * (1 + SHARE_LEN), 1 + SHARE_LEN)
}

/// A `CollectRequest` with these boxes.
pub fn collect_request(session: SessionId, boxes: &[(ClientId, [u8; BOX_LEN])]) -> Vec<u8> {
    let mut bytes = [&[1, 0x82][..], &session.0].concat();
    bytes.extend((boxes.len() as u32).to_le_bytes());
    for (sender, sealed) in boxes {
        bytes.extend(sender.0.to_le_bytes());
        bytes.extend(sealed);
    }
    bytes
}

/// Flips one bit, counted from the lowest of the first byte.
pub fn flip(bytes: &mut [u8], bit: usize) {
    bytes[bit / 8] ^= 1 << (bit % 8);
}

const fn span(start: usize, len: usize) -> Range<usize> {
    start..start + len
}
