//! What is assumed of a cohort.

use pyo3::prelude::*;
use pyo3::types::{IntoPyDict, PyDict, PyTuple};

use crate::arguments::{Number, Whole, threat_model};
use crate::errors::misused;
use crate::plan::Plan;

/// What is assumed of a cohort, and what must hold then. Immutable and picklable.
///
/// For `plan`, and for a client's `Policy.assuming`.
///
/// Parameters
/// ----------
/// cohort_size, corrupted, dropout, rounds, security_bits, search_bits, correctness_bits,
/// threat_model
///     As for `plan`, which checks them.
#[pyclass(frozen, eq, module = "secagg")]
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Assumptions(pub(crate) secagg::plan::Assumptions);

#[pymethods]
impl Assumptions {
    #[new]
    #[pyo3(signature = (
        cohort_size, *, corrupted=Number(0.05), dropout=Number(0.1), rounds=Whole(1),
        security_bits=Whole(40), search_bits=None, correctness_bits=Whole(30), threat_model="curious"
    ), text_signature = "(cohort_size, *, corrupted=0.05, dropout=0.1, rounds=1, security_bits=40, \
        search_bits=None, correctness_bits=30, threat_model='curious')")]
    #[allow(clippy::too_many_arguments)] // Keywords, in Python.
    pub(crate) fn new(
        cohort_size: Whole<u32>,
        corrupted: Number,
        dropout: Number,
        rounds: Whole<u32>,
        security_bits: Whole<u32>,
        search_bits: Option<Whole<u32>>,
        correctness_bits: Whole<u32>,
        threat_model: &str,
    ) -> PyResult<Self> {
        let threat_model = self::threat_model(threat_model)?;
        let default = secagg::plan::Assumptions::new(cohort_size.0, threat_model);
        Ok(Self(secagg::plan::Assumptions {
            corrupted: corrupted.0,
            dropout: dropout.0,
            rounds: rounds.0,
            security_bits: security_bits.0,
            search_bits: search_bits.map_or(default.search_bits, |bits| bits.0),
            correctness_bits: correctness_bits.0,
            ..default
        }))
    }

    /// Clients invited.
    #[getter]
    fn cohort_size(&self) -> u32 {
        self.0.cohort_size
    }

    /// The fraction of the cohort that may collude with the server.
    #[getter]
    fn corrupted(&self) -> f64 {
        self.0.corrupted
    }

    /// The fraction of the cohort that may vanish.
    #[getter]
    fn dropout(&self) -> f64 {
        self.0.dropout
    }

    /// Rounds of the whole training.
    #[getter]
    fn rounds(&self) -> u32 {
        self.0.rounds
    }

    /// Bits of security, for all rounds together.
    #[getter]
    fn security_bits(&self) -> u32 {
        self.0.security_bits
    }

    /// Bits of search, in each round.
    #[getter]
    fn search_bits(&self) -> u32 {
        self.0.search_bits
    }

    /// Bits of correctness, in each round.
    #[getter]
    fn correctness_bits(&self) -> u32 {
        self.0.correctness_bits
    }

    /// What the server may do: "curious" or "active".
    #[getter]
    fn threat_model(&self) -> &'static str {
        self.0.threat_model.name()
    }

    /// Finds the fewest neighbours, and the threshold, that meet them.
    ///
    /// Raises
    /// ------
    /// Misuse
    ///     If not even the complete graph does; the message says what to change.
    pub(crate) fn plan(&self, py: Python<'_>) -> PyResult<Plan> {
        py.detach(|| self.0.plan()).map(Plan).map_err(misused)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let keywords = self.keywords(py)?.iter();
        let keywords = keywords.map(|(name, value)| Ok(format!(", {name}={}", value.repr()?)));
        let keywords = keywords.collect::<PyResult<String>>()?;
        Ok(format!("Assumptions({}{keywords})", self.cohort_size()))
    }

    fn __getnewargs_ex__<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<(Bound<'py, PyTuple>, Bound<'py, PyDict>)> {
        Ok((PyTuple::new(py, [self.cohort_size()])?, self.keywords(py)?))
    }
}

impl Assumptions {
    fn keywords<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let fractions = [("corrupted", self.corrupted()), ("dropout", self.dropout())];
        let keywords = fractions.into_py_dict(py)?;
        keywords.set_item("rounds", self.rounds())?;
        keywords.set_item("security_bits", self.security_bits())?;
        keywords.set_item("search_bits", self.search_bits())?;
        keywords.set_item("correctness_bits", self.correctness_bits())?;
        keywords.set_item("threat_model", self.threat_model())?;
        Ok(keywords)
    }
}
