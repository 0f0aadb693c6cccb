//! Chores that look at the programs from below: what time depends on, what memory holds, how other machines run them.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::run::{cargo, root, run, shown};
use crate::{Failure, Outcome};

/// As fast as the release profile, but for what takes its time to build, and with the names that valgrind tells.
const PROFILE: &str = "smoke";

/// What depends on secrets and is public by design.
const SUPPRESSIONS: &str = "assurance/constant_time/public.supp";

/// Valgrind follows secrets through the kernels and through whole rounds. A suppression that nothing needs may hide a leak
/// some day, so it is a failure, too.
pub(crate) fn constant_time() -> Outcome {
    build("constant-time")?;
    let mut valgrind = Command::new("valgrind");
    valgrind.current_dir(root()).args(["--quiet", "--error-limit=no", "--num-callers=24"]);
    valgrind.arg(format!("--suppressions={SUPPRESSIONS}"));
    // At the end it says which of them it used.
    valgrind.args(["--show-error-list=yes", "--log-fd=1"]);
    valgrind.arg(Path::new("target").join(PROFILE).join("constant-time"));
    // One thread, so that each error falls to the case that makes it.
    valgrind.env("RAYON_NUM_THREADS", "1");
    let said = shown(valgrind)?;
    let file = fs::read_to_string(root().join(SUPPRESSIONS));
    let file = file.map_err(|error| Failure::Chore(format!("{SUPPRESSIONS}: {error}")))?;
    match unused(&file, &said).as_slice() {
        [] => Ok(()),
        lines => Err(Failure::Chore(format!("{SUPPRESSIONS}: unused entries at lines {lines:?}"))),
    }
}

/// Where suppressions begin that valgrind does not say to have used: it tells the lines of their names.
fn unused(file: &str, said: &str) -> Vec<usize> {
    let used = |name: usize| {
        let place = format!("{SUPPRESSIONS}:{name}");
        said.lines().any(|line| line.contains("used_suppression:") && line.ends_with(&place))
    };
    let names = file.lines().zip(2..).filter(|(line, _)| *line == "{").map(|(_, name)| name);
    names.filter(|&name| !used(name)).collect()
}

/// The clock compares secrets, on every backend of this machine.
pub(crate) fn timing(measurements: &str) -> Outcome {
    build("timing")?;
    let mut timing = Command::new(root().join("target").join(PROFILE).join("timing"));
    timing.arg(measurements).env("RAYON_NUM_THREADS", "1");
    run(timing)
}

fn build(program: &str) -> Outcome {
    // Where the program is found does not depend on where else cargo is told to build.
    let mut command = cargo(&["build", "--package", "secagg-assurance", "--profile", PROFILE]);
    command.args(["--bin", program, "--target-dir", "target"]);
    run(command)
}

/// Words in the names of tests that AddressSanitizer cannot run: one lets a process have a gigabyte of addresses, of which the
/// sanitizer takes terabytes for itself.
const NOT_SANITIZED: [&str; 1] = ["takes_no_memory"];

/// The tests of kernels and protocol with `AddressSanitizer`.
pub(crate) fn asan() -> Outcome {
    let packages =
        ["--package", "secagg-kernels", "--package", "secagg", "--package", "secagg-tests"];
    let mut command = cargo(&["test", "--tests", "--target", "x86_64-unknown-linux-gnu"]);
    command.args(packages).args(["--target-dir", "target/asan"]);
    command.arg("--").args(without(&NOT_SANITIZED));
    command.env("RUSTFLAGS", "-Zsanitizer=address").env("RUSTC_BOOTSTRAP", "1");
    run(command)
}

/// Other machines that are run here: a target of Rust, Debian's compiler to link with, and what else it takes.
struct Machine {
    target: &'static str,
    linker: &'static str,
    runner: &'static str,
    flags: &'static str,
    /// Cases of each property, in place of its own number of them: an emulated machine takes minutes for those.
    cases: Option<&'static str>,
    /// Words in the names of tests that are left out.
    skip: &'static [&'static str],
}

/// 32 bits, run by this CPU itself with its C library linked in; and big-endian, emulated.
const MACHINES: [Machine; 2] = [
    Machine {
        target: "i686-unknown-linux-gnu",
        linker: "i686-linux-gnu-gcc",
        runner: "env",
        flags: "-Ctarget-feature=+crt-static",
        cases: None,
        skip: &[],
    },
    Machine {
        target: "s390x-unknown-linux-gnu",
        linker: "s390x-linux-gnu-gcc",
        runner: "qemu-s390x -L /usr/s390x-linux-gnu",
        flags: "",
        cases: Some("8"),
        // Two minutes of an emulated cipher, for stores that this machine has not.
        skip: &["a_vector_longer_than_the_caches"],
    },
];

/// The tests of kernels and protocol on 32 bits and on a big-endian machine. On wasm32 they are compiled, and not run.
pub(crate) fn targets() -> Outcome {
    wasm()?;
    MACHINES.iter().try_for_each(Machine::test)
}

/// Kernels and protocol compiled for browsers.
pub(crate) fn wasm() -> Outcome {
    let target = ["build", "--target", "wasm32-unknown-unknown"];
    run(cargo(&[&target[..], &["--package", "secagg-kernels", "--package", "secagg"]].concat()))
}

impl Machine {
    fn test(&self) -> Outcome {
        let name = self.target.replace('-', "_").to_uppercase();
        let mut command = cargo(&["test", "--lib", "--tests", "--target", self.target]);
        command.args(["--package", "secagg-kernels", "--package", "secagg"]);
        command.env(format!("CARGO_TARGET_{name}_LINKER"), self.linker);
        command.env(format!("CARGO_TARGET_{name}_RUNNER"), self.runner);
        command.env(format!("CARGO_TARGET_{name}_RUSTFLAGS"), self.flags);
        command.env("EXPECT_BACKENDS", "portable");
        command.envs(self.cases.map(|cases| ("PROPTEST_CASES", cases)));
        command.arg("--").args(without(self.skip));
        run(command)
    }
}

/// What a test program is told to leave out.
fn without(words: &'static [&'static str]) -> impl Iterator<Item = &'static str> {
    words.iter().flat_map(|word| ["--skip", word])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unused_suppressions_are_found() {
        let file = "# Why.\n{\n   one\n}\n{\n   another\n}\n";
        let line = |at| format!("--7-- used_suppression:  2 one {SUPPRESSIONS}:{at}\n");
        assert_eq!(unused(file, ""), [3, 6]);
        assert_eq!(unused(file, &line(6)), [3]);
        assert_eq!(unused(file, &(line(3) + &line(36))), [6]);
        assert_eq!(unused(file, &(line(3) + &line(6))), []);
    }
}
