//! What comes in from outside, and the oldest of it that the manifests promise to work with.

use std::fs;
use std::process::Command;

use crate::run::{cargo, not_run, output, require, root, run};
use crate::{Failure, Outcome, fuzz};

/// What users get from crates.io.
const PUBLISHED: [&str; 6] =
    ["--package", "secagg-kernels", "--package", "secagg", "--package", "secagg-cli"];

/// The oldest Rust, as the root manifest has it.
const OLDEST_RUST: &str = env!("CARGO_PKG_RUST_VERSION");

/// Where the oldest dependencies are resolved and checked.
const OLDEST: &str = "target/minimal-versions";

/// What is not run need not be fast.
const PLAIN: &str = "profile.dev.package.\"*\".opt-level=0";

/// Licences, duplicates and sources of this workspace and of the fuzz targets' own, and known weaknesses where the list
/// of them can be had.
pub(crate) fn deny() -> Outcome {
    require(
        cargo(&["deny", "--version"]),
        "there is no cargo-deny: cargo install cargo-deny --locked",
    )?;
    let checks = ["licenses", "bans", "sources"];
    run(ours(&["--deny", "unmatched-skip", "--deny", "unnecessary-skip"], &checks))?;
    // Fewer crates than the configuration speaks of.
    run(theirs(&["--allow", "unmatched-skip", "--allow", "license-not-encountered"], &checks))?;
    if cargo(&["deny", "--log-level", "off", "fetch", "db"])
        .output()
        .is_ok_and(|o| o.status.success())
    {
        run(ours(&[], &["advisories"]))?;
        run(theirs(&[], &["advisories"]))
    } else {
        not_run("deny: advisories", "RustSec's list of them cannot be had here");
        Ok(())
    }
}

fn ours(levels: &[&str], checks: &[&str]) -> Command {
    let mut command = cargo(&["deny", "--locked", "check"]);
    command.args(["--allow", "license-exception-not-encountered"]).args(levels).args(checks);
    command
}

fn theirs(levels: &[&str], checks: &[&str]) -> Command {
    let mut command = cargo(&["deny", "--locked", "--manifest-path", fuzz::MANIFEST]);
    command.args(["--config", "deny.toml", "check"]);
    command.args(["--allow", "license-exception-not-encountered"]).args(levels).args(checks);
    command
}

/// Checks with the compiler that the oldest versions which the manifests allow will do, in a lock file of their own.
pub(crate) fn minimal_versions() -> Outcome {
    fs::create_dir_all(root().join(OLDEST))
        .map_err(|error| Failure::Chore(format!("{OLDEST}: {error}")))?;
    let unstable = |words: &[&str]| {
        let lock = format!("resolver.lockfile-path=\"{OLDEST}/Cargo.lock\"");
        let switches = ["-Z", "direct-minimal-versions", "-Z", "lockfile-path", "--config", &lock];
        let mut command = cargo(&[&switches, words].concat());
        // Cargo's unstable options on a stable toolchain.
        command.env("RUSTC_BOOTSTRAP", "1");
        command
    };
    // Fails where a dependency of ours wants a later version of another than we say.
    run(unstable(&["generate-lockfile", "--quiet"]))?;
    let check = ["check", "--quiet", "--locked", "--config", PLAIN, "--target-dir", OLDEST];
    run(unstable(&[&check[..], &PUBLISHED].concat()))
}

/// Builds with the oldest Rust that the manifests promise.
pub(crate) fn oldest_rust() -> Outcome {
    let installed = output(rustup(&["toolchain", "list"])).unwrap_or_default();
    let Some(oldest) = installed.lines().find_map(toolchain_of_oldest_rust) else {
        let reason =
            format!("there is no Rust {OLDEST_RUST}: rustup toolchain install {OLDEST_RUST}");
        return Err(Failure::Missing(reason));
    };
    let build = ["run", oldest, "cargo", "build", "--quiet", "--locked", "--config", PLAIN];
    let folder = ["--target-dir", "target/oldest-rust"];
    run(rustup(&[&build[..], &folder, &PUBLISHED].concat()))
}

fn rustup(words: &[&str]) -> Command {
    let mut command = Command::new("rustup");
    command.args(words).current_dir(root());
    command
}

/// The name in a line of `rustup toolchain list`, if it is the oldest Rust or a patch of it, which rustup tells apart.
fn toolchain_of_oldest_rust(line: &str) -> Option<&str> {
    let name = line.split_whitespace().next()?;
    name.strip_prefix(OLDEST_RUST)?.starts_with(['-', '.']).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_rust_is_found_with_and_without_a_patch() {
        let named = |name: &str| format!("{OLDEST_RUST}{name}-x86_64-unknown-linux-gnu");
        for found in ["", ".0", ".1"].map(named) {
            assert_eq!(toolchain_of_oldest_rust(&found), Some(&*found));
            assert_eq!(toolchain_of_oldest_rust(&format!("{found} (default)")), Some(&*found));
        }
        for other in ["stable-x86_64-unknown-linux-gnu", &named("0"), ""] {
            assert_eq!(toolchain_of_oldest_rust(other), None, "{other}");
        }
    }
}
