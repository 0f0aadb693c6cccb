//! Signals that end the program: no unfinished file is left behind, and one line names the signal.

use std::io;

/// Watches for signals, on a thread of its own, until the program ends.
///
/// A signal that whoever started the program set to be ignored, as `nohup` does, stays ignored. A
/// file that grows beyond the limit of this process becomes an error of the write, as a full disk
/// is, instead of the end.
///
/// # Errors
/// The system has no room for the thread or for the handlers.
#[cfg(unix)]
pub(crate) fn watch() -> io::Result<()> {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use signal_hook::consts::{
        SIGALRM, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGXCPU, SIGXFSZ,
    };
    use signal_hook::{flag, iterator::Signals};

    let ignored = ignored();
    let ending = [SIGHUP, SIGINT, SIGQUIT, SIGALRM, SIGTERM, SIGUSR1, SIGUSR2, SIGXCPU];
    let ending = || ending.into_iter().filter(|signal| ignored >> (signal - 1) & 1 == 0);
    let cleaned = Arc::new(AtomicBool::new(false));
    for signal in ending() {
        // A second signal does not wait for anything, such as a terminal that takes no line.
        flag::register_conditional_default(signal, Arc::clone(&cleaned))?;
    }
    flag::register(SIGXFSZ, Arc::default())?;
    let mut signals = Signals::new(ending())?;
    let end = move || {
        for signal in signals.forever() {
            let _parts = crate::part::remove_all();
            cleaned.store(true, Ordering::SeqCst);
            say(signal);
            // Whoever waits for this process is to see which signal it was: a shell gives 128 + its
            // number.
            let _ = signal_hook::low_level::emulate_default_handler(signal);
        }
    };
    std::thread::Builder::new().name("signals".into()).spawn(end).map(drop)
}

#[cfg(unix)]
fn say(signal: std::ffi::c_int) {
    use std::io::{IsTerminal, Write};
    let name = signal_hook::low_level::signal_name(signal).unwrap_or("a signal");
    let mut stderr = io::stderr();
    // A progress bar may stand on the line.
    let start = if stderr.is_terminal() { "\n" } else { "" };
    let _ = writeln!(stderr, "{start}secagg: stopped by {name}; no unfinished file is left behind");
}

/// The signals that are ignored, bit n - 1 for signal n, where the system tells.
#[cfg(unix)]
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it may fail")]
pub(crate) const fn watch() -> io::Result<()> {
    Ok(())
}
