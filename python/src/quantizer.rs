//! Floats become lanes, and sums of lanes a weighted mean.

use numpy::PyArray1;
use pyo3::prelude::*;
use secagg_kernels::{Accumulator, Backend, Lane, Modulus};

use crate::arguments::{Number, Whole, modulus, prg, seed, some_weight};
use crate::arrays::{
    Bytes, Lanes, LanesMut, Update, is_double, with_lanes, with_lanes_mut, with_update,
};
use crate::errors::{misuse, misused};
use crate::threads::{backend, compute};

/// A mean, the sum of weights that it was divided by, and how many clients clipped.
type Mean<'py> = (Bound<'py, PyAny>, f64, u64);

/// How floats become lanes, and sums of lanes a weighted mean. Immutable.
#[pyclass(frozen, eq, module = "secagg.kernels")]
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Quantizer(secagg_kernels::Quantizer);

#[pymethods]
impl Quantizer {
    /// A quantizer that clips to plus or minus `clipping_range`.
    ///
    /// Raises
    /// ------
    /// Misuse
    ///     If a number is out of its range.
    #[new]
    #[pyo3(signature = (clipping_range=Number(8.0), quantization_range=Whole(1 << 22), max_weight=Number(1000.0)),
           text_signature = "(clipping_range=8.0, quantization_range=4194304, max_weight=1000.0)")]
    fn new(
        clipping_range: Number,
        quantization_range: Whole<u64>,
        max_weight: Number,
    ) -> PyResult<Self> {
        let (Number(clipping_range), Number(max_weight)) = (clipping_range, max_weight);
        let made = secagg_kernels::Quantizer::new(clipping_range, quantization_range.0, max_weight);
        made.map(Self).map_err(misused)
    }

    /// The most levels whose sum over `clients` stays below ``2**width``, or None.
    #[staticmethod]
    fn largest_for(width: Whole<u32>, clients: Whole<u64>) -> PyResult<Option<u64>> {
        Ok(secagg_kernels::Quantizer::largest_for(modulus(width.0)?, clients.0))
    }

    /// Elements are clipped to plus or minus this.
    #[getter]
    fn clipping_range(&self) -> f64 {
        self.0.clipping_range()
    }

    /// Levels.
    #[getter]
    fn quantization_range(&self) -> u64 {
        self.0.quantization_range()
    }

    /// The largest weight.
    #[getter]
    fn max_weight(&self) -> f64 {
        self.0.max_weight()
    }

    /// Quantizes a weight and an update into `out`: the weight in lane 0, element i in lane 1 + i, and in the last lane 1
    /// if an element is beyond the clipping range, otherwise 0.
    ///
    /// Parameters
    /// ----------
    /// weight : float
    ///     From 0 to `max_weight`.
    /// update : ndarray of float32 or float64
    ///     One dimension, contiguous.
    /// out : ndarray of uint16, uint32 or uint64
    ///     One dimension, contiguous, writeable, two lanes longer than `update`.
    /// seed : bytes
    ///     32 bytes that drive the stochastic rounding: fresh for each vector, and the seed of no mask.
    ///
    /// Raises
    /// ------
    /// Misuse
    ///     If the update or the weight cannot be quantized; the content of `out` is then unspecified.
    #[pyo3(signature = (weight, update, out, *, seed, prg="aes-128-ctr", backend=None))]
    #[allow(clippy::needless_pass_by_value)] // The array's borrow lasts as long as the call.
    #[allow(clippy::too_many_arguments)] // Keywords, in Python.
    fn quantize(
        &self,
        py: Python<'_>,
        weight: Number,
        update: Update<'_>,
        mut out: LanesMut<'_>,
        seed: Bytes<'_>,
        prg: &str,
        backend: Option<&str>,
    ) -> PyResult<()> {
        let (prg, seed) = (self::prg(prg)?, self::seed(seed.as_slice()?)?);
        let backend = self::backend(backend)?;
        let quantized = with_update!(update, update => with_lanes_mut!(out, out => {
            py.detach(|| self.0.quantize(backend, prg, &seed, weight.0, update, out))
        }));
        quantized.map_err(misused)
    }

    /// Reads the sum of so many clients' lanes, all masks off.
    ///
    /// Parameters
    /// ----------
    /// lanes : ndarray of uint16, uint32 or uint64
    ///     The sum, of the smallest word that holds `width` bits.
    /// clients : int
    ///     Vectors in the sum.
    /// width : int
    ///     Bits of the modulus.
    /// dtype : dtype or None
    ///     float32 or float64; None for float32.
    ///
    /// Returns
    /// -------
    /// mean : ndarray
    /// total_weight : float
    /// clipped : int
    ///     Clients with an element beyond the clipping range.
    ///
    /// Raises
    /// ------
    /// Misuse
    ///     If the sum is none that so many honest clients can make.
    #[pyo3(signature = (lanes, clients, *, width=Whole(32), dtype=None, backend=None),
           text_signature = "($self, lanes, clients, *, width=32, dtype=None, backend=None)")]
    #[allow(clippy::needless_pass_by_value)] // The array's borrow lasts as long as the call.
    fn dequantize<'py>(
        &self,
        py: Python<'py>,
        lanes: Lanes<'py>,
        clients: Whole<u64>,
        width: Whole<u32>,
        dtype: Option<&Bound<'py, PyAny>>,
        backend: Option<&str>,
    ) -> PyResult<Mean<'py>> {
        let (modulus, backend) = (modulus(width.0)?, self::backend(backend)?);
        let sum = accumulator(py, backend, modulus, &lanes)?;
        if is_double(dtype)? {
            let read = compute(py, || sum.dequantize::<f64>(backend, &self.0, clients.0))?;
            let read = read.map_err(misused)?;
            Ok((PyArray1::from_vec(py, read.mean).into_any(), read.total_weight, read.clipped))
        } else {
            let read = compute(py, || sum.dequantize::<f32>(backend, &self.0, clients.0))?;
            let read = read.map_err(misused)?;
            Ok((PyArray1::from_vec(py, read.mean).into_any(), read.total_weight, read.clipped))
        }
    }

    /// The largest error of any element of the mean, when all weights are exact.
    ///
    /// Raises
    /// ------
    /// Misuse
    ///     If there is nobody, or no weight above zero: there is then no mean.
    fn error_bound(&self, clients: Whole<u64>, total_weight: Number) -> PyResult<f64> {
        let (clients, total_weight) = some_weight(clients.0, total_weight.0)?;
        Ok(self.0.error_bound(clients, total_weight))
    }

    fn __repr__(&self) -> String {
        format!(
            "Quantizer(clipping_range={:?}, quantization_range={}, max_weight={:?})",
            self.clipping_range(),
            self.quantization_range(),
            self.max_weight(),
        )
    }
}

