//! One round over an in-process cohort, timed.

use std::time::Instant;

use secagg::server::{Recovered, Setup};
use secagg::{
    Aggregate, ClientId, Directory, Failure, Params, Pending, Report as Traffic, SessionId,
    ThreatModel, Workflow,
};
use secagg_kernels::Backend;

use crate::files::FileError;
use crate::fleet::Fleet;
use crate::in_process::{Exchange, InProcess};
use crate::process;

/// What a round gave, what went by, and what it took. The stages that were run are all here, also
/// when the round failed.
#[derive(Debug)]
pub struct Finished {
    /// The mean, or why there is none.
    pub outcome: Result<Aggregate<f64>, Failure<Box<FileError>>>,
    /// Messages and bytes by stage.
    pub traffic: Traffic,
    /// Clients' and server's time by stage.
    pub exchanges: Vec<Exchange>,
    /// Seconds from opening to closing each stage.
    pub seconds: Vec<f64>,
    /// What unmasking took, if the round came so far.
    pub unmasking: Option<Unmasking>,
}

/// The server's work after the last answer.
#[derive(Clone, Copy, Debug)]
pub struct Unmasking {
    /// Masks taken off.
    pub masks: usize,
    /// Seconds to recover the secrets and agree on the seeds, on one thread.
    pub recover_seconds: f64,
    /// Seconds to expand the masks, take them off and read the sum, on all threads.
    pub apply_seconds: f64,
    /// Processor time of both, over all threads, where the system tells.
    pub cpu_seconds: Option<f64>,
}

/// What a round is run with, beside its cohort.
#[derive(Clone, Debug)]
pub struct Round {
    /// The parameters.
    pub params: Params,
    /// The round's name.
    pub session: SessionId,
    /// What clients must agree on.
    pub application: Vec<u8>,
    /// The clients' verifying keys, where the server may be active.
    pub directory: Option<Directory>,
    /// The server's backend.
    pub backend: Backend,
    /// How long each stage waits.
    pub timeout: Option<std::time::Duration>,
}

/// Runs a round.
pub fn run<F: Fleet>(
    round: &Round,
    cohort: &[ClientId],
    driver: &mut InProcess<'_, F>,
) -> Finished {
    let mut workflow = Workflow::new(driver).timeout(round.timeout);
    let mut seconds = Vec::new();
    let recovered = stages(round, cohort, &mut workflow, &mut seconds);
    let traffic = workflow.report().clone();
    let exchanges = driver.ledger().to_vec();
    let mut unmasking = None;
    let outcome = recovered.and_then(|recovered| {
        let started = Instant::now();
        let masks = recovered.masks();
        let aggregate = recovered.aggregate();
        let apply_seconds = started.elapsed().as_secs_f64();
        unmasking = Some(Unmasking::new(masks, apply_seconds, &seconds, &exchanges));
        Ok(aggregate?)
    });
    Finished { outcome, traffic, exchanges, seconds, unmasking }
}

fn stages<F: Fleet>(
    round: &Round,
    cohort: &[ClientId],
    workflow: &mut Workflow<'_, InProcess<'_, F>>,
    seconds: &mut Vec<f64>,
) -> Result<Recovered, Failure<Box<FileError>>> {
    let Round { params, session, application, backend, directory, .. } = round;
    let params = params.clone();
    let active = params.threat_model() == ThreatModel::ActiveServer;
    let (setup, outgoing) = match directory {
        None => Setup::open(params, *session, cohort, application),
        Some(known) => Setup::open_signed(params, *session, cohort, application, known),
    }?;
    let pending = Pending::from((setup.backend(*backend), outgoing));
    let pending = timed(seconds, || workflow.setup(pending))?;
    let pending = timed(seconds, || workflow.share_keys(pending))?;
    let pending = timed(seconds, || workflow.collect_masked_vectors(pending))?;
    let pending = if active {
        timed(seconds, || workflow.confirm_survivors(pending))?
    } else {
        workflow.confirm_survivors(pending)?
    };
    timed(seconds, || workflow.unmask(pending))
}

fn timed<T>(seconds: &mut Vec<f64>, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    seconds.push(start.elapsed().as_secs_f64());
    result
}

impl Unmasking {
    /// From the end of the last exchange until now, the server alone was at work.
    fn new(masks: usize, apply_seconds: f64, stages: &[f64], exchanges: &[Exchange]) -> Self {
        let exchange = exchanges.last();
        let waiting = exchange.map_or(0.0, |exchange| exchange.seconds);
        let before = exchange.and_then(|exchange| exchange.cpu_seconds_at_end);
        Self {
            masks,
            recover_seconds: stages.last().map_or(0.0, |stage| stage - waiting),
            apply_seconds,
            cpu_seconds: process::cpu_seconds().zip(before).map(|(now, before)| now - before),
        }
    }
}
