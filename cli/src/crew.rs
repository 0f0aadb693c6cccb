//! Threads: all of them are started before the work, one after another, so that a limit is met in
//! words.
//!
//! A thread that cannot be started in the middle of a round, or a small allocation of its own that
//! fails, would end the program without a word of what to change.

use std::cell::Cell;
use std::hint::black_box;
use std::sync::mpsc;
use std::{io, thread};

use rayon::{ThreadBuilder, ThreadPool, ThreadPoolBuilder};

use crate::error::CommandError;
use crate::memory;

thread_local! {
    /// Whether this thread does all that it does itself, while others do something else.
    static ALONE: Cell<bool> = const { Cell::new(false) };
}

/// The most threads of a pool, the same as of `--threads`.
pub(crate) const MOST: usize = 1024;

/// Threads that work side by side. Each does itself what rayon would spread: then all of its
/// processor time is the work's, and one client's or the server's.
#[derive(Debug)]
pub struct Crew(Vec<ThreadPool>);

impl Crew {
    /// Starts so many threads, at least one.
    ///
    /// # Errors
    /// [`CommandError::Threads`] if the system has no room for them.
    pub fn new(threads: usize) -> Result<Self, CommandError> {
        let refused = |source| CommandError::Threads { threads, source };
        let pools = (0..threads.max(1)).map(|_| {
            let pool = pool(1)?;
            pool.install(|| ALONE.set(true));
            Ok(pool)
        });
        Ok(Self(pools.collect::<io::Result<_>>().map_err(refused)?))
    }

    /// Runs some work on each of the first `threads` threads at the same time.
    pub(crate) fn each(&self, threads: usize, work: &(impl Fn() + Sync)) {
        on_each(&self.0[..threads.min(self.0.len())], work);
    }

    /// Runs some work on one of the threads.
    pub(crate) fn alone<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.0[0].install(work)
    }
}

/// Whether this is one of a [`Crew`]'s threads.
#[cfg(unix)]
pub(crate) fn is_alone() -> bool {
    ALONE.get()
}

fn on_each(pools: &[ThreadPool], work: &(impl Fn() + Sync)) {
    let Some((first, others)) = pools.split_first() else { return };
    first.in_place_scope(|scope| {
        scope.spawn(|_| work());
        on_each(others, work);
    });
}

/// A pool of so many threads, all of them at work.
///
/// # Errors
/// The system has no room for them.
pub(crate) fn pool(threads: usize) -> io::Result<ThreadPool> {
    memory::check_threads(threads)?;
    let builder = ThreadPoolBuilder::new().num_threads(threads).spawn_handler(start);
    builder.build().map_err(io::Error::other)
}

/// Starts the pool that kernels use outside all others: a thread for each core, or as many as
/// `RAYON_NUM_THREADS` says.
///
/// # Errors
/// [`CommandError::ManyThreads`] if the variable asks for too many, [`CommandError::Threads`] if
/// the system has no room.
pub(crate) fn start_global() -> Result<(), CommandError> {
    let asked = std::env::var("RAYON_NUM_THREADS").unwrap_or_default();
    let threads = match asked.trim() {
        // As rayon has it: 0, and all that is no number, stand for the number of cores.
        digits
            if digits.trim_matches('0').is_empty()
                || !digits.bytes().all(|b| b.is_ascii_digit()) =>
        {
            cores()
        }
        digits => digits
            .parse()
            .ok()
            .filter(|&threads| threads <= MOST)
            .ok_or(CommandError::ManyThreads { asked: asked.clone() })?,
    };
    let refused = |source| CommandError::Threads { threads, source };
    memory::check_threads(threads).map_err(refused)?;
    let builder = ThreadPoolBuilder::new().num_threads(threads).spawn_handler(start);
    builder.build_global().map_err(|source| refused(io::Error::other(source)))
}

/// One thread for each core.
pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from).min(MOST)
}

/// Starts a thread and waits until it runs: two that start at once may take each other's last
/// memory.
fn start(worker: ThreadBuilder) -> io::Result<()> {
    memory::check_threads(1)?;
    let (runs, started) = mpsc::sync_channel(1);
    thread::Builder::new().stack_size(memory::STACK).spawn(move || {
        // The first allocation of a thread may make room for many.
        drop(black_box(vec![0_u8; 1 << 10]));
        let _ = runs.send(());
        worker.run();
    })?;
    started.recv().map_err(io::Error::other)
}
