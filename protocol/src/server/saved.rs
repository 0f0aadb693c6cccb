//! Server stages as bytes, and back.
//!
//! The graph is not written but made again from the roster hash. A
//! position beyond the members is refused, so a restored stage is as sound as one that never left.

use std::collections::{BTreeMap, BTreeSet};

use rand_core::CryptoRng;
use secagg_kernels::{Accumulator, Backend};

use super::recover::Shares;
use super::take_off::Answers;
use super::{
    Cohorts, CollectMaskedVectors, Collected, Collecting, ConfirmSurvivors, Members, Round, Setup,
    ShareKeys, Unmask,
};
use crate::error::Malformed;
use crate::field::{Field, read_terms, write_terms};
use crate::identity::Directory;
use crate::message::Outgoing;
use crate::saved::{RestoreError, StateKey, open, seal, server_kind};
use crate::wire::{Reader, Writer};
use crate::{Params, SessionId};

/// A server stage that outlives its process.
///
/// Save a stage after any message, and the stage that [`Collecting::close`] gives *before* its messages
/// are sent: a server that has sent them and forgets it would close again, perhaps with others, and
/// clients answer no second question. A client that is asked the same again repeats its answer
/// ([`crate::client::Persistent`]), so it does no harm to send a message twice, or to lose the last
/// answers.
pub trait Save: Collecting {
    /// Seals the stage, with those of its messages whose clients have not answered. The state is about as
    /// long as what it holds: keys, boxes, one vector.
    fn save(&self, outgoing: &[Outgoing], key: &StateKey, rng: &mut impl CryptoRng) -> Vec<u8>;

    /// Opens a saved stage, with the messages to send again; the kernels' backend is the fastest here.
    /// [`crate::saved_stage`] tells which type's it is. `directory` is needed against an active server.
    ///
    /// # Errors
    /// [`RestoreError`], for bytes that are no saved state of this stage under this key.
    fn restore(
        state: &[u8],
        key: &StateKey,
        directory: Option<&Directory>,
    ) -> Result<(Self, Vec<Outgoing>), RestoreError>;

    /// The parameters of the round, which whoever restores a stage may not have.
    fn params(&self) -> &Params;

    /// The session.
    fn session(&self) -> SessionId;
}

impl<S: State> Save for S {
    fn save(&self, outgoing: &[Outgoing], key: &StateKey, rng: &mut impl CryptoRng) -> Vec<u8> {
        let waiting = self.waiting_for();
        let open = |outgoing: &&Outgoing| waiting.binary_search(&outgoing.to).is_ok();
        let outgoing: Vec<_> = outgoing.iter().filter(open).cloned().collect();
        let session = &self.round().session;
        seal(server_kind(S::STAGE), session.id, key, rng, |to| {
            write_terms(session, to);
            self.write(to);
            outgoing.write(to);
        })
    }

    fn restore(
        state: &[u8],
        key: &StateKey,
        directory: Option<&Directory>,
    ) -> Result<(Self, Vec<Outgoing>), RestoreError> {
        open(server_kind(S::STAGE), key, state, |session, from| {
            let session = read_terms(session, from)?;
            let directory = match directory {
                None if session.params.is_active() => return Err(RestoreError::NoDirectory),
                directory => directory.filter(|_| session.params.is_active()).cloned(),
            };
            let round = Round { session, backend: Backend::detect(), directory };
            Ok((S::read(round, from)?, Vec::read(from)?))
        })
    }

    fn params(&self) -> &Params {
        &self.round().session.params
    }

    fn session(&self) -> SessionId {
        self.round().session.id
    }
}

impl Field for Outgoing {
    fn write(&self, to: &mut Writer) {
        to.client(self.to);
        to.blob(&self.message);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self { to: from.client()?, message: from.blob()?.into() })
    }
}

/// What a stage holds beside its round.
trait State: Collecting {
    fn round(&self) -> &Round;
    fn write(&self, to: &mut Writer);
    fn read(round: Round, from: &mut Reader<'_>) -> Result<Self, Malformed>;
}

impl State for Setup {
    fn round(&self) -> &Round {
        &self.round
    }

    fn write(&self, to: &mut Writer) {
        self.cohort.write(to);
        self.keys.write(to);
    }

    fn read(round: Round, from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut setup = Self::new(round, Field::read(from)?);
        for (client, keys) in <Vec<_>>::read(from)? {
            setup.insert(client, keys);
        }
        Ok(setup)
    }
}

impl State for ShareKeys {
    fn round(&self) -> &Round {
        &self.round
    }

