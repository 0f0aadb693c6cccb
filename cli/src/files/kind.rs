//! Files that are not what their name says, known by their first bytes.

use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;

use super::{FileError, Format};

/// As many bytes as any of the marks below needs.
const LOOK: u64 = 512;

/// Refuses a file whose first bytes are known to be something else, and says what it is. `format`
/// is what the name says, if it says anything.
pub(super) fn check(path: &Path, mut file: &File, format: Option<Format>) -> Result<(), FileError> {
    let unreadable = |source| FileError::Unreadable { path: path.into(), source };
    let mut start = Vec::new();
    file.take(LOOK).read_to_end(&mut start).map_err(unreadable)?;
    file.rewind().map_err(unreadable)?;
    match kind_of(&start, format) {
        None => Ok(()),
        Some((kind, advice)) => Err(FileError::WrongKind { path: path.into(), kind, advice }),
    }
}

/// The kind of file and the remedy; `None` where it may be what it should be.
fn kind_of(start: &[u8], format: Option<Format>) -> Option<(&'static str, &'static str)> {
    let text = start.trim_ascii_start();
    let is = |mark: &[u8]| start.starts_with(mark);
    let lower = |mark: &str| {
        text.get(..mark.len()).is_some_and(|it| it.eq_ignore_ascii_case(mark.as_bytes()))
    };
    let safetensors = start.get(8) == Some(&b'{');
    let known = match format {
        Some(Format::Safetensors) => safetensors,
        Some(Format::Npy) => is(b"\x93NUMPY"),
        Some(Format::Npz) => is(b"PK"),
        None => false,
    };
    match () {
        () if is(b"PK") && contains(start, b"data.pkl") => {
            Some(("a PyTorch checkpoint", "save it with safetensors.torch.save_file"))
        }
        () if known => None,
        () if start.is_empty() => Some(("empty", "write or download it anew")),
        () if is(b"version https://git-lfs.github.com/spec/") => Some((
            "a Git LFS pointer, which stands for the file in a repository",
            "run `git lfs pull` there",
        )),
        () if lower("<!doctype") || lower("<html") => {
            Some(("an HTML page", "download the file itself"))
        }
        () if lower("<?xml") => Some(("an XML page", "download the file itself")),
        () if is(b"\x1f\x8b") => Some(("a gzip archive", "unpack it with gunzip or tar")),
        () if is(b"\x93NUMPY") => Some(("a .npy array", "name it .npy")),
        () if is(b"PK") => Some(("a zip archive", "name it .npz if it is numpy's")),
        () if is(b"\x80") && start.get(1).is_some_and(|version| (2..=5).contains(version)) => {
            Some(("a Python pickle", "save it with safetensors or numpy.savez"))
        }
        () if is(b"\x89HDF\r\n") => Some(("an HDF5 file", "save it as .safetensors or .npz")),
        () if safetensors && format.is_some() => {
            Some(("a safetensors file", "name it .safetensors"))
        }
        () => None,
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|it| it == part)
}
