//! The command line: read into a command, or answered with help or with what is wrong.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use clap::error::{Error, ErrorKind};

use crate::{refuse, said};

/// Reads the command line.
///
/// # Errors
/// The exit code, where help was asked for or something is wrong; that is said.
pub(crate) fn parse<P: Parser>() -> Result<P, ExitCode> {
    P::try_parse().map_err(|error| match error.kind() {
        ErrorKind::InvalidUtf8 => refuse(&not_text::<P>(std::env::args_os().collect())),
        _ => answer(&error),
    })
}

/// Prints help on standard output, and errors on standard error.
fn answer(error: &Error) -> ExitCode {
    let printed = error.print().and_then(|()| io::stdout().flush());
    if error.use_stderr() { ExitCode::from(2) } else { said(printed, ExitCode::SUCCESS) }
}

/// Says which argument is to be text and is none. Some that are no text may be files, and are fine.
fn not_text<P: Parser>(mut arguments: Vec<OsString>) -> String {
    for at in 1..arguments.len() {
        let argument = arguments[at].clone();
        arguments[at] = argument.to_string_lossy().into_owned().into();
        let refused = P::try_parse_from(&arguments).err();
        if refused.is_none_or(|error| error.kind() != ErrorKind::InvalidUtf8) {
            return describe(&arguments[at - 1], &argument);
        }
    }
    "an argument is not UTF-8 text".into()
}

#[expect(clippy::unnecessary_debug_formatting, reason = "it shows the bytes that are no text")]
fn describe(before: &OsStr, argument: &OsStr) -> String {
    let option = before.to_str().filter(|before| before.starts_with('-'));
    let option = option.map(|option| format!("{option} ")).unwrap_or_default();
    format!(
        "the argument {option}{argument:?} is not UTF-8 text, which all arguments but files must be"
    )
}
