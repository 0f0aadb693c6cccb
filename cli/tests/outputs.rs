//! Outputs of the program: nothing over an input, nothing where no file can be, and nothing half,
//! whatever ends it.
#![cfg(unix)]

mod support;

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use support::{digits, limited, refusal, secagg};
use tempfile::TempDir;

/// A folder of three updates and a table of weights that may be called a page, so that nothing
/// committed can be harmed.
struct Scene(TempDir);

impl Scene {
    fn new() -> Self {
        let scene = Self(tempfile::tempdir().expect("a folder"));
        for (from, to) in digits().iter().zip(["a", "b", "c"]) {
            fs::copy(from, scene.path(&format!("{to}.safetensors"))).expect("a copy");
        }
        fs::write(scene.path("w.html"), "client,weight\na,1\nb,2\nc,3\n").expect("a table");
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A round of the three clients, in the folder.
    fn round(&self) -> Command {
        let mut command = secagg("round");
        command.args(["a", "b", "c"].map(|name| format!("{name}.safetensors")));
        command.args(["--weights", "w.html", "--reconstruction-threshold", "2"]);
        command.current_dir(self.0.path());
        command
    }

    /// Names and contents of all that is there.
    fn contents(&self) -> Vec<(String, Vec<u8>)> {
        let name = |path: &Path| path.file_name().expect("a name").to_string_lossy().into_owned();
        let files =
            fs::read_dir(self.0.path()).expect("a folder").map(|it| it.expect("an entry").path());
        let mut all: Vec<_> = files
            .filter(|it| it.is_file())
            .map(|it| (name(&it), fs::read(it).expect("a file")))
            .collect();
        all.sort();
        all
    }
}

#[test]
fn no_output_takes_the_place_of_an_input_by_any_name() {
    let scene = Scene::new();
    fs::hard_link(scene.path("a.safetensors"), scene.path("hard.npz")).expect("a link");
    fs::hard_link(scene.path("b.safetensors"), scene.path("hard.html")).expect("a link");
    fs::hard_link(scene.path("w.html"), scene.path("weights.npz")).expect("a link");
    symlink("c.safetensors", scene.path("soft.npz")).expect("a link");
    symlink("w.html", scene.path("soft.html")).expect("a link");
    symlink("new.html", scene.path("new.npz")).expect("a link");
    let before = scene.contents();
    let (table, update) = ("is the table of weights", "is one of the updates");
    for (option, path, part) in [
        ("--report", "w.html", table),
        ("--report", "./w.html", table),
        ("--report", "soft.html", table),
        ("--report", "hard.html", update),
        ("--out", "weights.npz", table),
        ("--out", "b.safetensors", update),
        ("--out", "./b.safetensors", update),
        ("--out", "hard.npz", update),
        ("--out", "soft.npz", update),
    ] {
        let said = refusal(scene.round().args([option, path]));
        assert!(said.contains(option) && said.contains(part), "{path}: {said}");
        assert_eq!(scene.contents(), before, "{path}");
    }
    let said = refusal(scene.round().args(["--out", "new.npz", "--report", "new.html"]));
    assert!(said.contains("are one file"), "{said}");
    assert_eq!(scene.contents(), before);
}

#[test]
fn an_update_is_given_once_by_whatever_name() {
    let scene = Scene::new();
    fs::hard_link(scene.path("a.safetensors"), scene.path("hard.safetensors")).expect("a link");
    symlink("a.safetensors", scene.path("soft.safetensors")).expect("a link");
    for again in ["a.safetensors", "./a.safetensors", "hard.safetensors", "soft.safetensors"] {
        let mut round = secagg("round");
        round.args(["a.safetensors", "b.safetensors", "c.safetensors", again]);
        let said = refusal(round.current_dir(scene.0.path()));
        assert!(said.contains("given twice, first as a.safetensors"), "{said}");
    }
}

/// The mean is not there after any refusal, so each came before the round; where it could not be
/// there, a round that is run fails.
#[test]
fn places_where_no_file_can_be_are_refused_before_the_round() {
    let scene = Scene::new();
    for folder in ["folder.npz", "folder.html"] {
        fs::create_dir(scene.path(folder)).expect("a folder");
    }
    let pipe =
        Command::new("mkfifo").arg(scene.path("pipe.html")).arg(scene.path("pipe.npz")).status();
    assert!(pipe.expect("mkfifo runs").success());
    symlink("/dev/null", scene.path("device.npz")).expect("a link");
    symlink("/dev/stdout", scene.path("stdout.html")).expect("a link");
    symlink("round.npz", scene.path("round.npz")).expect("a link");
    symlink("no/such/folder.npz", scene.path("lost.npz")).expect("a link");
    let before = scene.contents();
    for (option, path) in [
        ("--out", "folder.npz"),
        ("--out", "new.npz/"),
        ("--out", "pipe.npz"),
        ("--out", "device.npz"),
        ("--out", "round.npz"),
        ("--out", "lost.npz"),
        ("--out", "no/folder.npz"),
        ("--out", "/dev/stdout"),
        ("--report", "folder.html"),
        ("--report", "pipe.html"),
        ("--report", "stdout.html"),
        ("--report", "/dev/stdout"),
        ("--report", "no/folder.html"),
    ] {
        let mut round = scene.round();
        match option {
            "--report" => round.args(["--out", "mean.npz"]),
            _ => round.args(["--drop", "a@setup", "--drop", "b@setup"]),
        };
        let said = refusal(round.args([option, path]));
        assert!(said.contains(path.trim_end_matches('/')), "{said}");
        assert_eq!(scene.contents(), before, "{path}");
    }
}

#[test]
fn a_link_is_followed_to_the_file_that_is_replaced() {
    let scene = Scene::new();
    fs::create_dir(scene.path("store")).expect("a folder");
    fs::write(scene.path("store/old.npz"), "old").expect("a file");
    for target in ["store/old.npz", "store/new.npz"] {
        let (link, target) = (scene.path("mean.npz"), Path::new(target));
        symlink(target, &link).expect("a link");
        assert!(scene.round().args(["--out", "mean.npz"]).status().expect("runs").success());
        assert_eq!(fs::read_link(&link).expect("still a link"), target);
        assert!(fs::read(scene.0.path().join(target)).expect("a file").starts_with(b"PK"));
        fs::remove_file(link).expect("removed");
    }
    assert_eq!(fs::read_dir(scene.path("store")).expect("a folder").count(), 2);
}

/// A limit of the process ends a program that does not care for the signal.
#[test]
fn a_file_beyond_the_limit_is_refused_in_words_and_nothing_is_left() {
    let scene = Scene::new();
    fs::write(scene.path("mean.npz"), "old").expect("a file");
    let before = scene.contents();
    let said = refusal(&mut limited("-f 1", scene.round().args(["--out", "mean.npz"])));
    assert!(said.contains("cannot write mean.npz: File too large"), "{said}");
    assert_eq!(scene.contents(), before);
    let said = refusal(&mut limited("-f 1", scene.round().args(["--report", "page.html"])));
    assert!(said.contains("cannot write page.html: File too large"), "{said}");
    assert_eq!(scene.contents(), before);
}

#[test]
fn a_report_that_fails_says_that_the_mean_is_there() {
    let scene = Scene::new();
    // Room for the mean of 650 elements, but not for the page.
    let mut round = scene.round();
    let said =
        refusal(&mut limited("-f 22", round.args(["--out", "mean.npz", "--report", "page.html"])));
    assert!(said.contains("cannot write page.html: File too large"), "{said}");
    assert!(said.contains("the mean was written to mean.npz"), "{said}");
    assert!(scene.path("mean.npz").is_file() && !scene.path("page.html").exists());
}

#[test]
fn a_signal_leaves_nothing_unfinished_and_says_so() {
    let scene = Scene::new();
    let updates = ["x.npy", "y.npy", "z.npy"].map(|name| zeros(&scene.path(name), 2_000_000));
    fs::write(scene.path("mean.npz"), "old").expect("a file");
    let before = scene.contents();
    for (name, number) in [("INT", 2), ("TERM", 15), ("HUP", 1), ("QUIT", 3), ("USR1", 10)] {
        let mut round = secagg("round");
        round.args(&updates).args(["--out", "mean.npz", "--reconstruction-threshold", "2"]);
        round.current_dir(scene.0.path()).stdout(Stdio::null()).stderr(Stdio::piped());
        let (status, said) = signalled(&scene, round.spawn().expect("starts"), name);
        assert_eq!(status.signal(), Some(number), "{name}: {said}");
        let expected = format!("secagg: stopped by SIG{name}; no unfinished file is left behind\n");
        assert_eq!(said, expected);
        assert_eq!(scene.contents(), before, "{name}");
    }
}

/// As `nohup` does.
#[test]
fn a_signal_that_is_ignored_stays_ignored() {
    let scene = Scene::new();
    let updates = ["x.npy", "y.npy", "z.npy"].map(|name| zeros(&scene.path(name), 2_000_000));
    let mut round = Command::new("sh");
    round.args(["-c", "trap '' HUP; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_secagg"), "round"]);
    round.args(&updates).args(["--out", "mean.npz", "--reconstruction-threshold", "2"]);
    round.current_dir(scene.0.path()).stdout(Stdio::null()).stderr(Stdio::piped());
    let (status, said) = signalled(&scene, round.spawn().expect("starts"), "HUP");
    assert!(status.success(), "{said}");
    assert!(scene.path("mean.npz").is_file());
}

/// Sends a signal as soon as there are bytes in an unfinished file, and gives how the program
/// ended.
fn signalled(scene: &Scene, round: Child, signal: &str) -> (ExitStatus, String) {
    let script = "until ls -s .secagg-*.part 2>/dev/null | grep -q '^ *[1-9]'; do kill -0 $1 || exit; done; kill -s $2 $1";
    let mut killer = Command::new("sh");
    killer.args(["-c", script, "sh", &round.id().to_string(), signal]);
    let mut killer =
        killer.current_dir(scene.0.path()).stderr(Stdio::null()).spawn().expect("starts");
    let output = round.wait_with_output().expect("ends");
    let _ = killer.wait();
    (output.status, String::from_utf8(output.stderr).expect("UTF-8"))
}

/// An array of zeros in binary64, of which the storage keeps the header alone.
fn zeros(path: &Path, elements: u64) -> PathBuf {
    let text = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({elements},), }}");
    let mut file = File::create(path).expect("a file");
    file.write_all(b"\x93NUMPY\x01\x00\x76\x00").expect("written");
    file.write_all(format!("{text:<117}\n").as_bytes()).expect("written");
    file.set_len(128 + 8 * elements).expect("a sparse file");
    path.into()
}
