//! Running cargo and other programs, and what they build.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{Failure, Outcome};

/// The workspace's folder.
pub(crate) fn root() -> PathBuf {
    let own = std::env::var_os("CARGO_MANIFEST_DIR");
    let own = own.map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    own.parent().map(PathBuf::from).unwrap_or_default()
}

/// The cargo that runs us, to be started in the workspace's folder.
pub(crate) fn cargo(words: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(words).current_dir(root());
    command
}

/// Shows a command, runs it, and fails if it does.
pub(crate) fn run(mut command: Command) -> Outcome {
    let words = words(&command);
    println!("$ {words}");
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failure::Chore(format!("{words}: {status}"))),
        Err(error) => Err(Failure::Chore(format!("{words} did not start: {error}"))),
    }
}

/// Runs a command and gives what it writes to its standard output.
pub(crate) fn output(mut command: Command) -> Result<String, Failure> {
    let words = words(&command);
    let done = command.stderr(Stdio::inherit()).output();
    let done = done.map_err(|error| Failure::Chore(format!("{words} did not start: {error}")))?;
    if !done.status.success() {
        return Err(Failure::Chore(format!("{words}: {}", done.status)));
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

/// Runs a command, shows what it writes to its standard output while it does, and gives that.
pub(crate) fn shown(mut command: Command) -> Result<String, Failure> {
    let words = words(&command);
    println!("$ {words}");
    let failed = |error| Failure::Chore(format!("{words}: {error}"));
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(failed)?;
    let mut written = String::new();
    for line in child.stdout.take().into_iter().flat_map(|pipe| BufReader::new(pipe).lines()) {
        let line = line.map_err(failed)?;
        println!("{line}");
        written.extend([&line, "\n"]);
    }
    let status = child.wait().map_err(failed)?;
    if status.success() { Ok(written) } else { Err(Failure::Chore(format!("{words}: {status}"))) }
}

/// Whether a program is there: asks it for its version. The reason says how to come by it.
pub(crate) fn require(mut version: Command, reason: &str) -> Outcome {
    let quiet = version.stdout(Stdio::null()).stderr(Stdio::null()).status();
    match quiet {
        Ok(status) if status.success() => Ok(()),
        _ => Err(Failure::Missing(reason.into())),
    }
}

/// Says that a piece of evidence was not made, so that nobody takes silence for it.
pub(crate) fn not_run(what: &str, reason: &str) {
    println!("\n>>> NOT RUN: {what}, since {reason}");
}

fn words(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_stem().unwrap_or_default();
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|w| w.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
