use std::collections::HashSet;

use rand_core::CryptoRng;
use secagg_kernels::Backend;

use super::{CollectMaskedVectors, Me};
use crate::error::{Refused, ServerMisbehaved};
use crate::keys::{ChannelKey, ChannelSecretKey, End, MaskSecretKey, SelfMaskSeed, ShareChannel};
use crate::message::{AdvertisedKeys, Message, SealedShares, ShareKeysRequest};
use crate::sealed::{Route, SealedPair, SharePair, seal};
use crate::shamir::{Share, split};
use crate::{ClientId, MaskPublicKey, Policy};

/// Stage 1: a client that waits for its neighbours' keys.
#[derive(Debug)]
pub struct ShareKeys {
    pub(super) me: Me,
    pub(super) policy: Policy,
    pub(super) backend: Backend,
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

/// A neighbour with the key that seals what is sent to it.
type Channel = (Neighbour, ChannelKey);

impl ShareKeys {
    /// Answers a [`ShareKeysRequest`] with [`SealedShares`]: for each neighbour a share of the mask
    /// secret key and one of a fresh self-mask seed. The client keeps no share of its own.
    ///
    /// # Errors
    /// [`Refused`] for bytes that are no such message of this session; for a list without the
    /// client's own keys as it advertised them, with a key twice, with more neighbours than the
    /// parameters allow, or with fewer neighbours than the threshold or the policy asks for; for a key of low order.
    pub fn answer(
        self,
        request: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Result<(CollectMaskedVectors, Vec<u8>), Refused> {
        let (session, ShareKeysRequest { peers }) = ShareKeysRequest::decode(request)?;
        self.me.check_session(session)?;
        self.check_peers(&peers)?;
        let channels = self.open_channels(&peers)?;
        let self_mask_seed = SelfMaskSeed::random(rng);
        let boxes = self.seal_shares(&self_mask_seed, &channels, rng);
        let commitment = self_mask_seed.commitment(&self.me.session, self.me.id);
        let reply = SealedShares { commitment, boxes }.encode(session);
        let neighbours = channels.into_iter().map(|(neighbour, _)| neighbour).collect();
        let Self { me, backend, mask, .. } = self;
        let mask_public = self.advertised.mask;
        let next =
            CollectMaskedVectors { me, backend, mask, mask_public, self_mask_seed, neighbours };
        Ok((next, reply))
    }

    fn check_peers(&self, peers: &[(ClientId, AdvertisedKeys)]) -> Result<(), ServerMisbehaved> {
        if !peers.contains(&(self.me.id, self.advertised)) {
            return Err(ServerMisbehaved::OwnKeysAltered);
        }
        check_distinct_keys(peers)?;
        let found = peers.len() - 1;
        let (need, most) = (self.me.session.threshold(), self.me.session.params.most_neighbours());
        if found > most {
            return Err(ServerMisbehaved::TooManyPeers { found, most });
        }
        if found < need {
            return Err(ServerMisbehaved::TooFewPeers { have: found, need });
        }
        self.policy.check_neighbours(found as u32)
    }

    fn open_channels(
        &self,
        peers: &[(ClientId, AdvertisedKeys)],
    ) -> Result<Vec<Channel>, ServerMisbehaved> {
        // With its final capacity from the start, the vector never moves keys and leaves copies.
        let mut channels = Vec::with_capacity(peers.len());
        for &(client, keys) in peers.iter().filter(|&&(client, _)| client != self.me.id) {
            channels.push(self.open_channel(client, keys)?);
        }
        Ok(channels)
    }

    fn open_channel(
        &self,
        client: ClientId,
        keys: AdvertisedKeys,
    ) -> Result<Channel, ServerMisbehaved> {
        let ours = End { client: self.me.id, key: self.advertised.channel };
        let theirs = End { client, key: keys.channel };
        let ShareChannel { sending, receiving } =
            ShareChannel::new(&self.me.session, &self.channel, ours, theirs)
                .map_err(|_| ServerMisbehaved::LowOrderKey(client))?;
        Ok((Neighbour { client, mask: keys.mask, receiving }, sending))
    }

    fn seal_shares(
        &self,
        self_mask_seed: &SelfMaskSeed,
        channels: &[Channel],
        rng: &mut impl CryptoRng,
    ) -> Vec<SealedPair> {
        let threshold = self.me.session.threshold();
        let holders: Vec<_> = channels.iter().map(|(neighbour, _)| neighbour.client).collect();
        let keys = split(self.mask.as_bytes(), threshold, &holders, rng);
        let seeds = split(self_mask_seed.as_bytes(), threshold, &holders, rng);
        let pairs = keys.into_iter().zip(seeds);
        channels.iter().zip(pairs).map(|(channel, pair)| self.seal_pair(channel, pair)).collect()
    }

    fn seal_pair(
        &self,
        (neighbour, sending): &Channel,
        (mask_secret_key, self_mask_seed): (Share, Share),
    ) -> SealedPair {
        let route = Route { sender: self.me.id, receiver: neighbour.client };
        let pair = SharePair { mask_secret_key, self_mask_seed };
        seal(&self.me.session, sending, route, &pair)
    }
}

/// No key twice, neither in one role nor across both.
fn check_distinct_keys(peers: &[(ClientId, AdvertisedKeys)]) -> Result<(), ServerMisbehaved> {
    let mut seen = HashSet::with_capacity(2 * peers.len());
    for (client, keys) in peers {
        if !(seen.insert(keys.mask.as_bytes()) && seen.insert(keys.channel.as_bytes())) {
            return Err(ServerMisbehaved::DuplicateKey(*client));
        }
    }
    Ok(())
}
