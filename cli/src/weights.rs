//! `--weights FILE.csv`: how much each client counts.
//!
//! The file has the header `client,weight` and one line per client. A client is called by its
//! update's file name, with or without the extension, or by its path as it was given. A weight is a
//! finite number, zero or more.

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;
#[cfg(unix)]
use std::{thread, time::Instant};

/// The longest table: a million clients with names of 60 bytes.
const LONGEST: u64 = 1 << 26;

/// How long a pipe may have no program that writes to it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why a table of weights was refused. Every message names the file, and the line where there is
/// one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// It cannot be opened or read.
    #[error("cannot read {}: {source}", path.display())]
    Unopened {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// It is longer than any such table.
    #[error("{} is longer than 64 MiB, and no table of weights; name a file with one line per client", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// A pipe that no program writes to.
    #[error("{} is a pipe, and for {} s nobody has written to it; start the program that writes the table", path.display(), PATIENCE.as_secs())]
    Silent {
        /// The pipe.
        path: PathBuf,
    },
    /// A line is not two fields.
    #[error("{}: line {line} has {found} fields; the file needs the header client,weight and one such line per client", path.display())]
    Fields {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// Fields on it.
        found: usize,
    },
    /// A line is no text, or its second field no number.
    #[error("{}: {source}; the file needs the header client,weight and one such line per client", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The fault and its line.
        source: csv::Error,
    },
    /// The first line is not the header.
    #[error("{}: line 1 must be client,weight and is {found:?}", path.display())]
    WrongHeader {
        /// The file.
        path: PathBuf,
        /// The field as it is.
        found: String,
    },
    /// No update has this name.
    #[error("{}: line {line}: no update is called {client:?}; use the update's file name", path.display())]
    UnknownClient {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// The name on it.
        client: String,
    },
    /// Several updates have this name.
    #[error("{}: line {line}: {count} updates are called {client:?}; rename them, or write the extension if that tells them apart", path.display())]
    AmbiguousClient {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// The name on it.
        client: String,
        /// How many updates it may mean.
        count: usize,
    },
    /// One client on two lines.
    #[error("{}: line {line}: {client:?} already has a weight on line {first}; remove one of them", path.display())]
    DuplicateClient {
        /// The file.
        path: PathBuf,
        /// The later line, counted from 1.
        line: u64,
        /// The name on it.
        client: String,
        /// The earlier line.
        first: u64,
    },
    /// NaN, infinite or negative.
    #[error("{}: line {line}: the weight of {client:?} is {weight}; it must be finite and not negative", path.display())]
    BadWeight {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// The name on it.
        client: String,
        /// The weight.
        weight: f64,
    },
    /// An update without a line.
    #[error("{}: {client:?} has no weight; add a line for it", path.display())]
    MissingClient {
        /// The file.
        path: PathBuf,
        /// The update's name.
        client: String,
    },
}

/// Reads the weights of the updates called `names`, in the order of `names`.
///
/// # Errors
///
/// The file is not such a table, a weight is not finite or is negative, or the table does not name
/// every update exactly once and nothing else.
pub fn read(path: &Path, names: &[String]) -> Result<Vec<f64>, WeightsError> {
    let unreadable = |source| WeightsError::Unreadable { path: path.into(), source };
    let bytes = bytes(path)?;
    let mut reader = csv::ReaderBuilder::new();
    let mut reader = reader.trim(csv::Trim::All).flexible(true).from_reader(&bytes[..]);
    check_header(path, reader.headers().map_err(unreadable)?)?;
    let mut table = Table::new(path, names);
    for record in reader.records() {
        let record = record.map_err(unreadable)?;
        // A line of spaces says nothing, just as an empty one.
        if record == *[""].as_slice() {
            continue;
        }
        let line = record.position().map_or(0, csv::Position::line);
        if record.len() != 2 {
            return Err(WeightsError::Fields { path: path.into(), line, found: record.len() });
        }
        let (client, weight) = record.deserialize::<(String, f64)>(None).map_err(unreadable)?;
        table.enter(line, client, weight)?;
    }
    table.finish()
}

