//! `secagg-api [--write]`: what the two libraries make public, compared with the lists beside the manifest, or written to
//! them. A change of a list is a change for users: it shows in review, and belongs in the changelog. The program has a library
//! too, which is there for its own tests and promised to nobody: what it promises are its options and its files.
//!
//! rustdoc tells what is public in a format that changes from one Rust to the next. Another one than [`FORMAT`] ends with
//! exit code 3 and not with a wrong list.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const LIBRARIES: [&str; 2] = ["secagg-kernels", "secagg"];

/// What `public-api` at its pinned version reads: Rust 1.95 writes it.
const FORMAT: u64 = 57;

/// One target, so that the lists are the same on every machine: there are types for its instructions.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Beside cargo's own folder, since the switch to unstable options would have it build everything twice.
const BUILT: &str = "target/public-api";

/// Traits that a type has by itself and that nobody promises.
const UNPROMISED: [&str; 5] = [
    " core::marker::Freeze for ",
    " core::marker::Unpin for ",
    " core::marker::UnsafeUnpin for ",
    " core::panic::unwind_safe::RefUnwindSafe for ",
    " core::panic::unwind_safe::UnwindSafe for ",
];

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let write = std::env::args().nth(1).is_some_and(|word| word == "--write");
    document()?;
    let mut same = true;
    for library in LIBRARIES {
        let described = described(library);
        if let Some(format) = other_format(&described)? {
            eprintln!(
                "this Rust writes format {format}, and the lists are made from format {FORMAT}"
            );
            return Ok(ExitCode::from(3));
        }
        let file = root().join(format!("api/{library}.txt"));
        let now = list(&described)?;
        if write {
            fs::write(file, now)?;
        } else {
            same &= compare(library, &fs::read_to_string(file)?, &now);
        }
    }
    Ok(if same { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Has rustdoc describe the libraries as JSON.
fn document() -> Result<(), Box<dyn Error>> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args([
        "doc",
        "--quiet",
        "--lib",
        "--no-deps",
        "--target",
        TARGET,
        "--target-dir",
        BUILT,
    ]);
    // Derive macros need not run fast here, and would take long to build.
    command.args(["--config", "profile.dev.package.\"*\".opt-level=0"]);
    command.args(LIBRARIES.iter().flat_map(|library| ["--package", library]));
    command.env("RUSTDOCFLAGS", "-Z unstable-options --output-format json");
    // What it allows on a stable toolchain is the one option above.
    command.env("RUSTC_BOOTSTRAP", "1").current_dir(root());
    match command.status()? {
        status if status.success() => Ok(()),
        status => Err(format!("cargo doc: {status}").into()),
    }
}

/// Where rustdoc has put what it says of a library.
fn described(library: &str) -> PathBuf {
    root().join(format!("{BUILT}/{TARGET}/doc/{}.json", library.replace('-', "_")))
}

/// The format, where it is not ours.
fn other_format(described: &Path) -> Result<Option<u64>, Box<dyn Error>> {
    let json: serde_json::Value = serde_json::from_str(&fs::read_to_string(described)?)?;
    let format = json["format_version"].as_u64().ok_or("rustdoc names no format")?;
    Ok((format != FORMAT).then_some(format))
}

/// One line for each public item.
fn list(described: &Path) -> Result<String, Box<dyn Error>> {
    let api = public_api::Builder::from_rustdoc_json(described).omit_blanket_impls(true).build()?;
    let lines = api.items().map(ToString::to_string);
    let promised = lines.filter(|line| !UNPROMISED.iter().any(|t| line.contains(t)));
    Ok(promised.map(|line| line + "\n").collect())
}

/// Whether the lists are the same; prints what is gone and what is new.
fn compare(library: &str, then: &str, now: &str) -> bool {
    let (before, after) = (numbered(then), numbered(now));
    for (line, _) in before.difference(&after) {
        println!("{library}: - {line}");
    }
    for (line, _) in after.difference(&before) {
        println!("{library}: + {line}");
    }
    if then == now {
        println!("{library}: no difference, {} items", before.len());
    }
    then == now
}

/// Lines, and how often each was there before: rustdoc names some twice.
fn numbered(text: &str) -> BTreeSet<(&str, usize)> {
    let mut seen = BTreeMap::new();
    let number = |line| *seen.entry(line).and_modify(|times| *times += 1).or_insert(0_usize);
    text.lines().zip(text.lines().map(number)).collect()
}

/// The workspace's folder.
fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_owned()
}
