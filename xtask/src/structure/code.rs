//! Tells code from comments and literals, so that a word is only found where it means something.

/// The lines, counted from 1, on which `word` stands as code.
pub(super) fn lines_with_word(source: &str, word: &str) -> Vec<usize> {
    let code = code_of(source);
    let lines = code.lines().enumerate();
    lines.filter(|(_, line)| words(line).any(|w| w == word)).map(|(at, _)| at + 1).collect()
}

/// Whether the source has `#![forbid(unsafe_code)]`.
pub(super) fn forbids_unsafe(source: &str) -> bool {
    let dense: String = code_of(source).split_whitespace().collect();
    dense.contains("#![forbid(unsafe_code)]")
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c| !is_word(c)).filter(|w| !w.is_empty())
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The source with a space for every comment and literal, except that all line ends stay.
fn code_of(source: &str) -> String {
    let (mut code, mut rest) = (String::new(), source);
    while let Some(first) = rest.chars().next() {
        let length = if let Some(length) = passive(rest) {
            let lines = rest[..length].matches('\n').count();
            code.push_str(&" ".repeat(usize::from(lines == 0)));
            code.push_str(&"\n".repeat(lines));
            length
        } else {
            // A whole word at once, so that the r in `for` starts no raw string.
            let word = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            let length = word.max(first.len_utf8());
            code.push_str(&rest[..length]);
            length
        };
        rest = &rest[length..];
    }
    code
}

/// The length of the comment or literal that the text starts with.
fn passive(text: &str) -> Option<usize> {
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    if text.starts_with("/*") {
        return Some(block_comment(text));
    }
    let prefix = text.find(|c| !is_word(c)).unwrap_or(text.len());
    match &text[..prefix] {
        "r" | "br" | "cr" => raw_string(&text[prefix..]).map(|length| prefix + length),
        "" | "b" | "c" => quoted(&text[prefix..]).map(|length| prefix + length),
        _ => None,
    }
}

/// Block comments nest.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest.starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

fn raw_string(text: &str) -> Option<usize> {
    let hashes = text.len() - text.trim_start_matches('#').len();
    let body = text[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = body.find(&end).map_or(body.len(), |at| at + end.len());
    Some(hashes + 1 + length)
}

/// A string or a character.
fn quoted(text: &str) -> Option<usize> {
    match text.chars().next()? {
        '"' => Some(1 + up_to_quote(&text[1..], '"')),
        '\'' => character(text),
        _ => None,
    }
}

/// A character is one, or an escape; `'a` without an end is a lifetime.
fn character(text: &str) -> Option<usize> {
    let body = &text[1..];
    let first = body.chars().next()?;
    let closed = first == '\\' || body[first.len_utf8()..].starts_with('\'');
    closed.then(|| 1 + up_to_quote(body, '\''))
}

/// The length up to and with the first quote that no backslash precedes.
fn up_to_quote(body: &str, quote: char) -> usize {
    let mut characters = body.char_indices();
    while let Some((at, c)) = characters.next() {
        if c == quote {
            return at + 1;
        }
        if c == '\\' {
            characters.next();
        }
    }
    body.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_counts_only_as_code() {
        let passive = [
            "// unsafe",
            "//! unsafe\n/// unsafe",
            "/* unsafe */",
            "/* /* */ unsafe */",
            "/* \n unsafe \n */ safe",
            "\"unsafe\"",
            "\"\\\" unsafe\"",
            "\"two\nlines unsafe\"",
            "b\"unsafe\" c\"unsafe\"",
            "r\"\\\" r#\" unsafe\"# br##\"\"# unsafe\"##",
            "unsafe_code not_unsafe unsafely",
            "'\"' /* unsafe */ '\"'",
            "'\\'' /* unsafe */ '\\''",
            "'\\u{1F600}' /* unsafe */ '\\u{1F600}'",
            "b'\"' // unsafe \"",
        ];
        for source in passive {
            assert_eq!(lines_with_word(source, "unsafe"), [0; 0], "{source}");
        }
    }

    #[test]
    fn nothing_hides_the_word() {
        let active = [
            ("unsafe", 1),
            ("\n\n  unsafe{", 3),
            ("/* */unsafe", 1),
            ("/* /* */ */ unsafe", 1),
            ("\"\" unsafe", 1),
            ("\"\\\\\" unsafe", 1),
            ("\"\n\n\" unsafe", 3),
            ("'\"' unsafe '\"'", 1),
            ("'\\'' unsafe", 1),
            ("'\\u{1F600}' unsafe", 1),
            ("fn f<'a>(x: &'a str) { unsafe {} }", 1),
            ("'outer: loop { unsafe {} } 'x'", 1),
            ("r#\"\"# unsafe", 1),
            ("for r in br { unsafe {} }", 1),
            ("r#type unsafe", 1),
            ("'é' unsafe", 1),
            ("// é\nunsafe", 2),
        ];
        for (source, line) in active {
            assert_eq!(lines_with_word(source, "unsafe"), [line], "{source}");
        }
    }

    #[test]
    fn forbidding_must_be_code_and_may_be_spaced() {
        assert!(forbids_unsafe("//! A crate.\n#![forbid( unsafe_code )]\n"));
        assert!(!forbids_unsafe("#![deny(unsafe_code)]"));
        assert!(!forbids_unsafe("/* #![forbid(unsafe_code)] */"));
    }
}
