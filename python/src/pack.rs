//! Lanes as bytes, and back.

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::arguments::{Whole, modulus};
use crate::arrays::{Bytes, Lanes, LanesMut, with_lanes, with_lanes_mut};
use crate::errors::{misuse, misused};
use crate::threads::backend;

/// Bytes that so many lanes of `width` bits occupy when packed.
///
/// Raises
/// ------
/// Misuse
///     If that is more than memory can have.
#[pyfunction]
pub(crate) fn packed_len(lanes: Whole<usize>, width: Whole<u32>) -> PyResult<usize> {
    match modulus(width.0)?.packed_len(lanes.0) {
        usize::MAX => Err(misuse("Range", "so many lanes are more bytes than memory can have")),
        bytes => Ok(bytes),
    }
}

/// Packs lanes, each reduced modulo ``2**width``. The GIL is released.
///
/// Raises
/// ------
/// Misuse
///     If a lane does not hold `width` bits.
#[pyfunction]
#[pyo3(signature = (lanes, width, *, backend=None))]
#[allow(clippy::needless_pass_by_value)] // The array's borrow lasts as long as the call.
pub(crate) fn pack<'py>(
    py: Python<'py>,
    lanes: Lanes<'py>,
    width: Whole<u32>,
    backend: Option<&str>,
) -> PyResult<Bound<'py, PyBytes>> {
    let (modulus, backend) = (modulus(width.0)?, self::backend(backend)?);
    with_lanes!(lanes, lanes => PyBytes::new_with(py, modulus.packed_len(lanes.len()), |out| {
        py.detach(|| secagg_kernels::pack::pack(backend, modulus, lanes, out)).map_err(misused)
    }))
}

/// Unpacks lanes of `width` bits over `out`. The GIL is released.
///
/// Raises
/// ------
/// Misuse
///     If `data` has the wrong length or unused bits that are set; no lane is then touched.
#[pyfunction]
#[pyo3(signature = (data, width, out, *, backend=None))]
#[allow(clippy::needless_pass_by_value)] // The array's borrow lasts as long as the call.
pub(crate) fn unpack(
    py: Python<'_>,
    data: Bytes<'_>,
    width: Whole<u32>,
    mut out: LanesMut<'_>,
    backend: Option<&str>,
) -> PyResult<()> {
    let (data, modulus, backend) = (data.as_slice()?, modulus(width.0)?, self::backend(backend)?);
    let unpack = with_lanes_mut!(out, out => {
        py.detach(|| secagg_kernels::pack::unpack(backend, modulus, data, out))
    });
    unpack.map_err(misused)
}

/// Unpacks lanes of `width` bits and adds them to `out`, wrapping in the word. The GIL is released.
///
/// A range of a masked vector that starts at a multiple of 8 lanes starts on a whole byte at every width.
///
/// Raises
/// ------
/// Misuse
///     If `data` has the wrong length or unused bits that are set; no lane is then touched.
#[pyfunction]
#[pyo3(signature = (data, width, out, *, backend=None))]
#[allow(clippy::needless_pass_by_value)] // The array's borrow lasts as long as the call.
pub(crate) fn unpack_add(
    py: Python<'_>,
    data: Bytes<'_>,
    width: Whole<u32>,
    mut out: LanesMut<'_>,
    backend: Option<&str>,
) -> PyResult<()> {
    let (data, modulus, backend) = (data.as_slice()?, modulus(width.0)?, self::backend(backend)?);
    let added = with_lanes_mut!(out, out => {
        py.detach(|| secagg_kernels::pack::unpack_add(backend, modulus, data, out))
    });
    added.map_err(misused)
}
