//! A client's memory over sessions.

use std::sync::Mutex;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};
use secagg::client;

use crate::arrays::Bytes;
use crate::errors::misuse;
use crate::threads::locked;

/// A client's memory of the application bytes for which it has masked a vector, over all sessions.
///
/// Given to `Client.answer`, it refuses a second vector for the same application bytes, except that very
/// vector again. It holds 32 bytes for each of them, none of which is secret. Keep `to_bytes` before the
/// masked vector is given away, and pass the ledger to the next session. Comparable and picklable; clients
/// in several threads may share one.
#[pyclass(frozen, module = "secagg")]
#[derive(Debug, Default)]
pub(crate) struct Ledger(pub(crate) Mutex<client::Ledger>);

#[pymethods]
impl Ledger {
    /// A ledger without entries.
    #[new]
    fn new() -> Self {
        Self::default()
    }

    /// The ledger of the bytes that `to_bytes` gave.
    ///
    /// Raises
    /// ------
    /// Misuse
    ///     For other bytes.
    #[staticmethod]
    #[pyo3(name = "from_bytes")]
    #[allow(clippy::needless_pass_by_value)] // The bytes' borrow lasts as long as the call.
    fn of_bytes(ledger: Bytes<'_>) -> PyResult<Self> {
        let ledger = client::Ledger::from_bytes(ledger.as_slice()?).map_err(|error| {
            misuse("Ledger", format_args!("{error}: give the bytes that Ledger.to_bytes gave"))
        })?;
        Ok(Self(Mutex::new(ledger)))
    }

    /// The ledger as bytes, to be kept.
    fn to_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.copy(py).to_bytes())
    }

    /// Admits a second vector for these application bytes.
    ///
    /// This is safe in two cases: the first vector never left this process, or the update has fresh noise,
    /// so that two sums tell no more than the noise allows.
    ///
    /// Returns
    /// -------
    /// bool
    ///     Whether there was a first.
    #[allow(clippy::needless_pass_by_value)] // The bytes' borrow lasts as long as the call.
    fn forget(&self, py: Python<'_>, application: Bytes<'_>) -> PyResult<bool> {
        let application = application.as_slice()?;
        Ok(py.detach(|| locked(&self.0).forget(application)))
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        py.detach(|| locked(&self.0).len())
    }

    fn __eq__(&self, py: Python<'_>, other: &Self) -> bool {
        self.copy(py) == other.copy(py)
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        format!("Ledger(entries={})", self.__len__(py))
    }

    fn __reduce__<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        let from_bytes = py.get_type::<Self>().getattr("from_bytes")?;
        Ok((from_bytes, PyTuple::new(py, [self.to_bytes(py)])?))
    }
}

impl Ledger {
    fn copy(&self, py: Python<'_>) -> client::Ledger {
        py.detach(|| locked(&self.0).clone())
    }
}
