//! `.npy`: a short header in the syntax of a Python dictionary, then the elements.
//!
//! The header of any array we accept is flat, so that five replacements make it JSON, which a parser with limits then
//! reads. (The npy crates read the general case, and panic or allocate without bound on headers that lie.)

use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::Path;

use serde::Deserialize;

use super::stored::{Stored, malformed, unreadable, unwritable, write_tensor};
use super::{Dtype, FileError, Format, Layout, TensorSpec, Update, Values, open};

/// What `numpy.savez` calls an array without a name.
const NAME: &str = "arr_0";

const MAGIC: &[u8] = b"\x93NUMPY";

/// numpy itself refuses headers longer than 10,000 bytes unless told to trust them.
const HEADER_LIMIT: u64 = 65_535;

/// Where numpy aligns the elements.
const ALIGNMENT: usize = 64;

pub(super) fn read_layout(path: &Path) -> Result<Layout, FileError> {
    let (stored, _) = open_array(path)?;
    Layout::new(path, Format::Npy, vec![stored.spec])
}

pub(super) fn read(path: &Path) -> Result<Update, FileError> {
    let (stored, mut reader) = open_array(path)?;
    let layout = Layout::new(path, Format::Npy, vec![stored.spec.clone()])?;
    let mut values = Values::empty_for(&layout);
    stored.read_into(&mut values, path, &mut reader)?;
    Ok(Update { layout, values })
}

pub(super) fn write(
    path: &Path,
    writer: &mut impl Write,
    layout: &Layout,
    values: &Values,
) -> Result<(), FileError> {
    layout.ranges().try_for_each(|(spec, range)| {
        writer.write_all(&header_of(spec)).map_err(|e| unwritable(path, e))?;
        write_tensor(path, writer, spec, range, values)
    })
}

/// Reads a header from a stream of `length` bytes and checks that the elements fill the rest.
pub(super) fn read_header(
    path: &Path,
    name: &str,
    reader: &mut impl Read,
    length: u64,
) -> Result<Stored, FileError> {
    let (text, before_data) = header_text(path, reader, length)?;
    let header: Header = serde_json::from_str(&as_json(&text))
        .map_err(|e| malformed(path, format!("the header of {name:?}: {e}")))?;
    let stored = header.into_stored(path, name)?;
    let bytes = stored.spec.checked_bytes().ok_or_else(|| too_large(path, &stored.spec))?;
    let declared = before_data.saturating_add(bytes as u64);
    if declared != length {
        return Err(FileError::WrongLength { path: path.into(), declared, found: length });
    }
    Ok(stored)
}

/// The header that numpy would write, all lengths told.
pub(super) fn header_of(spec: &TensorSpec) -> Vec<u8> {
    let extents: Vec<_> = spec.shape.iter().map(ToString::to_string).collect();
    // A tuple of one has a comma, too.
    let extents = extents.join(", ") + if extents.len() == 1 { "," } else { "" };
    let descr = match spec.dtype {
        Dtype::F16 | Dtype::Bf16 => "<f2",
        Dtype::F32 => "<f4",
        Dtype::F64 => "<f8",
    };
    let text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({extents}), }}");
    let start = MAGIC.len() + 2 + size_of::<u32>();
    let padded = (start + text.len() + 1).next_multiple_of(ALIGNMENT) - start;
    let length = (padded as u32).to_le_bytes();
    let line = format!("{text:<width$}\n", width = padded - 1);
    [MAGIC, &[2, 0], &length, line.as_bytes()].concat()
}

fn open_array(path: &Path) -> Result<(Stored, BufReader<File>), FileError> {
    let (file, length) = open(path)?;
    let mut reader = BufReader::new(file);
    Ok((read_header(path, NAME, &mut reader, length)?, reader))
}

/// The header's text, and how many bytes there are up to its end.
fn header_text(
    path: &Path,
    reader: &mut impl Read,
    length: u64,
) -> Result<(String, u64), FileError> {
    let [m0, m1, m2, m3, m4, m5, version, _] = read_array(path, reader)?;
    if [m0, m1, m2, m3, m4, m5] != MAGIC {
        return Err(malformed(path, "an array does not start with the npy magic bytes"));
    }
    let (declared, start) = match version {
        1 => (u16::from_le_bytes(read_array(path, reader)?).into(), 10),
        2 | 3 => (u32::from_le_bytes(read_array(path, reader)?).into(), 12),
        _ => return Err(malformed(path, format!("npy version {version} is unknown"))),
    };
    let limit = HEADER_LIMIT.min(length.saturating_sub(start));
    if declared > limit {
        return Err(FileError::HeaderTooLarge { path: path.into(), declared, limit });
    }
    let mut text = vec![0; declared as usize];
    reader.read_exact(&mut text).map_err(|e| unreadable(path, e))?;
    let text = String::from_utf8(text).map_err(|_| malformed(path, "the header is not text"))?;
    Ok((text, start + declared))
}

fn read_array<const N: usize>(path: &Path, reader: &mut impl Read) -> Result<[u8; N], FileError> {
    let mut bytes = [0; N];
    reader.read_exact(&mut bytes).map_err(|e| unreadable(path, e))?;
    Ok(bytes)
}

/// The same dictionary in JSON. No name or dtype that we accept has a space, so that spaces carry nothing.
fn as_json(text: &str) -> String {
    let dense: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    dense
        .replace('\'', "\"")
        .replace('(', "[")
        .replace(')', "]")
        .replace(":True", ":true")
        .replace(":False", ":false")
        .replace(",]", "]")
        .replace(",}", "}")
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    /// A string; a list where the array is of records.
    descr: serde_json::Value,
    fortran_order: bool,
    shape: Vec<usize>,
}

impl Header {
    fn into_stored(self, path: &Path, name: &str) -> Result<Stored, FileError> {
        let (dtype, big_endian) = match self.descr.as_str() {
            Some("<f2") => (Dtype::F16, false),
            Some(">f2") => (Dtype::F16, true),
            Some("<f4") => (Dtype::F32, false),
            Some(">f4") => (Dtype::F32, true),
            Some("<f8") => (Dtype::F64, false),
            Some(">f8") => (Dtype::F64, true),
            _ => return Err(unsupported(path, name, &self.descr)),
        };
        let spec = TensorSpec { name: name.into(), shape: self.shape, dtype };
        Ok(Stored { spec, big_endian, column_major: self.fortran_order })
    }
}

fn unsupported(path: &Path, name: &str, descr: &serde_json::Value) -> FileError {
    FileError::UnsupportedDtype { path: path.into(), tensor: name.into(), dtype: descr.to_string() }
}

fn too_large(path: &Path, spec: &TensorSpec) -> FileError {
    let (tensor, shape) = (spec.name.clone(), spec.shape.clone());
    FileError::TooLarge { path: path.into(), tensor, shape }
}
