//! Who is who, and the keys and names that are drawn at random. All randomness is the operating system's.

use getrandom::SysRng;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyMapping};
use rand_core::UnwrapErr;
use secagg::{ClientId, SessionId, VerifyingKey};

use crate::arguments::{Whole, secret};
use crate::arrays::Bytes;
use crate::errors::{misuse, misused};

/// The operating system's randomness.
pub(crate) const fn rng() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}

/// A client's long-term Ed25519 signing key, for rounds against an active server. Silent in `repr`.
#[pyclass(frozen, module = "secagg")]
#[derive(Clone, Debug)]
pub(crate) struct Identity(pub(crate) secagg::Identity);

#[pymethods]
impl Identity {
    /// The identity of 32 secret bytes.
    #[new]
    #[allow(clippy::needless_pass_by_value)] // The bytes' borrow lasts as long as the call.
    fn new(secret: Bytes<'_>) -> PyResult<Self> {
        self::secret(secret.as_slice()?, "an identity")
            .map(|bytes| Self(secagg::Identity::from_bytes(&bytes)))
    }

    /// A fresh identity, from the operating system's randomness.
    #[staticmethod]
    fn random() -> Self {
        Self(secagg::Identity::random(&mut rng()))
    }

    /// The 32 secret bytes, to be kept where no one else reads them.
    fn to_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.0.as_bytes())
    }

    /// The 32 public bytes that others know this identity by.
    #[getter]
    fn verifying_key<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.0.verifying_key().as_bytes())
    }

    fn __repr__(&self) -> String {
        format!("{:?}", self.0)
    }
}

/// The verifying keys of clients, given by the application to every client and to the server.
#[pyclass(frozen, module = "secagg")]
#[derive(Clone, Debug)]
pub(crate) struct Directory(pub(crate) secagg::Directory);

#[pymethods]
impl Directory {
    /// A directory of verifying keys by client id.
    ///
    /// Raises
    /// ------
    /// Misuse
    ///     For a key that is none, or that two clients have.
    #[new]
    fn new(entries: &Bound<'_, PyMapping>) -> PyResult<Self> {
        let entries: Vec<(Whole<u64>, Bytes<'_>)> = entries.items()?.extract()?;
        let entries = entries.iter().map(|(Whole(client), key)| {
            let no_key = |error| misuse("VerifyingKey", format_args!("client {client}: {error}"));
            let key: &[u8; 32] = key.as_slice()?.try_into().map_err(|_| {
                misuse("Length", format_args!("client {client}: a verifying key has 32 bytes"))
            })?;
            Ok((ClientId(*client), VerifyingKey::from_bytes(key).map_err(no_key)?))
        });
        let entries: Vec<_> = entries.collect::<PyResult<_>>()?;
        secagg::Directory::new(entries).map(Self).map_err(misused)
    }

    fn __contains__(&self, client: Whole<u64>) -> bool {
        self.0.get(ClientId(client.0)).is_some()
    }
}

/// 32 secret bytes under which states are sealed. Silent in `repr`, wiped when dropped.
#[pyclass(frozen, module = "secagg")]
#[derive(Clone, Debug)]
pub(crate) struct StateKey(pub(crate) secagg::StateKey);

#[pymethods]
impl StateKey {
    /// The key of 32 secret bytes, which must be uniform.
    #[new]
    #[allow(clippy::needless_pass_by_value)] // The bytes' borrow lasts as long as the call.
    fn new(secret: Bytes<'_>) -> PyResult<Self> {
        self::secret(secret.as_slice()?, "a state key")
            .map(|bytes| Self(secagg::StateKey::from_bytes(*bytes)))
    }

    /// A fresh key, from the operating system's randomness.
    #[staticmethod]
    fn random() -> Self {
        Self(secagg::StateKey::random(&mut rng()))
    }

    /// The 32 secret bytes, to be kept apart from the states that they open.
    fn to_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.0.as_bytes())
    }

    fn __repr__(&self) -> String {
        format!("{:?}", self.0)
    }
}

/// 16 fresh random bytes: the name of one round, never used twice.
#[pyfunction]
pub(crate) fn new_session_id(py: Python<'_>) -> Bound<'_, PyBytes> {
    PyBytes::new(py, &SessionId::random(&mut rng()).0)
}
