//! The tests, and how much of the two libraries they run: by line and by region.

use std::fs;
use std::process::Command;

use crate::run::{cargo, output, require, root, run};
use crate::{Failure, Outcome};

/// The least share of the protocol's lines that tests must run, in per cent. What they do not run is named in
/// `docs/assurance.md`.
const PROTOCOL_LINES: &str = "95";

/// Counting slows the kernels down by its steps in every loop, and what is true of a few cases of a property needs no more to be
/// run.
const CASES: &str = "8";

/// The tests of both libraries, and a table for each.
pub(crate) fn coverage() -> Outcome {
    tools()?;
    let counted = environment(&output(cargo(&["llvm-cov", "show-env"]))?);
    run(cargo(&["llvm-cov", "clean", "--profraw-only"]))?;
    let own = ["test", "--lib", "--tests", "--package", "secagg-kernels", "--package", "secagg"];
    run(with(cargo(&own), &counted))?;
    let mut rounds = cargo(&["test", "--package", "secagg-tests"]);
    rounds.args(tests_of_rounds()?.iter().flat_map(|name| ["--test", name]));
    run(with(rounds, &counted))?;
    run(with(report("kernels", &["--show-missing-lines"]), &counted))?;
    let gate = ["--show-missing-lines", "--fail-under-lines", PROTOCOL_LINES];
    run(with(report("protocol", &gate), &counted))
}

/// All files of `tests/` but those that play thousands of rounds, for which counting has no time: all subsets of drop-outs, and
/// all flipped bits.
fn tests_of_rounds() -> Result<Vec<String>, Failure> {
    let manifest = fs::read_to_string(root().join("tests/Cargo.toml"))
        .map_err(|error| Failure::Chore(format!("tests/Cargo.toml: {error}")))?;
    let names = manifest.split("[[test]]").skip(1).filter_map(|part| part.split('"').nth(1));
    Ok(names.filter(|name| !["drop_outs", "wire"].contains(name)).map(str::to_owned).collect())
}

fn tools() -> Outcome {
    let reason = "there is no cargo-llvm-cov: cargo install cargo-llvm-cov --locked";
    require(cargo(&["llvm-cov", "--version"]), reason)?;
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut libraries = Command::new(rustc);
    libraries.args(["--print", "target-libdir"]);
    let libraries = output(libraries)?;
    let mut merge = Command::new(format!("{}/../bin/llvm-profdata", libraries.trim()));
    merge.arg("--version");
    require(merge, "Rust's LLVM tools are missing: rustup component add llvm-tools")
}

/// What cargo-llvm-cov would have a shell set: lines of `NAME=value` or `NAME='value'`.
///
/// It wraps the compiler of all crates, and cargo would not tell what it builds from the plain build. As the wrapper of the
/// workspace's own it is told, so that the others, which are not counted, are built once for both.
fn environment(lines: &str) -> Vec<(String, String)> {
    let pair = |line: &str| {
        let (name, value) = line.split_once('=')?;
        let name = if name == "RUSTC_WRAPPER" { "RUSTC_WORKSPACE_WRAPPER" } else { name };
        Some((name.to_owned(), value.trim_matches('\'').to_owned()))
    };
    lines.lines().filter_map(pair).collect()
}

fn with(mut command: Command, environment: &[(String, String)]) -> Command {
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    command.env("PROPTEST_CASES", CASES);
    command
}

/// The table of one library's sources; files of tests are left out.
///
/// Some tests kill processes, which can leave half a profile behind. Such a profile is left out.
fn report(folder: &str, words: &[&str]) -> Command {
    let ignored = format!("^{}/({})/|/vectors\\.rs$", root().display(), others(folder).join("|"));
    let mut command = cargo(&["llvm-cov", "report", "--failure-mode", "all"]);
    command.args(["--ignore-filename-regex", &ignored]).args(words);
    command
}

/// All folders of the workspace but one.
fn others(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(root()).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.path().is_dir()).map(|entry| entry.file_name());
    folders.filter_map(|name| name.into_string().ok()).filter(|name| name != folder).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_is_read_with_and_without_quotes() {
        let lines = "RUSTC_WRAPPER=/bin/wrapper\nFLAGS='-Cone\u{1f}--cfg=two'\n\n";
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let expected = [
            pair("RUSTC_WORKSPACE_WRAPPER", "/bin/wrapper"),
            pair("FLAGS", "-Cone\u{1f}--cfg=two"),
        ];
        assert_eq!(environment(lines), expected);
    }

    #[test]
    fn all_tests_of_rounds_are_counted_but_one_file() {
        let names = tests_of_rounds().unwrap();
        let has = |name: &str| names.iter().any(|found| found == name);
        assert!(has("false_shares") && has("vectors") && !has("drop_outs"), "{names:?}");
    }

    #[test]
    fn a_report_leaves_out_all_folders_but_one() {
        let others = others("protocol");
        assert!(others.iter().any(|name| name == "kernels"), "{others:?}");
        assert!(others.iter().all(|name| name != "protocol"), "{others:?}");
    }
}
