//! What the libraries make public, against the lists in `api/`.

use crate::run::{cargo, run};
use crate::{Failure, Outcome};

const LIST: [&str; 5] = ["run", "--quiet", "--package", "secagg-api", "--"];

/// Fails where the lists and the libraries differ.
pub(crate) fn check() -> Outcome {
    let mut command = cargo(&LIST);
    match command.status().map(|status| status.code()) {
        Ok(Some(0)) => Ok(()),
        Ok(Some(OTHER_RUST)) => {
            Err(Failure::Missing("this Rust describes libraries otherwise".into()))
        }
        Ok(_) => Err(Failure::Chore(CHANGED.into())),
        Err(error) => Err(Failure::Chore(format!("cargo did not start: {error}"))),
    }
}

/// Writes the lists anew.
pub(crate) fn write() -> Outcome {
    run(cargo(&[&LIST[..], &["--write"]].concat()))
}

/// The exit code of `secagg-api` where it cannot read what rustdoc writes.
const OTHER_RUST: i32 = 3;

const CHANGED: &str = "what the libraries make public is not what api/*.txt say. Where that is meant, run \
    `cargo xtask public-api --write`, and put the change into CHANGELOG.md";
