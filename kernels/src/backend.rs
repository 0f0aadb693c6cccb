//! Which instructions the kernels use.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

#[cfg(all(target_arch = "aarch64", target_endian = "little"))]
use crate::arch::neon::Neon;
#[cfg(target_arch = "x86_64")]
use crate::arch::{avx2::Avx2, avx512::Avx512};

/// The instructions that the kernels use, carried as a value into every kernel function.
///
/// All backends compute exactly the same bits. A backend beyond the portable one holds a proof that only asking the CPU
/// makes, so that a value of this type can always be used.
///
/// ```
/// use secagg_kernels::{Backend, BackendError};
///
/// let backend: Backend = "portable".parse()?;
/// assert!(Backend::available().any(|found| found == backend));
/// assert_eq!("sse2".parse::<Backend>(), Err(BackendError::Unknown));
/// # Ok::<(), BackendError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Backend {
    /// Runs everywhere. The cipher crates underneath still find AES and vector instructions by themselves.
    Portable,
    /// x86-64 with AVX2 and AES instructions: those on 256 bits where the CPU has them, otherwise those on 128.
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    /// x86-64 with AVX-512 (F, BW, DQ and VL) and AES instructions on 512 bits.
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
    /// aarch64 with NEON and AES instructions.
    #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
    Neon(Neon),
}

/// A backend that cannot be had.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum BackendError {
    /// There is none of this name.
    #[error("no such backend: `portable`, `avx2`, `avx512` and `neon` exist")]
    Unknown,
    /// It exists, but not for the CPU of this machine.
    #[error(
        "the CPU of this machine lacks instructions of the backend `{name}`; `portable` runs everywhere"
    )]
    Unavailable {
        /// The backend's name.
        name: &'static str,
    },
}

/// The names of all backends, on whatever machine.
const NAMES: [&str; 4] = ["portable", "avx2", "avx512", "neon"];

impl Backend {
    /// The fastest backend that this machine can run.
    pub fn detect() -> Self {
        Self::available().next().unwrap_or(Self::Portable)
    }

    /// Every backend that this machine can run, the fastest first.
    pub fn available() -> impl Iterator<Item = Self> {
        Self::vectorised().into_iter().flatten().chain([Self::Portable])
    }

    #[cfg(target_arch = "x86_64")]
    fn vectorised() -> [Option<Self>; 2] {
        [Avx512::detect().map(Self::Avx512), Avx2::detect().map(Self::Avx2)]
    }

    #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
    fn vectorised() -> [Option<Self>; 1] {
        [Neon::detect().map(Self::Neon)]
    }

    #[cfg(not(any(
        target_arch = "x86_64",
        all(target_arch = "aarch64", target_endian = "little")
    )))]
    fn vectorised() -> [Option<Self>; 0] {
        []
    }

    /// The name that [`FromStr`] reads: `portable`, `avx2`, `avx512` or `neon`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) => "avx2",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_) => "avx512",
            #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
            Self::Neon(_) => "neon",
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Backend {
    type Err = BackendError;

    fn from_str(name: &str) -> Result<Self, BackendError> {
        let name = NAMES.into_iter().find(|known| *known == name).ok_or(BackendError::Unknown)?;
        let found = Self::available().find(|backend| backend.name() == name);
        found.ok_or(BackendError::Unavailable { name })
    }
}