    fn write(&self, to: &mut Writer) {
        self.members.write(to);
        self.sealed.write(to);
    }

    fn read(round: Round, from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let members = Members::read(&round, from)?;
        let sealed = members.check(Field::read(from)?)?;
        Ok(Self { round, members, sealed })
    }
}

impl State for CollectMaskedVectors {
    fn round(&self) -> &Round {
        &self.0.cohorts.round
    }

    fn write(&self, to: &mut Writer) {
        self.0.write(to);
    }

    fn read(round: Round, from: &mut Reader<'_>) -> Result<Self, Malformed> {
        Collected::read(round, from).map(Self)
    }
}

impl State for ConfirmSurvivors {
    fn round(&self) -> &Round {
        &self.collected.cohorts.round
    }

    fn write(&self, to: &mut Writer) {
        self.collected.write(to);
        self.confirmations.write(to);
    }

    fn read(round: Round, from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut stage = Self::new(Collected::read(round, from)?);
        stage.confirmations = stage.collected.cohorts.members.check(Field::read(from)?)?;
        Ok(stage)
    }
}

impl State for Unmask {
    fn round(&self) -> &Round {
        &self.collected.cohorts.round
    }

    fn write(&self, to: &mut Writer) {
        self.collected.write(to);
        self.asked.write(to);
        self.answers.write(to);
    }

    fn read(round: Round, from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let collected = Collected::read(round, from)?;
        let members = &collected.cohorts.members;
        let asked = members.check(Field::read(from)?)?;
        let answers = Answers::read(members, from)?;
        Ok(Self { collected, asked, answers })
    }
}

impl Answers {
    fn write(&self, to: &mut Writer) {
        self.unmaskers.write(to);
        self.recovered.write(to);
        self.shares.write(to);
    }

    fn read(members: &Members, from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let unmaskers = members.check(Field::read(from)?)?;
        let recovered = members.check(Field::read(from)?)?;
        let shares: Shares = members.check(Field::read(from)?)?;
        for held in shares.values() {
            members.check(held)?;
        }
        Ok(Self::new(unmaskers, recovered, shares))
    }
}

impl Members {
    fn write(&self, to: &mut Writer) {
        self.clients.write(to);
        self.keys.write(to);
        self.roster.write(to);
    }

    fn read(round: &Round, from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (clients, keys): (Vec<_>, Vec<_>) = Field::read(from)?;
        if clients.len() != keys.len() || !clients.is_sorted_by(|a, b| a < b) {
            return Err(Malformed::Order);
        }
        Ok(Self::new(&round.session.params, clients, keys, Field::read(from)?))
    }

    /// Members are named by positions, which must be some member's.
    fn check<P: Positions>(&self, positions: P) -> Result<P, Malformed> {
        let len = self.clients.len();
        if positions.all_below(len) { Ok(positions) } else { Err(Malformed::Truncated) }
    }
}

impl Collected {
    fn write(&self, to: &mut Writer) {
        let Cohorts { round, members, commitments, survivors } = &self.cohorts;
        members.write(to);
        commitments.write(to);
        survivors.write(to);
        let mut packed = Vec::new();
        self.sum.append_packed(round.backend, &mut packed);
        to.blob(&packed);
    }

    fn read(round: Round, from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let members = Members::read(&round, from)?;
        let commitments = members.check(Field::read(from)?)?;
        let survivors = members.check(Field::read(from)?)?;
        let params = &round.session.params;
        let mut sum = Accumulator::new(params.modulus(), params.lanes());
        sum.add_packed(round.backend, from.blob()?)?;
        Ok(Self { cohorts: Cohorts { round, members, commitments, survivors }, sum })
    }
}

/// A collection of positions.
trait Positions {
    fn all_below(&self, len: usize) -> bool;
}

impl Positions for BTreeSet<usize> {
    fn all_below(&self, len: usize) -> bool {
        self.last().is_none_or(|&last| last < len)
    }
}

impl<P: Positions> Positions for &P {
    fn all_below(&self, len: usize) -> bool {
        (**self).all_below(len)
    }
}

impl<V> Positions for BTreeMap<usize, V> {
    fn all_below(&self, len: usize) -> bool {
        self.last_key_value().is_none_or(|(&last, _)| last < len)
    }
}

#[cfg(test)]
mod tests;
