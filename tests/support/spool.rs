//! A round between processes that talk through files, for tests that kill them: where things lie.
//!
//! A message is a directory of its copies: one for each time that it was sent, and none is ever removed,
//! so that in the end all that was ever said can be compared.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use secagg::{ClientId, Directory, Identity, Params, Stage, StateKey, ThreatModel, VerifyingKey};

/// Who takes part.
pub const COHORT: [ClientId; 5] = [ClientId(1), ClientId(2), ClientId(3), ClientId(4), ClientId(5)];

/// What processes say when they wait to be killed: a message was taken in, and nothing came of it yet.
pub const TAKEN: &str = "message taken";
/// Half of a file is written.
pub const HALF_WRITTEN: &str = "half written";
/// A file is written, under another name.
pub const NOT_RENAMED: &str = "not renamed";
/// A file has its name.
pub const RENAMED: &str = "renamed";

/// Any three of five, so that one can leave whenever it likes.
pub fn params(threat_model: ThreatModel) -> Params {
    Params::secagg(COHORT.len() as u32, 3, 3)
        .max_weight(100.0)
        .threat_model(threat_model)
        .build()
        .expect("parameters")
}

/// The weight and the update of a client.
pub fn update(client: ClientId) -> (f64, Vec<f64>) {
    let number = client.0 as f64;
    (10.0 * number, vec![0.5, number / 8.0, -number / 16.0])
}

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the server.
    Requests,
    /// From a client.
    Answers,
}

/// The directory of one round.
#[derive(Clone, Debug)]
pub struct Spool(PathBuf);

impl Spool {
    /// The round in this directory.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self(root.into())
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        &self.0
    }

    /// Lays out what processes know from the start: state keys, identities, the directory.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn prepare(&self) -> io::Result<()> {
        let mut directory = Vec::new();
        for client in COHORT {
            let identity = crate::identity(client);
            fs::write(self.file("identity", client), identity.as_bytes())?;
            directory.extend(client.0.to_le_bytes());
            directory.extend(identity.verifying_key().as_bytes());
        }
        fs::write(self.0.join("directory"), directory)?;
        fs::write(self.0.join("server.key"), [7; 32])?;
        fs::write(self.0.join("clients.key"), [8; 32])
    }

    /// The key under which the server's states are sealed, or those of clients.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn key(&self, of: &str) -> io::Result<StateKey> {
        array(&fs::read(self.0.join(of).with_extension("key"))?).map(StateKey::from_bytes)
    }

    /// Who a client is.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn identity(&self, client: ClientId) -> io::Result<Identity> {
        array(&fs::read(self.file("identity", client))?).map(|bytes| Identity::from_bytes(&bytes))
    }

    /// Who everyone is.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn directory(&self) -> io::Result<Directory> {
        let bytes = fs::read(self.0.join("directory"))?;
        let entries: io::Result<Vec<_>> = bytes.chunks(40).map(entry).collect();
        Directory::new(entries?).map_err(io::Error::other)
    }

    /// Where the server keeps its state.
    pub fn server_state(&self) -> PathBuf {
        self.0.join("server.state")
    }

    /// Where a client keeps its state.
    pub fn client_state(&self, client: ClientId) -> PathBuf {
        self.file("state", client)
    }

    /// Lies there once a client is given up for lost.
    pub fn gone(&self, client: ClientId) -> PathBuf {
        self.file("gone", client)
    }

    /// The survivors, and below them the mean.
    pub fn result(&self) -> PathBuf {
        self.0.join("result")
    }

    /// The directory of all copies of a message.
    pub fn message(&self, way: Way, stage: Stage, client: ClientId) -> PathBuf {
        let way = if way == Way::Requests { "requests" } else { "answers" };
        self.0.join(way).join(stage.name()).join(client.to_string())
    }

    /// All copies of a message; none if it was never sent.
    ///
    /// # Errors
    /// If the directory is there, but cannot be read.
    pub fn copies(&self, way: Way, stage: Stage, client: ClientId) -> io::Result<Vec<PathBuf>> {
        match fs::read_dir(self.message(way, stage, client)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            entries => entries?.map(|entry| Ok(entry?.path())).collect(),
        }
    }

    /// Whether anyone was asked anything in a later stage.
    ///
    /// # Errors
    /// As [`copies`](Self::copies).
    pub fn is_over(&self, stage: Stage) -> io::Result<bool> {
        for later in Stage::ALL.into_iter().filter(|&later| later > stage) {
            for client in COHORT {
                if !self.copies(Way::Requests, later, client)?.is_empty() {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn file(&self, name: &str, client: ClientId) -> PathBuf {
        self.0.join(format!("{name}-{client}"))
    }
}

fn entry(bytes: &[u8]) -> io::Result<(ClientId, VerifyingKey)> {
    let (client, key) = bytes.split_at_checked(8).ok_or(io::ErrorKind::InvalidData)?;
    let key = VerifyingKey::from_bytes(&array(key)?).map_err(io::Error::other)?;
    Ok((ClientId(u64::from_le_bytes(array(client)?)), key))
}

fn array<const N: usize>(bytes: &[u8]) -> io::Result<[u8; N]> {
    bytes.try_into().map_err(|_| io::ErrorKind::InvalidData.into())
}
