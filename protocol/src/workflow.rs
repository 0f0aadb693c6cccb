//! A whole round over a [`Driver`].

use core::time::Duration;
use std::sync::{Mutex, PoisonError};

use rand_core::CryptoRng;
use secagg_kernels::Real;

use crate::error::{Abort, Misuse, Rejected};
use crate::server::{
    Aggregate, CollectMaskedVectors, Collecting, ConfirmSurvivors, Recovered, Setup, ShareKeys,
    Unmask,
};
use crate::{ClientId, Directory, Driver, Outgoing, Params, SessionId, Stage, trace};

/// Runs the stages of a round, one after the other, and keeps count of what went by.
///
/// [`run`](Self::run) does it all. To do something between the stages, call
/// [`setup`](Self::setup), [`share_keys`](Self::share_keys),
/// [`collect_masked_vectors`](Self::collect_masked_vectors),
/// [`confirm_survivors`](Self::confirm_survivors) and [`unmask`](Self::unmask) in turn: each takes what
/// the one before gave.
#[derive(Debug)]
pub struct Workflow<'a, D, R> {
    driver: &'a mut D,
    rng: &'a mut R,
    timeout: Option<Duration>,
    directory: Option<Directory>,
    report: Report,
}

/// A stage that is open, and the messages that open it.
#[derive(Debug)]
pub struct Pending<S> {
    stage: S,
    outgoing: Vec<Outgoing>,
}

/// Why a workflow ended without an aggregate.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Failure<E> {
    /// The round could not finish.
    #[error("the round could not finish: {0}")]
    Abort(#[from] Abort),
    /// The cohort does not fit the parameters.
    #[error(transparent)]
    Misuse(#[from] Misuse),
    /// The transport failed.
    #[error("the transport failed: {0}")]
    Driver(E),
}

/// What went by in a round, also in one that failed.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// One entry for each stage that was run, in order.
    pub stages: Vec<StageReport>,
}

/// What went by in one stage.
#[derive(Clone, Debug)]
pub struct StageReport {
    /// The stage.
    pub stage: Stage,
    /// Clients that were asked.
    pub asked: Vec<ClientId>,
    /// Clients whose answer was accepted, in the order in which they answered.
    pub answered: Vec<ClientId>,
    /// Clients that did not answer in time, or whose answers were all rejected; ascending.
    pub dropped: Vec<ClientId>,
    /// Clients that answered, but are left out of the next stage, since too few of their neighbours
    /// answered to recover their secrets.
    pub left_out: Vec<ClientId>,
    /// Messages that were rejected, and why. It grows with each, also of strangers: a driver should limit how
    /// often it hears one sender.
    pub rejected: Vec<(ClientId, Rejected)>,
    /// Bytes sent to clients.
    pub bytes_down: u64,
    /// Bytes received from clients, rejected messages included.
    pub bytes_up: u64,
}

impl<'a, D: Driver, R: CryptoRng> Workflow<'a, D, R> {
    /// A workflow over a driver, without a timeout. What the server draws, it draws from `rng` (see
    /// [`Collecting::close`]).
    pub fn new(driver: &'a mut D, rng: &'a mut R) -> Self {
        Self { driver, rng, timeout: None, directory: None, report: Report::default() }
    }

    /// Sets how long each stage waits for answers; the driver keeps the time.
    #[must_use]
    pub fn timeout(mut self, timeout: Option<Duration>) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the directory of the clients' verifying keys, which rounds against an active server need.
    #[must_use]
    pub fn directory(mut self, directory: Directory) -> Self {
        self.directory = Some(directory);
        self
    }

    /// What has gone by so far.
    pub const fn report(&self) -> &Report {
        &self.report
    }

    /// Runs a whole round. The session id must be fresh and random; `application` is what clients
    /// must agree on (see [`crate::client::Setup::application`]).
    ///
    /// # Errors
    /// [`Failure`]; [`report`](Self::report) tells how far the round came.
    pub fn run<F: Real>(
        &mut self,
        params: Params,
        session: SessionId,
        cohort: &[ClientId],
        application: &[u8],
    ) -> Result<Aggregate<F>, Failure<D::Error>> {
        let setup = match &self.directory {
            None => Setup::open(params, session, cohort, application),
            Some(known) => Setup::open_signed(params, session, cohort, application, known),
        }?;
        let share_keys = self.setup(setup.into())?;
        let collect = self.share_keys(share_keys)?;
        let confirm = self.collect_masked_vectors(collect)?;
        let unmask = self.confirm_survivors(confirm)?;
        Ok(self.unmask(unmask)?.aggregate()?)
    }

