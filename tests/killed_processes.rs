//! Processes that are killed (`SIGKILL`, where there is one) and started anew until a round is finished:
//! a server, and two processes of clients, which talk through files (`programs/spool.rs`).
//!
//! Nothing here depends on time but which of its many ways a round takes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use secagg::{ClientId, Stage, ThreatModel, saved_stage};
use secagg_tests::plain::{error_bound, weighted_mean};
use secagg_tests::spool::{
    COHORT, HALF_WRITTEN, NOT_RENAMED, RENAMED, Spool, TAKEN, Way, params, update,
};
use tempfile::TempDir;

/// What the server keeps when it is killed, and where it is.
type Kills = BTreeSet<(Option<Stage>, String)>;

/// Is given up for lost, and then answers after all, when it is too late.
const LEAVER: ClientId = ClientId(4);

/// One round, and the processes that it is made of.
struct Scene {
    dir: TempDir,
    threat_model: ThreatModel,
    /// The stage whose request the leaver answers too late.
    leaves: Stage,
    /// After each message, in milliseconds.
    pause: u64,
}

#[derive(Clone, Copy, Debug)]
enum Role {
    Server,
    Clients(&'static [u64]),
}

const ROLES: [Role; 3] = [Role::Server, Role::Clients(&[1, 3, 4]), Role::Clients(&[2, 5])];

impl Role {
    fn number(self) -> u64 {
        match self {
            Self::Server => 0,
            Self::Clients(ids) => ids[0],
        }
    }
}

impl Scene {
    fn new(threat_model: ThreatModel, leaves: Stage, pause: u64) -> Self {
        let scene = Self { dir: TempDir::new().expect("a directory"), threat_model, leaves, pause };
        scene.spool().prepare().expect("files");
        scene
    }

    fn spool(&self) -> Spool {
        Spool::new(self.dir.path())
    }

    fn start(&self, role: Role, life: u32, stop_at: u32) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_spool"));
        command.arg(self.dir.path());
        command.args([life.to_string(), stop_at.to_string(), self.pause.to_string()]);
        match role {
            Role::Server => command.args(["server", self.threat_model.name()]),
            Role::Clients(ids) => command
                .args(["clients", &LEAVER.to_string(), self.leaves.name()])
                .args(ids.iter().map(u64::to_string)),
        };
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        Process(command.spawn().expect("a process"))
    }

    /// All roles at once, each in the hands of one thread, until the round is finished.
    fn play<T: Send>(&self, live: impl Fn(&Self, Role) -> T + Sync) -> [T; ROLES.len()] {
        let live = &live;
        let lives = thread::scope(|threads| {
            let lives = ROLES.map(|role| threads.spawn(move || live(self, role)));
            lives.map(|life| life.join().expect("a life"))
        });
        self.assert_mean();
        self.assert_nothing_was_said_in_two_ways();
        lives
    }

    /// Killed at every step in turn: one step later each time, until a file is there that was not.
    fn kill_at_every_step(&self, role: Role) -> Kills {
        let (mut kills, mut stop_at) = (Kills::new(), 1);
        for life in 0.. {
            let mut process = self.start(role, life, stop_at);
            let Some(place) = process.place() else {
                process.assert_success();
                break;
            };
            assert_was_killed(process.kill());
            stop_at = if place == RENAMED { 1 } else { stop_at + 1 };
            kills.insert((self.kept(), place));
        }
        kills
    }

    /// Killed ten times, after as many milliseconds as the seed says.
    fn kill_at_random(&self, role: Role, seed: u64) {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        for life in 0..10 {
            let mut process = self.start(role, life, 0);
            thread::sleep(Duration::from_millis(rng.next_u64() % 60));
            process.kill();
        }
        self.start(role, 10, 0).assert_success();
    }

    /// Where the server's state file says that it is.
    fn kept(&self) -> Option<Stage> {
        saved_stage(&fs::read(self.spool().server_state()).unwrap_or_default())
    }

    fn survivors(&self) -> Vec<ClientId> {
        let is_in_time = self.leaves > Stage::CollectMaskedVectors;
        COHORT.into_iter().filter(|&client| client != LEAVER || is_in_time).collect()
    }

    fn assert_mean(&self) {
        let result = fs::read_to_string(self.spool().result()).expect("a result");
        let (survivors, mean) = result.split_once('\n').expect("two lines");
        let survivors: Vec<_> = survivors.split(' ').map(|id| id.parse().map(ClientId)).collect();
        assert_eq!(survivors, self.survivors().into_iter().map(Ok).collect::<Vec<_>>());
        let updates: Vec<_> = self.survivors().into_iter().map(update).collect();
        let params = params(self.threat_model);
        let (quantizer, total) = (params.quantizer(), updates.iter().map(|(w, _)| w).sum());
        let clipping_range = quantizer.clipping_range();
        let expected = weighted_mean(updates.iter(), params.dimension(), clipping_range);
        let bound = error_bound(quantizer, updates.len(), total, true) + f64::EPSILON;
        let mean: Vec<f64> = mean.split_whitespace().map(|x| x.parse().expect("f64")).collect();
        assert_eq!(mean.len(), expected.len());
        for (found, expected) in mean.iter().zip(expected) {
            assert!((found - expected).abs() <= bound, "{found} for {expected}, ± {bound}");
        }
    }

