//! Which instructions the kernels use.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// The instructions that the kernels use, carried as a value into every kernel function.
///
/// All backends compute exactly the same bits. Today there is one; backends for wider registers will join it, each
/// to be had only where [`available`](Self::available) finds it.
///
/// ```
/// use secagg_kernels::Backend;
///
/// let backend: Backend = "portable".parse()?;
/// assert!(Backend::available().any(|found| found == backend));
/// # Ok::<(), secagg_kernels::UnknownBackend>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Backend {
    /// Runs everywhere. The cipher crates underneath still find AES and vector instructions by themselves.
    Portable,
}

/// No backend of this name exists, or this machine cannot run it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("no such backend on this machine; `portable` runs everywhere")]
pub struct UnknownBackend;

impl Backend {
    /// The fastest backend that this machine can run.
    pub fn detect() -> Self {
        Self::Portable
    }

    /// Every backend that this machine can run, the fastest first.
    pub fn available() -> impl Iterator<Item = Self> {
        [Self::Portable].into_iter()
    }

    /// The name that [`FromStr`] reads: `portable`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Backend {
    type Err = UnknownBackend;

    fn from_str(name: &str) -> Result<Self, UnknownBackend> {
        Self::available().find(|backend| backend.name() == name).ok_or(UnknownBackend)
    }
}
