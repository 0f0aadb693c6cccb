//! Proves what the layout promises: dependencies point one way, `unsafe` stands in one folder, files stay short.

mod code;
mod manifest;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use crate::run::root;
use crate::{Failure, Outcome};

/// Each crate may depend on those before it, and on none after.
const LAYERS: [&str; 4] = ["secagg-kernels", "secagg", "secagg-cli", "secagg-python"];

/// What only the Python package may depend on.
const PYTHON: [&str; 2] = ["pyo3", "numpy"];

/// The one folder of the published crates that may use `unsafe`.
const UNSAFE_FOLDER: &str = "kernels/src/arch";

/// Two files of an unpublished package may, too: an allocator is an unsafe interface, and so is an instruction that valgrind
/// takes for a request.
const UNSAFE_FILES: [&str; 2] = ["assurance/src/allocator.rs", "assurance/src/memcheck.rs"];

/// The library roots above these places. They cannot forbid `unsafe`, and deny it.
const LAX_ROOTS: [&str; 2] = ["kernels/src/lib.rs", "assurance/src/lib.rs"];

const LONGEST_FILE: usize = 500;

/// One place where a rule is broken.
#[derive(Debug, PartialEq)]
struct Breach {
    path: PathBuf,
    line: usize,
    rule: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path.display(), self.line, self.rule)
    }
}

/// Checks all crates and prints each breach.
pub(crate) fn check() -> Outcome {
    let tree = Tree::read(&root()).map_err(Failure::Chore)?;
    let breaches = breaches(&tree);
    for breach in &breaches {
        println!("{breach}");
    }
    match breaches.len() {
        0 => {
            println!(
                "{} manifests and {} sources keep the rules",
                tree.manifests.len(),
                tree.sources.len()
            );
            Ok(())
        }
        count => Err(Failure::Chore(format!("breaches of the structure: {count}"))),
    }
}

/// The text of all manifests and sources, by their paths in the workspace.
struct Tree {
    manifests: Vec<(PathBuf, String)>,
    sources: Vec<(PathBuf, String)>,
}

impl Tree {
    fn read(root: &Path) -> Result<Self, String> {
        let workspace = read(root, Path::new("Cargo.toml"))?;
        let mut crates = manifest::members(&workspace);
        crates.push("fuzz".into());
        let mut tree = Self { manifests: Vec::new(), sources: Vec::new() };
        for folder in crates {
            tree.walk(root, Path::new(&folder))?;
        }
        Ok(tree)
    }

    fn walk(&mut self, root: &Path, folder: &Path) -> Result<(), String> {
        let place = root.join(folder);
        let entries = fs::read_dir(&place).map_err(|e| format!("{}: {e}", place.display()))?;
        for entry in entries {
            let name = entry.map_err(|e| format!("{}: {e}", place.display()))?.file_name();
            let path = folder.join(&name);
            if root.join(&path).is_dir() && name != "target" {
                self.walk(root, &path)?;
            } else if name == "Cargo.toml" {
                self.manifests.push((path.clone(), read(root, &path)?));
            } else if path.extension().is_some_and(|e| e == "rs") {
                self.sources.push((path.clone(), read(root, &path)?));
            }
        }
        Ok(())
    }
}

fn read(root: &Path, path: &Path) -> Result<String, String> {
    fs::read_to_string(root.join(path)).map_err(|e| format!("{}: {e}", path.display()))
}

fn breaches(tree: &Tree) -> Vec<Breach> {
    let mut found = Vec::new();
    for (path, text) in &tree.manifests {
        found.extend(upward_dependencies(path, text));
        found.extend(knowledge_of_python(path, text));
        found.extend(roots_that_allow_unsafe(path, text, &tree.sources));
    }
    for (path, text) in &tree.sources {
        found.extend(uses_of_unsafe(path, text));
        found.extend(too_long(path, text));
    }
    found
}

fn upward_dependencies(path: &Path, text: &str) -> Vec<Breach> {
    let name = manifest::package_name(text);
    let Some(layer) = LAYERS.iter().position(|&l| Some(l) == name.as_deref()) else {
        return Vec::new();
    };
    let upward = |name: &String| LAYERS[layer..].contains(&name.as_str());
    let dependencies = manifest::dependencies(text).into_iter().filter(|(_, name)| upward(name));
    let breach = |(line, name)| {
        let rule = format!("{} may not depend on {name}", LAYERS[layer]);
        Breach { path: path.into(), line, rule }
    };
    dependencies.map(breach).collect()
}

fn knowledge_of_python(path: &Path, text: &str) -> Vec<Breach> {
    if manifest::package_name(text).as_deref() == Some("secagg-python") {
        return Vec::new();
    }
    let dependencies = manifest::dependencies(text).into_iter();
    let python = dependencies.filter(|(_, name)| PYTHON.contains(&name.as_str()));
    let breach = |(line, name)| {
        let rule = format!("only secagg-python may depend on {name}");
        Breach { path: path.into(), line, rule }
    };
    python.map(breach).collect()
}

