//! `.npz`: a zip archive of `.npy` arrays, stored or deflated.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

use zip::read::ZipFile;
use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::contents::{Contents, Found, Tensor};
use super::skipped::Content;
use super::stored::{Stored, malformed, read_bytes, unreadable, unwritable};
use super::{FileError, Format, Layout, Reason, Refused, Skip, Skipped, Update, Values, npy, open};

type Archive = ZipArchive<BufReader<File>>;

/// Deflate cannot do better: 258 bytes for two bits.
const DEFLATE_LIMIT: u64 = 1032;

/// The ending that numpy adds to an array's name.
const SUFFIX: &str = ".npy";

/// Folder in which macOS puts its notes about the files of an archive.
const MAC: &str = "__MACOSX/";

/// Bytes that tell an array from another entry.
const MAGIC_BYTES: u64 = 6;

pub(super) fn read_layout(path: &Path, skip: &Skip) -> Result<Found, FileError> {
    let (mut archive, mut contents) = (open_archive(path)?, Contents::default());
    for at in 0..archive.len() {
        let Some(mut entry) = open_entry(path, &mut archive, at)? else { continue };
        let name = entry.tensor.clone();
        if skip.matches(&name) {
            contents.add_skipped(Skipped::numpy(path, &name, entry.bytes(path)?)?);
        } else {
            contents.add(&name, entry.header(path)?.map(|stored| stored.spec));
        }
    }
    contents.layout(path, Format::Npz)
}

pub(super) fn read(path: &Path, skip: &Skip) -> Result<(Update, Vec<Refused>), FileError> {
    let (layout, mut refused) = read_layout(path, skip)?;
    let mut archive = open_archive(path)?;
    let places = places(path, &mut archive)?;
    let mut values = Values::empty_for(&layout);
    for spec in layout.tensors() {
        let gone = || malformed(path, format!("no entry for {:?}", spec.name));
        let at = *places.get(&spec.name).ok_or_else(gone)?;
        let mut entry = open_entry(path, &mut archive, at)?.ok_or_else(gone)?;
        let stored = entry.header(path)?.map_err(|_| gone())?;
        refused.extend(stored.read_into(&mut values, path, &mut entry.reader)?);
        entry.check_ended(path)?;
    }
    Ok((Update { layout, values }, refused))
}

pub(super) fn write(
    path: &Path,
    writer: &mut (impl Write + Seek),
    layout: &Layout,
    values: &Values,
) -> Result<(), FileError> {
    let mut writer = Latch { writer, error: None, position: 0, end: 0 };
    let written = write_archive(path, &mut writer, layout, values);
    match writer.error {
        Some(error) => Err(unwritable(path, error)),
        None => written,
    }
}

fn write_archive(
    path: &Path,
    writer: &mut (impl Write + Seek),
    layout: &Layout,
    values: &Values,
) -> Result<(), FileError> {
    let failed = |e: ZipError| unwritable(path, e.into());
    let mut archive = ZipWriter::new(writer);
    for tensor in layout.in_order() {
        let (name, bytes) = (entry_name(&tensor), bytes_of(&tensor));
        archive.start_file(name, options(bytes)).map_err(failed)?;
        npy::write_array(path, &mut archive, &tensor, values)?;
    }
    archive.finish().map(|_| ()).map_err(failed)
}

/// Checks that each name can be an entry's, and that each entry is one tensor's.
///
/// numpy looks for the entry `a.npy` under the names `a` and `a.npy`.
pub(super) fn check_names(path: &Path, layout: &Layout) -> Result<(), FileError> {
    let names: HashSet<_> = layout.extras().order.iter().map(String::as_str).collect();
    let because = |name: &str| match name.strip_suffix(SUFFIX).filter(|stem| names.contains(stem)) {
        Some(stem) => Some(format!(" beside {stem:?}")),
        None if name.contains('\0') || name.len() + SUFFIX.len() > u16::MAX.into() => {
            Some(String::new())
        }
        None => name.starts_with(MAC).then(|| format!(", since entries below {MAC} are ignored")),
    };
    let unfit = layout.extras().order.iter().find_map(|name| Some((name, because(name)?)));
    unfit.map_or(Ok(()), |(name, because)| {
        let tensor = name.chars().take(100).collect();
        Err(FileError::NotAnEntry { path: path.into(), tensor, because })
    })
}

/// Keeps the first error and claims success from then on: an archive that cannot be written prints
/// that by itself, and tries once more.
struct Latch<W> {
    writer: W,
    error: Option<io::Error>,
    position: u64,
    end: u64,
}

impl<W: Write + Seek> Latch<W> {
    fn attempt(&mut self, act: impl FnOnce(&mut W) -> io::Result<()>) {
        if self.error.is_none() {
            self.error = act(&mut self.writer).err();
        }
    }
}

impl<W: Write + Seek> Write for Latch<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.attempt(|writer| writer.write_all(bytes));
        self.position += bytes.len() as u64;
        self.end = self.end.max(self.position);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.attempt(W::flush);
        Ok(())
    }
}

