//! Stages that many threads hand messages to. Judging a message only looks; what is kept of it is little.

use std::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::Collecting;
use crate::error::Rejected;
use crate::{ClientId, Receive, trace};

/// Taking a message in two steps.
pub(super) trait Judge: Collecting + Send + Sync {
    /// What is worth keeping of a message.
    type Judged;

    /// Everything that can be found wrong with a message.
    fn judge(&self, from: ClientId, message: &[u8]) -> Result<Self::Judged, Rejected>;

    /// Keeps what was judged. Between the two steps another message may have been kept, perhaps of the same
    /// client, so whatever depends on others is judged again.
    fn keep(&mut self, from: ClientId, judged: Self::Judged) -> Result<(), Rejected>;
}

/// What [`Collecting::receive`](super::Collecting::receive) does.
pub(super) fn receive<S: Judge>(
    stage: &mut S,
    from: ClientId,
    message: &[u8],
) -> Result<(), Rejected> {
    trace::receive(S::STAGE, from, message, || {
        let judged = stage.judge(from, message)?;
        stage.keep(from, judged)
    })
}

/// What [`Collecting::concurrently`](super::Collecting::concurrently) does: threads judge together, and keep
/// one after another.
pub(super) fn concurrently<S: Judge, T>(
    stage: &mut S,
    exchange: impl FnOnce(&Receive<'_>) -> T,
) -> T {
    let stage = RwLock::new(stage);
    exchange(&|from, message| {
        trace::receive(S::STAGE, from, message, || {
            let judged = read(&stage).judge(from, message)?;
            write(&stage).keep(from, judged)
        })
    })
}

// Nothing panics under these locks. Were it to happen all the same, a message might be kept by half: the round ends, as
// every thread that comes later panics, too.

const POISONED: &str = "no thread panicked while it kept a message";

pub(super) fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().expect(POISONED)
}

pub(super) fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().expect(POISONED)
}

pub(super) fn lock<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().expect(POISONED)
}
