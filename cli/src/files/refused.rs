//! Tensors that cannot be averaged, and why.

use std::fmt;

/// A tensor that cannot be averaged.
#[derive(Clone, Debug, PartialEq)]
pub struct Refused {
    /// The tensor.
    pub tensor: String,
    /// Why.
    pub reason: Reason,
}

/// Why a tensor cannot be averaged.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Reason {
    /// Its dtype, as the file writes it, is no float, integer or bool of up to 64 bits.
    Dtype(String),
    /// An entry of an archive is no array.
    NotAnArray,
    /// NaN or an infinity.
    NonFinite {
        /// Position in the tensor, counted in row-major order.
        flat: usize,
        /// The same position, one number per dimension.
        index: Vec<usize>,
        /// The value.
        value: f64,
    },
    /// An integer of 2^53 or more, either side of zero: no f64 is sure to be it.
    LargeInteger {
        /// Position in the tensor, counted in row-major order.
        flat: usize,
        /// The same position, one number per dimension.
        index: Vec<usize>,
    },
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The start of a name of thousands of letters tells enough.
        let tensor: String = self.tensor.chars().take(80).collect();
        match &self.reason {
            Reason::Dtype(dtype) => write!(f, "tensor {tensor:?} has dtype {dtype}"),
            Reason::NotAnArray => write!(f, "entry {tensor:?} is not a .npy array"),
            Reason::NonFinite { flat, index, value } => {
                write!(f, "tensor {tensor:?}: element {flat} (index {index:?}) is {value}")
            }
            Reason::LargeInteger { flat, index } => write!(
                f,
                "tensor {tensor:?}: element {flat} (index {index:?}) is an integer of 2^53 or more"
            ),
        }
    }
}
