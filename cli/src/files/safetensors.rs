//! `.safetensors`: the length of a JSON header, the header, and the tensors end to end.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

use safetensors::tensor::{Metadata, TensorInfo};
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde::{Serialize, Serializer};

use super::contents::{Contents, Found, Tensor};
use super::skipped::Content;
use super::stored::{Stored, malformed, read_bytes, unreadable, unwritable, write_tensor};
use super::{
    Dtype, FileError, Format, Layout, Reason, Refused, Skip, Skipped, TensorSpec, Update, Values,
    open,
};

/// Bytes of the header's length.
const LENGTH: u64 = 8;

/// The format's own limit.
const HEADER_LIMIT: u64 = 100_000_000;

/// The one key of the header that is no tensor.
pub(super) const METADATA: &str = "__metadata__";

pub(super) fn read_layout(path: &Path, skip: &Skip) -> Result<Found, FileError> {
    Opened::new(path)?.layout(path, skip)
}

pub(super) fn read(path: &Path, skip: &Skip) -> Result<(Update, Vec<Refused>), FileError> {
    let mut opened = Opened::new(path)?;
    let (layout, mut refused) = opened.layout(path, skip)?;
    let mut values = Values::empty_for(&layout);
    for spec in layout.tensors() {
        opened.seek_to(&spec.name).map_err(|e| unreadable(path, e))?;
        let stored = Stored::plain(spec.clone());
        refused.extend(stored.read_into(&mut values, path, &mut opened.reader)?);
    }
    Ok((Update { layout, values }, refused))
}

pub(super) fn write(
    path: &Path,
    writer: &mut impl Write,
    layout: &Layout,
    values: &Values,
) -> Result<(), FileError> {
    let tensors = widest_first(layout);
    let header = header_of(&layout.extras().metadata, &tensors);
    let header = header.map_err(|e| malformed(path, e.to_string()))?;
    let length = (header.len() as u64).to_le_bytes();
    writer.write_all(&length).map_err(|e| unwritable(path, e))?;
    writer.write_all(&header).map_err(|e| unwritable(path, e))?;
    tensors.into_iter().try_for_each(|tensor| match tensor {
        Tensor::Averaged(spec, range) => write_tensor(path, writer, spec, range, values),
        Tensor::Skipped(it) => {
            writer.write_all(it.content.bytes()).map_err(|e| unwritable(path, e))
        }
    })
}

/// A file whose header was read and agrees with the file's length.
struct Opened {
    metadata: Metadata,
    data_start: u64,
    reader: BufReader<File>,
}

impl Opened {
    fn new(path: &Path) -> Result<Self, FileError> {
        let (file, length) = open(path, Format::Safetensors)?;
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

    fn layout(&mut self, path: &Path, skip: &Skip) -> Result<Found, FileError> {
        let mut contents = Contents::default();
        for name in self.metadata.offset_keys() {
            let Some(info) = self.metadata.info(&name).cloned() else { continue };
            if skip.matches(&name) {
                contents.add_skipped(self.skipped(path, name, info)?);
            } else {
                contents.add(&name, spec_of(&name, &info));
            }
        }
        let metadata = self.metadata.metadata().clone();
        contents.extras.metadata = metadata.unwrap_or_default().into_iter().collect();
        contents.layout(path, Format::Safetensors)
    }

    fn skipped(
        &mut self,
        path: &Path,
        name: String,
        info: TensorInfo,
    ) -> Result<Skipped, FileError> {
        self.seek_to(&name).map_err(|e| unreadable(path, e))?;
        if let Ok(spec) = spec_of(&name, &info) {
            return Skipped::known(path, Stored::plain(spec), &mut self.reader);
        }
        let TensorInfo { dtype, shape, data_offsets: (start, end) } = info;
        let bytes = read_bytes(path, &mut self.reader, (end - start) as u64)?;
        Ok(Skipped { name, content: Content::Safetensors { shape, dtype, bytes } })
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

/// Looks at a JSON object for a key that appears twice: the library would keep the last one
/// silently.
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

fn spec_of(name: &str, info: &TensorInfo) -> Result<TensorSpec, Refused> {
    let unsupported =
        || Refused { tensor: name.into(), reason: Reason::Dtype(info.dtype.to_string()) };
    let dtype = Dtype::from_safetensors(info.dtype).ok_or_else(unsupported)?;
    Ok(TensorSpec { name: name.into(), shape: info.shape.clone(), dtype })
}

/// The order that the format advises, so that every tensor is aligned to its elements.
fn widest_first(layout: &Layout) -> Vec<Tensor<'_>> {
    let averaged = layout.ranges().map(|(spec, range)| Tensor::Averaged(spec, range));
    let mut tensors: Vec<_> =
        averaged.chain(layout.skipped().iter().map(Tensor::Skipped)).collect();
    tensors.sort_by_cached_key(|tensor| {
        let bits = std::cmp::Reverse(described(tensor).0.bitsize());
        (bits, tensor.name().to_owned())
    });
    tensors
}

/// A tensor's dtype, shape and length in bytes.
fn described<'a>(tensor: &'a Tensor<'_>) -> (safetensors::Dtype, &'a [usize], usize) {
    match tensor {
        Tensor::Averaged(spec, range) => {
            (spec.dtype.safetensors(), &spec.shape, range.len() * spec.dtype.bytes())
        }
        Tensor::Skipped(it) => match &it.content {
            Content::Known { shape, dtype, bytes } => (dtype.safetensors(), shape, bytes.len()),
            Content::Safetensors { shape, dtype, bytes } => (*dtype, shape, bytes.len()),
            // `check_writable` has refused it.
            Content::Numpy { entry, .. } => (safetensors::Dtype::U8, &[], entry.len()),
        },
    }
}

/// The header's members, in this order.
struct Header<'a>(Vec<(&'a str, Member<'a>)>);

#[derive(Serialize)]
#[serde(untagged)]
enum Member<'a> {
    Metadata(&'a BTreeMap<String, String>),
    Tensor(TensorInfo),
}

impl Serialize for Header<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, member)| (name, member)))
    }
}

fn header_of(
    metadata: &BTreeMap<String, String>,
    tensors: &[Tensor<'_>],
) -> serde_json::Result<Vec<u8>> {
    let mut members = Vec::with_capacity(tensors.len() + 1);
    if !metadata.is_empty() {
        members.push((METADATA, Member::Metadata(metadata)));
    }
    let mut end = 0;
    members.extend(tensors.iter().map(|tensor| {
        let (dtype, shape, bytes) = described(tensor);
        let start = end;
        end += bytes;
        let (shape, data_offsets) = (shape.to_vec(), (start, end));
        (tensor.name(), Member::Tensor(TensorInfo { dtype, shape, data_offsets }))
    }));
    let mut json = serde_json::to_vec(&Header(members))?;
    json.resize(json.len().next_multiple_of(LENGTH as usize), b' ');
    Ok(json)
}
