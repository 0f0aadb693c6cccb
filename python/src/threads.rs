//! The threads that compute, and the instructions that they use.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
use secagg_kernels::Backend;

use crate::arguments::Whole;
use crate::errors::misuse;

/// More than any machine has cores, and few enough to be made in a moment.
const MOST_THREADS: usize = 1024;

/// One pool for each process: threads do not survive a fork, and a pool without threads would wait for ever.
static POOL: Mutex<Option<(u32, Arc<ThreadPool>)>> = Mutex::new(None);

/// Runs `work` without the interpreter's lock, on this process's threads.
pub(crate) fn compute<R: Send>(py: Python<'_>, work: impl FnOnce() -> R + Send) -> PyResult<R> {
    py.detach(|| Ok(pool()?.install(work)))
}

/// Runs `work` as [`compute`] does, on what is shared between calls; they take turns.
///
/// The lock is taken outside of the pool. A thread of the pool that waits for the others takes up the work of other calls
/// meanwhile: one that held the lock would then wait for itself.
pub(crate) fn compute_on<T: Send, R: Send>(
    py: Python<'_>,
    shared: &Mutex<T>,
    work: impl FnOnce(&mut T) -> R + Send,
) -> PyResult<R> {
    compute_on_both(py, shared, None::<&Mutex<()>>, |shared, _| work(shared))
}

/// Runs `work` as [`compute_on`] does, on a second value too, if there is one. Its lock is taken last: who holds it waits
/// for no other.
pub(crate) fn compute_on_both<T: Send, U: Send, R: Send>(
    py: Python<'_>,
    shared: &Mutex<T>,
    second: Option<&Mutex<U>>,
    work: impl FnOnce(&mut T, Option<&mut U>) -> R + Send,
) -> PyResult<R> {
    py.detach(|| {
        let (pool, mut guard) = (pool()?, locked(shared));
        let mut second = second.map(locked);
        let (shared, second) = (&mut *guard, second.as_deref_mut());
        Ok(pool.install(|| work(shared, second)))
    })
}

/// Only without the interpreter's lock: whoever holds this one may be waiting for that. A call that panicked has left
/// behind what is sound, or nothing.
pub(crate) fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sets how many threads this process computes with.
///
/// Parameters
/// ----------
/// threads : int or None
///     From 1 to 1024; None for one per core, or as many as the environment variable ``RAYON_NUM_THREADS`` says.
///
/// Raises
/// ------
/// Misuse
///     If it is another number, or if the system does not give so many threads.
#[pyfunction]
pub(crate) fn set_threads(py: Python<'_>, threads: Option<Whole<usize>>) -> PyResult<()> {
    let threads = threads.map(|threads| threads.0);
    if threads == Some(0) {
        return Err(misuse("Threads", "0 threads compute nothing: give 1 or more, or None"));
    }
    if threads.is_some_and(|threads| threads > MOST_THREADS) {
        return Err(misuse(
            "Threads",
            format_args!(
                "so many threads take long to make and help nobody: give at most {MOST_THREADS}, or None"
            ),
        ));
    }
    py.detach(|| {
        let threads = build(threads)?;
        replace(&mut locked(&POOL), threads);
        Ok(())
    })
}

/// The backends that this machine can run, the fastest first.
#[pyfunction]
pub(crate) fn backends() -> Vec<&'static str> {
    Backend::available().map(Backend::name).collect()
}

/// The backend of a name, or the fastest here.
pub(crate) fn backend(name: Option<&str>) -> PyResult<Backend> {
    let Some(name) = name else { return Ok(Backend::detect()) };
    name.parse().map_err(|error| misuse("Backend", error))
}

fn pool() -> PyResult<Arc<ThreadPool>> {
    let mut pool = locked(&POOL);
    if let Some((owner, threads)) = &*pool
        && *owner == std::process::id()
    {
        return Ok(Arc::clone(threads));
    }
    let threads = build(None)?;
    replace(&mut pool, Arc::clone(&threads));
    Ok(threads)
}

/// The threads of a pool that was inherited are in another process: it is not told to end them.
fn replace(pool: &mut Option<(u32, Arc<ThreadPool>)>, threads: Arc<ThreadPool>) {
    let process = std::process::id();
    if let Some(inherited) = pool.replace((process, threads)).filter(|(owner, _)| *owner != process)
    {
        std::mem::forget(inherited);
    }
}

fn build(threads: Option<usize>) -> PyResult<Arc<ThreadPool>> {
    let pool = ThreadPoolBuilder::new()
        .num_threads(threads.unwrap_or(0))
        .thread_name(|thread| format!("secagg-{thread}"));
    pool.build().map(Arc::new).map_err(|error| misuse("Threads", error))
}
