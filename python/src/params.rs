//! What a round needs to know.

use numpy::{PyArrayDescr, dtype};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use secagg::message::{Message, SetupRequest};
use secagg::plan::bytes_per_client;
use secagg::{ContextHash, ParamsBuilder, SessionId};

use crate::arguments::{Levels, Number, Share, Whole, prg, some_weight, stage_name, threat_model};
use crate::arrays::Bytes;
use crate::errors::misused;

/// The parameters of a round: fixed before it starts, checked once, the same for everyone.
///
/// Made by `Params.secagg` (complete graph) or `Params.secagg_plus` (regular graph). Names and
/// defaults are those of the Flower framework. Immutable, comparable, hashable and picklable.
#[pyclass(frozen, eq, module = "secagg")]
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Params(pub(crate) secagg::Params);

/// What all builders of parameters are told of a vector.
pub(crate) struct Vector<'a> {
    pub(crate) clipping_range: f64,
    pub(crate) quantization_range: Levels,
    pub(crate) max_weight: f64,
    pub(crate) modulus_range: u128,
    pub(crate) prg: &'a str,
}

impl Vector<'_> {
    pub(crate) fn set(self, builder: ParamsBuilder) -> PyResult<ParamsBuilder> {
        let builder = builder
            .clipping_range(self.clipping_range)
            .quantization_range(self.quantization_range.0)
            .max_weight(self.max_weight)
            .modulus_range(self.modulus_range);
        Ok(builder.prg(prg(self.prg)?))
    }
}

/// Checks everything against everything.
pub(crate) fn build(builder: ParamsBuilder) -> PyResult<Params> {
    builder.build().map(Params).map_err(misused)
}

fn build_against(
    builder: ParamsBuilder,
    model: &str,
    corrupted: Option<Whole<u32>>,
) -> PyResult<Params> {
    let builder = builder.threat_model(threat_model(model)?);
    build(match corrupted {
        Some(Whole(corrupted)) => builder.corrupted_neighbours(corrupted),
        None => builder,
    })
}

