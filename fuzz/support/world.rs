//! A server as one of the stories that a hostile server may tell: an honest one that may be forked, and be given any
//! subset of the answers.

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use secagg::server::{self, Collecting, FalseShare, Save};
use secagg::{
    Abort, ClientId, ContextHash, Directory, Outgoing, Params, Rejected, RestoreError, Stage,
    StateKey, saved_stage,
};
use secagg_tests::puppet::Terms;
use secagg_tests::{APPLICATION, SESSION};

/// A story, at whatever stage, with the requests of the stage.
pub enum World {
    /// Waits for keys.
    Setup(server::Setup, Vec<Outgoing>),
    /// Waits for boxes.
    ShareKeys(server::ShareKeys, Vec<Outgoing>),
    /// Waits for vectors.
    Collect(server::CollectMaskedVectors, Vec<Outgoing>),
    /// Waits for confirmations.
    Confirm(server::ConfirmSurvivors, Vec<Outgoing>),
    /// Waits for shares.
    Unmask(server::Unmask, Vec<Outgoing>),
    /// The story is told, and these shares were called false; or it was broken off.
    Over(Vec<FalseShare>),
}

/// Evaluates an expression with the stage and its requests, if there is one.
macro_rules! with_stage {
    ($world:expr, ($stage:ident, $outgoing:ident) => $body:expr, $else:expr) => {
        match $world {
            World::Setup($stage, $outgoing) => $body,
            World::ShareKeys($stage, $outgoing) => $body,
            World::Collect($stage, $outgoing) => $body,
            World::Confirm($stage, $outgoing) => $body,
            World::Unmask($stage, $outgoing) => $body,
            World::Over(_) => $else,
        }
    };
}

impl World {
    /// A round that opens.
    ///
    /// # Panics
    /// If the cohort does not fit the parameters.
    pub fn open(
        params: Params,
        cohort: impl Iterator<Item = ClientId>,
        directory: &Directory,
    ) -> Self {
        let cohort: Vec<_> = cohort.collect();
        let opened = server::Setup::open_signed(params, SESSION, &cohort, APPLICATION, directory);
        let (stage, outgoing) = opened.expect("a cohort of this size");
        Self::Setup(stage, outgoing)
    }

    /// The stage, and its requests.
    pub fn requests(&self) -> Vec<Outgoing> {
        with_stage!(self, (_stage, outgoing) => outgoing.clone(), Vec::new())
    }

    /// The requests of those who have not answered.
    pub fn waiting(&self) -> Vec<Outgoing> {
        let waiting = with_stage!(self, (stage, _outgoing) => stage.waiting_for(), Vec::new());
        let mut requests = self.requests();
        requests.retain(|outgoing| waiting.contains(&outgoing.to));
        requests
    }

    /// Takes an answer, or does not.
    ///
    /// # Errors
    /// As the stage has it.
    pub fn receive(&mut self, from: ClientId, bytes: &[u8]) -> Result<(), Rejected> {
        with_stage!(self, (stage, _outgoing) => stage.receive(from, bytes), Ok(()))
    }

    /// Goes on to the next stage, if it can; from the last one to what the sum says.
    ///
    /// # Errors
    /// As the stage has it, which goes on if it can tell before it is closed.
    pub fn close(&mut self) -> Result<(), Abort> {
        with_stage!(&*self, (stage, _outgoing) => stage.check(), Ok(()))?;
        *self = core::mem::replace(self, Self::Over(Vec::new())).closed()?;
        Ok(())
    }

    fn closed(self) -> Result<Self, Abort> {
        Ok(match self {
            Self::Setup(stage, _) => stage
                .close(&mut secagg_tests::rng())
                .map(|(next, out)| Self::ShareKeys(next, out))?,
            Self::ShareKeys(stage, _) => {
                stage.close(&mut secagg_tests::rng()).map(|(next, out)| Self::Collect(next, out))?
            }
            Self::Collect(stage, _) => {
                stage.close(&mut secagg_tests::rng()).map(|(next, out)| Self::Confirm(next, out))?
            }
            Self::Confirm(stage, _) => {
                stage.close(&mut secagg_tests::rng()).map(|(next, out)| Self::Unmask(next, out))?
            }
            Self::Unmask(stage, _) => {
                let (recovered, _) = stage.close(&mut secagg_tests::rng())?;
                Self::Over(recovered.aggregate::<f64>()?.false_shares)
            }
            over @ Self::Over(_) => over,
        })
    }

    /// The same story up to here, which may go on in another way.
    ///
    /// # Panics
    /// If a saved stage cannot be restored.
    pub fn fork(&self, directory: &Directory) -> Self {
        match self {
            Self::Setup(stage, outgoing) => copy(stage, outgoing, directory, Self::Setup),
            Self::ShareKeys(stage, outgoing) => copy(stage, outgoing, directory, Self::ShareKeys),
            Self::Collect(stage, outgoing) => copy(stage, outgoing, directory, Self::Collect),
            Self::Confirm(stage, outgoing) => copy(stage, outgoing, directory, Self::Confirm),
            Self::Unmask(stage, outgoing) => copy(stage, outgoing, directory, Self::Unmask),
            Self::Over(named) => Self::Over(named.clone()),
        }
    }

    /// The terms of its session, unless it is over.
    pub fn terms(&self) -> Option<Terms> {
        let params = with_stage!(self, (stage, _outgoing) => Some(stage.params().clone()), None)?;
        let context = ContextHash::new(&params, APPLICATION);
        Some(Terms { session: SESSION, params, context })
    }

    /// The stage as it would be kept, if there is one.
    pub fn saved(&self) -> Option<Vec<u8>> {
        let (key, mut rng) = (state_key(), ChaCha20Rng::seed_from_u64(1));
        with_stage!(self, (stage, outgoing) => Some(stage.save(outgoing, &key, &mut rng)), None)
    }

    /// A stage that was kept.
    ///
    /// # Errors
    /// As the stage has it.
    ///
    /// # Panics
    /// If it says that it is no stage.
    pub fn restored(state: &[u8], directory: &Directory) -> Result<Self, RestoreError> {
        fn of<S: Save>(
            state: &[u8],
            directory: &Directory,
            world: impl Fn(S, Vec<Outgoing>) -> World,
        ) -> Result<World, RestoreError> {
            let (stage, outgoing) = S::restore(state, &state_key(), Some(directory))?;
            Ok(world(stage, outgoing))
        }
        match saved_stage(state).expect("a stage of a server") {
            Stage::Setup => of(state, directory, Self::Setup),
            Stage::ShareKeys => of(state, directory, Self::ShareKeys),
            Stage::CollectMaskedVectors => of(state, directory, Self::Collect),
            Stage::ConfirmSurvivors => of(state, directory, Self::Confirm),
            _ => of(state, directory, Self::Unmask),
        }
    }

    /// The stage that it is in.
    pub fn stage(&self) -> Option<Stage> {
        fn of<S: Collecting>(_: &S) -> Stage {
            S::STAGE
        }
        with_stage!(self, (stage, _outgoing) => Some(of(stage)), None)
    }
}

/// The key of the server's states.
pub fn state_key() -> StateKey {
    StateKey::from_bytes([7; 32])
}

fn copy<S: Save>(
    stage: &S,
    outgoing: &[Outgoing],
    directory: &Directory,
    world: impl Fn(S, Vec<Outgoing>) -> World,
) -> World {
    let key = state_key();
    let state = stage.save(outgoing, &key, &mut ChaCha20Rng::seed_from_u64(1));
    let (stage, _) = S::restore(&state, &key, Some(directory)).expect("its own state");
    world(stage, outgoing.to_vec())
}
