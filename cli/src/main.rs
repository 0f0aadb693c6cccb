//! The `secagg` program.
//!
//! Exit codes: 0 done; 1 the round could not finish, or its mean is wrong; 2 the input cannot be
//! used or the output cannot be written; 128 + n, as a shell sees it, if signal n ended the
//! program.

#![forbid(unsafe_code)]

mod command_line;

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use secagg_cli::plan::PlanReport;
use secagg_cli::report::Report;
use secagg_cli::text::{EXIT_CODES, one_line};
use secagg_cli::{Bench, BenchArgs, CommandError, PlanArgs, RoundArgs, SimulateArgs};

/// Secure aggregation: a server learns the weighted mean of many clients' updates, and nothing else
/// about any of them.
#[derive(Debug, Parser)]
#[command(name = "secagg", version, max_term_width = 100)]
#[command(after_help = EXIT_CODES)]
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
    let cli = match command_line::parse::<Cli>() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    if let Err(error) = secagg_cli::prepare() {
        return refuse(&error);
    }
    match cli.command {
        Command::Round(args) => conclude(args.execute(), args.json()),
        Command::Simulate(args) => conclude(args.execute(), args.json()),
        Command::Plan(args) => {
            let said =
                |plan: PlanReport| if args.json() { plan.json() + "\n" } else { plan.text() };
            finish(args.execute().map(said))
        }
        Command::Bench(args) => {
            let said = |bench: Bench| if args.json() { bench.json() + "\n" } else { bench.text() };
            finish(args.execute().map(said))
        }
    }
}

fn finish(said: Result<String, CommandError>) -> ExitCode {
    said.map_or_else(|error| refuse(&error), |said| print(&said, ExitCode::SUCCESS))
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
    let mut stdout = io::stdout();
    said(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()), code)
}

/// The exit code after something was written to standard output.
fn said(written: io::Result<()>, code: ExitCode) -> ExitCode {
    match written {
        // Whoever reads the output has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => code,
        Err(error) => refuse(&format!("cannot write to standard output: {error}")),
        Ok(()) => code,
    }
}

fn refuse(error: &impl Display) -> ExitCode {
    complain(&error.to_string());
    ExitCode::from(2)
}

/// Where even standard error is closed, there is nobody left to tell.
fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "secagg: {}", one_line(text));
}