#[pymethods]
impl Params {
    /// SecAgg: every client shares its secrets with all others.
    ///
    /// Parameters
    /// ----------
    /// cohort_size : int
    ///     Clients invited, at least 3.
    /// dimension : int
    ///     Elements of an update.
    /// reconstruction_threshold : int or float
    ///     Shares that recover a secret: a count, or a fraction in (0, 1] of the ``cohort_size - 1``
    ///     shares of each secret.
    /// clipping_range : float
    ///     Elements are clipped to plus or minus this before they are weighted.
    /// quantization_range : int or "auto"
    ///     Levels into which the clipping range is quantized; "auto" for as many as fit.
    /// max_weight : float
    ///     The largest weight of a client. Precision falls as ``max_weight / weight``.
    /// modulus_range : int
    ///     The modulus of all sums, a power of two up to ``2**64``.
    /// prg : str
    ///     What expands seeds into masks.
    /// threat_model : str
    ///     "curious": the server follows the protocol and studies all it sees. "active": it may lie.
    /// corrupted_neighbours : int or None
    ///     Neighbours of any one client that may collude with the server; None for as many as the
    ///     threshold bears.
    ///
    /// Raises
    /// ------
    /// Misuse
    ///     If the numbers do not fit each other; the message says what to change.
    #[staticmethod]
    #[pyo3(signature = (
        cohort_size, dimension, reconstruction_threshold, *, clipping_range=Number(8.0),
        quantization_range=Levels::default(), max_weight=Number(1000.0), modulus_range=Whole(1 << 32),
        prg="aes-128-ctr", threat_model="curious", corrupted_neighbours=None
    ), text_signature = "(cohort_size, dimension, reconstruction_threshold, *, clipping_range=8.0, \
        quantization_range=4194304, max_weight=1000.0, modulus_range=4294967296, prg='aes-128-ctr', \
        threat_model='curious', corrupted_neighbours=None)")]
    #[allow(clippy::too_many_arguments)] // Keywords, in Python.
    fn secagg(
        cohort_size: Whole<u32>,
        dimension: Whole<usize>,
        reconstruction_threshold: Share,
        clipping_range: Number,
        quantization_range: Levels,
        max_weight: Number,
        modulus_range: Whole<u128>,
        prg: &str,
        threat_model: &str,
        corrupted_neighbours: Option<Whole<u32>>,
    ) -> PyResult<Self> {
        let (clipping_range, max_weight) = (clipping_range.0, max_weight.0);
        let modulus_range = modulus_range.0;
        let vector = Vector { clipping_range, quantization_range, max_weight, modulus_range, prg };
        let threshold = reconstruction_threshold.0;
        let builder = secagg::Params::secagg(cohort_size.0, dimension.0, threshold);
        build_against(vector.set(builder)?, threat_model, corrupted_neighbours)
    }

    /// SecAgg+: every client shares its secrets with some neighbours.
    ///
    /// Parameters
    /// ----------
    /// cohort_size, dimension
    ///     As for `Params.secagg`.
    /// num_shares : int or float
    ///     Neighbours of each client: a count, or a fraction of the cohort. ``cohort_size - 1`` and
    ///     ``cohort_size`` both mean the complete graph.
    /// reconstruction_threshold : int or float
    ///     Shares that recover a secret: a count, or a fraction of those shares.
    ///
    /// Raises
    /// ------
    /// Misuse
    ///     If the numbers do not fit each other; the message says what to change.
    #[staticmethod]
    #[pyo3(signature = (
        cohort_size, dimension, num_shares, reconstruction_threshold, *, clipping_range=Number(8.0),
        quantization_range=Levels::default(), max_weight=Number(1000.0), modulus_range=Whole(1 << 32),
        prg="aes-128-ctr", threat_model="curious", corrupted_neighbours=None
    ), text_signature = "(cohort_size, dimension, num_shares, reconstruction_threshold, *, \
        clipping_range=8.0, quantization_range=4194304, max_weight=1000.0, modulus_range=4294967296, \
        prg='aes-128-ctr', threat_model='curious', corrupted_neighbours=None)")]
    #[allow(clippy::too_many_arguments)] // Keywords, in Python.
    fn secagg_plus(
        cohort_size: Whole<u32>,
        dimension: Whole<usize>,
        num_shares: Share,
        reconstruction_threshold: Share,
        clipping_range: Number,
        quantization_range: Levels,
        max_weight: Number,
        modulus_range: Whole<u128>,
        prg: &str,
        threat_model: &str,
        corrupted_neighbours: Option<Whole<u32>>,
    ) -> PyResult<Self> {
        let (clipping_range, max_weight) = (clipping_range.0, max_weight.0);
        let modulus_range = modulus_range.0;
        let vector = Vector { clipping_range, quantization_range, max_weight, modulus_range, prg };
        let (shares, threshold) = (num_shares.0, reconstruction_threshold.0);
        let builder = secagg::Params::secagg_plus(cohort_size.0, dimension.0, shares, threshold);
        build_against(vector.set(builder)?, threat_model, corrupted_neighbours)
    }

    /// The parameters in a setup request, as a client is sent it.
    ///
    /// Raises
    /// ------
    /// Misuse
    ///     If the bytes are no setup request.
    #[staticmethod]
    fn from_request(request: Bytes<'_>) -> PyResult<Self> {
        params_from_request(request)
    }

    /// Clients invited.
    #[getter]
    fn cohort_size(&self) -> u32 {
        self.0.cohort_size()
    }

    /// Elements of an update.
    #[getter]
    fn dimension(&self) -> usize {
        self.0.dimension()
    }

    /// Lanes of a masked vector: the weight, the update, and whether the client clipped.
    #[getter]
    fn lanes(&self) -> usize {
        self.0.lanes()
    }

    /// Neighbours of each client in the full cohort.
    #[getter]
    fn degree(&self) -> u32 {
        self.0.degree()
    }

    /// Whether all clients are neighbours.
    #[getter]
    fn is_complete(&self) -> bool {
        self.0.is_complete()
    }

    /// Shares that recover a secret.
    #[getter]
    fn threshold(&self) -> u32 {
        self.0.threshold()
    }

    /// Neighbours of any one client that may collude with the server.
    #[getter]
    fn corrupted_neighbours(&self) -> u32 {
        self.0.corrupted_neighbours()
    }

    /// Confirmations of the same survivors that a client asks an active server for.
    #[getter]
    fn quorum(&self) -> u32 {
        self.0.quorum()
    }

    /// Elements are clipped to plus or minus this.
    #[getter]
    fn clipping_range(&self) -> f64 {
        self.0.quantizer().clipping_range()
    }

    /// Levels of the quantizer.
    #[getter]
    fn quantization_range(&self) -> u64 {
        self.0.quantizer().quantization_range()
    }

    /// The largest weight of a client.
    #[getter]
    fn max_weight(&self) -> f64 {
        self.0.quantizer().max_weight()
    }

    /// The modulus of all sums.
    #[getter]
    fn modulus_range(&self) -> u128 {
        self.0.modulus().range()
    }

    /// Bits of the modulus.
    #[getter]
    fn width(&self) -> u32 {
        self.0.modulus().width()
    }

    /// What expands seeds into masks.
    #[getter]
    fn prg(&self) -> &'static str {
        self.0.prg().name()
    }

    /// What the server is assumed to do.
    #[getter]
    fn threat_model(&self) -> &'static str {
        self.0.threat_model().name()
    }

    /// Bytes of a masked vector's packed lanes.
    #[getter]
    fn packed_len(&self) -> usize {
        self.0.packed_len()
    }

    /// The unsigned integers that hold one lane: 16, 32 or 64 bits.
    #[getter]
    fn lane_dtype<'py>(&self, py: Python<'py>) -> Bound<'py, PyArrayDescr> {
        match self.0.modulus().width() {
            ..=16 => dtype::<u16>(py),
            17..=32 => dtype::<u32>(py),
            _ => dtype::<u64>(py),
        }
    }

    /// The largest error of any element of the mean.
    ///
    /// Parameters
    /// ----------
    /// clients : int
    ///     Survivors.
    /// total_weight : float
    ///     The sum of their weights.
    /// exact_weights : bool
    ///     Whether all weights are exact in their lane (`weight_is_exact`).
    ///
    /// Raises
    /// ------
    /// Misuse
    ///     If there is nobody, or no weight above zero: there is then no mean.
    #[pyo3(signature = (clients, total_weight, *, exact_weights=true))]
    fn error_bound(
        &self,
        clients: Whole<u64>,
        total_weight: Number,
        exact_weights: bool,
    ) -> PyResult<f64> {
        let quantizer = self.0.quantizer();
        let (clients, total_weight) = some_weight(clients.0, total_weight.0)?;
        Ok(if exact_weights {
            quantizer.error_bound(clients, total_weight)
        } else {
            quantizer.error_bound_with_inexact_weights(clients, total_weight)
        })
    }

    /// Whether `weight` is a valid weight that its lane holds exactly.
    fn weight_is_exact(&self, weight: Number) -> bool {
        self.0.quantizer().weight_is_exact(weight.0)
    }

    /// What one client sends and is sent in each stage, in bytes, if nobody drops out.
    ///
    /// Returns
    /// -------
    /// list of (stage, up, down)
    fn bytes_per_client(&self) -> Vec<(&'static str, u64, u64)> {
        let stages = bytes_per_client(&self.0).into_iter();
        stages.map(|bytes| (stage_name(bytes.stage), bytes.up, bytes.down)).collect()
    }

    fn __hash__(&self, py: Python<'_>) -> PyResult<isize> {
        self.request(py).hash()
    }

    fn __repr__(&self) -> String {
        format!(
            "Params(cohort_size={}, dimension={}, degree={}, threshold={}, clipping_range={:?}, \
             quantization_range={}, max_weight={:?}, modulus_range=2**{}, prg='{}', threat_model='{}', \
             corrupted_neighbours={})",
            self.cohort_size(),
            self.dimension(),
            self.degree(),
            self.threshold(),
            self.clipping_range(),
            self.quantization_range(),
            self.max_weight(),
            self.width(),
            self.prg(),
            self.threat_model(),
            self.corrupted_neighbours(),
        )
    }

    fn __reduce__<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyBytes>,))> {
        let read = py.import("secagg._secagg")?.getattr("_params_from_request")?;
        Ok((read, (self.request(py),)))
    }
}

impl Params {
    /// The parameters as they travel, in a request of no session.
    fn request<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let (params, context) = (self.0.clone(), ContextHash::new(&self.0, &[]));
        PyBytes::new(py, &SetupRequest { params, context }.encode(SessionId([0; 16])))
    }
}

/// What a pickle of parameters is read by: a function, since pickles find those by name.
#[pyfunction(name = "_params_from_request")]
#[allow(clippy::needless_pass_by_value)] // The bytes' borrow lasts as long as the call.
pub(crate) fn params_from_request(request: Bytes<'_>) -> PyResult<Params> {
    let (_, SetupRequest { params, .. }) =
        SetupRequest::decode(request.as_slice()?).map_err(misused)?;
    Ok(Params(params))
}
