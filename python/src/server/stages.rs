//! The stages of a round as one value.

use std::sync::Arc;

use pyo3::PyResult;
use rand_core::CryptoRng;
use secagg::server::{
    CollectMaskedVectors, Collecting, ConfirmSurvivors, Reading, Save, Setup, ShareKeys, Unmask,
};
use secagg::{
    ClientId, Directory, Outgoing, Params, RestoreError, SessionId, Stage, StateKey, saved_stage,
};
use secagg_kernels::{Accumulator, MaskPlan};

use super::no_stage;
use crate::errors::{aborted, misuse, not_restored, rejected};
use crate::identity::rng;

/// A stage that collects messages, and the requests that it was opened with.
#[derive(Debug)]
pub(super) struct Open<S> {
    pub(super) stage: S,
    pub(super) outgoing: Vec<Outgoing>,
}

/// The sum with its masks still on, what takes them off, and how to read what remains.
#[derive(Debug)]
pub(super) struct Recovered {
    pub(super) sum: Accumulator,
    pub(super) plan: Arc<MaskPlan>,
    pub(super) reading: Reading,
}

/// Where a round stands.
#[derive(Debug)]
pub(super) enum Stages {
    Setup(Open<Setup>),
    ShareKeys(Open<ShareKeys>),
    CollectMaskedVectors(Open<CollectMaskedVectors>),
    ConfirmSurvivors(Open<ConfirmSurvivors>),
    Unmask(Open<Unmask>),
    Recovered(Recovered),
    Over,
}

/// Evaluates an expression with the open stage, whichever it is, and another where there is none.
macro_rules! with_open {
    ($stages:expr, $open:ident => $body:expr, $none:expr) => {
        match $stages {
            Stages::Setup($open) => $body,
            Stages::ShareKeys($open) => $body,
            Stages::CollectMaskedVectors($open) => $body,
            Stages::ConfirmSurvivors($open) => $body,
            Stages::Unmask($open) => $body,
            Stages::Recovered(_) | Stages::Over => $none,
        }
    };
}

impl<S: Collecting> Open<S> {
    fn unanswered(&self) -> Vec<Outgoing> {
        let waiting = self.stage.waiting_for();
        let open = |outgoing: &&Outgoing| waiting.binary_search(&outgoing.to).is_ok();
        self.outgoing.iter().filter(open).cloned().collect()
    }

    fn close(self) -> PyResult<Open<S::Next>> {
        let (stage, outgoing) = self.stage.close(&mut rng()).map_err(aborted)?;
        Ok(Open { stage, outgoing })
    }
}

impl Stages {
    pub(super) fn stage(&self) -> Option<Stage> {
        with_open!(self, open => Some(stage_of(open)), None)
    }

    pub(super) fn unanswered(&self) -> Vec<Outgoing> {
        with_open!(self, open => open.unanswered(), Vec::new())
    }

    pub(super) fn waiting_for(&self) -> Vec<ClientId> {
        with_open!(self, open => open.stage.waiting_for(), Vec::new())
    }

    pub(super) fn receive(&mut self, client: ClientId, message: &[u8]) -> PyResult<()> {
        let verdict =
            with_open!(self, open => open.stage.receive(client, message), return Err(no_stage()));
        verdict.map_err(|reason| rejected(client, reason))
    }

    /// Where the packed lanes start in the message.
    pub(super) fn admit(&mut self, client: ClientId, message: &[u8]) -> PyResult<usize> {
        let admitted = self.collecting()?.admit(client, message);
        let packed = admitted.map_err(|reason| rejected(client, reason))?;
        Ok(message.len() - packed.len())
    }

    pub(super) fn check(&self) -> PyResult<()> {
        with_open!(self, open => open.stage.check().map_err(aborted), Err(no_stage()))
    }

    /// Ends the stage; after an abort the round is over.
    pub(super) fn close(&mut self) -> PyResult<Vec<Outgoing>> {
        if self.stage().is_none() {
            return Err(no_stage());
        }
        *self = std::mem::replace(self, Self::Over).closed()?;
        Ok(with_open!(self, open => open.outgoing.clone(), Vec::new()))
    }

