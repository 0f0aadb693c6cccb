//! Measures what rounds cost against their size, and what two shards of a very large one do; prints the slopes beside the
//! formulas.
//!
//!     cargo run --release -p secagg-benches --bin scaling -- --out docs/data/scaling.json
//!
//! Every round is a real one, each message encoded, handed over and decoded, on as many threads as the point says. The whole
//! takes less than 25 minutes on two cores and 1 GiB; `--quick` a minute or two.

#![forbid(unsafe_code)]

mod alone;
mod shards;
mod sweep;

use std::fs::OpenOptions;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use secagg_benches::scaling::Measured;

/// Measures what rounds cost against their size, and prints it beside the formulas.
#[derive(Debug, Parser)]
struct Args {
    /// A trial: few points, small, twice
    #[arg(long)]
    quick: bool,
    /// Where what was measured is kept, for `figures`
    #[arg(long, value_name = "FILE.json")]
    out: Option<PathBuf>,
    /// How often each point is measured [default: 5, or 2 for a trial]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    repetitions: Option<u8>,
    /// What this is measured on, in words
    #[arg(long, value_name = "WORDS", default_value_t = machine())]
    machine: String,
}

fn main() -> ExitCode {
    let args = Args::parse();
    // Better now than after all that time.
    if let Some(path) = &args.out
        && let Err(error) = OpenOptions::new().create(true).append(true).open(path)
    {
        eprintln!("scaling: {}: {error}", path.display());
        return ExitCode::FAILURE;
    }
    let start = Instant::now();
    let measured = measure(&args);
    println!("{}", measured.page());
    eprintln!("measured in {:.0} s", start.elapsed().as_secs_f64());
    match args.out.map(|path| (std::fs::write(&path, measured.json()), path)) {
        Some((Err(error), path)) => {
            eprintln!("scaling: {}: {error}", path.display());
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}

fn measure(args: &Args) -> Measured {
    let cases = sweep::cases(args.quick);
    let repetitions = args.repetitions.map_or(if args.quick { 2 } else { 5 }, usize::from);
    let mut rounds = sweep::Rounds::new(cases);
    let mut alone = alone::Steps::default();
    for _ in 0..repetitions {
        alone.measure();
        rounds.measure();
    }
    alone.measure();
    Measured {
        machine: args.machine.clone(),
        trial: args.quick || repetitions < 3,
        repetitions,
        alone: alone.medians(),
        points: rounds.medians(),
        shards: shards::measure(args.quick),
    }
}

fn machine() -> String {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let backend = secagg_kernels::Backend::detect();
    format!("{threads} cores, {}, backend {backend}", std::env::consts::ARCH)
}
