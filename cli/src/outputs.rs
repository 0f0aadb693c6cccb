//! Outputs of a command, judged before it starts: no output may take the place of an input or of
//! another output.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::part;

/// An output that would destroy a file of the same command.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OutputError {
    /// The output is an input, maybe by another name.
    #[error("{flag} {} is {input}; write it somewhere else", path.display())]
    OverInput {
        /// The option that names the output.
        flag: &'static str,
        /// The output.
        path: PathBuf,
        /// Which input it is.
        input: &'static str,
    },
    /// Two outputs are one file.
    #[error("--out {} and --report {} are one file; write one of them somewhere else", out.display(), report.display())]
    OverOutput {
        /// The mean's place.
        out: PathBuf,
        /// The report's place.
        report: PathBuf,
    },
}

/// The files that a command reads and writes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outputs<'a> {
    pub(crate) updates: &'a [PathBuf],
    pub(crate) weights: Option<&'a Path>,
    pub(crate) out: Option<&'a Path>,
    pub(crate) report: Option<&'a Path>,
}

impl Outputs<'_> {
    /// Refuses an output that is an input or the other output, by whatever name.
    ///
    /// # Errors
    /// [`OutputError`] names the option and its file.
    pub(crate) fn check(self) -> Result<(), OutputError> {
        let updates = self.updates.iter().map(|path| (path.as_path(), "one of the updates"));
        let weights = self.weights.map(|path| (path, "the table of weights"));
        let inputs: HashMap<_, _> =
            updates.chain(weights).filter_map(|(path, what)| Some((same(path)?, what))).collect();
        for (flag, path) in [("--out", self.out), ("--report", self.report)] {
            let Some(path) = path else { continue };
            if let Some(&input) = same(path).and_then(|output| inputs.get(&output)) {
                return Err(OutputError::OverInput { flag, path: path.into(), input });
            }
        }
        self.check_each_other()
    }

    fn check_each_other(self) -> Result<(), OutputError> {
        let (Some(out), Some(report)) = (self.out, self.report) else { return Ok(()) };
        let targets = part::target(out).ok().zip(part::target(report).ok());
        let there = same(out).zip(same(report));
        if targets.is_some_and(|(a, b)| a == b) || there.is_some_and(|(a, b)| a == b) {
            return Err(OutputError::OverOutput { out: out.into(), report: report.into() });
        }
        Ok(())
    }
}

/// An identity that two paths of one file share, also for links: its device and its number there.
/// None if it does not exist.
#[cfg(unix)]
pub(crate) fn same(path: &Path) -> Option<impl Eq + std::hash::Hash + use<>> {
    use std::os::unix::fs::MetadataExt;
    let there = std::fs::metadata(path).ok()?;
    Some((there.dev(), there.ino()))
}

/// An identity that two paths of one file share, but not for hard links: its path without links.
/// None if it does not exist.
#[cfg(not(unix))]
pub(crate) fn same(path: &Path) -> Option<impl Eq + std::hash::Hash + use<>> {
    path.canonicalize().ok()
}
