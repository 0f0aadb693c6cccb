//! A client's stages: four, and a fifth before the last against an active server. Each step takes the stage, answers one message of the server, and gives
//! the next stage; a refusal drops the stage and wipes its secrets.
//!
//! The client is not the server's servant: it checks every list against what it knows, reveals at
//! most one share of each neighbour, and answers one unmask request, since answering consumes the
//! last stage.

mod collect_masked_vectors;
mod confirm_survivors;
mod ledger;
mod persistent;
mod saved;
mod secret;
mod setup;
mod share_keys;
mod unmask;

pub use collect_masked_vectors::{AfterMasking, CollectMaskedVectors};
pub use confirm_survivors::ConfirmSurvivors;
pub use ledger::Ledger;
pub use persistent::{Persistent, PersistentError};
pub use setup::Setup;
pub use share_keys::ShareKeys;
pub use unmask::Unmask;

use rand_core::CryptoRng;
use secagg_kernels::Real;

use crate::error::{Misuse, Refused, ServerMisbehaved};
use crate::identity::{Directory, Identity};
use crate::roster::RosterHash;
use crate::session::Session;
use crate::{ClientId, Policy, SessionId, Stage};

/// A client at any stage, for callers that route bytes and do not care which stage they belong to.
#[derive(Debug)]
#[non_exhaustive]
pub enum Client {
    /// Waits for the round's parameters.
    Setup(Setup),
    /// Waits for its neighbours' keys.
    ShareKeys(ShareKeys),
    /// Waits for its neighbours' shares.
    CollectMaskedVectors(CollectMaskedVectors),
    /// Waits for the survivors, to sign them.
    ConfirmSurvivors(ConfirmSurvivors),
    /// Waits for the survivors, to reveal what unmasks them.
    Unmask(Unmask),
    /// Has nothing more to say in this round.
    Finished,
}

impl Client {
    /// A client of the given id, with the defaults of [`Setup::new`].
    pub fn new(id: ClientId) -> Self {
        Self::Setup(Setup::new(id))
    }

    /// The stage that the client waits in, or `None` once it has finished.
    pub const fn stage(&self) -> Option<Stage> {
        match self {
            Self::Setup(_) => Some(Stage::Setup),
            Self::ShareKeys(_) => Some(Stage::ShareKeys),
            Self::CollectMaskedVectors(_) => Some(Stage::CollectMaskedVectors),
            Self::ConfirmSurvivors(_) => Some(Stage::ConfirmSurvivors),
            Self::Unmask(_) => Some(Stage::Unmask),
            Self::Finished => None,
        }
    }

    /// Answers one message as [`answer`](Self::answer) does, and masks no second vector for the
    /// same application bytes. Keep the ledger before the answer to [`CollectMaskedVectors`] is
    /// sent.
    ///
    /// # Errors
    /// As [`answer`](Self::answer), and [`Misuse::MaskedBefore`].
    pub fn answer_once<F: Real>(
        self,
        request: &[u8],
        weight: f64,
        update: &[F],
        ledger: &mut Ledger,
        rng: &mut impl CryptoRng,
    ) -> Result<(Self, Vec<u8>), Refused> {
        match self {
            Self::CollectMaskedVectors(stage) => {
                Ok(into_client(stage.answer_once(request, weight, update, ledger)?))
            }
            other => other.answer(request, weight, update, rng),
        }
    }

    /// Answers one message. `weight` and `update` are used in one stage, collect masked vectors,
    /// and `rng` in the setup; to hold an update no longer than it takes, match on the variants
    /// instead.
    ///
    /// # Errors
    /// [`Refused`], as the stage's own `answer` has it; [`Misuse::Finished`] after the last one.
    pub fn answer<F: Real>(
        self,
        request: &[u8],
        weight: f64,
        update: &[F],
        rng: &mut impl CryptoRng,
    ) -> Result<(Self, Vec<u8>), Refused> {
        Ok(match self {
            Self::Setup(stage) => into_client(stage.answer(request, rng)?),
            Self::ShareKeys(stage) => into_client(stage.answer(request)?),
            Self::CollectMaskedVectors(stage) => {
                into_client(stage.answer(request, weight, update)?)
            }
            Self::ConfirmSurvivors(stage) => into_client(stage.answer(request)?),
            Self::Unmask(stage) => (Self::Finished, stage.answer(request)?),
            Self::Finished => return Err(Misuse::Finished.into()),
        })
    }
}

fn into_client((next, reply): (impl Into<Client>, Vec<u8>)) -> (Client, Vec<u8>) {
    (next.into(), reply)
}

impl From<ShareKeys> for Client {
    fn from(stage: ShareKeys) -> Self {
        Self::ShareKeys(stage)
    }
}

impl From<CollectMaskedVectors> for Client {
    fn from(stage: CollectMaskedVectors) -> Self {
        Self::CollectMaskedVectors(stage)
    }
}

impl From<AfterMasking> for Client {
    fn from(stage: AfterMasking) -> Self {
        match stage {
            AfterMasking::ConfirmSurvivors(stage) => Self::ConfirmSurvivors(stage),
            AfterMasking::Unmask(stage) => Self::Unmask(stage),
        }
    }
}

impl From<Unmask> for Client {
    fn from(stage: Unmask) -> Self {
        Self::Unmask(stage)
    }
}

/// What a client knows from the setup on.
#[derive(Clone, Debug)]
struct Me {
    id: ClientId,
    policy: Policy,
    session: Session,
    /// Hash of the application bytes, for a [`Ledger`].
    application: [u8; 32],
    /// Only against an active server, and only until the survivors are to be confirmed.
    credentials: Option<Credentials>,
}

/// Who a client is to others, and who others are to it.
#[derive(Clone, Debug)]
struct Credentials {
    identity: Identity,
    directory: Directory,
}

impl Credentials {
    /// Whether the directory knows the identity as this client's.
    fn are_of(&self, client: ClientId) -> bool {
        self.directory.get(client) == Some(&self.identity.verifying_key())
    }
}

/// The members that a client was told of, by ascending id: all of them against an active server,
/// otherwise its neighbours and itself.
#[derive(Debug)]
struct Roster {
    hash: RosterHash,
    members: Vec<ClientId>,
}

impl Me {
    fn check_session(&self, session: SessionId) -> Result<(), ServerMisbehaved> {
        if session == self.session.id { Ok(()) } else { Err(ServerMisbehaved::ForeignSession) }
    }
}
