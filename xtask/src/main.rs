//! Developer chores: `cargo xtask <chore>`. Only the standard library, so that it builds in a second.
#![forbid(unsafe_code)]

mod api;
mod assurance;
mod chores;
mod coverage;
mod fuzz;
mod miri;
mod model;
mod run;
mod structure;
mod supply;

use std::process::ExitCode;

const HELP: &str = "\
The chores of a secagg developer. Needs nothing but cargo (and a C++ compiler for fuzz-smoke).

Usage: cargo xtask <chore>

Chores:
  structure             which crate may depend on which, where `unsafe` may stand, how long a file may be
  check                 formatting, then clippy on everything with warnings denied
  test                  all tests of the workspace
  doc                   all documentation, with warnings denied (a broken link is one)
  public-api [--write]  compares what the libraries make public with the lists in api/, or writes these
  deny                  licences, duplicates and sources of all dependencies, and known weaknesses where the
                        list of them can be had: wants cargo-deny
  coverage              the tests of kernels and protocol, and which lines and regions of them they run; fails if
                        fewer than 95 % of the protocol's lines: wants cargo-llvm-cov and rustup's llvm-tools
  minimal-versions      checks with the oldest dependencies that the manifests allow
  oldest-rust           builds with the oldest Rust that the manifests allow: wants it from rustup
  figures [--write]     compares docs/plots/ and docs/scaling.md with docs/data/, which they are made from, or makes them
  bench-smoke           runs every benchmark once, unmeasured
  fuzz-smoke [SECONDS]  fuzzes each target for some seconds (5 unless told) with AddressSanitizer
  fuzz TARGET SECONDS   one target for as long as its row in fuzz/README.md says, on one core
  aarch64               the kernels' tests for aarch64, emulated: wants that target of Rust, and Debian's
                        qemu-user, gcc-aarch64-linux-gnu and libc6-dev-arm64-cross
  constant-time         valgrind follows secrets through kernels and whole rounds: wants valgrind 3.19 or later
  timing [MEASUREMENTS] the clock compares secrets on every backend of this machine, 20,000 times each unless told
  asan                  the tests of kernels and protocol with AddressSanitizer, on x86-64 Linux
  miri [TARGET]         some tests under Miri, for big-endian s390x unless told: wants a nightly toolchain with
                        miri and rust-src
  targets               kernels and protocol compiled for wasm32, and their tests on i686 and emulated s390x: wants
                        those targets of Rust, and Debian's gcc-i686-linux-gnu, libc6-dev-i386-cross,
                        gcc-s390x-linux-gnu, libc6-dev-s390x-cross and qemu-user
  model                 all that a server may choose, with small cohorts, and the attack that each check keeps out:
                        wants Spin and a C compiler
  ci                    what of the above continuous integration runs, each timed; stops at the first that
                        fails, and says what was not run since a tool is missing
  help                  this page

Before a commit, `cargo xtask check` and `cargo xtask test`. What continuous integration runs is `.ci/run`,
which is `cargo xtask ci` after a look at the tools of the machine.

A crash that fuzzing finds is kept under fuzz/artifacts/; run the target again on that file alone with
  cargo xtask fuzz-repeat TARGET FILE

Exit codes: 0 done, 1 the chore failed, 2 this usage was wrong.
";

/// Why a chore did not end well.
#[derive(Debug, PartialEq)]
enum Failure {
    /// The words on the command line.
    Usage(String),
    /// The chore itself.
    Chore(String),
    /// A tool that the chore needs and that is not on this machine.
    Missing(String),
}

type Outcome = Result<(), Failure>;

fn main() -> ExitCode {
    let words = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    let words: Vec<_> = words.collect();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    match dispatch(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Chore(reason) | Failure::Missing(reason)) => {
            eprintln!("xtask: {reason}");
            ExitCode::from(1)
        }
        Err(Failure::Usage(reason)) => {
            eprintln!("xtask: {reason}\n\n{HELP}");
            ExitCode::from(2)
        }
    }
}

