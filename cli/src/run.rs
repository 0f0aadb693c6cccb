//! One round over an in-process cohort, timed.

use std::time::Instant;

use getrandom::SysRng;
use rand_core::UnwrapErr;
use secagg::server::{Recovered, Setup};
use secagg::{
    Aggregate, ClientId, Directory, Failure, Params, Pending, Report as Traffic, SessionId,
    ThreatModel, Workflow,
};
use secagg_kernels::Backend;

use crate::files::FileError;
use crate::fleet::Fleet;
use crate::in_process::{Exchange, InProcess};
use crate::parts::Parts;
use crate::process::Stopwatch;

/// Outcome, traffic and times of a round. A round that failed has the stages that were run.
#[derive(Debug)]
pub struct Finished {
    /// The mean, or why there is none.
    pub outcome: Result<Aggregate<f64>, Failure<Box<FileError>>>,
    /// Messages and bytes by stage.
    pub traffic: Traffic,
    /// Clients' and server's time by stage.
    pub exchanges: Vec<Exchange>,
    /// Time of each stage, from opening to closing it.
    pub stages: Vec<StageTime>,
    /// Time of unmasking, if the round came so far.
    pub unmasking: Option<Unmasking>,
}

impl Finished {
    /// The round, unless an update could not be read in the middle of it: that is a fault of the
    /// input.
    ///
    /// # Errors
    /// [`FileError`] names the file.
    pub fn or_file_error(mut self) -> Result<Self, FileError> {
        match self.outcome {
            Err(Failure::Driver(error)) => Err(*error),
            outcome => {
                self.outcome = outcome;
                Ok(self)
            }
        }
    }
}

/// Time of a stage beside its [`Exchange`].
#[derive(Clone, Copy, Debug, Default)]
pub struct StageTime {
    /// Seconds on the clock, from opening to closing it.
    pub seconds: f64,
    /// Processor seconds to close it.
    pub closing_processor_seconds: f64,
}

/// Masks that the server removed, and the time of it.
#[derive(Clone, Copy, Debug)]
pub struct Unmasking {
    /// Masks of the sum.
    pub masks: usize,
    /// Those that came off while answers still arrived.
    pub masks_taken_off: usize,
    /// Processor seconds to recover secrets and agree on seeds.
    pub recover_seconds: f64,
    /// Processor seconds to expand the masks and take them off.
    pub apply_seconds: f64,
    /// Seconds on the clock, from the closing of the last stage to the mean.
    pub last_seconds: f64,
    /// Processor seconds of that.
    pub last_processor_seconds: f64,
}

/// Everything that a round needs beside its cohort.
#[derive(Clone, Debug)]
pub struct Round {
    /// The parameters.
    pub params: Params,
    /// The round's name.
    pub session: SessionId,
    /// Bytes that clients must agree on.
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
    let parts = Parts::default();
    parts.listen(|| run_observed(round, cohort, driver, &parts))
}

fn run_observed<F: Fleet>(
    round: &Round,
    cohort: &[ClientId],
    driver: &mut InProcess<'_, F>,
    parts: &Parts,
) -> Finished {
    let mut random = UnwrapErr(SysRng);
    let mut workflow = Workflow::new(driver, &mut random).timeout(round.timeout);
    let mut times = Times { parts, stages: Vec::new() };
    let recovered = stages(round, cohort, &mut workflow, &mut times);
    let traffic = workflow.report().clone();
    let mut unmasking = None;
    let outcome = recovered.and_then(|recovered| {
        let (masks, masks_taken_off) = (recovered.masks(), recovered.masks_taken_off());
        let (started, watch) = (Instant::now(), Stopwatch::start());
        let aggregate = recovered.aggregate();
        unmasking = Some(Unmasking {
            masks,
            masks_taken_off,
            recover_seconds: parts.seconds("recover"),
            apply_seconds: parts.seconds("apply"),
            last_seconds: started.elapsed().as_secs_f64(),
            last_processor_seconds: watch.seconds(),
        });
        Ok(aggregate?)
    });
    let exchanges = driver.ledger().to_vec();
    Finished { outcome, traffic, exchanges, stages: times.stages, unmasking }
}

fn stages<F: Fleet>(
    round: &Round,
    cohort: &[ClientId],
    workflow: &mut Workflow<'_, InProcess<'_, F>, UnwrapErr<SysRng>>,
    times: &mut Times<'_>,
) -> Result<Recovered, Failure<Box<FileError>>> {
    let Round { params, session, application, backend, directory, .. } = round;
    let params = params.clone();
    let active = params.threat_model() == ThreatModel::ActiveServer;
    let (setup, outgoing) = match directory {
        None => Setup::open(params, *session, cohort, application),
        Some(known) => Setup::open_signed(params, *session, cohort, application, known),
    }?;
    let pending = Pending::from((setup.backend(*backend), outgoing));
    let pending = times.of(|| workflow.setup(pending))?;
    let pending = times.of(|| workflow.share_keys(pending))?;
    let pending = times.of(|| workflow.collect_masked_vectors(pending))?;
    let pending = if active {
        times.of(|| workflow.confirm_survivors(pending))?
    } else {
        workflow.confirm_survivors(pending)?
    };
    times.of(|| workflow.unmask(pending))
}

/// Looks at the clock.
struct Times<'a> {
    parts: &'a Parts,
    stages: Vec<StageTime>,
}

impl Times<'_> {
    fn of<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let (start, closing) = (Instant::now(), self.parts.seconds("close"));
        let result = work();
        self.stages.push(StageTime {
            seconds: start.elapsed().as_secs_f64(),
            closing_processor_seconds: self.parts.seconds("close") - closing,
        });
        result
    }
}
