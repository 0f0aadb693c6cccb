//! The tensors of a file, as a reader finds them and a writer wants them.

use std::ops::Range;
use std::path::Path;

use super::layout::Extras;
use super::{FileError, Format, Layout, Refused, Skipped, TensorSpec};

/// A layout, and the tensors of the file that cannot be in one.
pub(super) type Found = (Layout, Vec<Refused>);

/// Tensors found in a file so far.
#[derive(Default)]
pub(super) struct Contents {
    specs: Vec<TensorSpec>,
    refused: Vec<Refused>,
    pub(super) extras: Extras,
}

impl Contents {
    pub(super) fn add(&mut self, name: &str, tensor: Result<TensorSpec, Refused>) {
        self.extras.order.push(name.into());
        match tensor {
            Ok(spec) => self.specs.push(spec),
            Err(refused) => self.refused.push(refused),
        }
    }

    pub(super) fn add_skipped(&mut self, skipped: Skipped) {
        self.extras.order.push(skipped.name.clone());
        self.extras.skipped.push(skipped);
    }

    pub(super) fn layout(self, path: &Path, format: Format) -> Result<Found, FileError> {
        Ok((Layout::with(path, format, self.specs, self.extras)?, self.refused))
    }
}

/// A tensor to be written.
pub(super) enum Tensor<'a> {
    /// Its values are those of the mean in this range.
    Averaged(&'a TensorSpec, Range<usize>),
    /// It has its own.
    Skipped(&'a Skipped),
}

impl Tensor<'_> {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Averaged(spec, _) => &spec.name,
            Self::Skipped(skipped) => &skipped.name,
        }
    }
}

impl Layout {
    /// All tensors, in the order of the file that the layout is from.
    pub(super) fn in_order(&self) -> impl Iterator<Item = Tensor<'_>> {
        let averaged: Vec<_> = self.ranges().collect();
        self.extras().order.iter().filter_map(move |name| {
            let at = averaged.binary_search_by(|(spec, _)| spec.name.cmp(name));
            match at {
                Ok(at) => Some(Tensor::Averaged(averaged[at].0, averaged[at].1.clone())),
                Err(_) => self.skipped_named(name).map(Tensor::Skipped),
            }
        })
    }
}
