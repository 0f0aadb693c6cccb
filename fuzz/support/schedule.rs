//! What happens in a round, as an input draws it.

use arbitrary::Arbitrary;
use secagg::{ClientId, Stage};
use secagg_tests::wire;

use crate::round::Terms;

/// A round's terms, and what goes wrong at each stage.
#[derive(Arbitrary, Debug)]
pub struct Schedule {
    /// The parameters.
    pub terms: Terms,
    /// One for each stage, in their order.
    pub scenes: [Scene; 5],
}

/// What goes wrong at one stage. Clients of whom nothing is said answer at its end.
#[derive(Arbitrary, Debug)]
pub struct Scene {
    silent: u8,
    /// In their order.
    pub acts: Vec<Act>,
}

/// Something that happens before a stage ends.
#[derive(Arbitrary, Debug)]
pub enum Act {
    /// A client answers, for the first time or again.
    Answer(Someone),
    /// A client answers something else.
    Lie(Someone, Vec<Edit>),
    /// What was said once, by whomever, is said by this client.
    Replay(Someone, u8),
    /// Bytes come from a client.
    Garbage(Someone, Vec<u8>),
    /// The server's process ends and another one goes on; this bit of its state is altered before, in vain.
    Reborn(u16),
}

/// A client of the cohort, or one of its neighbours by id, who is none.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct Someone(u8);

/// One change of an honest message.
#[derive(Arbitrary, Debug)]
pub enum Edit {
    /// One bit.
    Flip(u16),
    /// One byte.
    Set(u16, u8),
    /// The end is missing.
    Cut(u8),
    /// Something follows the end.
    Append(u8),
    /// A field of 32 bytes is all the same, such as a key of low order.
    Fill(u8, u8),
    /// Two entries of a list are exchanged.
    Swap(u8, u8),
    /// An entry is nothing but zeros.
    Blank(u8),
}

impl Scene {
    /// Whether a client's honest answer is lost.
    pub fn is_silent(&self, client: ClientId) -> bool {
        self.silent >> (client.0 % 8) & 1 == 1
    }
}

impl Someone {
    /// The id, in a cohort of `clients`.
    pub fn id(self, clients: usize) -> ClientId {
        ClientId(u64::from(self.0) % (clients as u64 + 2))
    }
}

impl Edit {
    /// Changes a client's message of a stage.
    pub fn apply(&self, stage: Stage, bytes: &mut Vec<u8>) {
        match *self {
            Self::Flip(bit) => {
                let bit = usize::from(bit) % (8 * bytes.len()).max(1);
                bytes.iter_mut().skip(bit / 8).take(1).for_each(|byte| *byte ^= 1 << (bit % 8));
            }
            Self::Set(at, to) => {
                bytes.iter_mut().skip(at.into()).take(1).for_each(|byte| *byte = to);
            }
            Self::Cut(less) => bytes.truncate(bytes.len().saturating_sub(less.into())),
            Self::Append(byte) => bytes.push(byte),
            Self::Fill(field, byte) => {
                let start = wire::HEADER_LEN + 32 * usize::from(field % 8);
                bytes.iter_mut().skip(start).take(32).for_each(|old| *old = byte);
            }
            Self::Swap(a, b) => swap(stage, bytes, a.into(), b.into()),
            Self::Blank(at) => {
                if let Some(entry) = bytes.get_mut(entry(stage, usize::from(at % 8))) {
                    entry.fill(0);
                }
            }
        }
    }
}

fn entry(stage: Stage, at: usize) -> core::ops::Range<usize> {
    if stage == Stage::ShareKeys { wire::sealed_box(at) } else { wire::revealed(at) }
}

fn swap(stage: Stage, bytes: &mut [u8], a: usize, b: usize) {
    let [a, b] = [a, b].map(|at| entry(stage, at % 8));
    if a.end.max(b.end) <= bytes.len() {
        for (a, b) in a.zip(b) {
            bytes.swap(a, b);
        }
    }
}
