//! A client between two stages as bytes, and back.

use secagg_kernels::Backend;
use zeroize::Zeroizing;

use super::secret::ClientSecret;
use super::share_keys::Neighbour;
use super::unmask::{Confirmed, Holding};
use super::{
    Client, CollectMaskedVectors, ConfirmSurvivors, Credentials, Me, Roster, ShareKeys, Unmask,
};
use crate::error::Malformed;
use crate::field::{Field, read_terms, write_terms};
use crate::keys::{MaskSecretKey, SecretKey};
use crate::plan::Assumptions;
use crate::saved::RestoreError;
use crate::wire::{Reader, Writer};
use crate::{Policy, SessionId, Stage, ThreatModel};

/// A client that has a session: from its first answer on.
pub(super) fn write(client: &Client, to: &mut Writer) {
    match client {
        Client::ShareKeys(stage) => stage.write(to),
        Client::CollectMaskedVectors(stage) => stage.write(to),
        Client::ConfirmSurvivors(stage) => stage.write(to),
        Client::Unmask(stage) => stage.write(to),
        Client::Setup(_) | Client::Finished => to.u8(FINISHED),
    }
}

/// In the place of a stage's number: the client has said its last word.
const FINISHED: u8 = 0xff;

/// `credentials` are the application's to bring again.
pub(super) fn read(
    session: SessionId,
    from: &mut Reader<'_>,
    credentials: Option<&Credentials>,
) -> Result<Client, RestoreError> {
    let number = from.u8()?;
    if number == FINISHED {
        return Ok(Client::Finished);
    }
    let stage = Stage::ALL.into_iter().find(|stage| stage.number() == number);
    let me = Me::read(session, from, credentials)?;
    match stage {
        Some(Stage::ShareKeys) => Ok(Client::ShareKeys(ShareKeys::read(me, from)?)),
        Some(Stage::CollectMaskedVectors) => {
            Ok(Client::CollectMaskedVectors(CollectMaskedVectors::read(me, from)?))
        }
        Some(Stage::ConfirmSurvivors) => {
            Ok(Client::ConfirmSurvivors(ConfirmSurvivors::read(me, from)?))
        }
        Some(Stage::Unmask) => Ok(Client::Unmask(Unmask::read(me, from)?)),
        _ => Err(Malformed::Tag.into()),
    }
}

impl Me {
    fn write(&self, stage: Stage, to: &mut Writer) {
        to.u8(stage.number());
        write_terms(&self.session, to);
        to.client(self.id);
        self.policy.write(to);
        self.application.write(to);
    }

    fn read(
        session: SessionId,
        from: &mut Reader<'_>,
        credentials: Option<&Credentials>,
    ) -> Result<Self, RestoreError> {
        let session = read_terms(session, from)?;
        let (id, policy, application) = (from.client()?, Policy::read(from)?, Field::read(from)?);
        if !session.params.is_active() {
            return Ok(Self { id, policy, session, application, credentials: None });
        }
        let credentials = credentials.ok_or(RestoreError::NoDirectory)?;
        if !credentials.are_of(id) {
            return Err(RestoreError::IdentityNotInDirectory);
        }
        Ok(Self { id, policy, session, application, credentials: Some(credentials.clone()) })
    }
}

impl ShareKeys {
    fn write(&self, to: &mut Writer) {
        self.me.write(Stage::ShareKeys, to);
        self.secret.write(to);
        self.mask.write(to);
        self.channel.write(to);
    }

    /// Signatures are deterministic, so the advertised keys come out as they were.
    fn read(me: Me, from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let secret = Field::read(from)?;
        let (mask, channel) = (SecretKey::read(from)?, SecretKey::read(from)?);
        let advertised = me.advertise(&mask, &channel);
        Ok(Self { me, backend: Backend::detect(), secret, mask, channel, advertised })
    }
}

impl CollectMaskedVectors {
    fn write(&self, to: &mut Writer) {
        self.me.write(Stage::CollectMaskedVectors, to);
        self.secret.write(to);
        self.mask.write(to);
        self.self_mask_seed.write(to);
        self.neighbours.write(to);
        self.roster.write(to);
    }

    fn read(me: Me, from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let secret = Field::read(from)?;
        let mask = MaskSecretKey::read(from)?;
        let mask_public = mask.public();
        let (self_mask_seed, neighbours) = (Field::read(from)?, Field::read(from)?);
        let (backend, roster) = (Backend::detect(), Field::read(from)?);
        Ok(Self { me, backend, secret, mask, mask_public, self_mask_seed, neighbours, roster })
    }
}

