//! Fuzzing without cargo-fuzz: the same flags on whichever toolchain is there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{cargo, root, run};
use crate::{Failure, Outcome};

pub(crate) const MANIFEST: &str = "fuzz/Cargo.toml";

/// How long each target runs unless told.
pub(crate) const SECONDS: u32 = 5;

/// How far targets are optimised: for seconds of running, not for minutes of building.
const SMOKE: &str = "1";
const LONG: &str = "3";

/// What cargo-fuzz passes: coverage counters, comparisons traced for the mutator, `AddressSanitizer`, and assertions. Its one
/// codegen unit is left out, since the kernels then take minutes on one core.
const FLAGS: &str = "-Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares \
    -Cllvm-args=-sanitizer-coverage-stack-depth \
    -Cllvm-args=-simplifycfg-branch-fold-threshold=0 \
    -Zsanitizer=address -Cdebug-assertions -Coverflow-checks -Ccodegen-units=16 --cfg fuzzing";

/// Runs every target in `fuzz/fuzz_targets/`, starting from its committed corpus, which stays as it is.
pub(crate) fn smoke(seconds: u32) -> Outcome {
    let targets = targets()?;
    let host = host()?;
    build(&host, &["--bins"], SMOKE)?;
    for target in targets {
        let mut command = started(&host, &target)?;
        command.arg(format!("-max_total_time={seconds}"));
        command.args(["-timeout=60", "-verbosity=0", "-print_final_stats=1"]);
        run(command)?;
    }
    Ok(())
}

/// Runs one target for long, with a line for everything new that it meets.
pub(crate) fn long(target: &str, seconds: u32) -> Outcome {
    let host = host_for(target)?;
    build(&host, &["--bin", target], LONG)?;
    let mut command = started(&host, target)?;
    command.arg(format!("-max_total_time={seconds}"));
    command.args(["-timeout=60", "-print_final_stats=1"]);
    run(command)
}

/// Runs one target on one input.
pub(crate) fn repeat(target: &str, file: &str) -> Outcome {
    let host = host_for(target)?;
    if !root().join(file).exists() {
        return Err(Failure::Usage(format!("there is no file {file}")));
    }
    build(&host, &["--bin", target], LONG)?;
    let mut command = binary(&host, target);
    command.arg(file);
    run(command)
}

/// One build for all targets: what takes its time is what they depend on.
fn build(host: &str, which: &[&str], optimised: &str) -> Outcome {
    // `--target`, although it is the host, keeps the flags away from build scripts.
    let words = ["build", "--manifest-path", MANIFEST, "--release", "--target", host];
    let mut command = cargo(&[&words, which].concat());
    command.env("RUSTFLAGS", FLAGS).env("RUSTC_BOOTSTRAP", "1");
    command.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", optimised);
    run(command)
}

/// A target that goes on from what it found before and from its seeds.
fn started(host: &str, target: &str) -> Result<Command, Failure> {
    let found = format!("fuzz/target/corpus/{target}");
    let artifacts = format!("fuzz/artifacts/{target}");
    make_folder(&found)?;
    make_folder(&artifacts)?;
    let seeds = format!("fuzz/corpus/{target}");
    let mut command = binary(host, target);
    command.args([&found, &seeds].into_iter().filter(|f| root().join(f).is_dir()));
    command.arg(format!("-artifact_prefix={artifacts}/"));
    // A decoder that believes a length would show here.
    command.args(["-rss_limit_mb=2048", "-malloc_limit_mb=64"]);
    Ok(command)
}

fn binary(host: &str, target: &str) -> Command {
    let folder =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "fuzz/target".into(), PathBuf::from);
    let mut command = Command::new(root().join(folder).join(host).join("release").join(target));
    command.current_dir(root()).env("ASAN_OPTIONS", "detect_odr_violation=0");
    command
}

fn host_for(target: &str) -> Result<String, Failure> {
    if targets()?.iter().any(|t| t == target) {
        host()
    } else {
        Err(Failure::Usage(format!("there is no fuzz target {target}")))
    }
}

/// The targets are the files in their folder.
fn targets() -> Result<Vec<String>, Failure> {
    let folder = root().join("fuzz/fuzz_targets");
    let unreadable = |e| Failure::Chore(format!("{}: {e}", folder.display()));
    let files = fs::read_dir(&folder).map_err(unreadable)?;
    let paths = files.map(|f| f.map(|f| f.path())).collect::<Result<Vec<_>, _>>();
    let mut names: Vec<_> = paths.map_err(unreadable)?.iter().filter_map(|p| name_of(p)).collect();
    names.sort();
    Ok(names)
}

fn name_of(path: &Path) -> Option<String> {
    let source = path.extension()? == "rs";
    source.then(|| path.file_stem()?.to_str().map(str::to_owned))?
}

fn host() -> Result<String, Failure> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-vV").output();
    let output = output.map_err(|e| Failure::Chore(format!("rustc did not start: {e}")))?;
    host_in(&String::from_utf8_lossy(&output.stdout))
        .ok_or_else(|| Failure::Chore("rustc -vV names no host".into()))
}

fn host_in(version: &str) -> Option<String> {
    version.lines().find_map(|line| line.strip_prefix("host: ")).map(str::to_owned)
}

fn make_folder(folder: &str) -> Outcome {
    fs::create_dir_all(root().join(folder)).map_err(|e| Failure::Chore(format!("{folder}: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_read_from_what_rustc_says() {
        let version =
            "rustc 1.95.0\nbinary: rustc\nhost: aarch64-unknown-linux-gnu\nrelease: 1.95.0\n";
        assert_eq!(host_in(version).as_deref(), Some("aarch64-unknown-linux-gnu"));
        assert_eq!(host_in("rustc 1.95.0\n"), None);
    }

    #[test]
    fn only_rust_files_are_targets() {
        assert_eq!(name_of(Path::new("x/wire.rs")).as_deref(), Some("wire"));
        assert_eq!(name_of(Path::new("x/wire.rs.orig")), None);
        assert_eq!(name_of(Path::new("x/README")), None);
    }
}
