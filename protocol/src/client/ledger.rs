//! Ledger of a client: the application bytes that it has masked a vector for, over all sessions.
//!
//! A sum over one client fewer tells that client's update. The protocol opens one sum in a session,
//! and nothing in it ties sessions together: a server can open a second one for the same model, say
//! that the first has failed, and subtract. The point of no return is the masked vector, since a
//! client does not see what others reveal.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::error::{Malformed, Misuse};
use crate::wire::{Reader, Writer};

/// Half of a SHA-256 of the application bytes, and half of a fingerprint under a key that nobody
/// else has. A collision of the first makes a client refuse, and one of the second cannot be
/// searched for.
const HALF: usize = 16;

/// Application bytes, and the vector that was masked for them.
pub(super) type Entry = ([u8; HALF], [u8; HALF]);

/// A client's memory of the application bytes for which it has masked a vector: 32 bytes for each
/// of them, none of which is secret. It refuses a second vector for the same application bytes,
/// except that very vector again: of the same session, weight and update, under the same masks.
///
/// The caller keeps [`to_bytes`](Self::to_bytes) before a vector is sent that was masked with
/// [`answer_once`](super::CollectMaskedVectors::answer_once), and passes the ledger to the next
/// session. Application bytes should name what the update belongs to: the model or the round.
///
/// ```
/// use secagg::client::Ledger;
///
/// let mut ledger = Ledger::default();
/// assert!(!ledger.forget(b"model 7f3a, round 12")); // nothing was masked for it
/// assert_eq!(Ledger::from_bytes(&ledger.to_bytes())?, ledger);
/// # Ok::<(), secagg::Malformed>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger(BTreeMap<[u8; HALF], [u8; HALF]>);

impl Ledger {
    /// Application bytes that a vector was masked for.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no vector was masked yet.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Admits a second vector for these application bytes; answers whether there was a first.
    ///
    /// This is safe in three cases: the first vector never left this process; the update has fresh
    /// noise, so that two sums tell no more than the noise allows; or a trusted server plays a
    /// round again ([`Workflow::attempts`](crate::Workflow::attempts)), as far as its word goes.
    pub fn forget(&mut self, application: &[u8]) -> bool {
        self.0.remove(&half(&application_hash(application))).is_some()
    }

    /// The ledger as bytes, to be kept.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut to = Writer::default();
        to.count(self.0.len());
        for (application, vector) in &self.0 {
            to.bytes(application);
            to.bytes(vector);
        }
        to.into_bytes()
    }

    /// Takes the bytes of [`to_bytes`](Self::to_bytes).
    ///
    /// # Errors
    /// [`Malformed`] for other bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut from = Reader::new(bytes);
        let entries = from.list(2 * HALF, |from| Ok((from.array()?, from.array()?)))?;
        from.finish()?;
        if entries.is_sorted_by(|(a, _): &([u8; HALF], _), (b, _)| a < b) {
            Ok(Self(entries.into_iter().collect()))
        } else {
            Err(Malformed::Order)
        }
    }

    /// Enters a vector, by the hash of its application bytes and its own fingerprint.
    pub(super) fn enter(
        &mut self,
        application: &[u8; 32],
        fingerprint: &[u8; 32],
    ) -> Result<(), Misuse> {
        let (application, vector) = (half(application), half(fingerprint));
        if self.0.get(&application).is_some_and(|first| *first != vector) {
            return Err(Misuse::MaskedBefore);
        }
        self.0.insert(application, vector);
        Ok(())
    }

    /// The entry that this ledger has and an older one lacks.
    pub(super) fn since(&self, before: &Self) -> Option<Entry> {
        let added = self.0.iter().find(|(application, _)| !before.0.contains_key(*application));
        added.map(|(application, vector)| (*application, *vector))
    }

    /// Enters again what a process has entered that may have ended before its ledger was kept.
    pub(super) fn enter_again(&mut self, (application, vector): Entry) {
        self.0.insert(application, vector);
    }
}

/// The hash of application bytes in a ledger.
pub(super) fn application_hash(application: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(b"secagg ledger").chain_update(application).finalize().into()
}

fn half(hash: &[u8; 32]) -> [u8; HALF] {
    let mut half = [0; HALF];
    half.copy_from_slice(&hash[..HALF]);
    half
}
