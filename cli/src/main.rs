//! The `secagg` program.
//!
//! Exit codes: 0 done; 1 the round could not finish; 2 the input cannot be used.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use secagg_cli::report::Report;
use secagg_cli::{CommandError, RoundArgs, SimulateArgs};

/// Secure aggregation: a server learns the weighted mean of many clients' updates, and nothing else
/// about any of them.
#[derive(Debug, Parser)]
#[command(name = "secagg", version, about, max_term_width = 100)]
#[command(after_help = "Exit codes: 0 done; 1 the round could not finish; 2 the input cannot be \
    used.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Round(RoundArgs),
    Simulate(SimulateArgs),
}

fn main() -> ExitCode {
    let (report, json) = match Cli::parse().command {
        Command::Round(args) => (args.execute(), args.json()),
        Command::Simulate(args) => (args.execute(), args.json()),
    };
    match report {
        Ok(report) => print(&report, json),
        Err(error) => refuse(&error),
    }
}

fn print(report: &Report, json: bool) -> ExitCode {
    if json {
        println!("{}", report.json());
    } else {
        print!("{}", report.text());
    }
    if report.reason.is_some() { ExitCode::from(1) } else { ExitCode::SUCCESS }
}

fn refuse(error: &CommandError) -> ExitCode {
    eprintln!("secagg: {error}");
    ExitCode::from(2)
}
