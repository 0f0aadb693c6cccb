//! Draws docs/plots/ and writes docs/scaling.md from docs/data/, or shows that they are what these data make.
//!
//!     cargo xtask figures              # compares
//!     cargo xtask figures --write      # draws

#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use secagg_benches::figures;

/// Compares the committed figures with the committed data that they are made from.
#[derive(Debug, Parser)]
struct Args {
    /// Draw them anew
    #[arg(long)]
    write: bool,
    /// Take what the benchmark `peers` measured into docs/data/peers.json first, from where criterion left
    /// it, such as target/criterion
    #[arg(long, value_name = "FOLDER", requires = "machine")]
    criterion: Option<PathBuf>,
    /// What that was measured on, in words
    #[arg(long, value_name = "WORDS", requires = "criterion")]
    machine: Option<String>,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("figures: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), String> {
    if let Args { criterion: Some(folder), machine: Some(machine), .. } = args {
        figures::gather(folder, machine)?;
    }
    let figures = figures::make()?;
    let changed: Vec<_> = figures.iter().filter(|figure| !figure.is_current()).collect();
    for figure in &changed {
        println!("{} {}", if args.write { "wrote" } else { "changed:" }, figure.path);
        if args.write {
            figure.write()?;
        }
    }
    if args.write || changed.is_empty() {
        println!("{} figures are what docs/data/ makes", figures.len());
        return Ok(());
    }
    Err("these are not what docs/data/ makes: cargo xtask figures --write, and look at them".into())
}
