//! As much of a Cargo.toml as the rules need.
//!
//! One key per line, which is how all of ours are written; an array of members may span lines.

/// A line that sets something: where it stands and in which table.
struct Entry<'a> {
    line: usize,
    table: &'a str,
    key: &'a str,
    value: &'a str,
}

/// The folders of the workspace's crates.
pub(super) fn members(text: &str) -> Vec<String> {
    let Some((_, rest)) = text.split_once("members = [") else { return Vec::new() };
    let list = rest.split(']').next().unwrap_or_default();
    list.split(',').filter_map(quoted).map(str::to_owned).collect()
}

/// The package's name.
pub(super) fn package_name(text: &str) -> Option<String> {
    let name = entries(text).find(|e| e.table == "package" && e.key == "name")?;
    quoted(name.value).map(str::to_owned)
}

/// Every package that is depended on in any way, with its line.
pub(super) fn dependencies(text: &str) -> Vec<(usize, String)> {
    let in_tables = entries(text).filter_map(|e| dependency(&e).map(|name| (e.line, name)));
    // `[dependencies.name]` has a table to itself.
    let headers = text.lines().enumerate().filter_map(|(at, line)| {
        let (kind, name) = header(line)?.rsplit_once('.')?;
        kind.ends_with("dependencies").then(|| (at + 1, name.trim_matches('"').to_owned()))
    });
    in_tables.chain(headers).collect()
}

/// The roots of the package's libraries and programs, by path in its folder.
pub(super) fn roots(text: &str) -> Vec<String> {
    let own = |e: &Entry| matches!(e.table, "lib" | "bin") && e.key == "path";
    let named = entries(text).filter(own).filter_map(|e| quoted(e.value).map(str::to_owned));
    let mut roots: Vec<_> =
        ["src/lib.rs".into(), "src/main.rs".into()].into_iter().chain(named).collect();
    roots.sort();
    roots.dedup();
    roots
}

fn entries(text: &str) -> impl Iterator<Item = Entry<'_>> {
    let lines = text.lines().enumerate().scan("", |table, (at, line)| {
        if let Some(name) = header(line) {
            *table = name;
        }
        Some((at, *table, line))
    });
    lines.filter_map(|(at, table, line)| {
        let (key, value) = line.split_once('=').filter(|_| !line.trim_start().starts_with('#'))?;
        Some(Entry { line: at + 1, table, key: key.trim(), value: value.trim() })
    })
}

/// The name in `[name]` or `[[name]]`.
fn header(line: &str) -> Option<&str> {
    let line = line.split('#').next()?.trim();
    Some(line.strip_prefix('[')?.strip_suffix(']')?.trim_matches(['[', ']', ' ']))
}

fn dependency(entry: &Entry) -> Option<String> {
    if !entry.table.ends_with("dependencies") && !entry.table.contains("dependencies.") {
        return None;
    }
    let renamed = entry.value.split_once("package").and_then(|(_, rest)| quoted(rest));
    let renamed = renamed.or_else(|| quoted(entry.value).filter(|_| entry.key == "package"));
    let key = entry.key.split('.').next()?.trim_matches('"');
    Some(renamed.unwrap_or(key).to_owned())
}

fn quoted(text: &str) -> Option<&str> {
    text.split('"').nth(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_may_span_lines() {
        let text = "[workspace]\nmembers = [\n  \"kernels\", \"cli\",\n]\nexclude = [\"fuzz\"]\n";
        assert_eq!(members(text), ["kernels", "cli"]);
    }

    #[test]
    fn dependencies_are_found_in_every_spelling() {
        let text = r#"
[package]
name = "a"
[dependencies]
one = "1"
two.workspace = true
# three = "3"
four = { version = "4", package = "real-four" }
[target.'cfg(unix)'.build-dependencies]
five = { path = "../five" }
[dev-dependencies.six] # a table to itself
version = "6"
[dependencies.seven]
package = "real-seven"
[features]
eight = []
"#;
        let found = dependencies(text);
        let names: Vec<_> = found.iter().map(|(line, name)| format!("{line} {name}")).collect();
        for expected in ["5 one", "6 two", "8 real-four", "10 five", "11 six", "14 real-seven"] {
            assert!(names.contains(&expected.to_owned()), "{expected} is not in {names:?}");
        }
        for absent in ["a", "three", "eight"] {
            assert!(!found.iter().any(|(_, name)| name == absent), "{absent} is in {names:?}");
        }
    }

    #[test]
    fn the_name_is_the_packages_and_not_a_programs() {
        let text = "[[bin]]\nname = \"tool\"\npath = \"tool.rs\"\n[package]\nname = \"a\"\n";
        assert_eq!(package_name(text).as_deref(), Some("a"));
        assert_eq!(package_name("[workspace]\n"), None);
    }

    #[test]
    fn roots_are_the_usual_ones_and_the_named_ones_but_no_tests() {
        let text =
            "[lib]\npath = \"support.rs\"\n[[bin]]\npath = \"b.rs\"\n[[test]]\npath = \"t.rs\"\n";
        assert_eq!(roots(text), ["b.rs", "src/lib.rs", "src/main.rs", "support.rs"]);
    }
}