/// Lanes as a sum.
pub(crate) fn accumulator(
    py: Python<'_>,
    backend: Backend,
    modulus: Modulus,
    lanes: &Lanes<'_>,
) -> PyResult<Accumulator> {
    with_lanes!(*lanes, lanes => compute(py, || summed(backend, modulus, lanes))?)
}

/// By way of bytes, which is how sums come from elsewhere.
fn summed<L: Lane>(backend: Backend, modulus: Modulus, lanes: &[L]) -> PyResult<Accumulator> {
    let packed = packed(backend, modulus, lanes)?;
    let mut sum = Accumulator::new(modulus, lanes.len());
    sum.add_packed(backend, &packed).map_err(misused)?;
    Ok(sum)
}

/// Packs lanes of the smallest word that holds the modulus.
pub(crate) fn packed<L: Lane>(
    backend: Backend,
    modulus: Modulus,
    lanes: &[L],
) -> PyResult<Vec<u8>> {
    let (bits, width) = (L::BITS, modulus.width());
    let smallest = width <= bits && (bits == 16 || width > bits / 2);
    if !smallest {
        let message = format!("lanes of {bits} bits are not the smallest that hold {width} bits");
        return Err(misuse("LaneDtype", message));
    }
    let mut packed = Vec::new();
    secagg_kernels::pack::append(backend, modulus, lanes, &mut packed).map_err(misused)?;
    Ok(packed)
}
