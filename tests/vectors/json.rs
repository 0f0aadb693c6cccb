//! Reads the files.

use core::fmt::Debug;
use std::fs;
use std::path::{Path, PathBuf};

use secagg::{ClientId, SessionId, Stage};
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};

/// One file, by its name without the ending.
pub(crate) fn read<T: DeserializeOwned>(name: &str) -> T {
    read_path(&directory().join(format!("{name}.json")))
}

/// All files of a subdirectory, with their names.
pub(crate) fn read_all<T: DeserializeOwned>(subdirectory: &str) -> Vec<(String, T)> {
    let entries = fs::read_dir(directory().join(subdirectory)).expect("the vectors' directory");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    let name = |path: &Path| path.file_stem().expect("a name").to_string_lossy().into_owned();
    paths.iter().map(|path| (name(path), read_path(path))).collect()
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

fn read_path<T: DeserializeOwned>(path: &Path) -> T {
    let text =
        fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Bytes, written in hexadecimal.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Bytes(pub(crate) Vec<u8>);

impl Bytes {
    pub(crate) fn array<const N: usize>(&self) -> [u8; N] {
        self.0.as_slice().try_into().expect("as many bytes as the field has")
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
        let bytes: Option<_> = text.as_bytes().chunks(2).map(byte).collect();
        bytes.map(Self).ok_or_else(|| D::Error::custom("no hexadecimal digits"))
    }
}

impl Debug for Bytes {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A binary64, written as text, which Rust reads exactly.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Number(pub(crate) f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map(Self).map_err(D::Error::custom)
    }
}

/// A float type of updates and means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RealType {
    F32,
    F64,
}

pub(crate) fn stage(name: &str) -> Stage {
    match name {
        "setup" => Stage::Setup,
        "share_keys" => Stage::ShareKeys,
        "collect_masked_vectors" => Stage::CollectMaskedVectors,
        "confirm_survivors" => Stage::ConfirmSurvivors,
        "unmask" => Stage::Unmask,
        _ => panic!("{name} is no stage"),
    }
}

pub(crate) fn session(bytes: &Bytes) -> SessionId {
    SessionId(bytes.array())
}

pub(crate) fn clients(ids: &[u64]) -> Vec<ClientId> {
    ids.iter().copied().map(ClientId).collect()
}

/// The variants of an error from the outermost inward, without what they hold: `Malformed::Params::Threshold`.
pub(crate) fn path_of(error: &impl Debug) -> String {
    let text = format!("{error:?}");
    let end = text.find([' ', '{', ')']).unwrap_or(text.len());
    let variants = text[..end].split('(').take_while(|name| name.starts_with(char::is_alphabetic));
    variants.collect::<Vec<_>>().join("::")
}

/// Whether an error is the expected one, or tells more.
pub(crate) fn is_error(found: &str, expected: &str) -> bool {
    let rest = found.strip_prefix(expected);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

#[track_caller]
pub(crate) fn assert_error(found: &str, expected: &str, what: &impl Debug) {
    assert!(is_error(found, expected), "{found} where {expected} is due: {what:?}");
}
