//! `.safetensors`: the length of a JSON header, the header, and the tensors end to end.

use std::collections::HashSet;
use std::fmt;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::Path;

use safetensors::tensor::{Metadata, TensorInfo};
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use super::stored::{Stored, malformed, unreadable, unwritable, write_tensor};
use super::{Dtype, FileError, Format, Layout, TensorSpec, Update, Values, open};

/// Bytes of the header's length.
const LENGTH: u64 = 8;

/// The format's own limit.
const HEADER_LIMIT: u64 = 100_000_000;

pub(super) fn read_layout(path: &Path) -> Result<Layout, FileError> {
    Opened::new(path)?.layout(path)
}

pub(super) fn read(path: &Path) -> Result<Update, FileError> {
    let mut opened = Opened::new(path)?;
    let layout = opened.layout(path)?;
    let mut values = Values::empty_for(&layout);
    for spec in layout.tensors() {
        opened.seek_to(&spec.name).map_err(|e| unreadable(path, e))?;
        let stored = Stored { spec: spec.clone(), big_endian: false, column_major: false };
        stored.read_into(&mut values, path, &mut opened.reader)?;
    }
    Ok(Update { layout, values })
}

pub(super) fn write(
    path: &Path,
    writer: &mut impl Write,
    layout: &Layout,
    values: &Values,
) -> Result<(), FileError> {
    let tensors = widest_first(layout);
    let header = header_of(&tensors).map_err(|e| malformed(path, e))?;
    let length = (header.len() as u64).to_le_bytes();
    writer.write_all(&length).map_err(|e| unwritable(path, e))?;
    writer.write_all(&header).map_err(|e| unwritable(path, e))?;
    let mut each = tensors.into_iter();
    each.try_for_each(|(spec, range)| write_tensor(path, writer, spec, range, values))
}

/// A file whose header was read and agrees with the file's length.
struct Opened {
    metadata: Metadata,
    data_start: u64,
    reader: BufReader<File>,
}

impl Opened {
    fn new(path: &Path) -> Result<Self, FileError> {
        let (file, length) = open(path)?;
        let mut reader = BufReader::new(file);
        let header = read_header(path, &mut reader, length)?;
        let metadata = parse_header(path, &header)?;
        let data_start = LENGTH + header.len() as u64;
        let declared = data_start.saturating_add(metadata.data_len() as u64);
        if declared != length {
            return Err(FileError::WrongLength { path: path.into(), declared, found: length });
        }
        Ok(Self { metadata, data_start, reader })
    }

    fn layout(&self, path: &Path) -> Result<Layout, FileError> {
        let tensors = self.metadata.tensors();
        let specs = tensors
            .into_iter()
            .map(|(name, info)| spec_of(path, name, info))
            .collect::<Result<_, _>>()?;
        Layout::new(path, Format::Safetensors, specs)
    }

    fn seek_to(&mut self, name: &str) -> std::io::Result<u64> {
        let offset = self.metadata.info(name).map_or(0, |info| info.data_offsets.0);
        self.reader.seek(SeekFrom::Start(self.data_start + offset as u64))
    }
}

fn read_header(path: &Path, reader: &mut impl Read, length: u64) -> Result<Vec<u8>, FileError> {
    let mut declared = [0; LENGTH as usize];
    reader.read_exact(&mut declared).map_err(|e| unreadable(path, e))?;
    let declared = u64::from_le_bytes(declared);
    let limit = HEADER_LIMIT.min(length.saturating_sub(LENGTH));
    if declared > limit {
        return Err(FileError::HeaderTooLarge { path: path.into(), declared, limit });
    }
    let mut header = vec![0; declared as usize];
    reader.read_exact(&mut header).map_err(|e| unreadable(path, e))?;
    Ok(header)
}

fn parse_header(path: &Path, header: &[u8]) -> Result<Metadata, FileError> {
    let mut json = serde_json::Deserializer::from_slice(header);
    json.deserialize_map(NoKeyTwice).map_err(|e| malformed(path, e.to_string()))?;
    serde_json::from_slice(header).map_err(|e| malformed(path, e.to_string()))
}

/// Looks at a JSON object for a key that appears twice: the library would keep the last one silently.
struct NoKeyTwice;

impl<'de> Visitor<'de> for NoKeyTwice {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = HashSet::new();
        while let Some((key, _)) = map.next_entry::<String, IgnoredAny>()? {
            if let Some(twice) = seen.replace(key) {
                return Err(Error::custom(format_args!("tensor {twice:?} appears twice")));
            }
        }
        Ok(())
    }
}

fn spec_of(path: &Path, name: String, info: &TensorInfo) -> Result<TensorSpec, FileError> {
    let dtype = match info.dtype {
        safetensors::Dtype::F16 => Dtype::F16,
        safetensors::Dtype::BF16 => Dtype::Bf16,
        safetensors::Dtype::F32 => Dtype::F32,
        safetensors::Dtype::F64 => Dtype::F64,
        other => {
            let (tensor, dtype) = (name, other.to_string());
            return Err(FileError::UnsupportedDtype { path: path.into(), tensor, dtype });
        }
    };
    Ok(TensorSpec { name, shape: info.shape.clone(), dtype })
}

/// The order that the format advises, so that every tensor is aligned to its elements.
fn widest_first(layout: &Layout) -> Vec<(&TensorSpec, Range<usize>)> {
    let mut tensors: Vec<_> = layout.ranges().collect();
    tensors.sort_by_key(|(spec, _)| std::cmp::Reverse(spec.dtype.bytes()));
    tensors
}

fn header_of(tensors: &[(&TensorSpec, Range<usize>)]) -> Result<Vec<u8>, String> {
    let mut end = 0;
    let infos = tensors.iter().map(|(spec, range)| {
        let start = end;
        end += range.len() * spec.dtype.bytes();
        (spec.name.clone(), info_of(spec, (start, end)))
    });
    let metadata = Metadata::new(None, infos.collect()).map_err(|e| e.to_string())?;
    let mut json = serde_json::to_vec(&metadata).map_err(|e| e.to_string())?;
    json.resize(json.len().next_multiple_of(LENGTH as usize), b' ');
    Ok(json)
}

fn info_of(spec: &TensorSpec, data_offsets: (usize, usize)) -> TensorInfo {
    let dtype = match spec.dtype {
        Dtype::F16 => safetensors::Dtype::F16,
        Dtype::Bf16 => safetensors::Dtype::BF16,
        Dtype::F32 => safetensors::Dtype::F32,
        Dtype::F64 => safetensors::Dtype::F64,
    };
    TensorInfo { dtype, shape: spec.shape.clone(), data_offsets }
}
