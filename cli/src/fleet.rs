//! Where a round's clients get their updates from.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use secagg::ClientId;

use crate::files::{self, FileError, Layout, Values};

/// A cohort: clients 0, 1, ... each with a name, a weight and an update, which is fetched when it is
/// needed and dropped soon after.
pub trait Fleet: Sync {
    /// How many clients there are.
    fn clients(&self) -> usize;

    /// What people call a client.
    fn name(&self, client: ClientId) -> String;

    /// What a client has to say.
    ///
    /// # Errors
    /// [`FileError`] if it cannot be read.
    fn contribution(&self, client: ClientId) -> Result<Contribution, FileError>;

    /// What the user should know about the updates.
    fn warning(&self) -> Option<String> {
        None
    }

    /// Every client's id, ascending.
    fn cohort(&self) -> Vec<ClientId> {
        (0..self.clients() as u64).map(ClientId).collect()
    }
}

/// One client's weight and update.
#[derive(Clone, Debug, PartialEq)]
pub struct Contribution {
    /// How much the update counts, commonly a number of examples.
    pub weight: f64,
    /// The update.
    pub update: Values,
}

/// Clients whose updates are files of one layout.
#[derive(Clone, Debug)]
pub struct FileFleet {
    paths: Vec<PathBuf>,
    names: Vec<String>,
    weights: Vec<f64>,
    layout: Layout,
    clipped: usize,
}

impl FileFleet {
    /// Reads every file once, so that a bad one is found before any client has started.
    ///
    /// `weights` has one weight for each file, and elements beyond `clipping_range` are counted.
    /// `progress` is called after each file.
    ///
    /// # Errors
    /// [`FileError`] names the file, and the tensor and index where there is one.
    pub fn open(
        paths: &[PathBuf],
        weights: Vec<f64>,
        clipping_range: f64,
        progress: impl Fn(),
    ) -> Result<Self, FileError> {
        check_distinct(paths)?;
        let (mut layout, mut clipped): (Option<Layout>, _) = (None, 0);
        for path in paths {
            let files::Update { layout: found, values } = files::read(path)?;
            let first = layout.get_or_insert_with(|| found.clone());
            first.check_same(&found, &paths[0], path)?;
            clipped += values.beyond(clipping_range);
            progress();
        }
        let (paths, names) = (paths.to_vec(), names(paths));
        let layout = layout.ok_or(FileError::NoFiles)?;
        Ok(Self { paths, names, weights, layout, clipped })
    }

    /// The layout that all files share.
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// What the clients of a round must agree on: the tensors, one per line.
    pub fn application(&self) -> Vec<u8> {
        let tensors = self.layout.tensors().iter();
        let lines =
            tensors.map(|spec| format!("{} {:?} {:?}\n", spec.dtype, spec.shape, spec.name));
        lines.collect::<String>().into_bytes()
    }
}

impl Fleet for FileFleet {
    fn clients(&self) -> usize {
        self.paths.len()
    }

    fn name(&self, client: ClientId) -> String {
        self.names[client.0 as usize].clone()
    }

    fn warning(&self) -> Option<String> {
        let Self { clipped, .. } = self;
        (*clipped > 0).then(|| format!("{clipped} elements are clipped: raise --clipping-range"))
    }

    fn contribution(&self, client: ClientId) -> Result<Contribution, FileError> {
        let (path, weight) = (&self.paths[client.0 as usize], self.weights[client.0 as usize]);
        let files::Update { layout, values } = files::read(path)?;
        self.layout.check_same(&layout, &self.paths[0], path)?;
        Ok(Contribution { weight, update: values })
    }
}

/// One file is one client's.
fn check_distinct(paths: &[PathBuf]) -> Result<(), FileError> {
    let mut seen = HashSet::new();
    for path in paths {
        let resolved = path.canonicalize();
        let resolved =
            resolved.map_err(|source| FileError::Unreadable { path: path.clone(), source })?;
        if !seen.insert(resolved) {
            return Err(FileError::Twice { path: path.clone() });
        }
    }
    Ok(())
}

/// What clients with these files are called: the file's name without its ending, or the whole path
/// where two would have the same name.
pub fn names(paths: &[PathBuf]) -> Vec<String> {
    let stem = |path: &Path| path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let stems: Vec<_> = paths.iter().map(|path| stem(path)).collect();
    let unique = |stem: &Option<String>| stems.iter().filter(|other| *other == stem).count() == 1;
    let name = |(path, stem): (&PathBuf, &Option<String>)| match stem {
        Some(name) if unique(stem) => name.clone(),
        _ => path.display().to_string(),
    };
    paths.iter().zip(&stems).map(name).collect()
}

/// Clients with made-up updates: about normal, with standard deviation 0.05 as the parameters of a
/// trained network, and whole weights from 1 to the largest.
#[derive(Clone, Copy, Debug)]
pub struct SyntheticFleet {
    /// How many clients there are.
    pub clients: usize,
    /// Elements of each update.
    pub dimension: usize,
    /// The largest weight.
    pub max_weight: f64,
    /// Fixes all updates and weights.
    pub seed: u64,
}

impl Fleet for SyntheticFleet {
    fn clients(&self) -> usize {
        self.clients
    }

    fn name(&self, client: ClientId) -> String {
        client.to_string()
    }

    fn contribution(&self, client: ClientId) -> Result<Contribution, FileError> {
        let mut random = ChaCha20Rng::seed_from_u64(self.seed);
        random.set_stream(client.0 + 1);
        let weight = self.weight(random.next_u64());
        let update = (0..self.dimension).map(|_| 0.05 * about_normal(random.next_u64())).collect();
        Ok(Contribution { weight, update: Values::F32(update) })
    }
}

impl SyntheticFleet {
    fn weight(&self, random: u64) -> f64 {
        let whole = self.max_weight.floor();
        let fraction = random as f64 / 2.0_f64.powi(64);
        if whole < 1.0 { self.max_weight } else { (1.0 + (fraction * whole).floor()).min(whole) }
    }
}

/// The sum of four uniform 16-bit numbers, scaled to mean 0 and variance 1.
fn about_normal(random: u64) -> f32 {
    let sum: u64 = (0..4).map(|part| random >> (16 * part) & 0xffff).sum();
    let uniform_deviation = 65_536.0 / 12_f32.sqrt();
    (sum as f32 - 2.0 * 65_535.0) / (2.0 * uniform_deviation)
}