    fn closed(self) -> PyResult<Self> {
        Ok(match self {
            Self::Setup(open) => Self::ShareKeys(open.close()?),
            Self::ShareKeys(open) => Self::CollectMaskedVectors(open.close()?),
            Self::CollectMaskedVectors(open) => match open.close()? {
                // Nobody is asked to confirm anything to a curious server.
                nobody if nobody.outgoing.is_empty() => Self::Unmask(nobody.close()?),
                confirm => Self::ConfirmSurvivors(confirm),
            },
            Self::ConfirmSurvivors(open) => Self::Unmask(open.close()?),
            Self::Unmask(open) => {
                let (sum, plan, reading) = open.close()?.stage.into_parts();
                Self::Recovered(Recovered { sum, plan: Arc::new(plan), reading })
            }
            over @ (Self::Recovered(_) | Self::Over) => over,
        })
    }

    pub(super) fn collecting(&mut self) -> PyResult<&mut CollectMaskedVectors> {
        match self {
            Self::CollectMaskedVectors(open) => Ok(&mut open.stage),
            _ => Err(misuse("Stage", "the stage is not collect_masked_vectors")),
        }
    }

    pub(super) fn recovered(&self) -> PyResult<&Recovered> {
        match self {
            Self::Recovered(recovered) => Ok(recovered),
            _ => Err(misuse("NotClosed", NOT_CLOSED)),
        }
    }

    /// The sum with its masks still on, from the end of `collect_masked_vectors` until it is read.
    pub(super) fn masked_sum(&self) -> PyResult<&Accumulator> {
        match self {
            Self::Unmask(open) => Ok(open.stage.masked_sum()),
            Self::Recovered(recovered) => Ok(&recovered.sum),
            _ => Err(misuse("NotClosed", NO_SUM)),
        }
    }

    /// The sum can be read once.
    pub(super) fn take_recovered(&mut self) -> PyResult<Recovered> {
        match std::mem::replace(self, Self::Over) {
            Self::Recovered(recovered) => Ok(recovered),
            other => {
                *self = other;
                Err(misuse("NotClosed", NOT_CLOSED))
            }
        }
    }

    pub(super) fn save(&self, key: &StateKey, rng: &mut impl CryptoRng) -> Option<Vec<u8>> {
        with_open!(self, open => Some(open.stage.save(&open.outgoing, key, rng)), None)
    }

    pub(super) fn restore(
        state: &[u8],
        key: &StateKey,
        directory: Option<&Directory>,
    ) -> PyResult<(Self, Params, SessionId)> {
        let restored = match saved_stage(state) {
            Some(Stage::ShareKeys) => restored(state, key, directory, Self::ShareKeys),
            Some(Stage::CollectMaskedVectors) => {
                restored(state, key, directory, Self::CollectMaskedVectors)
            }
            Some(Stage::ConfirmSurvivors) => {
                restored(state, key, directory, Self::ConfirmSurvivors)
            }
            Some(Stage::Unmask) => restored(state, key, directory, Self::Unmask),
            // What is no state of a server is none of this stage, and is refused in words.
            _ => restored(state, key, directory, Self::Setup),
        };
        restored.map_err(not_restored)
    }
}

const fn stage_of<S: Collecting>(_: &Open<S>) -> Stage {
    S::STAGE
}

const NOT_CLOSED: &str =
    "there is no sum: the last stage is not closed, or the sum was read before";
const NO_SUM: &str =
    "there is no masked sum: collect_masked_vectors is not closed, or the sum was read before";

fn restored<S: Save>(
    state: &[u8],
    key: &StateKey,
    directory: Option<&Directory>,
    wrap: impl FnOnce(Open<S>) -> Stages,
) -> Result<(Stages, Params, SessionId), RestoreError> {
    let (opened, outgoing) = S::restore(state, key, directory)?;
    let (params, session) = (opened.params().clone(), opened.session());
    Ok((wrap(Open { stage: opened, outgoing }), params, session))
}
