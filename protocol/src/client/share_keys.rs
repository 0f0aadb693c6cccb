use std::collections::HashSet;

use rand_core::CryptoRng;
use secagg_kernels::Backend;

use super::secret::{ClientSecret, Draws};
use super::{CollectMaskedVectors, Credentials, Me, Roster};
use crate::error::{Refused, ServerMisbehaved};
use crate::graph::Ring;
use crate::identity::Statement;
use crate::keys::{
    ChannelKey, ChannelSecretKey, End, Hub, LowOrder, MaskSecretKey, Salt, SelfMaskSeed,
    ShareChannel,
};
use crate::message::{AdvertisedKeys, Message, SealedShares, ShareKeysRequest};
use crate::roster::RosterHash;
use crate::sealed::{Route, SealedPair, SharePair, seal};
use crate::shamir::{Share, split};
use crate::{ClientId, MaskPublicKey, Stage};

/// Stage 1: a client that waits for its neighbours' keys.
#[derive(Debug)]
pub struct ShareKeys {
    pub(super) me: Me,
    pub(super) backend: Backend,
    pub(super) secret: ClientSecret,
    pub(super) mask: MaskSecretKey,
    pub(super) channel: ChannelSecretKey,
    pub(super) advertised: AdvertisedKeys,
}

/// What a client keeps of a neighbour after it has shared its keys.
pub(super) struct Neighbour {
    pub(super) client: ClientId,
    pub(super) mask: MaskPublicKey,
    pub(super) receiving: ChannelKey,
}

/// A member as the server tells of it.
type Peer = (ClientId, AdvertisedKeys);

/// Neighbours, and the keys that seal what is sent to them, in the same order. The two part ways later, and what is moved out of a
/// vector leaves a copy there that nobody wipes: so they are two vectors from the start.
struct Channels {
    neighbours: Vec<Neighbour>,
    sending: Vec<ChannelKey>,
}

impl ShareKeys {
    /// Answers a [`ShareKeysRequest`] with [`SealedShares`]: for each neighbour a share of the mask
    /// secret key and one of a fresh self-mask seed. The client keeps no share of its own.
    ///
    /// # Errors
    /// [`Refused`] for bytes that are no such message of this session; for a list without the
    /// client's own keys as it advertised them, with a key twice, with more neighbours than the
    /// parameters allow, or with fewer neighbours than the threshold or the policy asks for; for a
    /// key of low order. Against an active server also for a member without an entry in the
    /// directory, for a roster that is not the hash of the list, for fewer members than the quorum
    /// or the policy asks for, and for a member that did not sign its keys.
    pub fn answer(self, request: &[u8]) -> Result<(CollectMaskedVectors, Vec<u8>), Refused> {
        let (session, ShareKeysRequest { roster, peers }) = ShareKeysRequest::decode(request)?;
        self.me.check_session(session)?;
        self.check_peers(&peers)?;
        let neighbours = self.neighbours(&roster, &peers)?;
        self.check_count(neighbours.len())?;
        let salt = Salt::new(&self.me.session, &roster);
        let channels = self.open_channels(&salt, &neighbours)?;
        let mut draws = self.draws(&roster, &peers);
        let self_mask_seed = SelfMaskSeed::random(&mut draws);
        let boxes = self.seal_shares(&self_mask_seed, &channels, &mut draws);
        let commitment = self_mask_seed.commitment(&self.me.session, self.me.id);
        let reply = SealedShares { commitment, boxes }.encode(session);
        let neighbours = channels.neighbours;
        let members = peers.iter().map(|&(client, _)| client).collect();
        let roster = Roster { hash: roster, members };
        let Self { me, backend, secret, mask, .. } = self;
        let mask_public = self.advertised.mask;
        let next = CollectMaskedVectors {
            me,
            backend,
            secret,
            mask,
            mask_public,
            self_mask_seed,
            neighbours,
            roster,
        };
        Ok((next, reply))
    }

    /// By the roster, which channel keys follow from too, and the list: not by its signatures, of
    /// which a member can make many, so that one channel key would seal different shares.
    fn draws(&self, roster: &RosterHash, peers: &[Peer]) -> Draws {
        let ids = peers.iter().flat_map(|(client, _)| client.0.to_le_bytes());
        let asked: Vec<_> = roster.as_bytes().iter().copied().chain(ids).collect();
        self.secret.draws(&self.me.session, self.me.id, Stage::ShareKeys, &asked)
    }

    fn check_peers(&self, peers: &[Peer]) -> Result<(), ServerMisbehaved> {
        if !peers.contains(&(self.me.id, self.advertised)) {
            return Err(ServerMisbehaved::OwnKeysAltered);
        }
        check_distinct_keys(peers)
    }

