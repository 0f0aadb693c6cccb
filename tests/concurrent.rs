//! Messages that many threads bring at once: whatever their order, a round goes as it does on one thread.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use secagg::server::{Collecting, FalseShare, Recovered, Save, Unmask};
use secagg::{ClientId, ClientMisbehaved, Outgoing, Rejected, Stage, StateKey, ThreatModel};
use secagg_tests::{Cohort, Scene, wire};

const THREADS: usize = 4;

/// How messages reach a stage.
trait Bring {
    fn bring<S: Collecting>(&self, stage: &mut S, messages: &[(ClientId, Vec<u8>)]);
}

/// One after another.
struct Queue;

impl Bring for Queue {
    fn bring<S: Collecting>(&self, stage: &mut S, messages: &[(ClientId, Vec<u8>)]) {
        for (from, message) in messages {
            assert_eq!(stage.receive(*from, message), Ok(()), "{from}");
        }
    }
}

/// Each message twice, by two threads that are hardly apart: one of the two is taken.
struct Crowd;

impl Bring for Crowd {
    fn bring<S: Collecting>(&self, stage: &mut S, messages: &[(ClientId, Vec<u8>)]) {
        let (next, accepted) = (AtomicUsize::new(0), Mutex::new(BTreeMap::<ClientId, u32>::new()));
        let duplicate = Rejected::Misbehaved(ClientMisbehaved::Duplicate);
        stage.concurrently(|receive| {
            let next = || messages.get(next.fetch_add(1, Ordering::Relaxed) / 2);
            let work = || {
                while let Some((from, message)) = next() {
                    match receive(*from, message) {
                        Ok(()) => *accepted.lock().unwrap().entry(*from).or_default() += 1,
                        Err(rejected) => assert_eq!(rejected, duplicate, "{from}"),
                    }
                }
            };
            thread::scope(|scope| (0..THREADS).for_each(|_| drop(scope.spawn(work))));
        });
        let accepted = accepted.into_inner().unwrap();
        assert!(accepted.len() == messages.len() && accepted.values().all(|&times| times == 1));
    }
}

/// A round whose clients vanish as the script says.
struct Play {
    scene: Scene<f64>,
    silent: Vec<(u64, Stage)>,
}

impl Play {
    fn new(cohort: &Cohort, silent: &[(u64, Stage)]) -> Self {
        Self { scene: cohort.scene(), silent: silent.to_vec() }
    }

    fn run(mut self, way: &impl Bring) -> Recovered {
        let (unmask, outgoing) = self.until_unmask(way);
        self.step(way, unmask, &outgoing).0
    }

    fn until_unmask(&mut self, way: &impl Bring) -> (Unmask, Vec<Outgoing>) {
        let (setup, outgoing) = self.scene.open();
        let (share_keys, outgoing) = self.step(way, setup, &outgoing);
        let (collect, outgoing) = self.step(way, share_keys, &outgoing);
        let (confirm, outgoing) = self.step(way, collect, &outgoing);
        self.step(way, confirm, &outgoing)
    }

    fn step<S: Collecting>(
        &mut self,
        way: &impl Bring,
        mut stage: S,
        outgoing: &[Outgoing],
    ) -> (S::Next, Vec<Outgoing>) {
        way.bring(&mut stage, &self.answers(S::STAGE, outgoing));
        stage.close(&mut secagg_tests::rng()).expect("enough answers")
    }

    fn answers(&mut self, stage: Stage, outgoing: &[Outgoing]) -> Vec<(ClientId, Vec<u8>)> {
        let is_silent = |sent: &&Outgoing| self.silent.contains(&(sent.to.0, stage));
        let asked: Vec<_> = outgoing.iter().filter(|sent| !is_silent(sent)).cloned().collect();
        self.scene.ask_all(&asked)
    }
}

