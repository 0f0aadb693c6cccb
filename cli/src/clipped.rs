//! Elements outside of their clipping ranges, and ranges that would hold them.

use crate::files::TensorSpec;
use crate::ranges::{advised, option};
use crate::text::number;

/// The most tensors that a warning names.
const SHOWN: usize = 5;

/// Elements of a tensor that lie outside of its range.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Clipped {
    elements: usize,
    /// The magnitude of the tensor's largest element, inside or outside.
    pub(crate) largest: f64,
}

impl Clipped {
    /// Counts more of them, with the magnitude of the tensor's largest element.
    pub(crate) fn add(&mut self, (elements, largest): (usize, f64)) {
        self.elements += elements;
        self.largest = self.largest.max(largest);
    }
}

/// Names the tensors with clipped elements and the ranges that would hold them, if there are any.
/// `clipped` has one entry for each tensor.
pub(crate) fn warning(tensors: &[TensorSpec], clipped: &[Clipped]) -> Option<String> {
    let each: Vec<_> = tensors.iter().zip(clipped).filter(|(_, it)| it.elements > 0).collect();
    let elements: usize = each.iter().map(|(_, it)| it.elements).sum();
    let largest = each.iter().map(|(_, it)| it.largest).reduce(f64::max)?;
    let what = |(spec, it): &(&TensorSpec, &Clipped)| {
        format!("{} of {:?} (up to {})", it.elements, spec.name, number(it.largest))
    };
    let hold =
        |(spec, it): &(&TensorSpec, &Clipped)| Some(option(&spec.name, advised(it.largest)?));
    let shown = &each[..each.len().min(SHOWN)];
    let what: Vec<_> = shown.iter().map(what).collect();
    let hold: Vec<_> = shown.iter().filter_map(hold).collect();
    let more = match each.len() - shown.len() {
        0 => String::new(),
        more => format!(" and of {more} more tensors"),
    };
    let all = advised(largest).map(|range| format!("--clipping-range {} for all", number(range)));
    let each = (!hold.is_empty()).then(|| hold.join(" "));
    let remedies: Vec<_> = each.into_iter().chain(all).collect();
    let remedies = match &remedies[..] {
        [] => "No range holds elements beyond 1e100".into(),
        some => format!("To hold them, give {}", some.join(", or ")),
    };
    let what = what.join(", ");
    Some(format!("{elements} elements are clipped: {what}{more}. {remedies}"))
}
