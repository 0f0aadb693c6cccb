//! Sources of a round's clients and their updates.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use secagg::{ClientId, Params};
use serde::Serialize;

use crate::check::Segment;
use crate::clipped::{self, Clipped};
use crate::files::{self, FileError, Layout, Pattern, Skip, TensorSpec, Values};
use crate::noise;
use crate::outputs;
use crate::ranges::Ranges;

/// A cohort: clients 0, 1, ... each with a name, a weight and an update, which is fetched when it
/// is needed and dropped soon after.
pub trait Fleet: Sync {
    /// How many clients there are.
    fn clients(&self) -> usize;

    /// A client's name for people.
    fn name(&self, client: ClientId) -> String;

    /// A client's weight.
    fn weight(&self, client: ClientId) -> f64;

    /// A client's weight and update.
    ///
    /// # Errors
    /// [`FileError`] if it cannot be read.
    fn contribution(&self, client: ClientId) -> Result<Contribution, FileError>;

    /// Warnings about the updates.
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }

    /// Each tensor's elements in the mean, in the order of the mean; none where updates are no
    /// tensors.
    fn segments(&self) -> Vec<Segment> {
        Vec::new()
    }

    /// The tensors that are not averaged.
    fn left_alone(&self) -> Vec<LeftAlone> {
        Vec::new()
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

/// A tensor that is not averaged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LeftAlone {
    /// Its name.
    pub tensor: String,
    /// Whether the files differ in it: the first one's goes to the mean.
    pub differs: bool,
}

/// Clients whose updates are files of one layout.
#[derive(Clone, Debug)]
pub struct FileFleet {
    paths: Vec<PathBuf>,
    names: Vec<String>,
    weights: Vec<f64>,
    layout: Layout,
    skip: Skip,
    /// Skipped tensors in which a file differs from the first one.
    differing: BTreeSet<String>,
    ranges: Ranges,
    /// One for each tensor that is averaged.
    clipped: Vec<Clipped>,
}

impl FileFleet {
    /// The largest weight of any client.
    pub fn largest_weight(&self) -> f64 {
        self.weights.iter().copied().fold(0.0, f64::max)
    }

    /// Reads every file once, so that a bad one is found before any client has started.
    ///
    /// `weights` has one weight for each file, tensors that `skip` matches are not averaged, and
    /// elements beyond their tensors' `ranges` are counted. `progress` is called after each file.
    ///
    /// # Errors
    /// [`FileError`] names the file, and the tensor and index where there is one.
    pub fn open(
        paths: &[PathBuf],
        weights: Vec<f64>,
        skip: Skip,
        ranges: Ranges,
        progress: impl Fn(),
    ) -> Result<Self, FileError> {
        check_distinct(paths)?;
        let names = names(paths);
        check_names(paths, &names)?;
        let first = paths.first().ok_or(FileError::NoFiles)?;
        let files::Update { layout, values } = files::read_skipping(first, &skip)?;
        check_skipped(&skip, &layout)?;
        check_ranges(&ranges, &layout)?;
        let clipped = vec![Clipped::default(); layout.tensors().len()];
        let (differing, names, paths) = (BTreeSet::new(), names, paths.to_vec());
        let mut fleet = Self { paths, names, weights, layout, skip, differing, ranges, clipped };
        fleet.count_clipped(&values);
        progress();
        for at in 1..fleet.paths.len() {
            fleet.meet(at)?;
            progress();
        }
        Ok(fleet)
    }

    /// Compares one more file with the first.
    fn meet(&mut self, at: usize) -> Result<(), FileError> {
        let path = &self.paths[at];
        let files::Update { layout, values } = files::read_skipping(path, &self.skip)?;
        self.layout.check_same(&layout, &self.paths[0], path)?;
        self.layout.keep_common_metadata(&layout);
        let ours = self.layout.skipped().iter();
        let differ = ours.filter(|one| layout.skipped_named(&one.name) != Some(one));
        self.differing.extend(differ.map(|one| one.name.clone()));
        self.count_clipped(&values);
        Ok(())
    }

    fn count_clipped(&mut self, values: &Values) {
        for (clipped, (spec, range)) in self.clipped.iter_mut().zip(self.layout.ranges()) {
            clipped.add(values.beyond(range, self.ranges.of(&spec.name)));
        }
    }

    /// Tensors that do not have the round's own range.
    fn scaled(&self) -> impl Iterator<Item = Segment> {
        let rest = self.ranges.rest();
        self.segments().into_iter().filter(move |it| it.clipping_range.total_cmp(&rest).is_ne())
    }

    /// Brings a mean of scaled updates back into its tensors' ranges, and into those of their
    /// types, which only the error of the sum can have left.
    pub fn restore(&self, mean: &mut [f64]) {
        let rest = self.ranges.rest();
        for Segment { elements, clipping_range: own, .. } in self.scaled() {
            mean[elements].iter_mut().for_each(|x| *x = (*x / rest * own).clamp(-own, own));
        }
        for (spec, elements) in self.layout.ranges() {
            let largest = spec.dtype.largest();
            mean[elements].iter_mut().for_each(|x| *x = x.clamp(-largest, largest));
        }
    }

    /// A warning of tensors whose mean may be noise.
    pub(crate) fn noise(&self, params: &Params, error_bound: f64, mean: &Values) -> Option<String> {
        let each = self.layout.ranges().zip(&self.clipped);
        let tensors = each.map(|((spec, elements), clipped)| noise::Tensor {
            spec,
            clipping_range: self.ranges.of(&spec.name),
            largest: clipped.largest,
            largest_of_mean: mean.beyond(elements, 0.0).1,
        });
        let tensors: Vec<_> = tensors.collect();
        noise::warning(&tensors, params, error_bound, self.largest_weight())
    }

