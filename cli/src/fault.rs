//! Scripted faults: which client fails, at which stage, and how.

use std::collections::BTreeMap;
use std::time::Duration;

use secagg::{ClientId, Stage, ThreatModel};
use thiserror::Error;

/// How a client fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It does not answer, and is gone.
    Drop,
    /// It answers so much later; past the timeout, that is a drop-out.
    Delay(Duration),
    /// It answers with random bytes.
    Garbage,
}

/// The faults of a round, at most one for each client and stage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults(BTreeMap<(ClientId, Stage), Fault>);

impl Faults {
    /// Sets a fault; an earlier one of the same client at the same stage is replaced.
    pub fn set(&mut self, client: ClientId, stage: Stage, fault: Fault) {
        self.0.insert((client, stage), fault);
    }

    /// Every fault must be at a stage that the round has.
    ///
    /// # Errors
    /// The first stage that it has not.
    pub fn check(&self, threat_model: ThreatModel) -> Result<(), Stage> {
        let stages = Stage::of(threat_model);
        let foreign = self.0.keys().map(|&(_, stage)| stage).find(|stage| !stages.contains(stage));
        foreign.map_or(Ok(()), Err)
    }

    /// The fault of a client at a stage.
    pub fn get(&self, client: ClientId, stage: Stage) -> Option<Fault> {
        self.0.get(&(client, stage)).copied()
    }
}

/// `CLIENT@STAGE` or `CLIENT@STAGE=SECONDS`, before the client's name is looked up.
#[derive(Clone, Debug, PartialEq)]
pub struct FaultArg {
    client: String,
    stage: Stage,
    seconds: Option<Duration>,
}

/// A fault that names nobody, no stage, or no time.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InvalidFault {
    /// Not of the form `CLIENT@STAGE`.
    #[error("write CLIENT@STAGE, for example client_03@unmask")]
    Form,
    /// No such stage.
    #[error(transparent)]
    Stage(#[from] secagg::UnknownStage),
    /// Not a number of seconds.
    #[error("write the delay as seconds, for example client_03@unmask=2.5")]
    Seconds,
    /// No such client.
    #[error(
        "there is no client {0:?}; use an update's file name without its ending, or where \
        several have that, its path as it was given"
    )]
    Client(String),
}

impl FaultArg {
    /// Reads `CLIENT@STAGE`.
    ///
    /// # Errors
    /// [`InvalidFault`], if the text is anything else.
    pub fn parse(text: &str) -> Result<Self, InvalidFault> {
        let (client, stage) = text.rsplit_once('@').ok_or(InvalidFault::Form)?;
        Ok(Self { client: client.into(), stage: stage.parse()?, seconds: None })
    }

    /// Reads `CLIENT@STAGE=SECONDS`.
    ///
    /// # Errors
    /// [`InvalidFault`], if the text is anything else.
    pub fn parse_delay(text: &str) -> Result<Self, InvalidFault> {
        let (fault, seconds) = text.rsplit_once('=').ok_or(InvalidFault::Seconds)?;
        let seconds = seconds.parse().map_err(|_| InvalidFault::Seconds)?;
        let seconds = Duration::try_from_secs_f64(seconds).map_err(|_| InvalidFault::Seconds)?;
        Ok(Self { seconds: Some(seconds), ..Self::parse(fault)? })
    }

    /// Adds the fault to `faults`, with the client looked up among `names`; `without_delay` is what
    /// it means if it has no seconds.
    ///
    /// # Errors
    /// [`InvalidFault::Client`] if nobody has that name.
    pub fn resolve(
        &self,
        names: &[String],
        without_delay: Fault,
        faults: &mut Faults,
    ) -> Result<(), InvalidFault> {
        let unknown = || InvalidFault::Client(self.client.clone());
        let at = names.iter().position(|name| *name == self.client).ok_or_else(unknown)?;
        let fault = self.seconds.map_or(without_delay, Fault::Delay);
        faults.set(ClientId(at as u64), self.stage, fault);
        Ok(())
    }
}
