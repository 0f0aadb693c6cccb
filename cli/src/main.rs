//! The `secagg` program.
//!
//! Exit codes: 0 done; 1 the round could not finish; 2 the input cannot be used.

#![forbid(unsafe_code)]

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use secagg_cli::report::Report;
use secagg_cli::{RoundArgs, SimulateArgs};

/// Secure aggregation: a server learns the weighted mean of many clients' updates, and nothing else
/// about any of them.
#[derive(Debug, Parser)]
#[command(name = "secagg", version, max_term_width = 100)]
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
    for warning in &report.warnings {
        complain(&format!("warning: {warning}"));
    }
    let text = if json { report.json() + "\n" } else { report.text() };
    match io::stdout().write_all(text.as_bytes()) {
        // Whoever reads the output has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => (),
        Err(error) => return refuse(&error),
        Ok(()) => (),
    }
    if report.succeeded() { ExitCode::SUCCESS } else { ExitCode::from(1) }
}

fn refuse(error: &impl Display) -> ExitCode {
    complain(&error.to_string());
    ExitCode::from(2)
}

/// Where even standard error is closed, there is nobody left to tell.
fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "secagg: {text}");
}