/// The content of the file, which may be a pipe.
fn bytes(path: &Path) -> Result<Vec<u8>, WeightsError> {
    let unopened = |source: io::Error| match source.kind() {
        io::ErrorKind::TimedOut => WeightsError::Silent { path: path.into() },
        _ => WeightsError::Unopened { path: path.into(), source },
    };
    let (mut bytes, file) = open(path).map_err(unopened)?;
    let mut file = file.take(LONGEST + 1 - bytes.len() as u64);
    file.read_to_end(&mut bytes).map_err(unopened)?;
    if file.limit() == 0 { Err(WeightsError::TooLong { path: path.into() }) } else { Ok(bytes) }
}

/// The file, and what was read of it already.
///
/// To open a pipe would wait for a program that writes to it, maybe for ever. So it is opened
/// without waiting; its end comes at once as long as no program has opened it to write.
#[cfg(unix)]
fn open(path: &Path) -> io::Result<(Vec<u8>, File)> {
    use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};

    use rustix::fs::{OFlags, fcntl_setfl};

    if !std::fs::metadata(path)?.file_type().is_fifo() {
        return Ok((Vec::new(), File::open(path)?));
    }
    let mut options = File::options();
    let mut pipe = options.read(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(path)?;
    let (start, mut bytes) = (Instant::now(), vec![0; 1 << 12]);
    let read = loop {
        match pipe.read(&mut bytes) {
            Ok(0) if start.elapsed() > PATIENCE => return Err(io::ErrorKind::TimedOut.into()),
            Ok(0) => thread::sleep(Duration::from_millis(20)),
            Ok(read) => break read,
            // There is a writer, and it takes its time.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break 0,
            Err(error) => return Err(error),
        }
    };
    fcntl_setfl(&pipe, OFlags::empty())?;
    bytes.truncate(read);
    Ok((bytes, pipe))
}

#[cfg(not(unix))]
fn open(path: &Path) -> io::Result<(Vec<u8>, File)> {
    Ok((Vec::new(), File::open(path)?))
}

fn check_header(path: &Path, header: &csv::StringRecord) -> Result<(), WeightsError> {
    if header == ["client", "weight"].as_slice() {
        return Ok(());
    }
    let found = header.iter().collect::<Vec<_>>().join(",").chars().take(60).collect();
    Err(WeightsError::WrongHeader { path: path.into(), found })
}

/// The weights entered so far.
struct Table<'a> {
    path: &'a Path,
    names: &'a [String],
    /// Which updates a name in the table may mean.
    called: HashMap<&'a OsStr, BTreeSet<usize>>,
    /// Per update: the weight, and the line that gave it.
    entered: Vec<Option<(f64, u64)>>,
}

impl<'a> Table<'a> {
    fn new(path: &'a Path, names: &'a [String]) -> Self {
        let mut called = HashMap::<_, BTreeSet<_>>::new();
        for (at, name) in names.iter().enumerate() {
            let name = Path::new(name);
            for alias in [Some(name.as_os_str()), name.file_name(), name.file_stem()] {
                called.entry(alias.unwrap_or_default()).or_default().insert(at);
            }
        }
        Self { path, names, called, entered: vec![None; names.len()] }
    }

    fn enter(&mut self, line: u64, client: String, weight: f64) -> Result<(), WeightsError> {
        let path = self.path.into();
        let at = self.find(line, &client)?;
        if let Some((_, first)) = self.entered[at] {
            return Err(WeightsError::DuplicateClient { path, line, client, first });
        }
        if !weight.is_finite() || weight < 0.0 {
            return Err(WeightsError::BadWeight { path, line, client, weight });
        }
        self.entered[at] = Some((weight, line));
        Ok(())
    }

    fn find(&self, line: u64, client: &str) -> Result<usize, WeightsError> {
        let (path, name) = (self.path.into(), client.to_owned());
        let Some(found) = self.called.get(OsStr::new(client)) else {
            return Err(WeightsError::UnknownClient { path, line, client: name });
        };
        match found.first() {
            Some(&at) if found.len() == 1 => Ok(at),
            _ => {
                Err(WeightsError::AmbiguousClient { path, line, client: name, count: found.len() })
            }
        }
    }