    /// Runs the setup: clients advertise their keys.
    ///
    /// # Errors
    /// [`Failure`], as for all stages.
    pub fn setup(
        &mut self,
        pending: Pending<Setup>,
    ) -> Result<Pending<ShareKeys>, Failure<D::Error>> {
        self.stage(pending)
    }

    /// Runs the second stage: clients share their secrets with their neighbours.
    ///
    /// # Errors
    /// [`Failure`], as for all stages.
    pub fn share_keys(
        &mut self,
        pending: Pending<ShareKeys>,
    ) -> Result<Pending<CollectMaskedVectors>, Failure<D::Error>> {
        self.stage(pending)
    }

    /// Runs the third stage: clients send their masked vectors, which are added up as they come.
    ///
    /// # Errors
    /// [`Failure`], as for all stages.
    pub fn collect_masked_vectors(
        &mut self,
        pending: Pending<CollectMaskedVectors>,
    ) -> Result<Pending<ConfirmSurvivors>, Failure<D::Error>> {
        self.stage(pending)
    }

    /// Runs the stage before the last: clients sign who survived. If the server is assumed to be
    /// curious, nobody is asked, and the report does not mention the stage.
    ///
    /// # Errors
    /// [`Failure`], as for all stages.
    pub fn confirm_survivors(
        &mut self,
        pending: Pending<ConfirmSurvivors>,
    ) -> Result<Pending<Unmask>, Failure<D::Error>> {
        self.stage(pending)
    }

    /// Runs the last stage: survivors reveal shares, and the plan of masks is recovered.
    ///
    /// # Errors
    /// [`Failure`], as for all stages.
    pub fn unmask(&mut self, pending: Pending<Unmask>) -> Result<Recovered, Failure<D::Error>> {
        self.stage(pending).map(|done| done.stage)
    }

    fn stage<S: Collecting>(
        &mut self,
        pending: Pending<S>,
    ) -> Result<Pending<S::Next>, Failure<D::Error>> {
        let (next, outgoing) = trace::stage(S::STAGE, || {
            let stage = self.exchange(pending)?;
            trace::close(|| stage.close(self.rng)).map_err(Failure::Abort)
        })?;
        self.note_left_out(&outgoing);
        Ok(Pending { stage: next, outgoing })
    }

    /// Who answered a stage and is not asked in the next one; the last stage asks nobody.
    fn note_left_out(&mut self, next: &[Outgoing]) {
        if let (Some(report), false) = (self.report.stages.last_mut(), next.is_empty()) {
            let goes_on =
                |client| next.binary_search_by_key(&client, |outgoing| outgoing.to).is_ok();
            let answered = report.answered.iter().copied();
            report.left_out = answered.filter(|&client| !goes_on(client)).collect();
        }
    }

    fn exchange<S: Collecting>(&mut self, pending: Pending<S>) -> Result<S, Failure<D::Error>> {
        let Pending { mut stage, outgoing } = pending;
        if outgoing.is_empty() {
            return Ok(stage);
        }
        let report = Mutex::new(StageReport::new(S::STAGE, &outgoing));
        let exchanged = stage.concurrently(|receive| {
            self.driver.exchange(S::STAGE, outgoing, self.timeout, &|client, message| {
                let verdict = receive(client, message);
                let mut report = report.lock().unwrap_or_else(PoisonError::into_inner);
                report.count(client, message, verdict);
                verdict
            })
        });
        let mut report = report.into_inner().unwrap_or_else(PoisonError::into_inner);
        report.dropped = stage.waiting_for();
        self.report.stages.push(report);
        exchanged.map_err(Failure::Driver)?;
        Ok(stage)
    }
}

impl<S> From<(S, Vec<Outgoing>)> for Pending<S> {
    fn from((stage, outgoing): (S, Vec<Outgoing>)) -> Self {
        Self { stage, outgoing }
    }
}

impl StageReport {
    fn new(stage: Stage, outgoing: &[Outgoing]) -> Self {
        Self {
            stage,
            asked: outgoing.iter().map(|outgoing| outgoing.to).collect(),
            answered: Vec::new(),
            dropped: Vec::new(),
            left_out: Vec::new(),
            rejected: Vec::new(),
            bytes_down: outgoing.iter().map(|outgoing| outgoing.message.len() as u64).sum(),
            bytes_up: 0,
        }
    }

    fn count(&mut self, client: ClientId, message: &[u8], verdict: Result<(), Rejected>) {
        self.bytes_up += message.len() as u64;
        match verdict {
            Ok(()) => self.answered.push(client),
            Err(reason) => self.rejected.push((client, reason)),
        }
    }
}
