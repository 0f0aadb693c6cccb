//! Names, shapes and dtypes, on which all clients of a round must agree.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use super::{Dtype, FileError, Skipped};

/// How an update is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// `.safetensors`: any number of named tensors.
    Safetensors,
    /// `.npy`: one array. It is called `arr_0`, as `numpy.savez` would call it.
    Npy,
    /// `.npz`: a zip archive of `.npy` arrays, named for its entries without their `.npy`.
    Npz,
}

impl Format {
    /// The format that a file's name stands for.
    ///
    /// # Errors
    ///
    /// The extension is none of the three.
    pub fn of(path: &Path) -> Result<Self, FileError> {
        let extension = path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
        match extension.as_deref() {
            Some("safetensors") => Ok(Self::Safetensors),
            Some("npy") => Ok(Self::Npy),
            Some("npz") => Ok(Self::Npz),
            _ => Err(FileError::UnknownFormat { path: path.into() }),
        }
    }
}

/// One tensor without its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    /// Its name in the file.
    pub name: String,
    /// Its extent in each dimension; none for a single number.
    pub shape: Vec<usize>,
    /// The type of its elements.
    pub dtype: Dtype,
}

impl TensorSpec {
    /// How many elements it has. A shape too large to count gives `usize::MAX`.
    pub fn elements(&self) -> usize {
        self.checked_bytes().map_or(usize::MAX, |bytes| bytes / self.dtype.bytes())
    }

    /// How many bytes it takes in a file, if that can be counted.
    pub(super) fn checked_bytes(&self) -> Option<usize> {
        self.shape.iter().try_fold(self.dtype.bytes(), |bytes, &extent| bytes.checked_mul(extent))
    }

    /// The multi-index of a position counted in row-major order.
    pub(super) fn index(&self, mut flat: usize) -> Vec<usize> {
        let mut index = vec![0; self.shape.len()];
        for (place, &extent) in index.iter_mut().zip(&self.shape).rev() {
            *place = flat % extent.max(1);
            flat /= extent.max(1);
        }
        index
    }
}

/// All tensors of an update, sorted by name, each name once; and the file's other contents.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    format: Format,
    tensors: Vec<TensorSpec>,
    elements: usize,
    extras: Extras,
}

/// Contents that are not averaged, and go from the first file into the mean's.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Extras {
    /// All names in the order of the file; sorted where the format has no order.
    pub(super) order: Vec<String>,
    /// Tensors that are left alone, sorted by name.
    pub(super) skipped: Vec<Skipped>,
    /// The `__metadata__` of a safetensors file.
    pub(super) metadata: BTreeMap<String, String>,
}

impl Layout {
    /// Sorts the tensors by name and checks that they can be told apart and counted; `path` is for
    /// the error. An `.npz` is written in the order of `tensors`.
    ///
    /// # Errors
    ///
    /// A name appears twice, or a shape is larger than this machine can address.
    pub fn new(path: &Path, format: Format, tensors: Vec<TensorSpec>) -> Result<Self, FileError> {
        let order = tensors.iter().map(|spec| spec.name.clone()).collect();
        Self::with(path, format, tensors, Extras { order, ..Extras::default() })
    }

