//! Text for people: names that cannot pass for something else, and lines that fit the terminal.

use std::borrow::Cow;
use std::fmt::Write;

use comfy_table::{CellAlignment, Table, presets};

/// The program's exit codes, for the help of every command.
pub const EXIT_CODES: &str = "Exit codes:\n  \
    0  done\n  \
    1  the round could not finish, or --check found its mean wrong\n  \
    2  the input cannot be used, the output cannot be written, or memory or threads do not suffice\n  \
    128 + n, as a shell sees it: signal n ended the program, and no unfinished file is left behind\n\
    What ends the program is said on standard error, also with --json.";

/// The longest message in characters; names, shapes and headers come from files and may be of any
/// length.
const LONGEST: usize = 900;

/// How much of the start of a longer message is kept; the end has the advice.
const START: usize = 600;

/// A message as one line of bearable length.
pub fn one_line(message: &str) -> String {
    let line = printable(message);
    let length = line.chars().count();
    if length <= LONGEST {
        return line.into_owned();
    }
    let start: String = line.chars().take(START).collect();
    let end: String = line.chars().skip(length - (LONGEST - START)).collect();
    format!("{start} [...] {end}")
}

/// A name whose characters a terminal shows and does not obey: control characters, line breaks and
/// those that turn the direction of writing are escaped.
pub fn printable(name: &str) -> Cow<'_, str> {
    if !name.contains(is_obeyed) {
        return name.into();
    }
    let shown = |text: String, c: char| match c {
        c if is_obeyed(c) => text + &format!("\\u{:04x}", c as u32),
        c => text + c.encode_utf8(&mut [0; 4]),
    };
    name.chars().fold(String::new(), shown).into()
}

pub(crate) fn is_obeyed(c: char) -> bool {
    let turns =
        matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || turns
}

/// A word that a shell takes as it is.
pub(crate) fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// A number for a sentence, with an exponent where it would have many digits.
pub(crate) fn number(x: f64) -> String {
    let is_short = x == 0.0 || (1e-3..1e6).contains(&x.abs());
    if is_short { x.to_string() } else { format!("{x:e}") }
}

/// A [`number`] with so many digits that count.
pub(crate) fn short(x: f64, digits: usize) -> String {
    number(format!("{x:.*e}", digits - 1).parse().unwrap_or(x))
}

/// Columns of the terminal that standard output is, or else those that the variable `COLUMNS`
/// tells. None otherwise: then lines are not broken.
pub fn columns() -> Option<usize> {
    let told = || std::env::var("COLUMNS").ok()?.parse().ok();
    terminal_columns().or_else(told).filter(|&columns| columns > 0)
}

#[cfg(unix)]
fn terminal_columns() -> Option<usize> {
    rustix::termios::tcgetwinsize(std::io::stdout()).ok().map(|size| size.ws_col.into())
}

#[cfg(not(unix))]
const fn terminal_columns() -> Option<usize> {
    None
}

/// Breaks lines at spaces, so that they fit into `columns` if their words do. Lines of tables are
/// left as they are.
pub fn wrap(text: &str, columns: Option<usize>) -> String {
    let Some(columns) = columns else { return text.into() };
    text.lines().fold(String::new(), |wrapped, line| wrapped + &wrap_line(line, columns) + "\n")
}

fn wrap_line(line: &str, columns: usize) -> String {
    if line.chars().count() <= columns {
        return line.into();
    }
    let (mut wrapped, mut length) = (String::new(), 0);
    for word in line.split(' ') {
        let more = word.chars().count();
        if length + more > columns && length > 0 {
            wrapped.push('\n');
            length = 0;
        } else if !wrapped.is_empty() {
            wrapped.push(' ');
        }
        wrapped += word;
        length += more + 1;
    }
    wrapped
}

/// A table with its first column to the left and numbers to the right; where it is wider than
/// `columns`, a paragraph for each row.
pub(crate) fn table<const N: usize>(
    header: [&str; N],
    numbers_from: usize,
    rows: &[[String; N]],
    columns: Option<usize>,
) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    table.set_header(header).add_rows(rows);
    for column in table.column_iter_mut().skip(numbers_from) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let width = table.lines().map(|line| line.chars().count()).max();
    if columns.is_none_or(|columns| width <= Some(columns)) {
        return table.to_string();
    }
    rows.iter().map(|row| paragraph(header, row)).collect::<Vec<_>>().join("\n")
}

fn paragraph<const N: usize>(header: [&str; N], row: &[String; N]) -> String {
    let mut lines = row[0].clone();
    for (name, value) in header.iter().zip(row).skip(1).filter(|(_, value)| !value.is_empty()) {
        let separator = if name.is_empty() { "" } else { ": " };
        let _ = write!(lines, "\n  {name}{separator}{value}");
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_at_spaces_where_they_are_too_long() {
        assert_eq!(wrap("one two three\nfour", Some(7)), "one two\nthree\nfour\n");
        assert_eq!(wrap("one two three\nfour", None), "one two three\nfour");
        assert_eq!(wrap("incomprehensible word", Some(5)), "incomprehensible\nword\n");
    }

    #[test]
    fn numbers_have_exponents_from_a_million_on_and_below_a_thousandth() {
        let numbers = [0.0, 5.26, 0.00123, -400.0, 999_999.0, 1e6, 0.000_999, -1e-100, 1e308];
        let plain = numbers.map(number);
        let expected =
            ["0", "5.26", "0.00123", "-400", "999999", "1e6", "9.99e-4", "-1e-100", "1e308"];
        assert_eq!(plain, expected);
        let rounded = numbers.map(|x| short(x, 2));
        let expected = ["0", "5.3", "0.0012", "-400", "1e6", "1e6", "0.001", "-1e-100", "1e308"];
        assert_eq!(rounded, expected);
    }

    #[test]
    fn long_messages_keep_their_start_and_their_end() {
        let line = one_line(&format!("first{}last", "1, ".repeat(20_000)));
        assert!(
            line.starts_with("first1") && line.ends_with("last") && line.len() < 1000,
            "{line}"
        );
        assert_eq!(one_line("a\nb\u{1b}[2J\u{202e}"), "a\\u000ab\\u001b[2J\\u202e");
    }
}
