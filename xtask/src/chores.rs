//! The chores that are one or two calls of cargo, and the chain of all.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::run::{cargo, not_run, run};
use crate::{Failure, Outcome, api, fuzz, structure, supply};

/// A chore's name and what it does.
type Chore = (&'static str, fn() -> Outcome);

/// What `ci` runs: the quick ones first.
pub(crate) const CI: [Chore; 6] = [
    ("structure", structure::check),
    ("deny", supply::deny),
    ("check", check),
    ("test", test),
    ("doc", doc),
    ("public-api", api::check),
];

pub(crate) fn check() -> Outcome {
    run(cargo(&["fmt", "--all", "--check"]))?;
    run(cargo(&["fmt", "--manifest-path", fuzz::MANIFEST, "--check"]))?;
    run(cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))
}

pub(crate) fn test() -> Outcome {
    run(tests())
}

pub(crate) fn tests() -> Command {
    // Benchmarks have no tests, and their harness takes longest to build. The Python package's are in Python.
    let without = ["--exclude", "secagg-benches", "--exclude", "secagg-python"];
    cargo(&[&["test", "--workspace"], &without[..]].concat())
}

pub(crate) fn doc() -> Outcome {
    let mut command = cargo(&["doc", "--workspace", "--no-deps"]);
    command.env("RUSTDOCFLAGS", "-D warnings");
    run(command)
}

pub(crate) fn bench_smoke() -> Outcome {
    // Nothing is measured, so a profile that builds faster will do.
    let profile = ["bench", "--profile", "smoke", "--package", "secagg-benches", "--benches"];
    run(cargo(&[&profile[..], &["--", "--test"]].concat()))
}

pub(crate) fn figures() -> Outcome {
    run(cargo(&FIGURES))
}

pub(crate) fn write_figures() -> Outcome {
    run(cargo(&[&FIGURES[..], &["--", "--write"]].concat()))
}

const FIGURES: [&str; 6] = ["run", "--quiet", "--package", "secagg-benches", "--bin", "figures"];

/// The kernels as an ARM machine runs them. A backend that is silently skipped fails there.
pub(crate) fn aarch64() -> Outcome {
    let target = "aarch64-unknown-linux-gnu";
    let mut command = cargo(&["test", "--package", "secagg-kernels", "--target", target]);
    command
        .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", "aarch64-linux-gnu-gcc")
        .env(
            "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER",
            "qemu-aarch64 -L /usr/aarch64-linux-gnu",
        )
        .env("EXPECT_BACKENDS", "portable,neon");
    run(command)
}

pub(crate) fn ci() -> Outcome {
    let mut times = Vec::new();
    for (name, chore) in CI {
        println!("\n=== {name} ===");
        let start = Instant::now();
        let outcome = chore();
        times.push((name, start.elapsed()));
        match outcome {
            Err(Failure::Missing(reason)) => not_run(name, &reason),
            Err(_) => {
                summary("failed", &times);
                return outcome;
            }
            Ok(()) => {}
        }
    }
    summary("passed", &times);
    Ok(())
}

fn summary(verdict: &str, times: &[(&str, Duration)]) {
    println!("\n=== {verdict} ===");
    for (name, time) in times {
        println!("{name:<16} {:>7.1} s", time.as_secs_f64());
    }
}
