//! The planner.

use pyo3::prelude::*;
use pyo3::types::PyRange;
use secagg::QuantizationRange;

use crate::arguments::{Levels, Number, Whole};
use crate::assumptions::Assumptions;
use crate::params::{Params, Vector, build};

/// A degree and thresholds that bear what was assumed of a cohort, made by `plan`.
#[pyclass(frozen, eq, module = "secagg")]
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plan(pub(crate) secagg::plan::Plan);

/// Finds the fewest neighbours, and the threshold, that a cohort needs.
///
/// Parameters
/// ----------
/// cohort_size : int
///     Clients invited.
/// corrupted, dropout : float
///     Fractions of the cohort, from 0 to below 1, that may collude with the server, and that may vanish.
/// rounds : int
///     Rounds of the whole training.
/// security_bits : int
///     In all rounds together, an update is exposed with a probability of at most ``2**-security_bits``.
/// search_bits : int or None
///     In each round the server may try ``2**search_bits`` rings and go on with the best. None for 40 bits
///     if it is active, and 0 if it is curious.
/// correctness_bits : int
///     A round fails with a probability of at most ``2**-correctness_bits``.
/// threat_model : str
///     "curious" or "active".
///
/// Raises
/// ------
/// Misuse
///     If not even the complete graph bears that; the message says what to change.
#[pyfunction]
#[pyo3(signature = (
    cohort_size, *, corrupted=Number(0.05), dropout=Number(0.1), rounds=Whole(1),
    security_bits=Whole(40), search_bits=None, correctness_bits=Whole(30), threat_model="curious"
), text_signature = "(cohort_size, *, corrupted=0.05, dropout=0.1, rounds=1, security_bits=40, \
    search_bits=None, correctness_bits=30, threat_model='curious')")]
#[allow(clippy::too_many_arguments)] // Keywords, in Python.
pub(crate) fn plan(
    py: Python<'_>,
    cohort_size: Whole<u32>,
    corrupted: Number,
    dropout: Number,
    rounds: Whole<u32>,
    security_bits: Whole<u32>,
    search_bits: Option<Whole<u32>>,
    correctness_bits: Whole<u32>,
    threat_model: &str,
) -> PyResult<Plan> {
    let assumptions = Assumptions::new(
        cohort_size,
        corrupted,
        dropout,
        rounds,
        security_bits,
        search_bits,
        correctness_bits,
        threat_model,
    )?;
    assumptions.plan(py)
}

#[pymethods]
impl Plan {
    /// Clients invited.
    #[getter]
    fn cohort_size(&self) -> u32 {
        self.0.cohort_size()
    }

    /// Neighbours of each client.
    #[getter]
    fn degree(&self) -> u32 {
        self.0.degree()
    }

    /// Whether all clients are neighbours: no sparser graph will do.
    #[getter]
    fn is_complete(&self) -> bool {
        self.0.is_complete()
    }

    /// The threshold to choose: the least that will do.
    #[getter]
    fn threshold(&self) -> u32 {
        self.0.threshold()
    }

    /// All thresholds that will do.
    #[getter]
    fn thresholds<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyRange>> {
        let thresholds = self.0.thresholds();
        PyRange::new(py, *thresholds.start() as isize, *thresholds.end() as isize + 1)
    }

    /// The most neighbours of one client that collude.
    #[getter]
    fn corrupted_neighbours(&self) -> u32 {
        self.0.corrupted_neighbours()
    }

    /// Clients that were assumed to collude.
    #[getter]
    fn corrupted(&self) -> u32 {
        self.0.corrupted()
    }

    /// Clients that were assumed to drop out.
    #[getter]
    fn dropped(&self) -> u32 {
        self.0.dropped()
    }

    /// Clients that were assumed to survive.
    #[getter]
    fn survivors(&self) -> u32 {
        self.0.survivors()
    }

    /// Parameters of a round with this graph and threshold.
    ///
    /// Parameters
    /// ----------
    /// dimension : int
    ///     Elements of an update.
    /// modulus_range : int or None
    ///     None for the smallest modulus that holds the sum, or 2**32 with ``quantization_range="auto"``.
    /// clipping_range, quantization_range, max_weight, prg
    ///     As for `Params.secagg`.
    ///
    /// Raises
    /// ------
    /// Misuse
    ///     If the numbers do not fit each other.
    #[pyo3(signature = (
        dimension, *, clipping_range=Number(8.0), quantization_range=Levels::default(),
        max_weight=Number(1000.0), modulus_range=None, prg="aes-128-ctr"
    ), text_signature = "($self, dimension, *, clipping_range=8.0, quantization_range=4194304, \
        max_weight=1000.0, modulus_range=None, prg='aes-128-ctr')")]
    fn params(
        &self,
        dimension: Whole<usize>,
        clipping_range: Number,
        quantization_range: Levels,
        max_weight: Number,
        modulus_range: Option<Whole<u128>>,
        prg: &str,
    ) -> PyResult<Params> {
        let (clipping_range, max_weight) = (clipping_range.0, max_weight.0);
        let smallest = || Whole(self.smallest_modulus(&quantization_range));
        let Whole(modulus_range) = modulus_range.unwrap_or_else(smallest);
        let vector = Vector { clipping_range, quantization_range, max_weight, modulus_range, prg };
        build(vector.set(self.0.params(dimension.0))?)
    }

    fn __repr__(&self) -> String {
        let Self(plan) = self;
        format!(
            "Plan(cohort_size={}, degree={}, threshold={}, corrupted_neighbours={})",
            plan.cohort_size(),
            plan.degree(),
            plan.threshold(),
            plan.corrupted_neighbours(),
        )
    }
}

impl Plan {
    /// The power of two above n · (q - 1). What is out of range is left for the builder to name.
    fn smallest_modulus(&self, levels: &Levels) -> u128 {
        match levels.0 {
            QuantizationRange::Auto => 1 << 32,
            QuantizationRange::Levels(levels) => {
                let largest = u128::from(self.cohort_size()) * u128::from(levels.saturating_sub(1));
                (largest + 1).next_power_of_two().max(2)
            }
        }
    }
}
