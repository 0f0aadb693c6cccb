//! One client's update from a file, and the mean of a round back into one.
//!
//! Three formats, told apart by the file's name: `.safetensors`, `.npy` and `.npz`. Tensors hold f16, bf16, f32 or
//! f64; any other dtype is refused by name, and so is a value that is not finite. An update is one flat vector, its
//! tensors in the order of their names and each in row-major order, whatever the file's own order is.
//!
//! Nothing a file says is believed before it is checked against the file's length. Values are read in small pieces,
//! so that reading needs little more memory than the values themselves; only an `.npz` can expand, by at most
//! 1032 times its size, and [`read_layout`] tells how far before [`read`] does it.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let (first, second) = (folder.path().join("first.npy"), folder.path().join("mean.npy"));
//! use secagg_cli::files::{self, Dtype, Format, Layout, TensorSpec, Values};
//!
//! let spec = TensorSpec { name: "arr_0".into(), shape: vec![3], dtype: Dtype::F32 };
//! let layout = Layout::new(&first, Format::Npy, vec![spec])?;
//! files::write(&first, &layout, &Values::F32(vec![1.0, 2.0, 3.0]))?;
//!
//! let update = files::read(&first)?;
//! files::write(&second, &update.layout, &update.values)?;
//! files::read_layout(&second)?.check_same(&layout, &second, &first)?;
//! # Ok(())
//! # }
//! ```

mod error;
mod layout;
mod npy;
mod npz;
mod safetensors;
mod stored;
mod values;

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

pub use error::FileError;
pub use layout::{Dtype, Format, Layout, TensorSpec};
use tempfile::NamedTempFile;
pub use values::Values;

/// One client's parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    /// Which tensors there are, in the order of `values`.
    pub layout: Layout,
    /// The values of all tensors, one after another.
    pub values: Values,
}

/// Reads which tensors a file holds, and none of their values.
///
/// # Errors
///
/// The file is unreadable, is not what its name says, or holds a tensor whose dtype is not a float.
pub fn read_layout(path: &Path) -> Result<Layout, FileError> {
    match Format::of(path)? {
        Format::Safetensors => safetensors::read_layout(path),
        Format::Npy => npy::read_layout(path),
        Format::Npz => npz::read_layout(path),
    }
}

/// Reads a file whole.
///
/// # Errors
///
/// As [`read_layout`]; also when a value is not finite or the file is cut short.
pub fn read(path: &Path) -> Result<Update, FileError> {
    match Format::of(path)? {
        Format::Safetensors => safetensors::read(path),
        Format::Npy => npy::read(path),
        Format::Npz => npz::read(path),
    }
}

/// Writes values under the names, shapes and dtypes of `layout`, in the format that the path's extension asks for.
///
/// Values are rounded to the nearest, ties to even. The file appears whole or not at all: it is written beside its
/// final place and renamed. Byte order is little-endian and arrays are row-major, whatever the inputs were. The
/// free-form metadata of a safetensors input is not carried over, since it may say something about one client.
///
/// # Errors
///
/// A value does not fit its tensor's dtype, the format cannot hold the layout, or the file cannot be written.
pub fn write(path: &Path, layout: &Layout, values: &Values) -> Result<(), FileError> {
    let format = Format::of(path)?;
    check_fits(path, format, layout, values)?;
    let unwritable = |source| FileError::Unwritable { path: path.into(), source };
    let mut temporary = temporary_beside(path).map_err(unwritable)?;
    let mut file = BufWriter::new(temporary.as_file_mut());
    match format {
        Format::Safetensors => safetensors::write(path, &mut file, layout, values)?,
        Format::Npy => npy::write(path, &mut file, layout, values)?,
        Format::Npz => npz::write(path, &mut file, layout, values)?,
    }
    file.into_inner().map_err(|e| unwritable(e.into_error()))?.sync_all().map_err(unwritable)?;
    temporary.persist(path).map_err(|e| unwritable(e.error))?;
    Ok(())
}

/// Checks that [`write()`] can put this layout there, as far as can be known without the values. Nothing is
/// left behind.
///
/// # Errors
///
/// The format cannot hold the layout, or no file can be made in that folder.
pub fn check_writable(path: &Path, layout: &Layout) -> Result<(), FileError> {
    check_layout(path, Format::of(path)?, layout)?;
    let temporary = temporary_beside(path);
    temporary.map(drop).map_err(|source| FileError::Unwritable { path: path.into(), source })
}

/// Checks that [`write_page`] can write there. Nothing is left behind.
///
/// # Errors
///
/// The name does not end in `.html`, or no file can be made in that folder.
pub fn check_page(path: &Path) -> Result<(), FileError> {
    let extension = path.extension().and_then(|extension| extension.to_str());
    if !extension.is_some_and(|it| it.eq_ignore_ascii_case("html")) {
        return Err(FileError::NotHtml { path: path.into() });
    }
    let temporary = temporary_beside(path);
    temporary.map(drop).map_err(|source| FileError::Unwritable { path: path.into(), source })
}

/// Writes a page of HTML, whole or not at all.
///
/// # Errors
///
/// The file cannot be written.
pub fn write_page(path: &Path, page: &str) -> Result<(), FileError> {
    let write = || {
        let mut temporary = temporary_beside(path)?;
        temporary.write_all(page.as_bytes())?;
        temporary.as_file().sync_all()?;
        temporary.persist(path).map_err(|e| e.error)
    };
    write().map(drop).map_err(|source| FileError::Unwritable { path: path.into(), source })
}

fn check_fits(
    path: &Path,
    format: Format,
    layout: &Layout,
    values: &Values,
) -> Result<(), FileError> {
    if values.len() != layout.elements() {
        let (have, need) = (values.len(), layout.elements());
        return Err(FileError::WrongNumberOfValues { path: path.into(), have, need });
    }
    check_layout(path, format, layout)
}

fn check_layout(path: &Path, format: Format, layout: &Layout) -> Result<(), FileError> {
    if format == Format::Npy && layout.tensors().len() != 1 {
        return Err(FileError::NotOneArray { path: path.into(), tensors: layout.tensors().len() });
    }
    match layout.tensors().iter().find(|t| t.dtype == Dtype::Bf16) {
        Some(spec) if format != Format::Safetensors => {
            Err(FileError::NoBf16 { path: path.into(), tensor: spec.name.clone() })
        }
        _ => check_name(path, format, layout),
    }
}

/// In safetensors one name is not a tensor's.
fn check_name(path: &Path, format: Format, layout: &Layout) -> Result<(), FileError> {
    let taken = layout.tensors().iter().any(|t| t.name == "__metadata__");
    if taken && format == Format::Safetensors {
        return Err(FileError::ReservedName { path: path.into() });
    }
    Ok(())
}

fn temporary_beside(path: &Path) -> std::io::Result<NamedTempFile> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".secagg-").suffix(".part");
    // A temporary file is private by default; the result should be as readable as the user's umask says.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
}

/// Opens a file that must be a plain one, and tells its length.
fn open(path: &Path) -> Result<(File, u64), FileError> {
    let unreadable = |source| FileError::Unreadable { path: path.into(), source };
    // Looked at before opening, since opening a pipe would wait for its other end.
    let kind = std::fs::metadata(path).map_err(unreadable)?;
    if !kind.is_file() {
        return Err(FileError::NotAFile { path: path.into() });
    }
    let file = File::open(path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    Ok((file, length))
}
