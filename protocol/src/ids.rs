//! Who takes part, in which round, and at which stage.

use core::fmt;
use core::str::FromStr;

use rand_core::CryptoRng;

use crate::ThreatModel;

/// A client's name within a cohort: any 64-bit number, unique in its round.
///
/// Of two neighbours, the one with the lower id adds their pairwise mask and the other subtracts it.
/// The id also fixes the point at which the client's Shamir shares are evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub u64);

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A round's name: 16 bytes that the server draws at random, never used twice.
///
/// Keys and seeds are derived under it, and every message carries it, so that nothing said in one
/// round means anything in another.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId(pub [u8; 16]);

impl SessionId {
    /// A fresh session id.
    pub fn random(rng: &mut impl CryptoRng) -> Self {
        let mut bytes = [0; 16];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({:032x})", u128::from_be_bytes(self.0))
    }
}

/// One of the stages of a round, in order: four, and a fifth before the last where the server may lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Stage {
    /// Clients advertise two public keys.
    Setup,
    /// Clients send sealed shares of their secrets to their neighbours.
    ShareKeys,
    /// Clients send their masked updates.
    CollectMaskedVectors,
    /// Clients sign who survived; only against an active server.
    ConfirmSurvivors,
    /// Surviving clients reveal the shares that remove the masks from the sum.
    Unmask,
}

impl Stage {
    /// All stages, in the order in which a round runs them.
    pub const ALL: [Self; 5] = [
        Self::Setup,
        Self::ShareKeys,
        Self::CollectMaskedVectors,
        Self::ConfirmSurvivors,
        Self::Unmask,
    ];

    /// The stages that a round runs under a threat model, in order.
    pub const fn of(threat_model: ThreatModel) -> &'static [Self] {
        match threat_model {
            ThreatModel::HonestButCurious => {
                &[Self::Setup, Self::ShareKeys, Self::CollectMaskedVectors, Self::Unmask]
            }
            ThreatModel::ActiveServer => &Self::ALL,
        }
    }

    /// The stage's name as it is written on command lines: `share-keys`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Setup => "setup",
            Self::ShareKeys => "share-keys",
            Self::CollectMaskedVectors => "collect-masked-vectors",
            Self::ConfirmSurvivors => "confirm-survivors",
            Self::Unmask => "unmask",
        }
    }

    /// The stage's number in the kind byte of its messages. It never changes, so that of a stage that
    /// came later is not in their order.
    pub const fn number(self) -> u8 {
        match self {
            Self::Setup => 0,
            Self::ShareKeys => 1,
            Self::CollectMaskedVectors => 2,
            Self::Unmask => 3,
            Self::ConfirmSurvivors => 4,
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The name of no stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no such stage; the stages are setup, share-keys, collect-masked-vectors, confirm-survivors and unmask"
)]
pub struct UnknownStage;

impl FromStr for Stage {
    type Err = UnknownStage;

    /// Reads [`Stage::name`], with `-` or `_` between words.
    fn from_str(text: &str) -> Result<Self, UnknownStage> {
        let name = text.replace('_', "-");
        Self::ALL.into_iter().find(|stage| stage.name() == name).ok_or(UnknownStage)
    }
}

#[cfg(test)]
mod tests;
