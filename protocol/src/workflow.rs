//! A whole round over a [`Driver`].

mod report;

use core::num::NonZeroU32;
use core::time::Duration;
use std::mem::take;
use std::sync::{Mutex, PoisonError};

use rand_core::CryptoRng;
use secagg_kernels::Real;

pub use self::report::{FailedAttempt, Report, StageReport};
use crate::error::{Abort, Misuse};
use crate::server::{
    Aggregate, CollectMaskedVectors, Collecting, ConfirmSurvivors, Recovered, Setup, ShareKeys,
    Unmask,
};
use crate::{ClientId, Directory, Driver, Outgoing, Params, SessionId, trace};

/// Runs the stages of a round, one after the other, and keeps statistics.
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
    attempts: NonZeroU32,
    report: Report,
}

/// Terms that all attempts at a round have in common.
struct Terms<'t> {
    params: Params,
    cohort: &'t [ClientId],
    application: &'t [u8],
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

impl<'a, D: Driver, R: CryptoRng> Workflow<'a, D, R> {
    /// A workflow over a driver, without a timeout. What the server draws, it draws from `rng` (see
    /// [`Collecting::close`]).
    pub fn new(driver: &'a mut D, rng: &'a mut R) -> Self {
        let (attempts, report) = (NonZeroU32::MIN, Report::default());
        Self { driver, rng, timeout: None, directory: None, attempts, report }
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

    /// Sets how often [`run`](Self::run) may play a round in all; without it, once.
    ///
    /// Where liars end an attempt and can be named ([`Abort::suspects`]), the round is played again
    /// under a fresh session id, and its suspects are not asked. Parameters and context stay. Each
    /// client takes part again only if its application lets it, with a new
    /// [`client::Setup`](crate::client::Setup) and the *same* update as before. One that keeps a
    /// [`Ledger`](crate::client::Ledger) refuses the second vector, unless its application has it
    /// [forget](crate::client::Ledger::forget) the first.
    ///
    /// # Security
    /// A sum with a client and one without it give that client's update away. So attempts are only
    /// for rounds against a curious server, whose word is enough for its clients: it opens the
    /// first sum no more, as long as at most half of a client's shares to spare, ⌊(r - t)/2⌋, are
    /// in the hands of colluders, and each drop-out takes one from r. That is less than a plan
    /// bears: its security is not kept (`docs/protocol.md`, section 13, has numbers). More of them,
    /// who lie about an honest client's shares, get it left out; and the server that knows the true
    /// shares can then open both sums. Rounds against an active server are refused
    /// ([`Misuse::ActiveAttempts`]), since clients have no evidence of who lied.
    #[must_use]
    pub fn attempts(mut self, attempts: NonZeroU32) -> Self {
        self.attempts = attempts;
        self
    }

    /// Statistics so far.
    pub const fn report(&self) -> &Report {
        &self.report
    }

    /// Runs a whole round, up to [`attempts`](Self::attempts) times. The session id must be fresh
    /// and random; `application` is what clients must agree on (see
    /// [`crate::client::Setup::application`]).
    ///
    /// # Errors
    /// [`Failure`]: of the last attempt. [`report`](Self::report) tells how far the round came.
    pub fn run<F: Real>(
        &mut self,
        params: Params,
        mut session: SessionId,
        cohort: &[ClientId],
        application: &[u8],
    ) -> Result<Aggregate<F>, Failure<D::Error>> {
        if params.is_active() && self.attempts > NonZeroU32::MIN {
            return Err(Misuse::ActiveAttempts.into());
        }
        self.report = Report::default();
        let terms = Terms { params, cohort, application };
        loop {
            match self.attempt(&terms, session) {
                Err(Failure::Abort(abort)) if self.may_play_again(&abort) => {
                    let stages = take(&mut self.report.stages);
                    self.report.failed.push(FailedAttempt { session, abort, stages });
                    session = SessionId::random(self.rng);
                }
                outcome => return outcome,
            }
        }
    }

    fn may_play_again(&self, abort: &Abort) -> bool {
        let attempts = self.report.failed.len() + 1;
        attempts < self.attempts.get() as usize && !abort.suspects().is_empty()
    }

    fn attempt<F: Real>(
        &mut self,
        terms: &Terms<'_>,
        session: SessionId,
    ) -> Result<Aggregate<F>, Failure<D::Error>> {
        let Terms { params, cohort, application } = terms;
        let (setup, mut outgoing) = match &self.directory {
            None => Setup::open(params.clone(), session, cohort, application),
            Some(known) => Setup::open_signed(params.clone(), session, cohort, application, known),
        }?;
        let suspects = self.report.left_out();
        outgoing.retain(|outgoing| !suspects.contains(&outgoing.to));
        let share_keys = self.setup((setup.leave_out(&suspects), outgoing).into())?;
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
