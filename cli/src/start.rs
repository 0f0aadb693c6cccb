//! Preparations before any command.

use crate::error::CommandError;
use crate::{crew, memory, signals};

/// Watches for signals and starts the threads that kernels use, so that limits of the process are
/// met before the work.
///
/// # Errors
/// [`CommandError`] if memory, threads or descriptors do not suffice for that.
pub fn prepare() -> Result<(), CommandError> {
    let _held = memory::check_bytes(0, 1)?;
    signals::watch().map_err(CommandError::Signals)?;
    crew::start_global()
}
