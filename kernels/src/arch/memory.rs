//! Bytes on their way between memory and cache: asked for before they are read, written where nothing was before. What
//! the time goes into where an update is quantized and packed without masks, more than into arithmetic.
#![allow(
    unsafe_code,
    reason = "instructions that take an address, and the spare memory of vectors"
)]

use std::mem::MaybeUninit;

use rayon::prelude::*;
use zeroize::Zeroize;

use crate::Backend;

/// Bytes that a CPU moves between memory and cache at once.
#[cfg(target_arch = "x86_64")]
pub(super) const LINE: usize = 64;

/// How many bytes ahead of its use memory is asked for: of 1, 2, 4 and 8 KiB the best.
#[cfg(target_arch = "x86_64")]
const AHEAD: usize = 2 << 10;

/// From so many bytes on, what is appended goes past the caches, where the backend can do that: it would not stay in them, and a
/// cache reads a line before it is written. Shorter vectors are better off in cache, where they are soon read again.
const PAST_CACHE: usize = 32 << 20;

/// What proves that there are stores of whole lines past the cache. Two stores of half a line were slower than the cache is.
#[cfg(target_arch = "x86_64")]
type LineStores = super::avx512::Avx512;
#[cfg(not(target_arch = "x86_64"))]
#[derive(Clone, Copy)]
enum LineStores {}

/// Asks for the memory some way behind `now`, as much of it as `now` has. Whose it is does not matter: asking is no
/// access.
#[inline(always)]
pub(crate) fn prefetch<T>(now: &[T]) {
    #[cfg(target_arch = "x86_64")]
    for line in (AHEAD..AHEAD + size_of_val(now)).step_by(LINE) {
        let address = now.as_ptr().cast::<i8>().wrapping_add(line);
        // SAFETY: every x86-64 CPU has the instruction, and it faults at no address.
        unsafe { std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(address) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = now;
}

/// Appends `len` bytes to `out`, which are not zeroed first: tiles of `tile` bytes, each written by `write` on one of the
/// threads of the current rayon pool. `write` is given scratch, of which a thread makes little more than one, and the tile's number; it
/// answers an index if it cannot make the tile.
///
/// The least of such indices is the answer; `out` is then as it was, and what was written behind it is wiped.
///
/// # Panics
/// If a tile is not written whole.
pub(crate) fn append_tiles<S>(
    backend: Backend,
    out: &mut Vec<u8>,
    (len, tile): (usize, usize),
    scratch: impl Fn() -> S + Sync + Send,
    write: impl Fn(&mut S, usize, &mut Unwritten<'_>) -> Option<usize> + Sync + Send,
) -> Option<usize> {
    out.reserve(len);
    let spare = &mut out.spare_capacity_mut()[..len];
    let line_stores = line_stores(backend).filter(|_| len >= PAST_CACHE);
    let bad = spare.par_chunks_mut(tile).enumerate().map_init(scratch, |scratch, (index, rest)| {
        let mut tile = Unwritten { rest, line_stores };
        let bad = write(scratch, index, &mut tile);
        assert!(bad.is_some() || tile.rest.is_empty(), "a tile is written whole");
        bad
    });
    let bad = bad.flatten().min();
    if bad.is_some() {
        spare.zeroize();
        return bad;
    }
    // SAFETY: so many bytes were reserved, and each tile of them was just seen to be written to its end.
    unsafe { out.set_len(out.len() + len) };
    None
}

fn line_stores(backend: Backend) -> Option<LineStores> {
    match backend {
        #[cfg(target_arch = "x86_64")]
        Backend::Avx512(token) => Some(token),
        _ => None,
    }
}

/// Memory that is written from its start to its end.
pub(crate) struct Unwritten<'a> {
    rest: &'a mut [MaybeUninit<u8>],
    line_stores: Option<LineStores>,
}

impl Unwritten<'_> {
    /// Bytes that there is still room for.
    pub(crate) fn len(&self) -> usize {
        self.rest.len()
    }

    /// Writes the next bytes.
    ///
    /// # Panics
    /// If there is no room for so many.
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        let place = self.rest.split_off_mut(..bytes.len()).expect("room for what a tile holds");
        match self.line_stores {
            #[cfg(target_arch = "x86_64")]
            Some(token) => past_cache(token, bytes, place),
            _ => copy(bytes, place),
        }
    }
}

/// Whole lines go past the cache; their neighbours may share what is before and behind them.
#[cfg(target_arch = "x86_64")]
fn past_cache(token: LineStores, from: &[u8], to: &mut [MaybeUninit<u8>]) {
    let head = to.as_ptr().align_offset(LINE).min(to.len());
    let ((from_head, from), (to_head, to)) = (from.split_at(head), to.split_at_mut(head));
    let ((from, from_tail), (to, to_tail)) = (from.as_chunks(), to.as_chunks_mut());
    copy(from_head, to_head);
    token.store_lines(from, to);
    copy(from_tail, to_tail);
}

fn copy(from: &[u8], to: &mut [MaybeUninit<u8>]) {
    assert_eq!(from.len(), to.len());
    let first = to.as_mut_ptr().cast();
    // SAFETY: both have so many bytes, and what is borrowed to be written overlaps nothing.
    unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), first, from.len()) };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn appended(
        backend: Backend,
        start: usize,
        len: usize,
        bad: &[usize],
    ) -> (Vec<u8>, Option<usize>) {
        let byte = |i: usize| (i % 251) as u8;
        let mut out: Vec<u8> = (0..start).map(byte).collect();
        let answer =
            append_tiles(backend, &mut out, (len, 1000), Vec::new, |scratch, index, tile| {
                let first = start + 1000 * index;
                scratch.clear();
                scratch.extend((first..first + tile.len()).map(byte));
                tile.put(scratch);
                bad.contains(&index).then_some(index)
            });
        assert!(answer.is_some() || out.iter().enumerate().all(|(i, found)| *found == byte(i)));
        (out, answer)
    }

    /// Whole tiles that go past the cache; one byte more is a last tile without a whole line.
    const LONG: usize = (PAST_CACHE / 1000 + 1) * 1000;

    /// Starts on and off a line; lengths around a tile, and on both sides of where stores go past the cache.
    #[test]
    fn tiles_are_appended_in_order() {
        for backend in Backend::available() {
            for len in [0, 1, 63, 64, 999, 1000, 1001, 50_003, LONG, LONG + 1, LONG + 100] {
                for start in [0, 1, 18] {
                    assert_eq!(appended(backend, start, len, &[]).0.len(), start + len);
                }
            }
        }
    }

    #[test]
    fn the_least_index_is_the_answer_and_nothing_is_appended() {
        let (out, answer) = appended(Backend::detect(), 5, 50_003, &[49, 7, 30]);
        assert_eq!((out.len(), answer), (5, Some(7)));
    }

    #[test]
    #[should_panic(expected = "a tile is written whole")]
    fn a_tile_that_is_not_written_whole_is_never_given_out() {
        append_tiles(
            Backend::Portable,
            &mut Vec::new(),
            (10, 10),
            || (),
            |(), _, tile| {
                tile.put(&[0; 9]);
                None
            },
        );
    }
}