/// Some vanish at every stage. Vectors have several stripes, the last of which is short.
fn cohorts() -> [(Cohort, Vec<(u64, Stage)>); 4] {
    use Stage::{CollectMaskedVectors, Setup, ShareKeys};
    let gone = vec![
        (2, Setup),
        (3, ShareKeys),
        (5, CollectMaskedVectors),
        (9, CollectMaskedVectors),
        (11, Stage::Unmask),
    ];
    let complete = || Cohort::secagg(40).threshold(0.5).dimension(40_000);
    let sparse = || Cohort::secagg_plus(60, 20).threshold(8).dimension(1_000);
    [
        (complete(), gone.clone()),
        (sparse(), gone.clone()),
        (complete().against(ThreatModel::ActiveServer), gone),
        (sparse(), Vec::new()),
    ]
}

/// With a threshold so low, enough shares for a secret come again and again while some thread works on it.
#[test]
fn no_mask_comes_off_twice() {
    let cohort = Cohort::secagg(48).threshold(2).dimension(20_000);
    let silent: Vec<_> = (1..9).map(|client| (client, Stage::CollectMaskedVectors)).collect();
    let expected = Play::new(&cohort, &silent).run(&Queue).aggregate::<f64>().unwrap();
    for attempt in 0..20 {
        let recovered = Play::new(&cohort, &silent).run(&Crowd);
        assert_eq!(recovered.masks(), 40 + 8 * 40);
        assert_eq!(recovered.aggregate::<f64>().as_ref(), Ok(&expected), "attempt {attempt}");
    }
}

#[test]
fn threads_change_nothing() {
    for (cohort, silent) in cohorts() {
        let one = Play::new(&cohort, &silent).run(&Queue);
        let many = Play::new(&cohort, &silent).run(&Crowd);
        assert_eq!(one.masks(), many.masks());
        assert_eq!(one.masks_taken_off(), 0);
        assert!(many.masks_taken_off() >= 32, "{}", many.masks_taken_off());
        let (one, many) = (one.aggregate::<f64>().unwrap(), many.aggregate::<f64>().unwrap());
        assert_eq!(one, many);
    }
}

/// Client 1 lies about everyone, and is among the first. What is recovered without it is right; the others' secrets
/// wait for the end, and then the lie is found.
#[test]
fn liars_are_found_in_the_end() {
    let mut play = Play::new(&Cohort::secagg(40).threshold(10), &[]);
    let (mut unmask, outgoing) = play.until_unmask(&Crowd);
    let mut answers = play.answers(Stage::Unmask, &outgoing);
    for owner in 0..39 {
        answers[0].1[wire::revealed(owner).end - 1] ^= 1;
    }
    Crowd.bring(&mut unmask, &answers);
    let (recovered, _) =
        unmask.close(&mut secagg_tests::rng()).expect("39 honest shares of each secret");
    let masks = recovered.masks();
    assert!(recovered.masks_taken_off() < masks, "all came off in spite of a false share");
    let aggregate = recovered.aggregate::<f64>().expect("a sum without masks");
    let expected = Play::new(&Cohort::secagg(40).threshold(10), &[]).run(&Queue).aggregate::<f64>();
    assert_eq!(aggregate.mean, expected.expect("a sum without masks").mean);
    let is_first = |share: &FalseShare| share.holder == ClientId(1);
    assert!(!aggregate.false_shares.is_empty() && aggregate.false_shares.iter().all(is_first));
}

/// A server that ends while masks are coming off goes on where it was.
#[test]
fn what_was_taken_off_is_saved() {
    let (cohort, silent) = cohorts().into_iter().next().unwrap();
    let expected = Play::new(&cohort, &silent).run(&Queue).aggregate::<f64>().unwrap();
    let mut play = Play::new(&cohort, &silent);
    let (mut unmask, outgoing) = play.until_unmask(&Crowd);
    let answers = play.answers(Stage::Unmask, &outgoing);
    let (before, after) = answers.split_at(30);
    Crowd.bring(&mut unmask, before);
    let (key, mut rng) = (StateKey::from_bytes([7; 32]), ChaCha20Rng::seed_from_u64(1));
    let state = unmask.save(&outgoing, &key, &mut rng);
    let (mut unmask, _) = Unmask::restore(&state, &key, None).expect("what was saved");
    Queue.bring(&mut unmask, after);
    let (recovered, _) = unmask.close(&mut secagg_tests::rng()).expect("enough answers");
    assert!((1..recovered.masks()).contains(&recovered.masks_taken_off()));
    assert_eq!(recovered.aggregate::<f64>().unwrap(), expected);
}
