//! docs/plots/ and docs/scaling.md, made from docs/data/: the same bytes each time.

mod costs;
mod criterion;
mod data;
mod rates;
mod svg;
mod unmask;

use std::fs;
use std::path::Path;

use data::Data;

/// A file that is made, and what it should hold.
#[derive(Debug)]
pub struct Figure {
    /// Its path in the checkout.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// Makes all figures.
///
/// # Errors
/// In words, if a file of docs/data/ cannot be read.
pub fn make() -> Result<Vec<Figure>, String> {
    let data = Data::read()?;
    let plots = [
        ("unmask", unmask::draw(&data.side_by_side)),
        ("throughput", rates::backends(&data.bench)),
        ("peers", rates::peers(&data.peers)),
        ("clients", costs::clients(&data.scaling)),
        ("parameters", costs::parameters(&data.scaling)),
        ("dropped", costs::dropped(&data.scaling)),
    ];
    let plots = plots.map(|(name, text)| Figure { path: format!("docs/plots/{name}.svg"), text });
    let page = Figure { path: "docs/scaling.md".into(), text: data.scaling.page() };
    Ok(plots.into_iter().chain([page]).collect())
}

/// Writes what criterion measured for the group `peers`, found in its folder, to docs/data/peers.json.
///
/// # Errors
/// In words, if it cannot be read or written.
pub fn gather(criterion: &Path, machine: &str) -> Result<(), String> {
    criterion::gather(criterion, machine)
}

impl Figure {
    /// Whether the committed file is this one.
    pub fn is_current(&self) -> bool {
        fs::read_to_string(data::root().join(&self.path)).is_ok_and(|text| text == self.text)
    }

    /// Replaces the committed file.
    ///
    /// # Errors
    /// In words, if it cannot be written.
    pub fn write(&self) -> Result<(), String> {
        let written = fs::write(data::root().join(&self.path), &self.text);
        written.map_err(|error| format!("{}: {error}", self.path))
    }
}
