//! A whole cohort in this process: clients on a bounded pool of threads, with scripted faults.
//!
//! Every message is encoded, handed over and decoded, as it would be over a network. At most one
//! client per thread is at work, and holds an update only while it masks it. Whichever thread
//! brings an answer does the server's work on it, too.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rand_core::{CryptoRng, Rng};
use secagg::{Client, ClientId, Driver, Outgoing, Receive, Refused, Stage};

use crate::crew::Crew;
use crate::fault::{Fault, Faults};
use crate::files::{FileError, Values};
use crate::fleet::{Contribution, Fleet};
use crate::parts::Listener;
use crate::process::Stopwatch;

/// The random numbers of one client.
pub type Randomness = Box<dyn CryptoRng + Send>;

/// Called with the stage, the answers so far, and the clients asked.
pub type Progress<'a> = Box<dyn FnMut(Stage, usize, usize) + Send + 'a>;

/// The driver: a cohort, its faults and the pool that it runs on.
pub struct InProcess<'a, F> {
    fleet: &'a F,
    participants: BTreeMap<ClientId, Participant>,
    faults: Faults,
    crew: &'a Crew,
    progress: Progress<'a>,
    ledger: Vec<Exchange>,
}

/// Time of one exchange, and which clients refused to answer.
#[derive(Clone, Debug, Default)]
pub struct Exchange {
    /// Time from the first message to the last answer.
    pub seconds: f64,
    /// Processor time of all clients.
    pub client_seconds: f64,
    /// Processor time that the server took for their answers.
    pub server_seconds: f64,
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

/// A client's answer, and the client if it goes on; with the processor time that it took.
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
        crew: &'a Crew,
    ) -> Self {
        let participant = |id| {
            let (setup, random) = client(id);
            (id, Participant { client: Client::Setup(setup), random })
        };
        Self {
            fleet,
            participants: fleet.cohort().into_iter().map(participant).collect(),
            faults: Faults::default(),
            crew,
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

    /// Sets the function that is called after each answer.
    #[must_use]
    pub fn progress(mut self, progress: Progress<'a>) -> Self {
        self.progress = progress;
        self
    }

    /// Time of each exchange so far, in order.
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
        receive: &Receive<'_>,
    ) -> Result<(), Box<FileError>> {
        let clock = Clock { start: Instant::now(), timeout };
        let asked = outgoing.len();
        let (prompt, delayed) = self.jobs(stage, outgoing);
        let mut progress = |answers| (self.progress)(stage, answers, asked);
        let tray = Mutex::new(Tray {
            participants: &mut self.participants,
            exchange: Exchange::default(),
            answers: 0,
            progress: &mut progress,
            error: None,
        });
        let inbox = Inbox { clock: &clock, receive, tray };
        run_crew(self.fleet, prompt, self.crew, &inbox);
        let listener = Listener::here();
        self.crew.alone(|| listener.listen(|| run_delayed(self.fleet, delayed, &inbox)));
        let Tray { mut exchange, error, .. } = inbox.into_tray();
        exchange.seconds = clock.start.elapsed().as_secs_f64();
        self.ledger.push(exchange);
        error.map_or(Ok(()), |error| Err(Box::new(error)))
    }
}

/// When an exchange began, and how long it may take.
struct Clock {
    start: Instant,
    timeout: Option<Duration>,
}

impl Clock {
    /// The rest of the timeout; `None` without one.
    fn left(&self) -> Option<Duration> {
        self.timeout.map(|timeout| timeout.saturating_sub(self.start.elapsed()))
    }

    /// An answer that is ready when time is up is late all the same.
    fn is_up(&self) -> bool {
        self.left() == Some(Duration::ZERO)
    }
}

/// Where answers arrive, from any thread.
struct Inbox<'a> {
    clock: &'a Clock,
    receive: &'a Receive<'a>,
    tray: Mutex<Tray<'a>>,
}

/// Handling of answers.
struct Tray<'a> {
    participants: &'a mut BTreeMap<ClientId, Participant>,
    exchange: Exchange,
    answers: usize,
    progress: &'a mut (dyn FnMut(usize) + Send),
    error: Option<FileError>,
}

impl<'a> Inbox<'a> {
    /// Whether nobody waits for answers any more.
    fn is_closed(&self) -> bool {
        self.clock.is_up() || self.tray().error.is_some()
    }

    fn accept(&self, Answered { id, seconds, outcome }: Answered) {
        if self.is_closed() {
            return;
        }
        let outcome = outcome.map(|(participant, reply)| {
            let watch = Stopwatch::start();
            // Whether it was rejected stands in the workflow's report.
            let _ = (self.receive)(id, &reply);
            (participant, watch.seconds())
        });
        self.tray().note(id, seconds, outcome);
    }

    fn tray(&self) -> MutexGuard<'_, Tray<'a>> {
        self.tray.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn into_tray(self) -> Tray<'a> {
        self.tray.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tray<'_> {
    /// Time of a client, and of the server for its answer.
    fn note(&mut self, id: ClientId, seconds: f64, outcome: Result<(Participant, f64), Failed>) {
        self.exchange.client_seconds += seconds;
        match outcome {
            Ok((participant, seconds)) => {
                self.participants.insert(id, participant);
                self.exchange.server_seconds += seconds;
            }
            Err(Failed::Refused(refused)) => self.exchange.refused.push((id, refused)),
            Err(Failed::File(error)) => self.error = Some(error),
        }
        self.answers += 1;
        (self.progress)(self.answers);
    }
}

/// Runs jobs on all threads until all are done or time is up.
fn run_crew(fleet: &impl Fleet, jobs: Vec<Job>, crew: &Crew, inbox: &Inbox<'_>) {
    let threads = jobs.len();
    let (queue, listener) = (Mutex::new(jobs.into_iter()), Listener::here());
    crew.each(threads, &|| listener.listen(|| work(fleet, &queue, inbox)));
}

/// One thread's work: until there are no more jobs, or nobody waits for the answers.
fn work(fleet: &impl Fleet, queue: &Mutex<impl Iterator<Item = Job>>, inbox: &Inbox<'_>) {
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    while let Some(job) = next().filter(|_| !inbox.is_closed()) {
        inbox.accept(job.run(fleet));
    }
}

/// Runs delayed jobs, the least delayed first, until time is up.
fn run_delayed(fleet: &impl Fleet, jobs: Vec<(Duration, Job)>, inbox: &Inbox<'_>) {
    let clock = inbox.clock;
    for (delay, job) in jobs {
        let wait = delay.saturating_sub(clock.start.elapsed());
        if let Some(left) = clock.left().filter(|&left| left <= wait) {
            thread::sleep(left);
            return;
        }
        thread::sleep(wait);
        if inbox.is_closed() {
            return;
        }
        inbox.accept(job.run(fleet));
    }
}

impl Job {
    fn run(mut self, fleet: &impl Fleet) -> Answered {
        let (id, fault) = (self.id, self.fault);
        let contribution = self.contribution(fleet);
        let watch = Stopwatch::start();
        let outcome = contribution.map_err(Failed::File).and_then(|it| self.answer(it));
        let outcome = outcome.map(|(mut participant, mut reply)| {
            if fault == Some(Fault::Garbage) {
                participant.random.fill_bytes(&mut reply);
            }
            (participant, reply)
        });
        Answered { id, seconds: watch.seconds(), outcome }
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