    /// Multiplies each tensor by the round's range over its own.
    fn scale(&self, update: Values) -> Values {
        let rest = self.ranges.rest();
        let mut scaled = self.scaled().peekable();
        if scaled.peek().is_none() {
            return update;
        }
        // In f64, so that the result is as exact as the sum can be. An element that leaves f64 is
        // far beyond its range, and is clipped to the same as the largest number.
        let mut update = update.into_f64();
        for Segment { elements, clipping_range: own, .. } in scaled {
            let scale = |x: f64| (x / own * rest).clamp(f64::MIN, f64::MAX);
            update[elements].iter_mut().for_each(|x| *x = scale(*x));
        }
        Values::F64(update)
    }

    /// Bytes of an update's element in memory: those of f64 where scaling or a dtype needs them.
    pub fn element_bytes(&self) -> usize {
        if self.scaled().next().is_some() { size_of::<f64>() } else { self.layout.element_bytes() }
    }

    /// The layout that all files share.
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The bytes that clients of a round must agree on: the tensors and their clipping ranges, one
    /// per line.
    pub fn application(&self) -> Vec<u8> {
        let tensors = self.layout.tensors().iter();
        let lines = tensors.map(|spec| {
            let TensorSpec { name, shape, dtype } = spec;
            format!("{dtype} {shape:?} {name:?} {}\n", self.ranges.of(name))
        });
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

    fn weight(&self, client: ClientId) -> f64 {
        self.weights[client.0 as usize]
    }

    fn warnings(&self) -> Vec<String> {
        clipped::warning(self.layout.tensors(), &self.clipped).into_iter().collect()
    }

    fn segments(&self) -> Vec<Segment> {
        let segment = |(spec, elements): (&TensorSpec, _)| Segment {
            elements,
            clipping_range: self.ranges.of(&spec.name),
            dtype: Some(spec.dtype),
        };
        self.layout.ranges().map(segment).collect()
    }

    fn left_alone(&self) -> Vec<LeftAlone> {
        let left_alone = |one: &files::Skipped| LeftAlone {
            tensor: one.name.clone(),
            differs: self.differing.contains(&one.name),
        };
        self.layout.skipped().iter().map(left_alone).collect()
    }

    fn contribution(&self, client: ClientId) -> Result<Contribution, FileError> {
        let (path, weight) = (&self.paths[client.0 as usize], self.weight(client));
        let files::Update { layout, values } = files::read_skipping(path, &self.skip)?;
        self.layout.check_same(&layout, &self.paths[0], path)?;
        Ok(Contribution { weight, update: self.scale(values) })
    }
}

/// Each pattern stands for something, and something is left to average.
fn check_skipped(skip: &Skip, layout: &Layout) -> Result<(), FileError> {
    let skipped = layout.skipped();
    let matches = |pattern: &Pattern| skipped.iter().any(|one| pattern.matches(&one.name));
    if let Some(pattern) = skip.patterns().iter().find(|it| !matches(it)) {
        return Err(FileError::NoSuchTensor { option: "--skip", pattern: pattern.as_str().into() });
    }
    let nothing_left = layout.tensors().is_empty() && !skipped.is_empty();
    if nothing_left { Err(FileError::AllSkipped) } else { Ok(()) }
}

/// Each pattern stands for something.
fn check_ranges(ranges: &Ranges, layout: &Layout) -> Result<(), FileError> {
    ranges.unmatched(layout).map_or(Ok(()), |pattern| {
        let (option, pattern) = ("--clipping-range", pattern.as_str().into());
        Err(FileError::NoSuchTensor { option, pattern })
    })
}

/// One file is one client's.
fn check_distinct(paths: &[PathBuf]) -> Result<(), FileError> {
    let mut seen = HashMap::new();
    for path in paths {
        let first = outputs::same(path).and_then(|file| seen.insert(file, path));
        if let Some(first) = first {
            return Err(FileError::Twice { path: path.clone(), first: first.clone() });
        }
    }
    Ok(())
}

/// One name is one client's.
fn check_names(paths: &[PathBuf], names: &[String]) -> Result<(), FileError> {
    let mut seen = HashMap::new();
    for (path, name) in paths.iter().zip(names) {
        if let Some(first) = seen.insert(name, path) {
            let (path, first, name) = (path.clone(), first.clone(), name.clone());
            return Err(FileError::SameName { path, first, name });
        }
    }
    Ok(())
}

/// Names of the clients with these files: the file's name without its ending, or the whole path
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

    fn weight(&self, client: ClientId) -> f64 {
        self.weight_from(self.random(client).next_u64())
    }

    fn contribution(&self, client: ClientId) -> Result<Contribution, FileError> {
        let mut random = self.random(client);
        let weight = self.weight_from(random.next_u64());
        let update = (0..self.dimension).map(|_| 0.05 * about_normal(random.next_u64())).collect();
        Ok(Contribution { weight, update: Values::F32(update) })
    }
}

impl SyntheticFleet {
    fn random(&self, client: ClientId) -> ChaCha20Rng {
        let mut random = ChaCha20Rng::seed_from_u64(self.seed);
        random.set_stream(client.0 + 1);
        random
    }

    fn weight_from(&self, random: u64) -> f64 {
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
