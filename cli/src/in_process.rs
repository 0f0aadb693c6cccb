//! A whole cohort in this process: clients on a bounded pool of threads, with scripted faults.
//!
//! Every message is encoded, handed over and decoded, as it would be over a network. At most one
//! client per thread is at work, and holds an update only while it masks it.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rand_core::{CryptoRng, Rng};
use secagg::{Client, ClientId, Driver, Outgoing, Receive, Refused, Stage};

use crate::fault::{Fault, Faults};
use crate::files::{FileError, Values};
use crate::fleet::{Contribution, Fleet};
use crate::process;

/// The random numbers of one client.
pub type Randomness = Box<dyn CryptoRng + Send>;

/// Called with the stage, the answers so far, and the clients asked.
pub type Progress<'a> = Box<dyn FnMut(Stage, usize, usize) + 'a>;

/// The driver: a cohort, its faults and the pool that it runs on.
pub struct InProcess<'a, F> {
    fleet: &'a F,
    participants: BTreeMap<ClientId, Participant>,
    faults: Faults,
    threads: usize,
    progress: Progress<'a>,
    ledger: Vec<Exchange>,
}

/// What one exchange took, and which clients refused to answer.
#[derive(Clone, Debug, Default)]
pub struct Exchange {
    /// Time from the first message to the last answer.
    pub seconds: f64,
    /// Time that clients computed, added over clients.
    pub client_seconds: f64,
    /// Time that the server took to judge answers.
    pub server_seconds: f64,
    /// Processor time of this process at the end, where the system tells.
    pub cpu_seconds_at_end: Option<f64>,
    /// Clients that found fault with the server's message, and left.
    pub refused: Vec<(ClientId, Refused)>,
}

/// A client between two messages.
struct Participant {
    client: Client,
    random: Randomness,
}

/// A message that a client is to answer.
struct Job {
    id: ClientId,
    participant: Participant,
    message: Arc<[u8]>,
    fault: Option<Fault>,
}

/// A client's answer, and the client if it goes on.
struct Answered {
    id: ClientId,
    seconds: f64,
    outcome: Result<(Participant, Vec<u8>), Failed>,
}

enum Failed {
    Refused(Refused),
    File(FileError),
}

impl<F> std::fmt::Debug for InProcess<'_, F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InProcess").field("ledger", &self.ledger).finish_non_exhaustive()
    }
}

impl<'a, F: Fleet> InProcess<'a, F> {
    /// A driver for the clients of `fleet`, each made by `client` with its own random numbers.
    pub fn new(
        fleet: &'a F,
        client: impl Fn(ClientId) -> (secagg::client::Setup, Randomness),
        threads: usize,
    ) -> Self {
        let participant = |id| {
            let (setup, random) = client(id);
            (id, Participant { client: Client::Setup(setup), random })
        };
        Self {
            fleet,
            participants: fleet.cohort().into_iter().map(participant).collect(),
            faults: Faults::default(),
            threads: threads.max(1),
            progress: Box::new(|_, _, _| ()),
            ledger: Vec::new(),
        }
    }

    /// Sets the faults.
    #[must_use]
    pub fn faults(mut self, faults: Faults) -> Self {
        self.faults = faults;
        self
    }

    /// Sets what is called after each answer.
    #[must_use]
    pub fn progress(mut self, progress: Progress<'a>) -> Self {
        self.progress = progress;
        self
    }

    /// What each exchange took so far, in order.
    pub fn ledger(&self) -> &[Exchange] {
        &self.ledger
    }

    /// Who is to answer at once, and who after a delay. Who drops is gone.
    fn jobs(&mut self, stage: Stage, outgoing: Vec<Outgoing>) -> (Vec<Job>, Vec<(Duration, Job)>) {
        let (mut prompt, mut delayed) = (Vec::new(), Vec::new());
        for Outgoing { to: id, message } in outgoing {
            let fault = self.faults.get(id, stage);
            let Some(participant) = self.participants.remove(&id) else { continue };
            let job = Job { id, participant, message, fault };
            match fault {
                Some(Fault::Drop) => (),
                Some(Fault::Delay(delay)) => delayed.push((delay, job)),
                Some(Fault::Garbage) | None => prompt.push(job),
            }
        }
        delayed.sort_by_key(|&(delay, _)| delay);
        (prompt, delayed)
    }
}

impl<F: Fleet> Driver for InProcess<'_, F> {
    type Error = Box<FileError>;

    fn exchange(
        &mut self,
        stage: Stage,
        outgoing: Vec<Outgoing>,
        timeout: Option<Duration>,
        receive: &mut Receive<'_>,
    ) -> Result<(), Box<FileError>> {
        let clock = Clock { start: Instant::now(), timeout };
        let asked = outgoing.len();
        let (prompt, delayed) = self.jobs(stage, outgoing);
        let mut inbox = Inbox {
            participants: &mut self.participants,
            exchange: Exchange::default(),
            answers: 0,
            receive,
            progress: &mut |answers| (self.progress)(stage, answers, asked),
        };
        let outcome = run_pool(self.fleet, prompt, self.threads, &clock, &mut inbox)
            .and_then(|()| run_delayed(self.fleet, delayed, &clock, &mut inbox));
        let mut exchange = inbox.exchange;
        exchange.seconds = clock.start.elapsed().as_secs_f64();
        exchange.cpu_seconds_at_end = process::cpu_seconds();
        self.ledger.push(exchange);
        outcome.map_err(Box::new)
    }
}

