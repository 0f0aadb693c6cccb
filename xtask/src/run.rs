//! Running cargo and other programs.

use std::path::{Path, PathBuf};
use std::process::Command;

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
    let arguments = command.get_args().map(|w| w.to_string_lossy()).collect::<Vec<_>>().join(" ");
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let words = format!("{} {arguments}", program.to_string_lossy());
    println!("$ {words}");
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failure::Chore(format!("{words}: {status}"))),
        Err(error) => Err(Failure::Chore(format!("{words} did not start: {error}"))),
    }
}
