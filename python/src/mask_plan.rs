//! Keystreams and plans of masks.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use secagg_kernels::{Seed, Sign};

use crate::arguments::{Whole, prg, seed};
use crate::arrays::{Bytes, LanesMut, bytes_mut, with_lanes_mut};
use crate::errors::{misuse, misused};
use crate::threads::{backend, compute};

/// Writes the keystream of a seed over `out`, from `first_byte` on.
///
/// Parameters
/// ----------
/// prg : str
///     The generator.
/// seed : bytes
///     32 secret bytes.
/// out : ndarray of uint8
///     One dimension, contiguous, writeable.
/// first_byte : int
///     Where in the keystream `out` starts.
/// backend : str or None
///     None for the fastest here.
///
/// Raises
/// ------
/// Misuse
///     If the range ends beyond what one seed gives, or there is no such generator or backend.
/// TypeError, ValueError
///     If `out` has another dtype, or is not contiguous or not writeable.
#[pyfunction]
#[pyo3(signature = (prg, seed, out, *, first_byte=Whole(0), backend=None),
       text_signature = "(prg, seed, out, *, first_byte=0, backend=None)")]
#[allow(clippy::needless_pass_by_value)] // The bytes' borrow lasts as long as the call.
pub(crate) fn expand(
    py: Python<'_>,
    prg: &str,
    seed: Bytes<'_>,
    out: &Bound<'_, PyAny>,
    first_byte: Whole<u64>,
    backend: Option<&str>,
) -> PyResult<()> {
    let (prg, seed) = (self::prg(prg)?, self::seed(seed.as_slice()?)?);
    let backend = self::backend(backend)?;
    let mut out = bytes_mut(out)?;
    let out = out.as_slice_mut()?;
    py.detach(|| prg.expand(backend, &seed, first_byte.0, out)).map_err(misused)
}

/// Masks, each with its sign, to be applied to any range of a vector.
///
/// The order of seeds, the ranges and the threads have no influence on the result.
#[pyclass(frozen, module = "secagg.kernels")]
#[derive(Clone, Debug)]
pub(crate) struct MaskPlan(pub(crate) Arc<secagg_kernels::MaskPlan>);

#[pymethods]
impl MaskPlan {
    /// A plan of (seed of 32 bytes, 1 to add or -1 to subtract) pairs.
    #[new]
    #[allow(clippy::needless_pass_by_value)] // Python's sequence is read into it.
    fn new(prg: &str, masks: Vec<(Bytes<'_>, Whole<i64>)>) -> PyResult<Self> {
        let prg = self::prg(prg)?;
        let mut seeds: Vec<(Seed, Sign)> = Vec::with_capacity(masks.len());
        for (seed, sign) in &masks {
            seeds.push((self::seed(seed.as_slice()?)?, self::sign(sign.0)?));
        }
        Ok(Self(Arc::new(secagg_kernels::MaskPlan::new(prg, &seeds))))
    }

    /// The plan that `to_bytes` gave.
    ///
    /// Raises
    /// ------
    /// Misuse
    ///     For bytes that are no plan.
    #[staticmethod]
    #[allow(clippy::needless_pass_by_value)] // The bytes' borrow lasts as long as the call.
    fn from_bytes(py: Python<'_>, data: Bytes<'_>) -> PyResult<Self> {
        let data = data.as_slice()?;
        let plan = py.detach(|| secagg_kernels::MaskPlan::from_bytes(data));
        plan.map(|plan| Self(Arc::new(plan))).map_err(misused)
    }

    /// The plan as bytes, for another process. They are the secret that unmasks the sum, seed by seed:
    /// send them to workers of the server alone, and by a confidential channel.
    fn to_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.to_bytes())
    }

    /// The generator that expands the seeds.
    #[getter]
    fn prg(&self) -> &'static str {
        self.0.prg().name()
    }

    fn __len__(&self) -> usize {
        self.0.len()
    }

    /// Adds and subtracts all masks to `lanes` in place. The GIL is released.
    ///
    /// Parameters
    /// ----------
    /// lanes : ndarray of uint16, uint32 or uint64
    ///     One dimension, contiguous, writeable: the range of the vector that starts at `first_lane`.
    /// first_lane : int
    ///     Where in the whole vector `lanes` starts.
    /// backend : str or None
    ///     None for the fastest here.
    ///
    /// Raises
    /// ------
    /// Misuse
    ///     If the range ends beyond what one seed gives; no lane is then touched.
    /// TypeError, ValueError
    ///     If `lanes` has another dtype, or is not contiguous or not writeable.
    #[pyo3(signature = (lanes, *, first_lane=Whole(0), backend=None),
           text_signature = "($self, lanes, *, first_lane=0, backend=None)")]
    fn apply(
        &self,
        py: Python<'_>,
        mut lanes: LanesMut<'_>,
        first_lane: Whole<u64>,
        backend: Option<&str>,
    ) -> PyResult<()> {
        let backend = self::backend(backend)?;
        let applied = with_lanes_mut!(lanes, lanes => {
            compute(py, || self.0.apply(backend, first_lane.0, lanes))
        });
        applied?.map_err(misused)
    }

    fn __repr__(&self) -> String {
        format!("MaskPlan(prg='{}', masks={})", self.prg(), self.0.len())
    }
}

fn sign(sign: i64) -> PyResult<Sign> {
    match sign {
        1 => Ok(Sign::Add),
        -1 => Ok(Sign::Subtract),
        other => Err(misuse(
            "Sign",
            format_args!("a sign is 1, to add, or -1, to subtract, and not {other}"),
        )),
    }
}
