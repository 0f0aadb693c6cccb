//! A file that appears whole or not at all: it is written beside its place and renamed.
//!
//! A signal may end the program in between. [`remove_all`] then removes the files that are not
//! finished, so that none of them is left behind.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::NamedTempFile;

/// The paths of unfinished files. Locked while such a file is made or renamed.
static PARTS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// An unfinished file. Dropping it removes it.
#[derive(Debug)]
pub(crate) struct Part {
    file: NamedTempFile,
    target: PathBuf,
}

impl Part {
    /// Makes an empty file in the folder of `path`; where `path` is a link, in the folder of the
    /// link's target.
    ///
    /// # Errors
    /// No file can be made there, or `path` does not name a file.
    pub(crate) fn beside(path: &Path) -> io::Result<Self> {
        if fs::metadata(path).is_ok_and(|there| !there.is_file()) {
            return Err(io::Error::other("it is a folder, a pipe or a device and no plain file"));
        }
        let target = target(path)?;
        let mut builder = tempfile::Builder::new();
        builder.prefix(".secagg-").suffix(".part");
        // A temporary file is private by default; the result should be as readable as the user's
        // umask says.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let mut parts = parts();
        parts.retain(|part| part.exists());
        let file = builder.tempfile_in(folder(&target))?;
        parts.push(file.path().into());
        Ok(Self { file, target })
    }

    /// The file, to write to.
    pub(crate) fn file(&mut self) -> &mut File {
        self.file.as_file_mut()
    }

    /// Moves the file to its place, once all of it is stored.
    ///
    /// # Errors
    /// The storage is full, or the file cannot be moved.
    pub(crate) fn finish(self) -> io::Result<()> {
        self.file.as_file().sync_all()?;
        let _parts = parts();
        self.file.persist(&self.target).map(drop).map_err(|e| e.error)
    }
}

/// Removes all unfinished files. While the guard lives, no other is made and none is finished.
pub(crate) fn remove_all() -> MutexGuard<'static, Vec<PathBuf>> {
    let parts = parts();
    for part in parts.iter() {
        // It may have been finished or dropped already.
        let _ = fs::remove_file(part);
    }
    parts
}

/// The place that a file written to `path` comes to: links are followed, also those to a file that
/// does not exist yet.
///
/// # Errors
/// `path` does not name a file, its folder does not exist, or its links lead nowhere.
pub(crate) fn target(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_path_buf();
    // As many links as Linux follows.
    for _ in 0..40 {
        // `x/` and `x/.` name a folder, and are no name of a file.
        let name = path
            .file_name()
            .filter(|name| path.as_os_str().as_encoded_bytes().ends_with(name.as_encoded_bytes()));
        let name = name.ok_or(io::ErrorKind::IsADirectory)?;
        let here = folder(&path).canonicalize()?.join(name);
        match fs::read_link(&here) {
            Ok(link) => path = folder(&here).join(link),
            Err(_) => return Ok(here),
        }
    }
    Err(io::Error::other("too many links, one to another"))
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn parts() -> MutexGuard<'static, Vec<PathBuf>> {
    PARTS.lock().unwrap_or_else(PoisonError::into_inner)
}
