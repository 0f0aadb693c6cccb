//! The `secagg` program.
//!
//! Exit codes: 0 done; 1 the round could not finish; 2 the input cannot be used.

#![forbid(unsafe_code)]

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use secagg_cli::report::Report;
use secagg_cli::{BenchArgs, CommandError, PlanArgs, RoundArgs, SimulateArgs};

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
    Plan(PlanArgs),
    Bench(BenchArgs),
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Round(args) => conclude(args.execute(), args.json()),
        Command::Simulate(args) => conclude(args.execute(), args.json()),
        Command::Plan(args) => match args.execute() {
            Ok(plan) => print(
                &if args.json() { plan.json() + "\n" } else { plan.text() },
                ExitCode::SUCCESS,
            ),
            Err(error) => refuse(&error),
        },
        Command::Bench(args) => {
            let bench = args.execute();
            print(&if args.json() { bench.json() + "\n" } else { bench.text() }, ExitCode::SUCCESS)
        }
    }
}

fn conclude(report: Result<Report, CommandError>, json: bool) -> ExitCode {
    let report = match report {
        Ok(report) => report,
        Err(error) => return refuse(&error),
    };
    for warning in &report.warnings {
        complain(&format!("warning: {warning}"));
    }
    let code = if report.succeeded() { ExitCode::SUCCESS } else { ExitCode::from(1) };
    print(&if json { report.json() + "\n" } else { report.text() }, code)
}

fn print(text: &str, code: ExitCode) -> ExitCode {
    match io::stdout().write_all(harmless(text).as_bytes()) {
        // Whoever reads the output has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => code,
        Err(error) => refuse(&error),
        Ok(()) => code,
    }
}

fn refuse(error: &impl Display) -> ExitCode {
    complain(&error.to_string());
    ExitCode::from(2)
}

/// Where even standard error is closed, there is nobody left to tell.
fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "secagg: {}", harmless(text));
}

/// Names come from files and their contents, and a terminal obeys what control characters among them say. Written as JSON writes
/// them, since that leaves some as they are.
fn harmless(text: &str) -> String {
    let obeyed = |c: char| c.is_control() && c != '\n';
    let shown = |c: char| if obeyed(c) { format!("\\u{:04x}", c as u32) } else { c.into() };
    text.chars().map(shown).collect()
}
