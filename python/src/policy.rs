//! What a client asks of a round.

use pyo3::prelude::*;
use pyo3::types::{IntoPyDict, PyDict, PyTuple};

use crate::arguments::{Whole, threat_model};
use crate::assumptions::Assumptions;
use crate::errors::misused;

/// What a client asks of a round, whatever the server proposes. Immutable and picklable.
///
/// `Policy.assuming` makes the policy of a client that knows what to expect of its cohort. The
/// server chooses how many neighbours there are, so floors on single numbers say little by
/// themselves; they are for experts, on top.
///
/// Parameters
/// ----------
/// assumptions : Assumptions or None
///     As for `Policy.assuming`, with the floors on top.
/// min_cohort_size : int or None
///     None for the cohort size of the assumptions, or 3.
/// threat_model : str or None
///     The weakest threat model; "curious" accepts both. None for that of the assumptions, or
///     "curious".
/// min_threshold, min_neighbours, min_survivors, min_corrupted_neighbours
///     Floors; see the properties.
/// max_dimension : int or None
///     The largest dimension; None for any.
///
/// Raises
/// ------
/// Misuse
///     If no parameters at all meet the assumptions; the message says what to change.
#[pyclass(frozen, eq, module = "secagg")]
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Policy(pub(crate) secagg::Policy);

#[pymethods]
impl Policy {
    #[new]
    #[pyo3(signature = (
        *, assumptions=None, min_cohort_size=None, min_threshold=Whole(2), min_neighbours=Whole(2),
        min_survivors=Whole(3), min_corrupted_neighbours=Whole(0), threat_model=None,
        max_dimension=None
    ), text_signature = "(*, assumptions=None, min_cohort_size=None, min_threshold=2, \
        min_neighbours=2, min_survivors=3, min_corrupted_neighbours=0, threat_model=None, \
        max_dimension=None)")]
    #[allow(clippy::too_many_arguments)] // Keywords, in Python.
    fn new(
        py: Python<'_>,
        assumptions: Option<&Assumptions>,
        min_cohort_size: Option<Whole<u32>>,
        min_threshold: Whole<u32>,
        min_neighbours: Whole<u32>,
        min_survivors: Whole<u32>,
        min_corrupted_neighbours: Whole<u32>,
        threat_model: Option<&str>,
        max_dimension: Option<Whole<usize>>,
    ) -> PyResult<Self> {
        let Self(base) =
            assumptions.map_or_else(|| Ok(Self::default()), |it| Self::assuming(py, it))?;
        Ok(Self(secagg::Policy {
            min_cohort_size: min_cohort_size.map_or(base.min_cohort_size, |least| least.0),
            min_threshold: min_threshold.0,
            min_neighbours: min_neighbours.0,
            min_survivors: min_survivors.0,
            min_corrupted_neighbours: min_corrupted_neighbours.0,
            threat_model: threat_model.map_or(Ok(base.threat_model), self::threat_model)?,
            max_dimension: max_dimension.map_or(usize::MAX, |most| most.0),
            ..base
        }))
    }

    /// The policy of a client that takes part where its assumptions are met, in cohorts of at least
    /// their size, and against no weaker server than theirs.
    ///
    /// The client runs the planner's own inequalities on the parameters that the server proposes.
    /// It refuses those that do not meet them, with the rule "Assumptions", and in an active round
    /// a roster from which more clients are missing than may vanish, with the rule
    /// "TooFewMembers".
    ///
    /// Raises
    /// ------
    /// Misuse
    ///     If no parameters at all meet them; the message says what to change.
    #[staticmethod]
    fn assuming(py: Python<'_>, assumptions: &Assumptions) -> PyResult<Self> {
        py.detach(|| secagg::Policy::assuming(assumptions.0)).map(Self).map_err(misused)
    }

    /// What the client assumes of its cohort, or None.
    #[getter]
    fn assumptions(&self) -> Option<Assumptions> {
        self.0.assumptions.map(Assumptions)
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

    /// The least number of survivors, this client and colluders included.
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
        keywords.set_item("assumptions", self.assumptions())?;
        keywords.set_item("threat_model", self.threat_model())?;
        keywords.set_item("max_dimension", self.max_dimension())?;
        Ok(keywords)
    }
}