    pub(super) fn with(
        path: &Path,
        format: Format,
        mut tensors: Vec<TensorSpec>,
        mut extras: Extras,
    ) -> Result<Self, FileError> {
        tensors.sort_by(|a, b| a.name.cmp(&b.name));
        extras.skipped.sort_by(|a, b| a.name.cmp(&b.name));
        let mut names = extras.order.clone();
        names.sort();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(FileError::DuplicateTensor { path: path.into(), tensor: pair[0].clone() });
        }
        if format != Format::Npz {
            extras.order = names;
        }
        let elements = count(path, &tensors)?;
        Ok(Self { format, tensors, elements, extras })
    }

    /// How the update was stored.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The tensors, sorted by name.
    pub fn tensors(&self) -> &[TensorSpec] {
        &self.tensors
    }

    /// How many values there are in all tensors together.
    pub fn elements(&self) -> usize {
        self.elements
    }

    /// Bytes of an element in memory: values are held as f64 if any tensor needs it.
    pub fn element_bytes(&self) -> usize {
        if self.tensors.iter().all(|spec| spec.dtype.fits_f32()) { 4 } else { 8 }
    }

    /// Each tensor with the place of its values in the update.
    pub fn ranges(&self) -> impl Iterator<Item = (&TensorSpec, Range<usize>)> {
        self.tensors.iter().scan(0, |start, spec| {
            let range = *start..*start + spec.elements();
            *start = range.end;
            Some((spec, range))
        })
    }

    /// The tensors that are not averaged, sorted by name.
    pub fn skipped(&self) -> &[Skipped] {
        &self.extras.skipped
    }

    pub(super) fn extras(&self) -> &Extras {
        &self.extras
    }

    /// Keeps those entries of the metadata that the other file has, too.
    pub fn keep_common_metadata(&mut self, other: &Self) {
        let theirs = &other.extras.metadata;
        self.extras.metadata.retain(|key, value| theirs.get(key) == Some(value));
    }

    /// Checks that two clients sent the same model, whatever the formats of their files.
    ///
    /// # Errors
    ///
    /// The first difference, in the order of the names: a missing tensor, a shape, a dtype. A
    /// skipped tensor must be in both files and may differ.
    pub fn check_same(&self, other: &Self, path_a: &Path, path_b: &Path) -> Result<(), FileError> {
        for (a, b) in self.tensors.iter().zip(&other.tensors) {
            match a.name.cmp(&b.name) {
                Ordering::Less => return Err(missing(&a.name, path_a, path_b)),
                Ordering::Greater => return Err(missing(&b.name, path_b, path_a)),
                Ordering::Equal => check_same_tensor(a, b, path_a, path_b)?,
            }
        }
        let common = self.tensors.len().min(other.tensors.len());
        match (self.tensors.get(common), other.tensors.get(common)) {
            (Some(extra), _) => Err(missing(&extra.name, path_a, path_b)),
            (_, Some(extra)) => Err(missing(&extra.name, path_b, path_a)),
            _ => self.check_same_skipped(other, path_a, path_b),
        }
    }

    fn check_same_skipped(
        &self,
        other: &Self,
        path_a: &Path,
        path_b: &Path,
    ) -> Result<(), FileError> {
        let lacks = |there: &Self, one: &Skipped| there.skipped_named(&one.name).is_none();
        match self.skipped().iter().find(|one| lacks(other, one)) {
            Some(one) => Err(missing(&one.name, path_a, path_b)),
            None => match other.skipped().iter().find(|one| lacks(self, one)) {
                Some(one) => Err(missing(&one.name, path_b, path_a)),
                None => Ok(()),
            },
        }
    }

    /// The skipped tensor of this name.
    pub fn skipped_named(&self, name: &str) -> Option<&Skipped> {
        let skipped = self.skipped();
        skipped.binary_search_by(|it| it.name.as_str().cmp(name)).ok().map(|at| &skipped[at])
    }
}

/// The sum of all elements, provided that they fit into memory as f64.
fn count(path: &Path, tensors: &[TensorSpec]) -> Result<usize, FileError> {
    let limit = isize::MAX.unsigned_abs() / size_of::<f64>();
    let add = |sum: usize, spec: &TensorSpec| {
        spec.checked_bytes().map(|_| sum.saturating_add(spec.elements())).filter(|&s| s <= limit)
    };
    tensors.iter().try_fold(0, |sum, spec| {
        add(sum, spec).ok_or_else(|| FileError::TooLarge {
            path: path.into(),
            tensor: spec.name.clone(),
            shape: spec.shape.clone(),
        })
    })
}

fn missing(tensor: &str, present: &Path, absent: &Path) -> FileError {
    FileError::TensorMissing {
        tensor: tensor.into(),
        present: present.into(),
        absent: absent.into(),
    }
}

fn check_same_tensor(
    a: &TensorSpec,
    b: &TensorSpec,
    path_a: &Path,
    path_b: &Path,
) -> Result<(), FileError> {
    let tensor = a.name.clone();
    let (path_a, path_b) = (path_a.into(), path_b.into());
    if a.shape != b.shape {
        let (shape_a, shape_b) = (a.shape.clone(), b.shape.clone());
        return Err(FileError::ShapeDiffers { tensor, path_a, shape_a, path_b, shape_b });
    }
    if a.dtype != b.dtype {
        let (dtype_a, dtype_b) = (a.dtype, b.dtype);
        return Err(FileError::DtypeDiffers { tensor, path_a, dtype_a, path_b, dtype_b });
    }
    Ok(())
}
