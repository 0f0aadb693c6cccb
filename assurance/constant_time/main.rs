//! What the program's branches and addresses depend on, seen by valgrind: secrets are marked undefined, and memcheck
//! follows them. `cargo xtask constant-time` runs this under it, with what is public by design in `public.supp`.
//!
//! Each case counts the errors that it makes. The leaks in `planted.rs` must make some, and nothing else may.

#![forbid(unsafe_code)]

mod kernels;
mod planted;
mod rounds;

use std::process::ExitCode;

use secagg_assurance::memcheck;

/// Something that is done with secrets.
struct Case {
    name: String,
    run: Box<dyn Fn()>,
    leaks: bool,
}

impl Case {
    fn new(name: impl Into<String>, run: impl Fn() + 'static) -> Self {
        Self { name: name.into(), run: Box::new(run), leaks: false }
    }

    /// Whether memcheck saw what it should.
    fn passes(&self) -> bool {
        let before = memcheck::errors();
        (self.run)();
        let found = memcheck::errors() - before;
        let verdict = match (self.leaks, found) {
            (false, 0) => "nothing depends on secrets",
            (false, _) => "LEAKS",
            (true, 0) => "NOT SEEN, although it was planted",
            (true, _) => "planted, and seen",
        };
        eprintln!("{:<44} {verdict}", self.name);
        (found > 0) == self.leaks
    }
}

fn main() -> ExitCode {
    if !memcheck::is_running() {
        eprintln!("valgrind does not run this program: cargo xtask constant-time");
        return ExitCode::from(2);
    }
    let cases = [planted::cases(), kernels::cases(), rounds::cases()].into_iter().flatten();
    let failed = cases.filter(|case| !case.passes()).count();
    eprintln!("{failed} cases failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
