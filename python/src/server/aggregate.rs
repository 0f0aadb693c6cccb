//! What the server learns.

use numpy::{Element, PyArray1};
use pyo3::prelude::*;
use secagg::Imprecise;
use secagg::kernels::Real;
use secagg::server::Reading;
use secagg_kernels::Accumulator;

use super::ids;
use crate::errors::{aborted, imprecise};
use crate::threads::compute;

/// What the server learns from a round, and all that it learns.
#[pyclass(frozen, module = "secagg")]
#[derive(Debug)]
pub(crate) struct Aggregate {
    mean: Py<PyAny>,
    error_bound: f64,
    warning: Option<Imprecise>,
    clipped: u64,
    total_weight: f64,
    survivors: Vec<u64>,
    false_shares: Vec<(u64, u64)>,
}

#[pymethods]
impl Aggregate {
    /// The weighted mean of the survivors' clipped updates.
    #[getter]
    fn mean<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.mean.bind(py).clone()
    }

    /// The largest possible distance of any element from the exact mean, whatever the weights.
    #[getter]
    fn error_bound(&self) -> f64 {
        self.error_bound
    }

    /// What to change where `error_bound` is 1 % of the clipping range or more, or 10 % of the mean's largest element.
    #[getter]
    fn warning(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        Some(imprecise(self.warning?).into_value(py).into_any())
    }

    /// Survivors with an element beyond the clipping range. The server does not learn which they are.
    #[getter]
    fn clipped(&self) -> u64 {
        self.clipped
    }

    /// The sum of the survivors' weights.
    #[getter]
    fn total_weight(&self) -> f64 {
        self.total_weight
    }

    /// Whose updates are in the mean, ascending.
    #[getter]
    fn survivors(&self) -> Vec<u64> {
        self.survivors.clone()
    }

    /// (holder, owner) of shares that were found false and done without. The mean is right all the same.
    #[getter]
    fn false_shares(&self) -> Vec<(u64, u64)> {
        self.false_shares.clone()
    }

    fn __repr__(&self) -> String {
        format!(
            "Aggregate(survivors={}, total_weight={:?}, error_bound={:?})",
            self.survivors.len(),
            self.total_weight,
            self.error_bound
        )
    }
}

impl Aggregate {
    /// Reads a sum whose masks are off.
    pub(super) fn read(
        py: Python<'_>,
        is_double: bool,
        reading: Reading,
        sum: &Accumulator,
    ) -> PyResult<Self> {
        if is_double {
            Self::of::<f64>(py, reading, sum)
        } else {
            Self::of::<f32>(py, reading, sum)
        }
    }

    fn of<F: Real + Element>(
        py: Python<'_>,
        reading: Reading,
        sum: &Accumulator,
    ) -> PyResult<Self> {
        let read = compute(py, || reading.aggregate::<F>(sum))?.map_err(aborted)?;
        let false_shares = read.false_shares.iter().map(|share| (share.holder.0, share.owner.0));
        Ok(Self {
            mean: PyArray1::from_vec(py, read.mean).into_any().unbind(),
            error_bound: read.error_bound,
            warning: read.imprecise,
            clipped: read.clipped,
            total_weight: read.total_weight,
            survivors: ids(&read.survivors),
            false_shares: false_shares.collect(),
        })
    }
}
