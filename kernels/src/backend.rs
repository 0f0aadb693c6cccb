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
/// assert_ne!("no-avx512,no-neon".parse::<Backend>()?.name(), "avx512"); // the fastest but for those
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
    /// x86-64 with AVX-512 (F, BW, DQ and VL) and AES instructions on 512 bits. Where there is IFMA as well, X25519 is eight times as wide.
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
    #[error(
        "no such backend: `portable`, `avx2`, `avx2-aesni`, `avx512` and `neon` exist, and `no-avx512` denies one"
    )]
    Unknown,
    /// All that this machine can run are denied.
    #[error(
        "every backend that this machine can run is denied: allow `portable`, which runs everywhere"
    )]
    AllDenied,
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
const NAMES: [&str; 5] = ["portable", "avx2", "avx2-aesni", "avx512", "neon"];

impl Backend {
    /// The fastest backend that this machine can run.
    pub fn detect() -> Self {
        Self::available().next().unwrap_or(Self::Portable)
    }

    /// The fastest backend that this machine can run and that is none of `denied`; the portable one if all others are.
    ///
    /// ```
    /// use secagg_kernels::Backend;
    ///
    /// let fastest = Backend::detect();
    /// let next = Backend::detect_except(&[fastest]);
    /// assert!(next != fastest || fastest == Backend::Portable);
    /// ```
    pub fn detect_except(denied: &[Self]) -> Self {
        Self::available().find(|found| !denied.contains(found)).unwrap_or(Self::Portable)
    }

    /// Every backend that this machine can run, the fastest first. Where there is VAES, AVX2 is there with and without it.
    pub fn available() -> impl Iterator<Item = Self> {
        Self::vectorised().into_iter().flatten().chain([Self::Portable])
    }

    #[cfg(target_arch = "x86_64")]
    fn vectorised() -> [Option<Self>; 3] {
        let avx2 = Avx2::detect();
        let aesni = Avx2::detect_aesni().filter(|aesni| avx2 != Some(*aesni));
        [Avx512::detect().map(Self::Avx512), avx2.map(Self::Avx2), aesni.map(Self::Avx2)]
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

    /// The name that [`FromStr`] reads: `portable`, `avx2`, `avx2-aesni`, `avx512` or `neon`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(token) => token.name(),
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

impl Backend {
    /// Whether this is the backend of that name. `avx2` is either of the two, of which the better comes first.
    fn is_called(self, name: &str) -> bool {
        self.name().strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest == "-aesni")
    }
}

/// Reads the name of one backend, or a list of backends that are denied, such as `no-avx512` or `no-avx512,no-avx2`: then the
/// fastest of the others is chosen.
impl FromStr for Backend {
    type Err = BackendError;

    fn from_str(text: &str) -> Result<Self, BackendError> {
        if !text.starts_with("no-") {
            let name = known(text)?;
            let found = Self::available().find(|backend| backend.is_called(name));
            return found.ok_or(BackendError::Unavailable { name });
        }
        let denied = text.split(',').map(|one| known(one.strip_prefix("no-").unwrap_or_default()));
        let denied: Vec<_> = denied.collect::<Result<_, _>>()?;
        let allowed = |found: &Self| !denied.iter().any(|name| found.is_called(name));
        Self::available().find(allowed).ok_or(BackendError::AllDenied)
    }
}

fn known(name: &str) -> Result<&'static str, BackendError> {
    NAMES.into_iter().find(|known| *known == name).ok_or(BackendError::Unknown)
}