/// When an exchange began, and how long it may take.
struct Clock {
    start: Instant,
    timeout: Option<Duration>,
}

impl Clock {
    /// What is left of the timeout; `None` without one.
    fn left(&self) -> Option<Duration> {
        self.timeout.map(|timeout| timeout.saturating_sub(self.start.elapsed()))
    }
}

/// Where answers arrive, one after another.
struct Inbox<'a> {
    participants: &'a mut BTreeMap<ClientId, Participant>,
    exchange: Exchange,
    answers: usize,
    receive: &'a mut Receive<'a>,
    progress: &'a mut dyn FnMut(usize),
}

impl Inbox<'_> {
    fn accept(&mut self, answered: Answered) -> Result<(), FileError> {
        self.exchange.client_seconds += answered.seconds;
        match answered.outcome {
            Ok((participant, reply)) => {
                self.participants.insert(answered.id, participant);
                let start = Instant::now();
                // Whether it was rejected stands in the workflow's report.
                let _ = (self.receive)(answered.id, &reply);
                self.exchange.server_seconds += start.elapsed().as_secs_f64();
            }
            Err(Failed::Refused(refused)) => self.exchange.refused.push((answered.id, refused)),
            Err(Failed::File(error)) => return Err(error),
        }
        self.answers += 1;
        (self.progress)(self.answers);
        Ok(())
    }
}

/// Runs jobs on a pool, and hands answers over until all are there or time is up. Answers wait in a
/// channel no longer than the pool is wide, so that fast clients do not fill the memory.
fn run_pool(
    fleet: &impl Fleet,
    jobs: Vec<Job>,
    threads: usize,
    clock: &Clock,
    inbox: &mut Inbox<'_>,
) -> Result<(), FileError> {
    let queue = &Mutex::new(jobs.into_iter());
    thread::scope(|scope| {
        let (outbox, answers) = sync_channel(threads);
        for _ in 0..threads {
            let outbox = outbox.clone();
            scope.spawn(move || work(fleet, queue, &outbox));
        }
        drop(outbox);
        while let Some(answered) = next_answer(&answers, clock) {
            inbox.accept(answered)?;
        }
        Ok(())
    })
}

/// One thread's work: until there are no more jobs, or nobody waits for the answers.
fn work(
    fleet: &impl Fleet,
    queue: &Mutex<impl Iterator<Item = Job>>,
    outbox: &SyncSender<Answered>,
) {
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    while let Some(job) = next() {
        if outbox.send(job.run(fleet)).is_err() {
            return;
        }
    }
}

fn next_answer(answers: &Receiver<Answered>, clock: &Clock) -> Option<Answered> {
    match clock.left() {
        None => answers.recv().ok(),
        // An answer that is ready when time is up is late all the same.
        Some(Duration::ZERO) => None,
        Some(left) => answers.recv_timeout(left).ok(),
    }
}

/// Runs delayed jobs, the least delayed first, until time is up.
fn run_delayed(
    fleet: &impl Fleet,
    jobs: Vec<(Duration, Job)>,
    clock: &Clock,
    inbox: &mut Inbox<'_>,
) -> Result<(), FileError> {
    for (delay, job) in jobs {
        let wait = delay.saturating_sub(clock.start.elapsed());
        if let Some(left) = clock.left().filter(|&left| left <= wait) {
            thread::sleep(left);
            return Ok(());
        }
        thread::sleep(wait);
        let answered = job.run(fleet);
        if clock.left() == Some(Duration::ZERO) {
            return Ok(());
        }
        inbox.accept(answered)?;
    }
    Ok(())
}

impl Job {
    fn run(mut self, fleet: &impl Fleet) -> Answered {
        let (id, fault) = (self.id, self.fault);
        let contribution = self.contribution(fleet);
        let start = Instant::now();
        let outcome = contribution.map_err(Failed::File).and_then(|it| self.answer(it));
        let outcome = outcome.map(|(mut participant, mut reply)| {
            if fault == Some(Fault::Garbage) {
                participant.random.fill_bytes(&mut reply);
            }
            (participant, reply)
        });
        Answered { id, seconds: start.elapsed().as_secs_f64(), outcome }
    }

    /// The client's update, in the one stage that needs it.
    fn contribution(&mut self, fleet: &impl Fleet) -> Result<Contribution, FileError> {
        match self.participant.client.stage() {
            Some(Stage::CollectMaskedVectors) => fleet.contribution(self.id),
            _ => Ok(Contribution { weight: 0.0, update: Values::F32(Vec::new()) }),
        }
    }

    fn answer(self, contribution: Contribution) -> Result<(Participant, Vec<u8>), Failed> {
        let Participant { client, mut random } = self.participant;
        let Contribution { weight, update } = contribution;
        let answer = match update {
            Values::F32(update) => client.answer(&self.message, weight, &update, &mut random),
            Values::F64(update) => client.answer(&self.message, weight, &update, &mut random),
        };
        let (client, reply) = answer.map_err(Failed::Refused)?;
        Ok((Participant { client, random }, reply))
    }
}
