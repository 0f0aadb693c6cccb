//! Arrays of numpy, read and written where they are.
//!
//! Every array has one dimension, is contiguous and aligned, and has one of the dtypes that its use allows; nothing is ever
//! converted in silence.

use numpy::{
    Element, PyArray1, PyArrayDescr, PyArrayDescrMethods, PyArrayMethods, PyReadonlyArray1,
    PyReadwriteArray1, PyUntypedArray, PyUntypedArrayMethods, dtype,
};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyByteArray, PyBytes, PyMemoryView, PyType};

/// An update: float32 or float64.
pub(crate) enum Update<'py> {
    F32(PyReadonlyArray1<'py, f32>),
    F64(PyReadonlyArray1<'py, f64>),
}

/// Lanes: uint16, uint32 or uint64.
pub(crate) enum Lanes<'py> {
    U16(PyReadonlyArray1<'py, u16>),
    U32(PyReadonlyArray1<'py, u32>),
    U64(PyReadonlyArray1<'py, u64>),
}

/// The same, to be written.
pub(crate) enum LanesMut<'py> {
    U16(PyReadwriteArray1<'py, u16>),
    U32(PyReadwriteArray1<'py, u32>),
    U64(PyReadwriteArray1<'py, u64>),
}

/// `bytes`, or whatever else holds bytes: a bytearray, a memoryview or an array of uint8. Nothing is copied.
pub(crate) enum Bytes<'py> {
    None,
    Object(Bound<'py, PyBytes>),
    Array(PyReadonlyArray1<'py, u8>),
}

/// Evaluates an expression with the elements of lanes or an update, whatever their word.
macro_rules! with_slice {
    ($of:ident :: { $($variant:ident),* }, $array:expr, $name:ident => $body:expr) => {
        match &$array {
            $($crate::arrays::$of::$variant(array) => {
                let $name = array.as_slice()?;
                $body
            })*
        }
    };
}

/// The same for lanes that are written.
macro_rules! with_lanes_mut {
    ($array:expr, $name:ident => $body:expr) => {
        match &mut $array {
            $crate::arrays::LanesMut::U16(array) => {
                let $name = array.as_slice_mut()?;
                $body
            }
            $crate::arrays::LanesMut::U32(array) => {
                let $name = array.as_slice_mut()?;
                $body
            }
            $crate::arrays::LanesMut::U64(array) => {
                let $name = array.as_slice_mut()?;
                $body
            }
        }
    };
}

macro_rules! with_lanes {
    ($array:expr, $name:ident => $body:expr) => {
        $crate::arrays::with_slice!(Lanes::{ U16, U32, U64 }, $array, $name => $body)
    };
}

macro_rules! with_update {
    ($array:expr, $name:ident => $body:expr) => {
        $crate::arrays::with_slice!(Update::{ F32, F64 }, $array, $name => $body)
    };
}

pub(crate) use {with_lanes, with_lanes_mut, with_slice, with_update};

impl<'a, 'py> FromPyObject<'a, 'py> for Update<'py> {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let array = checked(&object, "float32 or float64", false)?;
        match () {
            () if is::<f32>(array) => Ok(Self::F32(readonly(array)?)),
            () if is::<f64>(array) => Ok(Self::F64(readonly(array)?)),
            () => Err(other_dtype(array, "float32 or float64")),
        }
    }
}

const WORDS: &str = "uint16, uint32 or uint64";

impl<'a, 'py> FromPyObject<'a, 'py> for Lanes<'py> {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let array = checked(&object, WORDS, false)?;
        match () {
            () if is::<u16>(array) => Ok(Self::U16(readonly(array)?)),
            () if is::<u32>(array) => Ok(Self::U32(readonly(array)?)),
            () if is::<u64>(array) => Ok(Self::U64(readonly(array)?)),
            () => Err(other_dtype(array, WORDS)),
        }
    }
}

impl<'a, 'py> FromPyObject<'a, 'py> for LanesMut<'py> {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let array = checked(&object, WORDS, true)?;
        match () {
            () if is::<u16>(array) => Ok(Self::U16(readwrite(array)?)),
            () if is::<u32>(array) => Ok(Self::U32(readwrite(array)?)),
            () if is::<u64>(array) => Ok(Self::U64(readwrite(array)?)),
            () => Err(other_dtype(array, WORDS)),
        }
    }
}

