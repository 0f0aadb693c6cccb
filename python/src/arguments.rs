//! Python's numbers as the crates take them.

use std::fmt::Display;

use pyo3::exceptions::{PyOverflowError, PyTypeError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyType};
use secagg::kernels::{Modulus, Prg, Seed};
use secagg::{Amount, QuantizationRange, SessionId, Stage, ThreatModel};
use zeroize::{Zeroize, Zeroizing};

use crate::errors::{misuse, misused};

/// A whole number; one that is out of range is a matter of misuse, as all wrong numbers are.
#[derive(Clone, Copy)]
pub(crate) struct Whole<T>(pub(crate) T);

impl<'a, 'py, T> FromPyObject<'a, 'py> for Whole<T>
where
    T: FromPyObject<'a, 'py, Error = PyErr> + Limits,
{
    type Error = PyErr;

    fn extract(number: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        static INTEGRAL: PyOnceLock<Py<PyType>> = PyOnceLock::new();
        is_of(&INTEGRAL, "Integral", "an integer", number)?;
        T::extract(number).map(Self).map_err(|error| {
            if !error.is_instance_of::<PyOverflowError>(number.py()) {
                return error;
            }
            let (least, most) = (T::LEAST, T::MOST);
            misuse("Range", format_args!("{} is not from {least} to {most}", number.to_owned()))
        })
    }
}

/// The least and the largest whole number of a type.
pub(crate) trait Limits {
    type Limit: Display;
    const LEAST: Self::Limit;
    const MOST: Self::Limit;
}

macro_rules! limits {
    ($($whole:ty)*) => {
        $(impl Limits for $whole {
            type Limit = $whole;
            const LEAST: $whole = <$whole>::MIN;
            const MOST: $whole = <$whole>::MAX;
        })*
    };
}

limits!(i64 u32 u64 u128 usize);

/// A real number: a float or an integer, Python's or numpy's.
#[derive(Clone, Copy)]
pub(crate) struct Number(pub(crate) f64);

impl<'a, 'py> FromPyObject<'a, 'py> for Number {
    type Error = PyErr;

    fn extract(number: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        static REAL: PyOnceLock<Py<PyType>> = PyOnceLock::new();
        is_of(&REAL, "Real", "a number", number)?;
        number.extract().map(Self)
    }
}

/// Refuses everything but numbers of a class of Python's module `numbers`, which numpy's scalars belong to too.
/// A bool is none here, nor an array without axes.
fn is_of(
    class: &PyOnceLock<Py<PyType>>,
    name: &str,
    due: &str,
    number: Borrowed<'_, '_, PyAny>,
) -> PyResult<()> {
    let class = class.import(number.py(), "numbers", name)?;
    if !number.is_instance_of::<PyBool>() && number.is_instance(class)? {
        return Ok(());
    }
    let found = number.get_type();
    Err(PyTypeError::new_err(format!("{due} is due, and not {found}")))
}

/// Clients that make a mean: some, of a weight together.
pub(crate) fn some_weight(clients: u64, total_weight: f64) -> PyResult<(u64, f64)> {
    if clients > 0 && total_weight > 0.0 && total_weight.is_finite() {
        return Ok((clients, total_weight));
    }
    let message = format_args!(
        "{clients} clients with a total weight of {total_weight} have no mean: give 1 or more, and a weight above 0"
    );
    Err(misuse("NoMean", message))
}

/// An int is a count, and a float is a fraction.
#[derive(Clone, Copy)]
pub(crate) struct Share(pub(crate) Amount);

impl<'a, 'py> FromPyObject<'a, 'py> for Share {
    type Error = PyErr;

    fn extract(amount: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if amount.hasattr("__index__")? {
            return Whole::<u32>::extract(amount).map(|count| Self(Amount::Count(count.0)));
        }
        Number::extract(amount).map(|fraction| Self(Amount::Fraction(fraction.0)))
    }
}

/// A number of levels, or "auto".
#[derive(Clone, Copy)]
pub(crate) struct Levels(pub(crate) QuantizationRange);

impl Default for Levels {
    fn default() -> Self {
        Self(QuantizationRange::Levels(1 << 22))
    }
}

impl<'a, 'py> FromPyObject<'a, 'py> for Levels {
    type Error = PyErr;

    fn extract(levels: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(text) = levels.extract::<&str>() {
            let auto = || {
                misuse(
                    "QuantizationRange",
                    format_args!("{text:?} is neither a number nor \"auto\""),
                )
            };
            return if text == "auto" { Ok(Self(QuantizationRange::Auto)) } else { Err(auto()) };
        }
        Whole::<u64>::extract(levels).map(|levels| Self(QuantizationRange::Levels(levels.0)))
    }
}

pub(crate) fn prg(name: &str) -> PyResult<Prg> {
    name.parse().map_err(misused)
}

pub(crate) fn threat_model(name: &str) -> PyResult<ThreatModel> {
    name.parse().map_err(misused)
}

pub(crate) fn modulus(width: u32) -> PyResult<Modulus> {
    Modulus::from_width(width).map_err(misused)
}

/// A stage's name, as Python writes names.
pub(crate) const fn stage_name(stage: Stage) -> &'static str {
    match stage {
        Stage::Setup => "setup",
        Stage::ShareKeys => "share_keys",
        Stage::CollectMaskedVectors => "collect_masked_vectors",
        Stage::ConfirmSurvivors => "confirm_survivors",
        Stage::Unmask => "unmask",
        _ => "",
    }
}

pub(crate) fn session(bytes: &[u8]) -> PyResult<SessionId> {
    exactly(bytes, "a session id").map(|bytes| SessionId(*bytes))
}

pub(crate) fn seed(bytes: &[u8]) -> PyResult<Seed> {
    secret(bytes, "a seed").map(|bytes| Seed::from_bytes(*bytes))
}

/// 32 bytes, in a copy that is wiped.
pub(crate) fn secret(bytes: &[u8], what: &str) -> PyResult<Zeroizing<[u8; 32]>> {
    exactly(bytes, what)
}

fn exactly<const N: usize>(bytes: &[u8], what: &str) -> PyResult<Zeroizing<[u8; N]>>
where
    [u8; N]: Zeroize,
{
    let (found, mut copy) = (bytes.len(), Zeroizing::new([0; N]));
    if found != N {
        return Err(misuse("Length", format_args!("{what} has {N} bytes, and not {found}")));
    }
    copy.copy_from_slice(bytes);
    Ok(copy)
}
