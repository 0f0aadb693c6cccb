//! Tensors that are not averaged: read whole, compared, and written as they were.

use std::io::Read;
use std::path::Path;

use super::stored::{Stored, read_bytes};
use super::{Dtype, FileError, Format, Reason, Refused, npy, values};

/// A tensor that goes through a round unseen.
#[derive(Clone, Debug, PartialEq)]
pub struct Skipped {
    /// Its name in the file.
    pub name: String,
    pub(super) content: Content,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Content {
    /// Elements of a dtype that every format has: little-endian, row-major.
    Known { shape: Vec<usize>, dtype: Dtype, bytes: Vec<u8> },
    /// A `.npy` array of another dtype, or any other entry of an archive, as it is there.
    Numpy { dtype: String, entry: Vec<u8> },
    /// Elements of a dtype that numpy has not.
    Safetensors { shape: Vec<usize>, dtype: safetensors::Dtype, bytes: Vec<u8> },
}

impl Skipped {
    /// A `.npy` array, or whatever else an archive has under a name.
    pub(super) fn numpy(path: &Path, name: &str, entry: Vec<u8>) -> Result<Self, FileError> {
        let mut rest = &entry[..];
        let dtype = match npy::read_header(path, name, &mut rest, entry.len() as u64) {
            Ok(Ok(stored)) => return Self::known(path, stored, &mut rest),
            Ok(Err(Refused { reason: Reason::Dtype(dtype), .. })) => dtype,
            _ => "unknown".into(),
        };
        Ok(Self { name: name.into(), content: Content::Numpy { dtype, entry } })
    }

    /// Reads a tensor of a known dtype, from its first element on.
    pub(super) fn known(
        path: &Path,
        stored: Stored,
        reader: &mut impl Read,
    ) -> Result<Self, FileError> {
        let Stored { spec, big_endian, column_major } = stored;
        let (width, elements) = (spec.dtype.bytes(), spec.elements() as u64);
        let mut bytes = read_bytes(path, reader, elements.saturating_mul(width as u64))?;
        if big_endian {
            bytes.chunks_exact_mut(width).for_each(<[u8]>::reverse);
        }
        if column_major {
            bytes = values::transposed(&bytes, width, &spec.shape);
        }
        let content = Content::Known { shape: spec.shape, dtype: spec.dtype, bytes };
        Ok(Self { name: spec.name, content })
    }

    /// The reason why the format cannot hold it, if there is one.
    pub(super) fn foreign_to(&self, format: Format) -> Option<String> {
        match (&self.content, format) {
            (Content::Known { dtype: Dtype::Bf16, .. }, Format::Npy | Format::Npz) => {
                Some("bf16".into())
            }
            (Content::Numpy { dtype, .. }, Format::Safetensors) => Some(dtype.clone()),
            (Content::Safetensors { dtype, .. }, Format::Npy | Format::Npz) => {
                Some(dtype.to_string())
            }
            _ => None,
        }
    }
}

impl Content {
    /// Its elements, or all of an entry.
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Known { bytes, .. } | Self::Safetensors { bytes, .. } => bytes,
            Self::Numpy { entry, .. } => entry,
        }
    }
}