impl ConfirmSurvivors {
    fn write(&self, to: &mut Writer) {
        self.me.write(Stage::ConfirmSurvivors, to);
        self.holdings.write(to);
        self.roster.write(to);
    }

    fn read(mut me: Me, from: &mut Reader<'_>) -> Result<Self, RestoreError> {
        let credentials = me.credentials.take().ok_or(RestoreError::NoDirectory)?;
        let (holdings, roster) = (Field::read(from)?, Field::read(from)?);
        Ok(Self { me, credentials, holdings, roster })
    }
}

impl Unmask {
    fn write(&self, to: &mut Writer) {
        self.me.write(Stage::Unmask, to);
        self.holdings.write(to);
        if let Some(Confirmed { roster, survivors, .. }) = &self.confirmed {
            roster.write(to);
            survivors.write(to);
        }
    }

    fn read(mut me: Me, from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let holdings = Field::read(from)?;
        let confirmed = match me.credentials.take() {
            None => None,
            Some(credentials) => Some(Confirmed::read(credentials, from)?),
        };
        Ok(Self { me, holdings, confirmed })
    }
}

impl Confirmed {
    fn read(credentials: Credentials, from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (roster, survivors) = (Field::read(from)?, Field::read(from)?);
        Ok(Self { credentials, roster, survivors })
    }
}

impl Field for Assumptions {
    fn write(&self, to: &mut Writer) {
        let Self { cohort_size, rounds, security_bits, search_bits, correctness_bits, .. } = *self;
        for number in [cohort_size, rounds, security_bits, search_bits, correctness_bits] {
            to.u32(number);
        }
        to.f64(self.corrupted);
        to.f64(self.dropout);
        to.u8(self.threat_model.number());
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            cohort_size: from.u32()?,
            rounds: from.u32()?,
            security_bits: from.u32()?,
            search_bits: from.u32()?,
            correctness_bits: from.u32()?,
            corrupted: from.f64()?,
            dropout: from.f64()?,
            threat_model: read_threat_model(from)?,
        })
    }
}

fn read_threat_model(from: &mut Reader<'_>) -> Result<ThreatModel, Malformed> {
    ThreatModel::from_number(from.u8()?).map_err(|_| Malformed::Tag)
}

impl Field for Policy {
    fn write(&self, to: &mut Writer) {
        self.assumptions.write(to);
        let Self { min_cohort_size, min_threshold, min_neighbours, min_survivors, .. } = *self;
        for floor in [min_cohort_size, min_threshold, min_neighbours, min_survivors] {
            to.u32(floor);
        }
        to.u32(self.min_corrupted_neighbours);
        to.u8(self.threat_model.number());
        to.u64(self.max_dimension as u64);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            assumptions: Field::read(from)?,
            min_cohort_size: from.u32()?,
            min_threshold: from.u32()?,
            min_neighbours: from.u32()?,
            min_survivors: from.u32()?,
            min_corrupted_neighbours: from.u32()?,
            threat_model: read_threat_model(from)?,
            // Saved by a machine of longer addresses, it is still no limit here.
            max_dimension: usize::try_from(from.u64()?).unwrap_or(usize::MAX),
        })
    }
}

impl Field for ClientSecret {
    fn write(&self, to: &mut Writer) {
        to.bytes(self.as_bytes());
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self::from_bytes(&Zeroizing::new(from.array()?)))
    }
}

impl Field for Neighbour {
    fn write(&self, to: &mut Writer) {
        to.client(self.client);
        to.bytes(self.mask.as_bytes());
        self.receiving.write(to);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (client, mask) = (from.client()?, crate::MaskPublicKey::from_bytes(from.array()?)?);
        Ok(Self { client, mask, receiving: Field::read(from)? })
    }
}

impl Field for Roster {
    fn write(&self, to: &mut Writer) {
        self.hash.write(to);
        self.members.write(to);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self { hash: Field::read(from)?, members: Field::read(from)? })
    }
}

impl Field for Holding {
    fn write(&self, to: &mut Writer) {
        to.client(self.owner);
        self.shares.write(to);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self { owner: from.client()?, shares: Field::read(from)? })
    }
}