    /// A curious server is believed; an active one tells of all members, and the client sees for itself
    /// who its neighbours are.
    fn neighbours<'a>(
        &self,
        roster: &RosterHash,
        peers: &'a [Peer],
    ) -> Result<Vec<&'a Peer>, ServerMisbehaved> {
        let Some(credentials) = &self.me.credentials else {
            return Ok(peers.iter().filter(|(client, _)| *client != self.me.id).collect());
        };
        self.check_known(credentials, peers)?;
        self.check_roster(credentials, roster, peers)?;
        self.me.policy.check_members(&self.me.session.params, peers.len())?;
        self.check_signatures(credentials, peers)?;
        Ok(self.on_ring(roster, peers))
    }

    fn check_roster(
        &self,
        Credentials { directory, .. }: &Credentials,
        roster: &RosterHash,
        peers: &[Peer],
    ) -> Result<(), ServerMisbehaved> {
        let members = peers.iter().map(|(client, keys)| (*client, keys));
        if RosterHash::active(&self.me.session, directory, members) == *roster {
            Ok(())
        } else {
            Err(ServerMisbehaved::RosterAltered)
        }
    }

    fn check_known(
        &self,
        Credentials { directory, .. }: &Credentials,
        peers: &[Peer],
    ) -> Result<(), ServerMisbehaved> {
        let (found, most) = (peers.len(), self.me.session.params.cohort_size() as usize);
        if found > most {
            return Err(ServerMisbehaved::TooManyMembers { found, most });
        }
        match peers.iter().find(|(client, _)| directory.get(*client).is_none()) {
            Some(&(stranger, _)) => Err(ServerMisbehaved::NotInDirectory(stranger)),
            None => Ok(()),
        }
    }

    fn on_ring<'a>(&self, roster: &RosterHash, peers: &'a [Peer]) -> Vec<&'a Peer> {
        let ring = Ring::new(peers.len() as u32, self.me.session.params.degree(), roster);
        let own = peers.partition_point(|(client, _)| *client < self.me.id);
        ring.neighbours(own).into_iter().map(|at| &peers[at]).collect()
    }

    /// All members, not the neighbours alone: who is whose neighbour follows from all keys.
    fn check_signatures(
        &self,
        Credentials { directory, .. }: &Credentials,
        peers: &[Peer],
    ) -> Result<(), ServerMisbehaved> {
        let mut signed = Vec::with_capacity(peers.len());
        for (client, keys) in peers {
            let statement = Statement::advertised_keys(&self.me.session, *client, keys);
            let signature = keys.signature.ok_or(ServerMisbehaved::BadSignature(*client))?;
            signed.push((*client, statement, signature));
        }
        directory.confirm_all(&signed).map_err(ServerMisbehaved::BadSignature)
    }

    fn check_count(&self, found: usize) -> Result<(), ServerMisbehaved> {
        let params = &self.me.session.params;
        let (need, most) = (self.me.session.threshold(), params.most_neighbours() as usize);
        if found > most {
            return Err(ServerMisbehaved::TooManyPeers { found, most });
        }
        if found < need {
            return Err(ServerMisbehaved::TooFewPeers { have: found, need });
        }
        self.me.policy.check_neighbours(found as u32)
    }

    fn open_channels(
        &self,
        salt: &Salt,
        neighbours: &[&Peer],
    ) -> Result<Channels, ServerMisbehaved> {
        let ours = End { client: self.me.id, key: self.advertised.channel };
        let hub = Hub { backend: self.backend, salt, secret: &self.channel, end: ours };
        let end = |&&(client, keys): &&Peer| End { client, key: keys.channel };
        let theirs: Vec<_> = neighbours.iter().map(end).collect();
        let opened = hub
            .share_channels(&theirs)
            .map_err(|LowOrder(client)| ServerMisbehaved::LowOrderKey(client))?;
        Ok(Channels::new(neighbours, opened))
    }

    fn seal_shares(
        &self,
        self_mask_seed: &SelfMaskSeed,
        channels: &Channels,
        rng: &mut impl CryptoRng,
    ) -> Vec<SealedPair> {
        let threshold = self.me.session.threshold();
        let holders: Vec<_> = channels.neighbours.iter().map(|near| near.client).collect();
        let keys = split(self.mask.as_bytes(), threshold, &holders, rng);
        let seeds = split(self_mask_seed.as_bytes(), threshold, &holders, rng);
        let pairs = keys.iter().zip(&seeds);
        let routes = holders.iter().zip(&channels.sending);
        routes.zip(pairs).map(|((&holder, key), pair)| self.seal_pair(holder, key, pair)).collect()
    }

    /// Copies of shares are wiped as they are dropped, unlike what moving them would leave in their vectors.
    fn seal_pair(
        &self,
        receiver: ClientId,
        sending: &ChannelKey,
        (mask_secret_key, self_mask_seed): (&Share, &Share),
    ) -> SealedPair {
        let route = Route { sender: self.me.id, receiver };
        let (mask_secret_key, self_mask_seed) = (mask_secret_key.clone(), self_mask_seed.clone());
        seal(&self.me.session, sending, route, &SharePair { mask_secret_key, self_mask_seed })
    }
}

impl Channels {
    /// With their final capacity from the start, the vectors never grow, which would leave copies too.
    fn new(peers: &[&Peer], opened: impl Iterator<Item = ShareChannel>) -> Self {
        let (mut neighbours, mut sending) =
            (Vec::with_capacity(peers.len()), Vec::with_capacity(peers.len()));
        for (&&(client, keys), channel) in peers.iter().zip(opened) {
            neighbours.push(Neighbour { client, mask: keys.mask, receiving: channel.receiving });
            sending.push(channel.sending);
        }
        Self { neighbours, sending }
    }
}

/// No key twice, neither in one role nor across both.
fn check_distinct_keys(peers: &[Peer]) -> Result<(), ServerMisbehaved> {
    let mut seen = HashSet::with_capacity(2 * peers.len());
    for (client, keys) in peers {
        if !(seen.insert(keys.mask.as_bytes()) && seen.insert(keys.channel.as_bytes())) {
            return Err(ServerMisbehaved::DuplicateKey(*client));
        }
    }
    Ok(())
}