impl<W: Write + Seek> Seek for Latch<W> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
            SeekFrom::End(offset) => self.end.checked_add_signed(offset),
        };
        self.position = target.ok_or(io::ErrorKind::InvalidInput)?;
        let position = self.position;
        self.attempt(|writer| writer.seek(SeekFrom::Start(position)).map(drop));
        Ok(position)
    }
}

/// The archive's entry for each tensor.
fn places(path: &Path, archive: &mut Archive) -> Result<HashMap<String, usize>, FileError> {
    let mut places = HashMap::new();
    for at in 0..archive.len() {
        if let Some(entry) = open_entry(path, archive, at)? {
            places.insert(entry.tensor, at);
        }
    }
    Ok(places)
}

fn options(bytes: usize) -> SimpleFileOptions {
    // Trained parameters hardly compress; numpy.savez stores them as they are, too.
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    options.large_file(bytes >= 1 << 31)
}

fn bytes_of(tensor: &Tensor<'_>) -> usize {
    match tensor {
        Tensor::Averaged(spec, range) => range.len() * spec.dtype.bytes(),
        Tensor::Skipped(skipped) => skipped.content.bytes().len(),
    }
}

fn entry_name(tensor: &Tensor<'_>) -> String {
    match tensor {
        Tensor::Skipped(Skipped { name, content: Content::Numpy { entry, .. } })
            if !npy::is_array(entry) =>
        {
            name.clone()
        }
        other => format!("{}{SUFFIX}", other.name()),
    }
}

fn open_archive(path: &Path) -> Result<Archive, FileError> {
    let (file, _) = open(path, Format::Npz)?;
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|e| malformed_zip(path, &e))?;
    if archive.has_duplicate_names() {
        return Err(malformed(path, "two entries of the archive have the same name"));
    }
    if archive.has_overlapping_entries().map_err(|e| malformed_zip(path, &e))? {
        return Err(malformed(path, "two entries of the archive share bytes"));
    }
    Ok(archive)
}

/// An entry of an archive that is a tensor.
struct Entry<'a> {
    tensor: String,
    /// Whether its name says that it is an array.
    named: bool,
    /// Bytes that it declares.
    declared: u64,
    reader: ZipFile<'a, BufReader<File>>,
}

/// The entry, unless it is a folder or a note of macOS.
fn open_entry<'a>(
    path: &Path,
    archive: &'a mut Archive,
    at: usize,
) -> Result<Option<Entry<'a>>, FileError> {
    let reader = archive.by_index(at).map_err(|e| malformed_zip(path, &e))?;
    let name = reader.name().map_err(|e| malformed_zip(path, &e))?.into_owned();
    if name.ends_with('/') || name.starts_with(MAC) {
        return Ok(None);
    }
    // As numpy names it.
    let tensor = name.strip_suffix(SUFFIX).unwrap_or(&name).to_owned();
    check_compression(path, &tensor, reader.compression())?;
    let (compressed, declared) = (reader.compressed_size(), reader.size());
    if declared > compressed.saturating_mul(DEFLATE_LIMIT) {
        let path = path.into();
        return Err(FileError::Inflated { path, tensor, compressed, declared });
    }
    Ok(Some(Entry { named: tensor != name, tensor, declared, reader }))
}

impl Entry<'_> {
    /// The array's header; the reader then stands at its elements.
    fn header(&mut self, path: &Path) -> Result<Result<Stored, Refused>, FileError> {
        let Self { tensor, named, declared, reader } = self;
        if *named {
            return npy::read_header(path, tensor, reader, *declared);
        }
        let start = read_bytes(path, reader, (*declared).min(MAGIC_BYTES))?;
        if !npy::is_array(&start) {
            return Ok(Err(Refused { tensor: tensor.clone(), reason: Reason::NotAnArray }));
        }
        npy::read_header(path, tensor, &mut start.chain(reader), *declared)
    }

    fn bytes(&mut self, path: &Path) -> Result<Vec<u8>, FileError> {
        let bytes = read_bytes(path, &mut self.reader, self.declared)?;
        self.check_ended(path)?;
        Ok(bytes)
    }

    /// Reads one byte more, which must not be there; at the end the checksum is compared, too.
    fn check_ended(&mut self, path: &Path) -> Result<(), FileError> {
        match self.reader.read(&mut [0]) {
            Ok(0) => Ok(()),
            Ok(_) => {
                let reason = format!("entry {:?} expands to more than it declares", self.tensor);
                Err(malformed(path, reason))
            }
            Err(e) => Err(unreadable(path, e)),
        }
    }
}

fn check_compression(
    path: &Path,
    tensor: &str,
    method: CompressionMethod,
) -> Result<(), FileError> {
    if matches!(method, CompressionMethod::Stored | CompressionMethod::Deflated) {
        return Ok(());
    }
    let reason = format!(
        "entry {tensor:?} is compressed as {method}; write it with numpy.savez or numpy.savez_compressed"
    );
    Err(malformed(path, reason))
}

fn malformed_zip(path: &Path, error: &ZipError) -> FileError {
    malformed(path, error.to_string())
}