    fn finish(self) -> Result<Vec<f64>, WeightsError> {
        let weights = self.entered.into_iter().zip(self.names).map(|(entered, name)| {
            let missing =
                || WeightsError::MissingClient { path: self.path.into(), client: name.clone() };
            entered.map(|(weight, _)| weight).ok_or_else(missing)
        });
        weights.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a table says about updates called `names`.
    fn read_table(table: &str, names: &[&str]) -> Result<Vec<f64>, String> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("weights.csv");
        std::fs::write(&path, table).expect("a small file");
        let names: Vec<_> = names.iter().map(|&n| n.to_owned()).collect();
        read(&path, &names).map_err(|e| e.to_string())
    }

    const TWO: [&str; 2] = ["runs/a.safetensors", "runs/b.safetensors"];

    #[test]
    fn weights_come_in_the_order_of_the_names() {
        let read = read_table("client,weight\nb.safetensors,2.5\n a , 40\n", &TWO);
        assert_eq!(read, Ok(vec![40.0, 2.5]));
        assert_eq!(read_table("client,weight\n  \nb,1\n\t\na,2\n   ", &TWO), Ok(vec![2.0, 1.0]));
        assert_eq!(read_table("client,weight\r\nb,0\r\na,1e3\r\n", &TWO), Ok(vec![1e3, 0.0]));
    }

    #[test]
    fn a_full_path_or_an_extension_tells_equal_stems_apart() {
        let table = "client,weight\na.npy,1\na.npz,2\n";
        assert_eq!(read_table(table, &["x/a.npz", "x/a.npy"]), Ok(vec![2.0, 1.0]));
        let table = "client,weight\nx/a.npy,1\ny/a.npy,2\n";
        assert_eq!(read_table(table, &["y/a.npy", "x/a.npy"]), Ok(vec![2.0, 1.0]));
    }

    #[test]
    fn every_refusal_names_the_line_and_what_is_wrong() {
        let cases = [
            ("", "line 1 must be client,weight"),
            ("client;weight\na;1\n", "line 1 must be client,weight"),
            ("a,1\nb,2\n", "is \"a,1\""),
            ("client,weight\na,1\n", "\"runs/b.safetensors\" has no weight"),
            ("client,weight\na,1\nb,2\nc,3\n", "line 4: no update is called \"c\""),
            (
                "client,weight\na,1\nb,2\na.safetensors,3\n",
                "line 4: \"a.safetensors\" already has a weight on line 2",
            ),
            ("client,weight\na,many\nb,2\n", "line: 2"),
            ("client,weight\na,1\nb,\n", "line: 3"),
            ("client,weight\na,1,2\nb,2\n", "line 2 has 3 fields"),
            ("client,weight\na\nb,2\n", "line 2 has 1 fields"),
            ("client,weight\na,1\nb,-0.5\n", "line 3: the weight of \"b\" is -0.5"),
            ("client,weight\na,NaN\nb,1\n", "line 2: the weight of \"a\" is NaN"),
            ("client,weight\na,inf\nb,1\n", "line 2: the weight of \"a\" is inf"),
            ("client,weight\na,1e999\nb,1\n", "line 2: the weight of \"a\" is inf"),
            ("client,weight\n\n\na,1\nb,-2\n", "line 5: the weight of \"b\" is -2"),
        ];
        for (table, expected) in cases {
            let error = read_table(table, &TWO).expect_err(table);
            assert!(error.contains(expected), "{table:?} gave {error:?}");
            assert!(error.contains("weights.csv"), "{error:?} does not name the file");
        }
    }

    #[test]
    fn a_name_that_may_mean_two_updates_is_refused() {
        let error = read_table("client,weight\na,1\n", &["a.npy", "a.npz"]).expect_err("ambiguous");
        assert!(error.contains("line 2: 2 updates are called \"a\""), "{error:?}");
    }

    #[test]
    fn bytes_that_are_not_text_and_a_missing_file_are_refused() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("weights.csv");
        assert!(matches!(read(&path, &[]), Err(WeightsError::Unopened { .. })));
        std::fs::write(&path, b"client,weight\n\xff,1\n").expect("a small file");
        assert!(matches!(read(&path, &[]), Err(WeightsError::Unreadable { .. })));
    }

    /// A sparse file; a device that never ends is no other.
    #[test]
    fn a_file_without_end_is_refused() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        file.as_file().set_len(LONGEST + 1).expect("a sparse file");
        assert!(matches!(read(file.path(), &[]), Err(WeightsError::TooLong { .. })));
    }
}