    /// All copies of a message are the same, byte for byte, be it the server's or a client's.
    fn assert_nothing_was_said_in_two_ways(&self) {
        for ((way, stage, client), copies) in self.said() {
            let first = &copies[0];
            let same = copies.iter().all(|copy| copy == first);
            assert!(same, "{way} of {client}, {stage}: {} copies differ", copies.len());
        }
    }

    /// The clients were asked again. Whose answers the server took before it was killed depends on time; how many does not.
    fn assert_three_answers_were_lost_for_each_that_was_kept(&self) {
        let mut answers = BTreeMap::<Stage, (usize, usize)>::new();
        for ((way, stage, client), copies) in self.said() {
            if way == "answers" && (stage, client) != (self.leaves, LEAVER) {
                let (kept, all) = answers.entry(stage).or_default();
                (*kept, *all) = (*kept + 1, *all + copies.len());
            }
        }
        for (stage, (kept, all)) in answers {
            assert!(all >= 4 * kept, "{stage}: {all} answers of {kept} clients");
        }
    }

    /// All copies of every message of the round.
    fn said(&self) -> BTreeMap<(&'static str, Stage, ClientId), Vec<Vec<u8>>> {
        let mut said = BTreeMap::new();
        for (name, way) in [("requests", Way::Requests), ("answers", Way::Answers)] {
            for stage in Stage::ALL {
                for client in COHORT {
                    let copies = self.spool().copies(way, stage, client).expect("copies");
                    let bytes: Vec<_> = copies.iter().map(|copy| contents(copy)).collect();
                    said.extend((!bytes.is_empty()).then_some(((name, stage, client), bytes)));
                }
            }
        }
        said
    }
}

fn contents(path: &Path) -> Vec<u8> {
    fs::read(path).expect("a message")
}

#[cfg(unix)]
fn assert_was_killed(status: ExitStatus) {
    use std::os::unix::process::ExitStatusExt;
    assert_eq!(status.signal(), Some(9), "SIGKILL, which no process outlives or hears of");
}

#[cfg(not(unix))]
fn assert_was_killed(status: ExitStatus) {
    assert!(!status.success());
}

/// A process that does not outlive its test.
struct Process(Child);

impl Process {
    /// Where it waits to be killed, or `None` if it came to its end.
    fn place(&mut self) -> Option<String> {
        let mut line = String::new();
        BufReader::new(self.0.stdout.as_mut()?).read_line(&mut line).expect("a pipe");
        Some(line.trim_end().to_owned()).filter(|line| !line.is_empty())
    }

    fn kill(&mut self) -> ExitStatus {
        // It may have come to its end before.
        let _: io::Result<()> = self.0.kill();
        self.0.wait().expect("its end")
    }

    fn assert_success(&mut self) {
        let status = self.0.wait().expect("its end");
        assert!(status.success(), "{status}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _: io::Result<()> = self.0.kill();
        let _ = self.0.wait();
    }
}

fn a_round_that_is_killed_at_every_step(threat_model: ThreatModel) {
    let scene = Scene::new(threat_model, Stage::CollectMaskedVectors, 0);
    let [kills, ..] = scene.play(Scene::kill_at_every_step);
    let asked: BTreeSet<_> = Stage::of(threat_model).iter().copied().collect();
    for stage in Stage::ALL {
        let places = [TAKEN, HALF_WRITTEN, NOT_RENAMED, RENAMED].into_iter();
        for place in places.filter(|&place| place != TAKEN || asked.contains(&stage)) {
            assert!(kills.contains(&(Some(stage), place.to_owned())), "{stage}, {place}");
        }
    }
    scene.assert_three_answers_were_lost_for_each_that_was_kept();
}

#[test]
fn a_round_against_a_curious_server_survives_kills_at_every_step() {
    a_round_that_is_killed_at_every_step(ThreatModel::HonestButCurious);
}

#[test]
fn a_round_against_an_active_server_survives_kills_at_every_step() {
    a_round_that_is_killed_at_every_step(ThreatModel::ActiveServer);
}

/// In whichever stage a client comes too late.
fn rounds_that_are_killed_at_random_times(threat_model: ThreatModel) {
    for (seed, &leaves) in (0..).zip(&Stage::of(threat_model)[1..]) {
        let scene = Scene::new(threat_model, leaves, 2);
        scene.play(|scene, role| scene.kill_at_random(role, 3 * seed + role.number()));
    }
}

#[test]
fn rounds_against_a_curious_server_survive_kills_at_random_times() {
    rounds_that_are_killed_at_random_times(ThreatModel::HonestButCurious);
}

#[test]
fn rounds_against_an_active_server_survive_kills_at_random_times() {
    rounds_that_are_killed_at_random_times(ThreatModel::ActiveServer);
}
