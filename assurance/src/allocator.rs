//! A global allocator that counts what is allocated, and looks for secrets in all that is given back.
//!
//! Its memory is zeroed, so that what it finds was written there by the block's last owner, and blocks never grow in place:
//! what moves leaves a block behind, which is looked at.
#![allow(
    unsafe_code,
    reason = "an allocator's interface, and reading blocks that are no longer anyone's"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::backtrace::Backtrace;
use std::cell::Cell;
use std::mem;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};

/// Bytes of a secret that are looked for. So many of a secret are as good as all of it, and chance makes none.
pub const NEEDLE: usize = 16;

/// To be made the `#[global_allocator]` of a program.
#[derive(Debug)]
pub struct Watchful;

// SAFETY: System keeps the duties; what is done beside it only reads blocks before they are given back.
unsafe impl GlobalAlloc for Watchful {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's duty is the same.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), SeqCst);
        search(block, layout.size());
        // SAFETY: the caller's duty is the same.
        unsafe { System.dealloc(block, layout) };
    }
}

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

fn count(bytes: usize) {
    let live = LIVE.fetch_add(bytes, SeqCst) + bytes;
    PEAK.fetch_max(live, SeqCst);
}

/// How much was allocated at one moment, to be compared with what is allocated later.
#[derive(Clone, Copy, Debug)]
pub struct Watermark(usize);

impl Watermark {
    /// Now; the peak counts from here on.
    pub fn now() -> Self {
        let live = LIVE.load(SeqCst);
        PEAK.store(live, SeqCst);
        Self(live)
    }

    /// Bytes that all threads together have allocated since and kept.
    pub fn kept(self) -> usize {
        LIVE.load(SeqCst).saturating_sub(self.0)
    }

    /// The most that it ever was since the last of all watermarks.
    pub fn peak(self) -> usize {
        PEAK.load(SeqCst).saturating_sub(self.0)
    }
}

/// A secret in a block that was given back.
#[derive(Debug)]
pub struct Find {
    /// The number that [`seek`] was told.
    pub secret: usize,
    /// Bytes of the block.
    pub size: usize,
    /// Who gave it back.
    pub backtrace: String,
}

/// A place for what is sought.
struct Place {
    words: [AtomicU64; 2],
    /// One more than the secret's number; zero where nothing is.
    secret: AtomicUsize,
}

impl Place {
    const fn free() -> Self {
        Self { words: [const { AtomicU64::new(0) }; 2], secret: AtomicUsize::new(0) }
    }
}

/// No lock, and nothing that is allocated: this is read while blocks are given back. Each needle is in the first free place
/// from that of its first word on.
static PLACES: [Place; 1 << PLACE_BITS] = [const { Place::free() }; 1 << PLACE_BITS];
const PLACE_BITS: u32 = 17;

/// Half of the places stay free, so that few are looked at.
const ROOM: usize = PLACES.len() / 2;
static SOUGHT: AtomicUsize = AtomicUsize::new(0);

/// A bit for some of a word's own: most words are no needle's first, and this says so at once.
const FILTER_BITS: u32 = 20;
static FILTER: [AtomicU64; 1 << (FILTER_BITS - 6)] =
    [const { AtomicU64::new(0) }; 1 << (FILTER_BITS - 6)];

static FOUND: Mutex<Vec<Find>> = Mutex::new(Vec::new());

thread_local! {
    /// Whether this thread is writing down a find, which allocates.
    static BUSY: Cell<bool> = const { Cell::new(false) };
}

/// Looks for these bytes of a secret from now on, in every block that is given back.
///
/// # Panics
/// If there is no room for more.
pub fn seek(needle: &[u8; NEEDLE], secret: usize) {
    assert!(SOUGHT.load(SeqCst) < ROOM, "so much cannot be sought at once");
    let words = words(needle);
    let place = places(words[0]).find(|place| place.secret.load(SeqCst) == 0);
    let place = place.expect("half of them are free");
    for (slot, word) in place.words.iter().zip(words) {
        slot.store(word, SeqCst);
    }
    let (word, bit) = filter(words[0]);
    FILTER[word].fetch_or(bit, SeqCst);
    place.secret.store(secret + 1, SeqCst);
    SOUGHT.fetch_add(1, SeqCst);
}

/// Looks for nothing any more, and answers what was found: each secret once.
pub fn finds() -> Vec<Find> {
    SOUGHT.store(0, SeqCst);
    for place in &PLACES {
        place.secret.store(0, SeqCst);
    }
    for word in &FILTER {
        word.store(0, SeqCst);
    }
    mem::take(&mut FOUND.lock().expect("no panic while it is held"))
}

fn words(needle: &[u8; NEEDLE]) -> [u64; 2] {
    let (halves, _) = needle.as_chunks::<8>();
    [0, 1].map(|half| u64::from_ne_bytes(halves[half]))
}

fn filter(word: u64) -> (usize, u64) {
    let hash = hash(word, FILTER_BITS);
    (hash >> 6, 1 << (hash & 63))
}

/// All places, from a word's own on.
fn places(word: u64) -> impl Iterator<Item = &'static Place> {
    let (before, from) = PLACES.split_at(hash(word, PLACE_BITS));
    from.iter().chain(before)
}

fn hash(word: u64, bits: u32) -> usize {
    (word.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - bits)) as usize
}

fn search(block: *mut u8, size: usize) {
    if SOUGHT.load(SeqCst) == 0 || size < NEEDLE || BUSY.get() {
        return;
    }
    for offset in 0..=size - NEEDLE {
        let first = word_at(block, offset);
        let (word, bit) = filter(first);
        if FILTER[word].load(SeqCst) & bit != 0 {
            compare([first, word_at(block, offset + 8)], size);
        }
    }
}

/// Eight bytes of a block, which reach at most to its end.
fn word_at(block: *mut u8, offset: usize) -> u64 {
    let place = block.wrapping_add(offset).cast::<[u8; 8]>();
    // SAFETY: the bytes are within the block, which is nobody's any more and not yet given back. Some may never have been
    // written by its owner, but all were zeroed; a volatile read takes them as they are.
    u64::from_ne_bytes(unsafe { place.read_volatile() })
}

fn compare(found: [u64; 2], size: usize) {
    let secrets = places(found[0]).map(|place| (place.secret.load(SeqCst), &place.words));
    for (secret, words) in secrets.take_while(|&(secret, _)| secret > 0) {
        if [0, 1].map(|half| words[half].load(SeqCst)) == found {
            note(secret - 1, size);
        }
    }
}

fn note(secret: usize, size: usize) {
    BUSY.set(true);
    let mut found = FOUND.lock().expect("no panic while it is held");
    if found.iter().all(|find| find.secret != secret) {
        let backtrace = Backtrace::force_capture().to_string();
        found.push(Find { secret, size, backtrace });
    }
    drop(found);
    BUSY.set(false);
}
