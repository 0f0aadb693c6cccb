//! One client's update from a file, and the mean of a round back into one.
//!
//! Three formats, told apart by the file's name: `.safetensors`, `.npy` and `.npz`. Tensors hold
//! floats, integers or bools of up to 64 bits. Any other dtype is refused by name, and so is a
//! value that is not finite or an integer of 2^53 or more; [`Skip`] leaves such tensors alone. An
//! update is one flat vector, its tensors in the order of their names and each in row-major order,
//! whatever the file's own order is.
//!
//! Nothing a file says is believed before it is checked against the file's length. Values are read
//! in small pieces, so that reading needs little more memory than the values themselves; only an
//! `.npz` can expand, by at most 1032 times its size, and [`read_layout`] tells how far before
//! [`read`] does it.
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

mod contents;
mod dtype;
mod error;
mod kind;
mod layout;
mod npy;
mod npz;
mod pattern;
mod refused;
mod safetensors;
mod skipped;
mod stored;
mod values;

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

pub use dtype::Dtype;
pub use error::FileError;
pub use layout::{Format, Layout, TensorSpec};
pub use pattern::{Pattern, Skip};
pub use refused::{Reason, Refused};
pub use skipped::Skipped;
pub use values::Values;

use crate::part::Part;

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
/// The file is unreadable, is not what its name says, or holds tensors whose dtypes cannot be
/// averaged.
pub fn read_layout(path: &Path) -> Result<Layout, FileError> {
    let skip = Skip::default();
    let (layout, refused) = match format_of(path)? {
        Format::Safetensors => safetensors::read_layout(path, &skip),
        Format::Npy => npy::read_layout(path, &skip),
        Format::Npz => npz::read_layout(path, &skip),
    }?;
    settle(path, refused).map(|()| layout)
}

/// Reads a file whole.
///
/// # Errors
///
/// As [`read_layout`]; also when values cannot be summed or the file is cut short.
pub fn read(path: &Path) -> Result<Update, FileError> {
    read_skipping(path, &Skip::default())
}

/// Reads a file whole, where some tensors are not to be averaged and may have any dtype.
///
/// # Errors
///
/// As [`read`].
pub fn read_skipping(path: &Path, skip: &Skip) -> Result<Update, FileError> {
    let (update, refused) = match format_of(path)? {
        Format::Safetensors => safetensors::read(path, skip),
        Format::Npy => npy::read(path, skip),
        Format::Npz => npz::read(path, skip),
    }?;
    settle(path, refused).map(|()| update)
}

/// All that is wrong with the tensors, at once.
fn settle(path: &Path, tensors: Vec<Refused>) -> Result<(), FileError> {
    if tensors.is_empty() { Ok(()) } else { Err(FileError::Refused { path: path.into(), tensors }) }
}

/// The format of a file to read. Where its name does not tell, its first bytes may tell what it is.
fn format_of(path: &Path) -> Result<Format, FileError> {
    let format = Format::of(path);
    if let (Err(_), Ok(file)) = (&format, File::open(path)) {
        kind::check(path, &file, None)?;
    }
    format
}

/// Writes values under the names, shapes and dtypes of `layout`, in the format that the path's
/// extension asks for.
///
/// Values are rounded to the nearest, ties to even. The file appears whole or not at all: it is
/// written beside its final place and renamed. Where the path is a link, the file that it leads to
/// is replaced. Byte order is little-endian and arrays are row-major, whatever the inputs were.
/// Skipped tensors are written as the layout's file has them, and so is the free-form metadata of a
/// safetensors file.
///
/// # Errors
///
/// A value does not fit its tensor's dtype, the format cannot hold the layout, or the file cannot
/// be written.
pub fn write(path: &Path, layout: &Layout, values: &Values) -> Result<(), FileError> {
    let format = Format::of(path)?;
    check_fits(path, format, layout, values)?;
    let unwritable = |source| FileError::Unwritable { path: path.into(), source };
    let mut part = Part::beside(path).map_err(unwritable)?;
    let mut file = BufWriter::new(part.file());
    match format {
        Format::Safetensors => safetensors::write(path, &mut file, layout, values)?,
        Format::Npy => npy::write(path, &mut file, layout, values)?,
        Format::Npz => npz::write(path, &mut file, layout, values)?,
    }
    file.flush().map_err(unwritable)?;
    drop(file);
    part.finish().map_err(unwritable)
}

