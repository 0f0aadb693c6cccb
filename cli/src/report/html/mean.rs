//! Tables of the mean: bounds by range, tensors left alone, and groups of the check.

use maud::{Markup, html};

use super::super::{Bound, Report};
use crate::check::Group;
use crate::fleet::LeftAlone;
use crate::text::{number, printable, short};

/// The bound of each range, and the tensors that are not averaged, where there are any.
pub(super) fn tables(report: &Report) -> Markup {
    let bound = |it: &Bound| {
        let dtype = it.dtype.clone().unwrap_or_default();
        [dtype, range(it.clipping_range), short(it.error_bound, 2)]
    };
    let left_alone = |it: &LeftAlone| {
        let origin = if it.differs {
            "as in the first file, since others differ"
        } else {
            "equal in all files"
        };
        [printable(&it.tensor).into_owned(), origin.into()]
    };
    html! {
        (table(["Dtype", "Clipped to", "Each element within"], report.several_bounds().iter().map(bound)))
        (table(["Not averaged", ""], report.left_alone.iter().map(left_alone)))
    }
}

/// The error of each group beside its bound.
pub(super) fn groups(groups: &[Group]) -> Markup {
    let row = |it: &Group| {
        let errors = [it.largest_error, it.rounding, it.bound].map(|x| short(x, 4));
        let [largest, rounding, bound] = errors;
        let dtype = it.dtype.clone().unwrap_or_default();
        let verdict = if it.holds() { "within" } else { "ABOVE" };
        let elements = it.elements.to_string();
        [dtype, range(it.clipping_range), elements, largest, rounding, bound, verdict.into()]
    };
    let header =
        ["Dtype", "Clipped to", "Elements", "Largest error", "Of it rounding", "Bound", "Verdict"];
    table(header, groups.iter().map(row))
}

fn range(clipping_range: f64) -> String {
    format!("±{}", number(clipping_range))
}

/// A table with a header, or nothing where there are no rows.
fn table<const N: usize>(header: [&str; N], rows: impl Iterator<Item = [String; N]>) -> Markup {
    let mut rows = rows.peekable();
    html! {
        @if rows.peek().is_some() {
            table.rows {
                tr { @for name in header { th scope="col" { (name) } } }
                @for row in rows { tr { @for value in row { td { (value) } } } }
            }
        }
    }
}
