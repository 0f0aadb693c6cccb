//! A tensor's values between a stream of bytes and [`Values`], the same for every format.

use std::io::{self, Read, Write};
use std::ops::Range;
use std::path::Path;

use super::{FileError, Reason, Refused, TensorSpec, Values, values};

/// Elements held as bytes at a time: enough to make system calls rare, little beside any model.
const PIECE: usize = 8192;

/// A tensor as a file keeps it.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) spec: TensorSpec,
    pub(super) big_endian: bool,
    pub(super) column_major: bool,
}

impl Stored {
    /// As we write it.
    pub(super) fn plain(spec: TensorSpec) -> Self {
        Self { spec, big_endian: false, column_major: false }
    }

    /// Appends the tensor's values, read from where `reader` stands; tells the first one that
    /// cannot be summed.
    pub(super) fn read_into(
        &self,
        values: &mut Values,
        path: &Path,
        reader: &mut impl Read,
    ) -> Result<Option<Refused>, FileError> {
        let start = values.len();
        values.reserve(self.spec.elements()).ok_or_else(|| self.too_large(path))?;
        self.read_pieces(values, reader).map_err(|e| unreadable(path, e))?;
        if self.column_major {
            values.transpose_from(start, &self.spec.shape);
        }
        let unfit = values.unfit_from(start, self.spec.dtype);
        Ok(unfit.map(|(flat, value)| self.refused(flat, value)))
    }

    fn read_pieces(&self, values: &mut Values, reader: &mut impl Read) -> io::Result<()> {
        let (dtype, mut left) = (self.spec.dtype, self.spec.elements());
        let mut bytes = vec![0; left.min(PIECE) * dtype.bytes()];
        while left > 0 {
            let now = left.min(PIECE);
            let piece = &mut bytes[..now * dtype.bytes()];
            reader.read_exact(piece)?;
            values.extend(dtype, self.big_endian, piece);
            left -= now;
        }
        Ok(())
    }

    fn too_large(&self, path: &Path) -> FileError {
        let TensorSpec { name, shape, .. } = self.spec.clone();
        FileError::TooLarge { path: path.into(), tensor: name, shape }
    }

    fn refused(&self, flat: usize, value: f64) -> Refused {
        let (tensor, index) = (self.spec.name.clone(), self.spec.index(flat));
        let reason = if value.is_finite() {
            Reason::LargeInteger { flat, index }
        } else {
            Reason::NonFinite { flat, index, value }
        };
        Refused { tensor, reason }
    }
}

/// Reads `len` bytes and no more. Memory grows with what is there, and not with what is declared.
pub(super) fn read_bytes(
    path: &Path,
    reader: &mut impl Read,
    len: u64,
) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    reader.take(len).read_to_end(&mut bytes).map_err(|e| unreadable(path, e))?;
    if bytes.len() as u64 == len { Ok(bytes) } else { Err(malformed(path, "it ends too early")) }
}

/// Writes one tensor, whose values are those in `range`.
pub(super) fn write_tensor(
    path: &Path,
    writer: &mut impl Write,
    spec: &TensorSpec,
    range: Range<usize>,
    values: &Values,
) -> Result<(), FileError> {
    for start in range.clone().step_by(PIECE) {
        let piece = values.widened(start..range.end.min(start + PIECE));
        let bytes = values::encode(&piece, spec.dtype)
            .map_err(|at| overflow(path, spec, start - range.start + at, piece[at]))?;
        writer.write_all(&bytes).map_err(|e| unwritable(path, e))?;
    }
    Ok(())
}

/// A read error; an unexpected end, where lengths were checked before, is a damaged file.
pub(super) fn unreadable(path: &Path, source: io::Error) -> FileError {
    match source.kind() {
        io::ErrorKind::UnexpectedEof => malformed(path, "it ends too early"),
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
            malformed(path, source.to_string())
        }
        _ => FileError::Unreadable { path: path.into(), source },
    }
}

pub(super) fn unwritable(path: &Path, source: io::Error) -> FileError {
    FileError::Unwritable { path: path.into(), source }
}

pub(super) fn malformed(path: &Path, reason: impl Into<String>) -> FileError {
    FileError::Malformed { path: path.into(), reason: reason.into() }
}

fn overflow(path: &Path, spec: &TensorSpec, flat: usize, value: f64) -> FileError {
    let (tensor, index, dtype) = (spec.name.clone(), spec.index(flat), spec.dtype);
    FileError::Overflow { path: path.into(), tensor, flat, index, value, dtype }
}