/// The values that [`read`] gives of a file that [`write()`] has written: each value as its
/// tensor's dtype has it.
///
/// # Errors
///
/// A value does not fit its tensor's dtype.
pub fn rounded(layout: &Layout, values: &Values) -> Result<Values, FileError> {
    let (path, mut rounded) = (Path::new("the mean"), Values::empty_for(layout));
    for (spec, range) in layout.ranges() {
        let mut bytes = Vec::new();
        stored::write_tensor(path, &mut bytes, spec, range, values)?;
        stored::Stored::plain(spec.clone()).read_into(&mut rounded, path, &mut &bytes[..])?;
    }
    Ok(rounded)
}

/// Checks that [`write()`] can put this layout there, as far as can be known without the values.
/// Nothing is left behind.
///
/// # Errors
///
/// The format cannot hold the layout, or no file can be made in that folder.
pub fn check_writable(path: &Path, layout: &Layout) -> Result<(), FileError> {
    check_layout(path, Format::of(path)?, layout)?;
    let part = Part::beside(path);
    part.map(drop).map_err(|source| FileError::Unwritable { path: path.into(), source })
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
    let part = Part::beside(path);
    part.map(drop).map_err(|source| FileError::Unwritable { path: path.into(), source })
}

/// Writes a page of HTML, whole or not at all.
///
/// # Errors
///
/// The file cannot be written.
pub fn write_page(path: &Path, page: &str) -> Result<(), FileError> {
    let write = || {
        let mut part = Part::beside(path)?;
        part.file().write_all(page.as_bytes())?;
        part.finish()
    };
    write().map_err(|source| FileError::Unwritable { path: path.into(), source })
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
    let tensors = layout.extras().order.len();
    if format == Format::Npy && tensors != 1 {
        return Err(FileError::NotOneArray { path: path.into(), tensors });
    }
    if let Some((tensor, dtype)) = foreign(format, layout) {
        let other = if format == Format::Safetensors { "npz" } else { "safetensors" };
        return Err(FileError::CannotHold { path: path.into(), tensor, dtype, other });
    }
    match format {
        Format::Npz => npz::check_names(path, layout),
        Format::Safetensors
            if layout.extras().order.iter().any(|it| it == safetensors::METADATA) =>
        {
            Err(FileError::ReservedName { path: path.into() })
        }
        Format::Npy | Format::Safetensors => Ok(()),
    }
}

/// The first tensor whose dtype the format lacks.
fn foreign(format: Format, layout: &Layout) -> Option<(String, String)> {
    let bf16 = layout.tensors().iter().find(|it| it.dtype == Dtype::Bf16);
    let bf16 = bf16.filter(|_| format != Format::Safetensors);
    let averaged = bf16.map(|it| (it.name.clone(), it.dtype.to_string()));
    let skipped =
        || layout.skipped().iter().find_map(|it| Some((it.name.clone(), it.foreign_to(format)?)));
    averaged.or_else(skipped)
}

/// Opens a file that must be a plain one of this format, and tells its length.
fn open(path: &Path, format: Format) -> Result<(File, u64), FileError> {
    let unreadable = |source| FileError::Unreadable { path: path.into(), source };
    // Looked at before opening, since opening a pipe would wait for its other end.
    let kind = std::fs::metadata(path).map_err(unreadable)?;
    if !kind.is_file() {
        return Err(FileError::NotAFile { path: path.into() });
    }
    let file = File::open(path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    kind::check(path, &file, Some(format))?;
    Ok((file, length))
}
