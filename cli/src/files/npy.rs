//! `.npy`: a short header in the syntax of a Python dictionary, then the elements.
//!
//! The header of any array we accept is flat, so that a few replacements make it JSON, which a
//! parser with limits then reads. (The npy crates read the general case, and panic or allocate
//! without bound on headers that lie.)

use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::Path;

use serde::Deserialize;

use super::contents::{Contents, Found, Tensor};
use super::skipped::Content;
use super::stored::{Stored, malformed, read_bytes, unreadable, unwritable, write_tensor};
use super::{
    Dtype, FileError, Format, Layout, Reason, Refused, Skip, Skipped, TensorSpec, Update, Values,
    open,
};

/// The name that `numpy.savez` gives to an array without one.
const NAME: &str = "arr_0";

const MAGIC: &[u8] = b"\x93NUMPY";

/// numpy itself refuses headers longer than 10,000 bytes unless told to trust them.
const HEADER_LIMIT: u64 = 65_535;

/// Where numpy aligns the elements.
const ALIGNMENT: usize = 64;

pub(super) fn read_layout(path: &Path, skip: &Skip) -> Result<Found, FileError> {
    let (found, _, _) = open_array(path, skip)?;
    found.layout(path, Format::Npy)
}

pub(super) fn read(path: &Path, skip: &Skip) -> Result<(Update, Vec<Refused>), FileError> {
    let (found, stored, mut reader) = open_array(path, skip)?;
    let (layout, mut refused) = found.layout(path, Format::Npy)?;
    let mut values = Values::empty_for(&layout);
    if let Some(stored) = stored {
        refused.extend(stored.read_into(&mut values, path, &mut reader)?);
    }
    Ok((Update { layout, values }, refused))
}

pub(super) fn write(
    path: &Path,
    writer: &mut impl Write,
    layout: &Layout,
    values: &Values,
) -> Result<(), FileError> {
    layout.in_order().try_for_each(|tensor| write_array(path, writer, &tensor, values))
}

/// Writes one array with its header.
pub(super) fn write_array(
    path: &Path,
    writer: &mut impl Write,
    tensor: &Tensor<'_>,
    values: &Values,
) -> Result<(), FileError> {
    let mut put = |bytes: &[u8]| writer.write_all(bytes).map_err(|e| unwritable(path, e));
    match tensor {
        Tensor::Averaged(spec, range) => {
            put(&header_of(&spec.shape, spec.dtype))?;
            write_tensor(path, writer, spec, range.clone(), values)
        }
        Tensor::Skipped(skipped) => match &skipped.content {
            Content::Known { shape, dtype, bytes } => {
                put(&header_of(shape, *dtype)).and_then(|()| put(bytes))
            }
            Content::Numpy { entry, .. } => put(entry),
            // `check_writable` has refused it.
            Content::Safetensors { bytes, .. } => put(bytes),
        },
    }
}

/// Whether a file or an entry starts as an array does.
pub(super) fn is_array(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// Reads a header from a stream of `length` bytes and checks that the elements fill the rest. An
/// array of a dtype that cannot be averaged is told, and its length is not checked.
pub(super) fn read_header(
    path: &Path,
    name: &str,
    reader: &mut impl Read,
    length: u64,
) -> Result<Result<Stored, Refused>, FileError> {
    let (text, before_data) = header_text(path, reader, length)?;
    let header: Header = serde_json::from_str(&as_json(&text))
        .map_err(|e| malformed(path, format!("the header of {name:?}: {e}")))?;
    let stored = match header.into_stored(name) {
        Ok(stored) => stored,
        Err(refused) => return Ok(Err(refused)),
    };
    let bytes = stored.spec.checked_bytes().ok_or_else(|| too_large(path, &stored.spec))?;
    let declared = before_data.saturating_add(bytes as u64);
    if declared != length {
        return Err(FileError::WrongLength { path: path.into(), declared, found: length });
    }
    Ok(Ok(stored))
}

/// The header that numpy would write, all lengths told.
fn header_of(shape: &[usize], dtype: Dtype) -> Vec<u8> {
    let extents: Vec<_> = shape.iter().map(ToString::to_string).collect();
    // A tuple of one has a comma, too.
    let extents = extents.join(", ") + if extents.len() == 1 { "," } else { "" };
    let descr = dtype.numpy();
    let text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({extents}), }}");
    let start = MAGIC.len() + 2 + size_of::<u32>();
    let padded = (start + text.len() + 1).next_multiple_of(ALIGNMENT) - start;
    let length = (padded as u32).to_le_bytes();
    let line = format!("{text:<width$}\n", width = padded - 1);
    [MAGIC, &[2, 0], &length, line.as_bytes()].concat()
}

type Opened = (Contents, Option<Stored>, BufReader<File>);

fn open_array(path: &Path, skip: &Skip) -> Result<Opened, FileError> {
    let (file, length) = open(path, Format::Npy)?;
    let mut reader = BufReader::new(file);
    let mut contents = Contents::default();
    if skip.matches(NAME) {
        contents.add_skipped(Skipped::numpy(path, NAME, read_bytes(path, &mut reader, length)?)?);
        return Ok((contents, None, reader));
    }
    let stored = read_header(path, NAME, &mut reader, length)?;
    contents.add(NAME, stored.as_ref().map(|it| it.spec.clone()).map_err(Clone::clone));
    Ok((contents, stored.ok(), reader))
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
    let mut text =
        String::from_utf8(text).map_err(|_| malformed(path, "the header is not text"))?;
    if version < 3 {
        text = without_long_marks(&text);
    }
    Ok((text, start + declared))
}

fn read_array<const N: usize>(path: &Path, reader: &mut impl Read) -> Result<[u8; N], FileError> {
    let mut bytes = [0; N];
    reader.read_exact(&mut bytes).map_err(|e| unreadable(path, e))?;
    Ok(bytes)
}

/// Python 2 wrote a long integer with an L: `(3L, 4L)`.
fn without_long_marks(text: &str) -> String {
    let (mut quoted, mut before) = (false, ' ');
    let keep = |c: &char| {
        quoted ^= *c == '\'';
        let mark = *c == 'L' && before.is_ascii_digit() && !quoted;
        before = *c;
        !mark
    };
    text.chars().filter(keep).collect()
}

/// The same dictionary in JSON. No name or dtype that we accept has a space, so that spaces carry
/// nothing.
fn as_json(text: &str) -> String {
    let dense: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    dense
        // Python has no such words; as text they are refused below, where a truth value is
        // expected.
        .replace(":true", ":'true'")
        .replace(":false", ":'false'")
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
    fn into_stored(self, name: &str) -> Result<Stored, Refused> {
        let known = self.descr.as_str().and_then(Dtype::from_numpy);
        let (dtype, big_endian) = known.ok_or_else(|| unsupported(name, &self.descr))?;
        let spec = TensorSpec { name: name.into(), shape: self.shape, dtype };
        Ok(Stored { spec, big_endian, column_major: self.fortran_order })
    }
}

/// The start of a long list of fields is enough.
fn unsupported(name: &str, descr: &serde_json::Value) -> Refused {
    let dtype: String = descr.to_string().chars().take(60).collect();
    Refused { tensor: name.into(), reason: Reason::Dtype(dtype) }
}

fn too_large(path: &Path, spec: &TensorSpec) -> FileError {
    let (tensor, shape) = (spec.name.clone(), spec.shape.clone());
    FileError::TooLarge { path: path.into(), tensor, shape }
}
