//! What an observer sees of a server: spans and counters of the `tracing` crate. Where nobody listens they cost a
//! comparison. This crate holds no clock; whoever listens brings one.

use tracing::{Level, debug, debug_span, event, info_span};

use crate::error::Rejected;
use crate::{ClientId, Stage};

/// Events with fields `monotonic_counter.NAME`, which exporters of metrics add to NAME.
const METRICS: &str = "secagg::metrics";

/// A whole stage, from its first message to its closing.
pub(crate) fn stage<T>(stage: Stage, run: impl FnOnce() -> T) -> T {
    info_span!("stage", stage = stage.name()).in_scope(run)
}

/// One message, and the counters that it moves.
pub(crate) fn receive(
    stage: Stage,
    client: ClientId,
    message: &[u8],
    judge: impl FnOnce() -> Result<(), Rejected>,
) -> Result<(), Rejected> {
    let _entered = debug_span!("receive", stage = stage.name(), client = client.0).entered();
    let verdict = judge();
    let (accepted, rejected) = (u64::from(verdict.is_ok()), u64::from(verdict.is_err()));
    if let Err(reason) = verdict {
        // No louder: anybody can have messages rejected.
        debug!(%reason, "rejected");
    }
    event!(
        target: METRICS,
        Level::DEBUG,
        monotonic_counter.secagg_accepted = accepted,
        monotonic_counter.secagg_rejected = rejected,
        monotonic_counter.secagg_received_bytes = message.len() as u64,
        stage = stage.name(),
    );
    verdict
}

/// The end of a stage, when its last message is in.
pub(crate) fn close<T>(run: impl FnOnce() -> T) -> T {
    info_span!("close").in_scope(run)
}

/// Secrets of so many clients, and the seeds that follow from them.
pub(crate) fn recover<T>(owners: usize, run: impl FnOnce() -> T) -> T {
    debug_span!("recover", owners).in_scope(run)
}

/// So many masks that come off the sum.
pub(crate) fn apply<E>(masks: usize, run: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
    debug_span!("apply", masks).in_scope(run)?;
    let masks = masks as u64;
    event!(target: METRICS, Level::DEBUG, monotonic_counter.secagg_masks_taken_off = masks);
    Ok(())
}