impl<'a, 'py> FromPyObject<'a, 'py> for Bytes<'py> {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(bytes) = object.cast::<PyBytes>() {
            return Ok(Self::Object(bytes.to_owned()));
        }
        let viewed = view(&object)?;
        let array = checked(viewed.as_ref().unwrap_or(&object), "uint8, or bytes", false)?;
        if is::<u8>(array) {
            readonly(array).map(Self::Array)
        } else {
            Err(other_dtype(array, "uint8"))
        }
    }
}

/// A bytearray or a memoryview as an array, whose dtype and dimensions are then judged as any array's.
fn view<'py>(object: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    let holds_bytes =
        object.is_instance_of::<PyByteArray>() || object.is_instance_of::<PyMemoryView>();
    let numpy = || object.py().import("numpy");
    holds_bytes
        .then(|| numpy()?.call_method1("asarray", (PyMemoryView::from(object)?,)))
        .transpose()
}

impl Bytes<'_> {
    pub(crate) fn as_slice(&self) -> PyResult<&[u8]> {
        match self {
            Self::None => Ok(&[]),
            Self::Object(bytes) => Ok(bytes.as_bytes()),
            Self::Array(array) => Ok(array.as_slice()?),
        }
    }
}

/// An array of bytes that is written over.
pub(crate) fn bytes_mut<'py>(object: &Bound<'py, PyAny>) -> PyResult<PyReadwriteArray1<'py, u8>> {
    let array = checked(object, "uint8", true)?;
    if is::<u8>(array) { readwrite(array) } else { Err(other_dtype(array, "uint8")) }
}

/// Whether a mean is asked for as float64 (otherwise as float32).
pub(crate) fn is_double(kind: Option<&Bound<'_, PyAny>>) -> PyResult<bool> {
    let Some(kind) = kind else { return Ok(false) };
    let (py, asked) = (kind.py(), PyArrayDescr::new(kind.py(), kind.clone())?);
    match () {
        () if asked.is_equiv_to(&dtype::<f32>(py)) => Ok(false),
        () if asked.is_equiv_to(&dtype::<f64>(py)) => Ok(true),
        () => Err(PyTypeError::new_err(format!("a mean is float32 or float64, and not {asked}"))),
    }
}

fn checked<'a, 'py>(
    object: &'a Bound<'py, PyAny>,
    kinds: &str,
    to_write: bool,
) -> PyResult<&'a Bound<'py, PyUntypedArray>> {
    let array = object.cast::<PyUntypedArray>().map_err(|_| {
        let found = object.get_type();
        PyTypeError::new_err(format!("a numpy array of {kinds} is due, and not {found}"))
    })?;
    if is_masked(array)? {
        let message =
            "a masked array is not taken, whose mask would be lost: filled() it, or compressed()";
        return Err(PyTypeError::new_err(message));
    }
    if array.ndim() != 1 {
        let found = array.ndim();
        let message =
            format!("an array of one dimension is due, and not of {found}: reshape(-1) it");
        return Err(PyValueError::new_err(message));
    }
    let flags = array.getattr("flags")?;
    let has = |flag| flags.getattr(flag)?.extract::<bool>();
    if !(has("c_contiguous")? && has("aligned")?) {
        return Err(PyValueError::new_err("the array is not contiguous: copy() it"));
    }
    if to_write && !has("writeable")? {
        return Err(PyValueError::new_err("the array is read-only: copy() it"));
    }
    Ok(array)
}

fn is_masked(array: &Bound<'_, PyUntypedArray>) -> PyResult<bool> {
    static MASKED: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    array.is_instance(MASKED.import(array.py(), "numpy.ma", "MaskedArray")?)
}

fn is<T: Element>(array: &Bound<'_, PyUntypedArray>) -> bool {
    array.dtype().is_equiv_to(&dtype::<T>(array.py()))
}

fn other_dtype(array: &Bound<'_, PyUntypedArray>, kinds: &str) -> PyErr {
    PyTypeError::new_err(format!("an array of {kinds} is due, and not of {}", array.dtype()))
}

fn readonly<'py, T: Element>(
    array: &Bound<'py, PyUntypedArray>,
) -> PyResult<PyReadonlyArray1<'py, T>> {
    let borrowed = array.cast::<PyArray1<T>>()?.try_readonly();
    borrowed.map_err(|_| PyValueError::new_err("another call is writing to the array"))
}

fn readwrite<'py, T: Element>(
    array: &Bound<'py, PyUntypedArray>,
) -> PyResult<PyReadwriteArray1<'py, T>> {
    let borrowed = array.cast::<PyArray1<T>>()?.try_readwrite();
    borrowed.map_err(|_| PyValueError::new_err("another call is using the array"))
}
