//! Runs the program and reads what it says.

#![allow(dead_code, reason = "each test uses its own part")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// Where the committed test data lies.
pub(crate) fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data").join(name)
}

/// The digits' updates, in order.
pub(crate) fn digits() -> Vec<PathBuf> {
    (0..24).map(|client| data(&format!("digits/client_{client:02}.safetensors"))).collect()
}

/// `secagg round` over the digits with their weights.
pub(crate) fn digits_round() -> Command {
    let mut command = secagg("round");
    command.args(digits()).arg("--weights").arg(data("digits/weights.csv"));
    command
}

/// The program with a subcommand.
pub(crate) fn secagg(subcommand: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_secagg"));
    command.arg(subcommand);
    command
}

/// Runs a command with `--json`, and reads its report and its exit code.
pub(crate) fn report(command: &mut Command) -> (Value, i32) {
    let output = output(command.arg("--json"));
    let report = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    (report, output.status.code().expect("no signal"))
}

/// Runs a command that must find fault with its input, and gives what it says.
pub(crate) fn refusal(command: &mut Command) -> String {
    let output = output(command);
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(output.stdout.is_empty());
    String::from_utf8(output.stderr).expect("UTF-8")
}

fn output(command: &mut Command) -> Output {
    command.output().expect("the program starts")
}

/// The command under a limit of the shell, such as `-v 65536`.
pub(crate) fn limited(limit: &str, command: &mut Command) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("ulimit {limit} || exit 99; exec \"$@\""), "sh"]);
    shell.arg(command.get_program()).args(command.get_args());
    if let Some(folder) = command.get_current_dir() {
        shell.current_dir(folder);
    }
    shell
}
