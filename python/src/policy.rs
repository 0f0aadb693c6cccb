//! What a client asks of a round.

use pyo3::prelude::*;
use pyo3::types::{IntoPyDict, PyDict, PyTuple};

use crate::arguments::{Whole, threat_model};

/// What a client asks of a round, whatever the server proposes. Immutable and picklable.
#[pyclass(frozen, eq, module = "secagg")]
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Policy(pub(crate) secagg::Policy);

#[pymethods]
impl Policy {
    #[new]
    #[pyo3(signature = (
        *, min_cohort_size=Whole(3), min_threshold=Whole(2), min_neighbours=Whole(2),
        min_survivors=Whole(3), min_corrupted_neighbours=Whole(0), threat_model="curious",
        max_dimension=None
    ), text_signature = "(*, min_cohort_size=3, min_threshold=2, min_neighbours=2, min_survivors=3, \
        min_corrupted_neighbours=0, threat_model='curious', max_dimension=None)")]
    fn new(
        min_cohort_size: Whole<u32>,
        min_threshold: Whole<u32>,
        min_neighbours: Whole<u32>,
        min_survivors: Whole<u32>,
        min_corrupted_neighbours: Whole<u32>,
        threat_model: &str,
        max_dimension: Option<Whole<usize>>,
    ) -> PyResult<Self> {
        Ok(Self(secagg::Policy {
            assumptions: None,
            min_cohort_size: min_cohort_size.0,
            min_threshold: min_threshold.0,
            min_neighbours: min_neighbours.0,
            min_survivors: min_survivors.0,
            min_corrupted_neighbours: min_corrupted_neighbours.0,
            threat_model: self::threat_model(threat_model)?,
            max_dimension: max_dimension.map_or(usize::MAX, |most| most.0),
        }))
    }

    /// The least cohort size.
    #[getter]
    fn min_cohort_size(&self) -> u32 {
        self.0.min_cohort_size
    }

    /// The least threshold, in shares.
    #[getter]
    fn min_threshold(&self) -> u32 {
        self.0.min_threshold
    }

    /// The least number of neighbours.
    #[getter]
    fn min_neighbours(&self) -> u32 {
        self.0.min_neighbours
    }

    /// The least number of survivors, this client included.
    #[getter]
    fn min_survivors(&self) -> u32 {
        self.0.min_survivors
    }

    /// The least number of colluding neighbours that the threshold must bear.
    #[getter]
    fn min_corrupted_neighbours(&self) -> u32 {
        self.0.min_corrupted_neighbours
    }

    /// The weakest threat model: "curious" accepts both.
    #[getter]
    fn threat_model(&self) -> &'static str {
        self.0.threat_model.name()
    }

    /// The largest dimension, or None.
    #[getter]
    fn max_dimension(&self) -> Option<usize> {
        (self.0.max_dimension < usize::MAX).then_some(self.0.max_dimension)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let floors = self.keywords(py)?.iter();
        let floors = floors.map(|(name, value)| Ok(format!("{name}={}", value.repr()?)));
        Ok(format!("Policy({})", floors.collect::<PyResult<Vec<_>>>()?.join(", ")))
    }

    fn __getnewargs_ex__<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<(Bound<'py, PyTuple>, Bound<'py, PyDict>)> {
        Ok((PyTuple::empty(py), self.keywords(py)?))
    }
}

impl Policy {
    fn keywords<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let floors = [
            ("min_cohort_size", self.min_cohort_size()),
            ("min_threshold", self.min_threshold()),
            ("min_neighbours", self.min_neighbours()),
            ("min_survivors", self.min_survivors()),
            ("min_corrupted_neighbours", self.min_corrupted_neighbours()),
        ];
        let keywords = floors.into_py_dict(py)?;
        keywords.set_item("threat_model", self.threat_model())?;
        keywords.set_item("max_dimension", self.max_dimension())?;
        Ok(keywords)
    }
}