fn roots_that_allow_unsafe(path: &Path, text: &str, sources: &[(PathBuf, String)]) -> Vec<Breach> {
    let folder = path.parent().unwrap_or(Path::new(""));
    // Fuzz targets are entered through a C function, which a macro makes.
    if folder == Path::new("fuzz") {
        return Vec::new();
    }
    let roots = manifest::roots(text).into_iter().map(|root| folder.join(root));
    let roots = roots.filter(|root| !LAX_ROOTS.iter().any(|lax| root == Path::new(lax)));
    let lax = roots.filter(|root| {
        let source = sources.iter().find(|(path, _)| path == root);
        source.is_some_and(|(_, text)| !code::forbids_unsafe(text))
    });
    let rule = "the crate's root lacks #![forbid(unsafe_code)]";
    lax.map(|path| Breach { path, line: 1, rule: rule.into() }).collect()
}

fn uses_of_unsafe(path: &Path, text: &str) -> Vec<Breach> {
    if path.starts_with(UNSAFE_FOLDER) || UNSAFE_FILES.iter().any(|file| path == Path::new(file)) {
        return Vec::new();
    }
    let rule = format!("`unsafe` outside {UNSAFE_FOLDER}");
    let lines = code::lines_with_word(text, "unsafe").into_iter();
    lines.map(|line| Breach { path: path.into(), line, rule: rule.clone() }).collect()
}

fn too_long(path: &Path, text: &str) -> Option<Breach> {
    let lines = text.lines().count();
    let rule = format!("{lines} lines; split the file, the limit is {LONGEST_FILE}");
    (lines > LONGEST_FILE).then(|| Breach { path: path.into(), line: LONGEST_FILE + 1, rule })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KERNELS: &str = "[package]\nname = \"secagg-kernels\"\n[dependencies]\nwide = \"1\"\n";
    const CLI: &str = "[package]\nname = \"secagg-cli\"\n[dependencies]\nsecagg.workspace = true\n";

    fn found(manifests: &[(&str, &str)], sources: &[(&str, &str)]) -> Vec<String> {
        let own = |files: &[(&str, &str)]| {
            files.iter().map(|(path, text)| (path.into(), (*text).to_owned())).collect()
        };
        let tree = Tree { manifests: own(manifests), sources: own(sources) };
        breaches(&tree).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_tree_that_keeps_the_rules_has_no_breach() {
        let manifests = [("kernels/Cargo.toml", KERNELS), ("cli/Cargo.toml", CLI)];
        let sources = [
            ("kernels/src/lib.rs", "//! Kernels."),
            ("kernels/src/arch/avx2.rs", "unsafe { gate() }"),
            ("cli/src/lib.rs", "#![forbid(unsafe_code)]"),
            ("cli/src/main.rs", "#![forbid(unsafe_code)]\nfn main() {}"),
        ];
        assert_eq!(found(&manifests, &sources), [""; 0]);
    }

    #[test]
    fn a_dependency_that_points_up_is_a_breach_however_it_is_written() {
        for line in
            ["secagg.workspace = true", "x = { package = \"secagg-cli\", path = \"../cli\" }"]
        {
            let manifest = format!("{KERNELS}[dev-dependencies]\n{line}\n");
            let found = found(&[("kernels/Cargo.toml", &manifest)], &[]);
            assert!(
                found[0].starts_with("kernels/Cargo.toml:6: secagg-kernels may not"),
                "{found:?}"
            );
        }
    }

    #[test]
    fn only_the_python_package_knows_of_python() {
        let manifest = |name: &str| {
            format!("[package]\nname = \"{name}\"\n[dependencies]\npyo3.workspace = true\n")
        };
        let breach = "protocol/Cargo.toml:4: only secagg-python may depend on pyo3";
        assert_eq!(found(&[("protocol/Cargo.toml", &manifest("secagg"))], &[]), [breach]);
        assert_eq!(found(&[("python/Cargo.toml", &manifest("secagg-python"))], &[]), [""; 0]);
    }

    #[test]
    fn unsafe_outside_its_folder_is_a_breach_at_its_line() {
        let breach = "kernels/src/pack.rs:2: `unsafe` outside kernels/src/arch";
        assert_eq!(found(&[], &[("kernels/src/pack.rs", "fn f() {\n unsafe { g() } }")]), [breach]);
    }

    #[test]
    fn unsafe_beside_the_files_that_may_is_a_breach() {
        let breach = "assurance/src/play.rs:1: `unsafe` outside kernels/src/arch";
        let sources = [
            ("assurance/src/allocator.rs", "unsafe { f() }"),
            ("assurance/src/play.rs", "unsafe { f() }"),
        ];
        assert_eq!(found(&[], &sources), [breach]);
    }

    #[test]
    fn a_root_must_forbid_unsafe_in_code_and_not_in_a_comment() {
        let found =
            found(&[("cli/Cargo.toml", CLI)], &[("cli/src/lib.rs", "// #![forbid(unsafe_code)]")]);
        assert_eq!(found, ["cli/src/lib.rs:1: the crate's root lacks #![forbid(unsafe_code)]"]);
    }

    #[test]
    fn five_hundred_lines_pass_and_one_more_does_not() {
        assert_eq!(found(&[], &[("cli/src/a.rs", &"\n".repeat(500))]), [""; 0]);
        let found = found(&[], &[("cli/src/a.rs", &"\n".repeat(501))]);
        assert!(found[0].starts_with("cli/src/a.rs:501: 501 lines"), "{found:?}");
    }
}
