//! Preparations before any command.

use crate::error::CommandError;
use crate::{crew, memory, signals};

/// Watches for signals and starts the threads that kernels use, so that limits of the process are
/// met before the work.
///
/// # Errors
/// [`CommandError`] if memory, threads or descriptors do not suffice for that.
pub fn prepare() -> Result<(), CommandError> {
    with_one_arena();
    let _held = memory::check_bytes(0, 1)?;
    signals::watch().map_err(CommandError::Signals)?;
    crew::start_global()
}

/// Starts the program anew with one arena, where a limit on addresses is set (`ulimit -v`).
///
/// glibc's allocator reserves 64 MiB of addresses for each thread, used or not. Under a limit these
/// take the place of the work, now and then, and an allocation that finds none ends the program
/// without a word. It reads how many reserves it may make from the environment, before `main`.
#[cfg(target_os = "linux")]
fn with_one_arena() {
    use std::env;
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    use rustix::process::{Resource, getrlimit};

    const ARENAS: &str = "MALLOC_ARENA_MAX";
    let limited = getrlimit(Resource::As).current.is_some();
    if let (true, None, Ok(program)) = (limited, env::var_os(ARENAS), env::current_exe()) {
        let mut arguments = env::args_os();
        let name = arguments.next().unwrap_or_default();
        // It returns only where it fails; the program then goes on as it is.
        let _ = Command::new(program).arg0(name).args(arguments).env(ARENAS, "1").exec();
    }
}

/// Other systems have no such reserves.
#[cfg(not(target_os = "linux"))]
fn with_one_arena() {}
