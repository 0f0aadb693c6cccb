//! Files that are whole or not there, and the steps at which a process can be killed.

use std::cell::Cell;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use secagg::{ClientId, Stage, Store};
use secagg_tests::spool::{HALF_WRITTEN, NOT_RENAMED, RENAMED, Spool, Way};

use crate::Outcome;

/// What a process may live; one that does not come to an end is a failed test.
const LONGEST_LIFE: Duration = Duration::from_secs(60);

/// One process's way to the spool.
pub(crate) struct Files {
    pub(crate) spool: Spool,
    /// The other name, under which files are written.
    unfinished: PathBuf,
    life: u32,
    stop_at: u32,
    steps: Cell<u32>,
    sent: Cell<u32>,
    pause: Duration,
    born: Instant,
}

impl Files {
    pub(crate) fn new(root: &str, name: &str, life: u32, stop_at: u32, pause: u64) -> Self {
        let spool = Spool::new(root);
        let unfinished = spool.root().join(name).with_extension("unfinished");
        let (steps, sent) = (Cell::new(0), Cell::new(0));
        let (pause, born) = (Duration::from_millis(pause), Instant::now());
        Self { spool, unfinished, life, stop_at, steps, sent, pause, born }
    }

    /// One step on; at the one that the test asked for, here the process ends.
    pub(crate) fn step(&self, place: &str) {
        self.steps.set(self.steps.get() + 1);
        if self.steps.get() == self.stop_at {
            println!("{place}");
            // It is killed here. If the test is killed first, its end of the pipe is closed.
            let _ = io::stdin().read(&mut [0]);
            process::exit(1);
        }
    }

    /// Keeps a state or a result, as a store must: after a power cut, too, the new name stands.
    pub(crate) fn keep(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.replace(path, bytes, &|place| self.step(place))?;
        #[cfg(unix)]
        File::open(self.spool.root())?.sync_all()?;
        Ok(())
    }

    /// Sends one more copy of a message. Only the first takes steps, so that a process that sends again
    /// what it had sent comes further than the one before it.
    pub(crate) fn send(
        &self,
        way: Way,
        stage: Stage,
        client: ClientId,
        message: &[u8],
    ) -> io::Result<()> {
        let copies = self.spool.message(way, stage, client);
        fs::create_dir_all(&copies)?;
        let is_first = self.spool.copies(way, stage, client)?.is_empty();
        self.sent.set(self.sent.get() + 1);
        let copy = copies.join(format!("{}-{}", self.life, self.sent.get()));
        self.replace(&copy, message, &|place| {
            if is_first {
                self.step(place);
            }
        })?;
        thread::sleep(self.pause);
        Ok(())
    }

    /// Between two looks at the spool.
    pub(crate) fn wait(&self) -> Outcome<()> {
        thread::sleep(Duration::from_millis(1));
        if self.born.elapsed() < LONGEST_LIFE { Ok(()) } else { Err("nobody answers".into()) }
    }

    /// Written under another name, flushed, and renamed.
    fn replace(&self, path: &Path, bytes: &[u8], step: &dyn Fn(&str)) -> io::Result<()> {
        let mut file = File::create(&self.unfinished)?;
        let (half, rest) = bytes.split_at(bytes.len() / 2);
        file.write_all(half)?;
        step(HALF_WRITTEN);
        file.write_all(rest)?;
        file.sync_all()?;
        step(NOT_RENAMED);
        fs::rename(&self.unfinished, path)?;
        step(RENAMED);
        Ok(())
    }
}

/// Where one client's state is kept.
pub(crate) struct StateFile(pub(crate) Rc<Files>, pub(crate) ClientId);

impl Store for StateFile {
    type Error = io::Error;

    fn replace(&mut self, state: &[u8]) -> io::Result<()> {
        self.0.keep(&self.0.spool.client_state(self.1), state)
    }
}

/// What a file holds, if it is there.
pub(crate) fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        bytes => bytes.map(Some),
    }
}