fn dispatch(words: &[&str]) -> Outcome {
    match words {
        ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            Ok(())
        }
        ["check"] => chores::check(),
        ["structure"] => structure::check(),
        ["test"] => chores::test(),
        ["doc"] => chores::doc(),
        ["bench-smoke"] => chores::bench_smoke(),
        ["figures"] => chores::figures(),
        ["figures", "--write"] => chores::write_figures(),
        ["public-api"] => api::check(),
        ["public-api", "--write"] => api::write(),
        ["coverage"] => coverage::coverage(),
        ["deny"] => supply::deny(),
        ["minimal-versions"] => supply::minimal_versions(),
        ["oldest-rust"] => supply::oldest_rust(),
        ["fuzz-smoke"] => fuzz::smoke(fuzz::SECONDS),
        ["fuzz-smoke", seconds] => fuzz::smoke(parse_seconds(seconds)?),
        ["fuzz", target, seconds] => fuzz::long(target, parse_seconds(seconds)?),
        ["fuzz-repeat", target, file] => fuzz::repeat(target, file),
        ["aarch64"] => chores::aarch64(),
        ["constant-time"] => assurance::constant_time(),
        ["timing"] => assurance::timing("20000"),
        ["timing", measurements] => assurance::timing(parse_measurements(measurements)?),
        ["asan"] => assurance::asan(),
        ["miri"] => miri::miri("s390x-unknown-linux-gnu"),
        ["miri", target] => miri::miri(target),
        ["targets"] => assurance::targets(),
        ["model"] => model::model(),
        ["ci"] => chores::ci(),
        [] => Err(Failure::Usage("say which chore".into())),
        [chore, ..] => Err(Failure::Usage(unknown(chore))),
    }
}

/// A chore that is there has been given other words than it takes.
fn unknown(chore: &str) -> String {
    if helped(chore) || chore == "fuzz-repeat" {
        format!("{chore} does not take these words")
    } else {
        format!("there is no chore {chore}")
    }
}

fn helped(chore: &str) -> bool {
    HELP.contains(&format!("\n  {chore} "))
}

fn parse_measurements(word: &str) -> Result<&str, Failure> {
    match word.parse::<u32>() {
        Ok(1..) => Ok(word),
        _ => Err(Failure::Usage(format!("{word} is not a number of measurements from 1 up"))),
    }
}

fn parse_seconds(word: &str) -> Result<u32, Failure> {
    match word.parse() {
        Ok(seconds @ 1..) => Ok(seconds),
        _ => Err(Failure::Usage(format!("{word} is not a number of seconds from 1 up"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_words_are_a_matter_of_usage() {
        let wrong: [&[&str]; 11] = [
            &["timing", "often"],
            &["miri", "no-such-target"],
            &["fuzz-repeat", "wire", "no/such/file"],
            &[],
            &["chck"],
            &["test", "twice"],
            &["fuzz-smoke", "0"],
            &["fuzz-smoke", "-1"],
            &["fuzz-smoke", "1", "2"],
            &["fuzz", "pack", "0"],
            &["fuzz", "no_such_target", "1"],
        ];
        for words in wrong {
            assert!(matches!(dispatch(words), Err(Failure::Usage(_))), "{words:?}");
        }
    }

    #[test]
    fn the_help_names_every_chore_of_ci() {
        for (name, _) in chores::CI {
            assert!(helped(name), "{name}");
        }
    }

    #[test]
    fn every_chore_that_the_docs_name_is_there() {
        for page in ["docs/assurance.md", "CONTRIBUTING.md"] {
            let text = std::fs::read_to_string(run::root().join(page)).unwrap();
            let word = |rest: &str| {
                rest.split(|c| !matches!(c, 'a'..='z' | '0'..='9' | '-')).next().map(str::to_owned)
            };
            let named: Vec<_> = text.split("cargo xtask ").skip(1).filter_map(word).collect();
            assert!(named.len() > 5, "{page}: {named:?}");
            for name in named {
                assert!(helped(&name), "{page}: there is no chore {name}");
            }
        }
    }
}
