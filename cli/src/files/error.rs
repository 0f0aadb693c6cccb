//! Faults of files, and their remedies.

use std::io;
use std::path::{Path, PathBuf};

use super::{Dtype, Refused};

/// Why a file was not read or not written. Every message names the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// There is nothing to read.
    #[error("no update files are given")]
    NoFiles,
    /// The same file is given twice, maybe by a link; it can be the update of one client only.
    #[error("{} is given twice, first as {}; each client needs a file of its own", path.display(), first.display())]
    Twice {
        /// The file.
        path: PathBuf,
        /// How it was called before.
        first: PathBuf,
    },
    /// Two files whose clients nobody could tell apart.
    #[error("the clients of {} and {} would both be called {name:?}; rename one of them", first.display(), path.display())]
    SameName {
        /// The later file.
        path: PathBuf,
        /// The earlier one.
        first: PathBuf,
        /// The name.
        name: String,
    },
    /// The operating system did not let us read it.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The operating system did not let us write it.
    #[error("cannot write {}: {source}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The name is not that of a page.
    #[error("{} does not end in .html; name the report so", path.display())]
    NotHtml {
        /// The file.
        path: PathBuf,
    },
    /// A folder, a pipe or a device.
    #[error("{} is not a plain file; name one .safetensors, .npy or .npz file per client", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// The name does not tell the format.
    #[error("cannot tell the format of {}: its name must end in .safetensors, .npy or .npz", path.display())]
    UnknownFormat {
        /// The file.
        path: PathBuf,
    },
    /// The bytes break the rules of the format.
    #[error("{} is damaged or not what its name says: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Which rule, in words.
        reason: String,
    },
    /// The header and the data do not agree on the length.
    #[error("{}: the header declares {declared} bytes and there are {found}; the file was cut short or has something appended", path.display())]
    WrongLength {
        /// The file.
        path: PathBuf,
        /// Bytes that the header asks for.
        declared: u64,
        /// Bytes that are there.
        found: u64,
    },
    /// The header is longer than the file or than any sensible header.
    #[error("{}: a header of {declared} bytes, where at most {limit} can be; the file is damaged", path.display())]
    HeaderTooLarge {
        /// The file.
        path: PathBuf,
        /// Length that the file declares.
        declared: u64,
        /// The largest length that would be read.
        limit: u64,
    },
    /// One name twice.
    #[error("{}: tensor {tensor:?} appears twice; write each tensor once", path.display())]
    DuplicateTensor {
        /// The file.
        path: PathBuf,
        /// The name.
        tensor: String,
    },
    /// Tensors that cannot be averaged, all of them.
    #[error("{}: {}. Only finite floats, integers below 2^53 and bools are averaged: convert {}, or leave {} alone with --skip", path.display(), listed(tensors), it(tensors), it(tensors))]
    Refused {
        /// The file.
        path: PathBuf,
        /// The tensors.
        tensors: Vec<Refused>,
    },
    /// The file is of another kind than its name says.
    #[error("{} is {kind}: {advice}", path.display())]
    WrongKind {
        /// The file.
        path: PathBuf,
        /// The kind of file that it is.
        kind: &'static str,
        /// The remedy.
        advice: &'static str,
    },
    /// More elements than this machine can address or hold.
    #[error("{}: tensor {tensor:?} has shape {shape:?}, more than this machine can hold", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// A compressed entry claims to hold more than its bytes can expand to.
    #[error("{}: entry {tensor:?} claims that {compressed} bytes expand to {declared}, which deflate cannot do; write the file anew", path.display())]
    Inflated {
        /// The file.
        path: PathBuf,
        /// The entry.
        tensor: String,
        /// Bytes in the file.
        compressed: u64,
        /// Bytes claimed.
        declared: u64,
    },
    /// One client has a tensor that another has not.
    #[error("tensor {tensor:?} is in {} but not in {}; all clients must send the same model", present.display(), absent.display())]
    TensorMissing {
        /// The tensor.
        tensor: String,
        /// The file that has it.
        present: PathBuf,
        /// The file that has it not.
        absent: PathBuf,
    },
    /// Two clients disagree on a shape.
    #[error("tensor {tensor:?} has shape {shape_a:?} in {} but {shape_b:?} in {}; all clients must send the same model", path_a.display(), path_b.display())]
    ShapeDiffers {
        /// The tensor.
        tensor: String,
        /// The one file.
        path_a: PathBuf,
        /// The shape there.
        shape_a: Vec<usize>,
        /// The other file.
        path_b: PathBuf,
        /// The shape there.
        shape_b: Vec<usize>,
    },
    /// Two clients disagree on a dtype.
    #[error("tensor {tensor:?} is {dtype_a} in {} but {dtype_b} in {}; convert one of them", path_a.display(), path_b.display())]
    DtypeDiffers {
        /// The tensor.
        tensor: String,
        /// The one file.
        path_a: PathBuf,
        /// The dtype there.
        dtype_a: Dtype,
        /// The other file.
        path_b: PathBuf,
        /// The dtype there.
        dtype_b: Dtype,
    },
    /// A pattern for tensors stands for none.
    #[error(
        "{option} {pattern:?} matches no tensor; name tensors as the files do, or with * for a part of the name"
    )]
    NoSuchTensor {
        /// The option that it was given with.
        option: &'static str,
        /// The pattern.
        pattern: String,
    },
    /// Nothing is left to average.
    #[error("--skip leaves no tensor to average; name fewer")]
    AllSkipped,
    /// The caller's values do not fill the layout.
    #[error("cannot write {}: {have} values for a layout of {need} elements", path.display())]
    WrongNumberOfValues {
        /// The file.
        path: PathBuf,
        /// Values given.
        have: usize,
        /// Elements in the layout.
        need: usize,
    },
    /// A `.npy` file is one array.
    #[error("cannot write {}: .npy holds exactly one array, and there are {tensors}; name the output .npz or .safetensors", path.display())]
    NotOneArray {
        /// The file.
        path: PathBuf,
        /// Tensors in the layout.
        tensors: usize,
    },
    /// The output's format has no such dtype.
    #[error("cannot write {}: tensor {tensor:?} is {dtype}, which .{} files cannot hold; name the output .{other}", path.display(), ending(path))]
    CannotHold {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// Its dtype.
        dtype: String,
        /// The ending of a format that can.
        other: &'static str,
    },
    /// A name that no entry of an archive can have, or that another tensor's entry has.
    #[error("cannot write {}: an .npz cannot hold a tensor called {tensor:?}{because}; rename it, or name the output .safetensors", path.display())]
    NotAnEntry {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// Why, if that is not plain.
        because: String,
    },
    /// A tensor called `__metadata__`.
    #[error("cannot write {}: a safetensors file cannot have a tensor called \"__metadata__\"; rename it, or name the output .npz", path.display())]
    ReservedName {
        /// The file.
        path: PathBuf,
    },
    /// A value is outside its dtype's range.
    #[error("cannot write {}: tensor {tensor:?}: element {flat} (index {index:?}) is {value}, which {dtype} cannot hold", path.display())]
    Overflow {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// Position in the tensor, counted in row-major order.
        flat: usize,
        /// The same position, one number per dimension.
        index: Vec<usize>,
        /// The value.
        value: f64,
        /// The tensor's dtype.
        dtype: Dtype,
    },
}

/// The most tensors that a message names.
const SHOWN: usize = 8;

fn listed(tensors: &[Refused]) -> String {
    let shown: Vec<_> = tensors.iter().take(SHOWN).map(ToString::to_string).collect();
    let more = match tensors.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    shown.join("; ") + &more
}

fn it(tensors: &[Refused]) -> &'static str {
    if tensors.len() == 1 { "it" } else { "them" }
}

fn ending(path: &Path) -> String {
    path.extension().map_or_else(String::new, |it| it.to_string_lossy().to_ascii_lowercase())
}
