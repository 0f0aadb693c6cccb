//! `.npz`: a zip archive of `.npy` arrays, stored or deflated.

use std::fs::File;
use std::io::{BufReader, Read, Seek, Write};
use std::path::Path;

use zip::read::ZipFile;
use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::stored::{Stored, malformed, unreadable, unwritable, write_tensor};
use super::{FileError, Format, Layout, Update, Values, npy, open};

type Archive = ZipArchive<BufReader<File>>;

/// Deflate cannot do better: 258 bytes for two bits.
const DEFLATE_LIMIT: u64 = 1032;

pub(super) fn read_layout(path: &Path) -> Result<Layout, FileError> {
    let mut archive = open_archive(path)?;
    let specs = (0..archive.len())
        .map(|at| Ok(open_entry(path, &mut archive, at)?.0.spec))
        .collect::<Result<_, _>>()?;
    Layout::new(path, Format::Npz, specs)
}

pub(super) fn read(path: &Path) -> Result<Update, FileError> {
    let layout = read_layout(path)?;
    let mut archive = open_archive(path)?;
    let mut values = Values::empty_for(&layout);
    for spec in layout.tensors() {
        let at = archive.index_for_name(&entry_name(&spec.name));
        let at = at.ok_or_else(|| malformed(path, format!("no entry for {:?}", spec.name)))?;
        let (stored, mut entry) = open_entry(path, &mut archive, at)?;
        stored.read_into(&mut values, path, &mut entry)?;
        check_ended(path, &stored, &mut entry)?;
    }
    Ok(Update { layout, values })
}

pub(super) fn write(
    path: &Path,
    writer: &mut (impl Write + Seek),
    layout: &Layout,
    values: &Values,
) -> Result<(), FileError> {
    let failed = |e: ZipError| unwritable(path, e.into());
    let mut archive = ZipWriter::new(writer);
    for (spec, range) in layout.ranges() {
        let header = npy::header_of(spec);
        archive.start_file(entry_name(&spec.name), options(spec.elements())).map_err(failed)?;
        archive.write_all(&header).map_err(|e| unwritable(path, e))?;
        write_tensor(path, &mut archive, spec, range, values)?;
    }
    archive.finish().map(|_| ()).map_err(failed)
}

fn options(elements: usize) -> SimpleFileOptions {
    // Trained parameters hardly compress; numpy.savez stores them as they are, too.
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    options.large_file(elements >= 1 << 28)
}

fn entry_name(tensor: &str) -> String {
    format!("{tensor}.npy")
}

fn open_archive(path: &Path) -> Result<Archive, FileError> {
    let (file, _) = open(path)?;
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|e| malformed_zip(path, &e))?;
    if archive.has_duplicate_names() {
        return Err(malformed(path, "two entries of the archive have the same name"));
    }
    if archive.has_overlapping_entries().map_err(|e| malformed_zip(path, &e))? {
        return Err(malformed(path, "two entries of the archive share bytes"));
    }
    Ok(archive)
}

/// The entry's header; the reader that is returned stands at its elements.
fn open_entry<'a>(
    path: &Path,
    archive: &'a mut Archive,
    at: usize,
) -> Result<(Stored, ZipFile<'a, BufReader<File>>), FileError> {
    let mut entry = archive.by_index(at).map_err(|e| malformed_zip(path, &e))?;
    let name = entry.name().map_err(|e| malformed_zip(path, &e))?.into_owned();
    let Some(tensor) = name.strip_suffix(".npy") else {
        let reason = format!("entry {name:?} is not a .npy array; remove it from the archive");
        return Err(malformed(path, reason));
    };
    check_compression(path, tensor, entry.compression())?;
    let (compressed, declared) = (entry.compressed_size(), entry.size());
    if declared > compressed.saturating_mul(DEFLATE_LIMIT) {
        let (path, tensor) = (path.into(), tensor.into());
        return Err(FileError::Inflated { path, tensor, compressed, declared });
    }
    let stored = npy::read_header(path, tensor, &mut entry, declared)?;
    Ok((stored, entry))
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

/// Reads one byte more, which must not be there; at the end the checksum is compared, too.
fn check_ended(path: &Path, stored: &Stored, entry: &mut impl Read) -> Result<(), FileError> {
    match entry.read(&mut [0]) {
        Ok(0) => Ok(()),
        Ok(_) => {
            let reason = format!("entry {:?} expands to more than it declares", stored.spec.name);
            Err(malformed(path, reason))
        }
        Err(e) => Err(unreadable(path, e)),
    }
}

fn malformed_zip(path: &Path, error: &ZipError) -> FileError {
    malformed(path, error.to_string())
}
