//! Shares that clients reveal, and what they are together.

use std::collections::BTreeMap;

use secagg::fuzzing::{Bytes, recover};
use secagg::{ClientId, ContextHash, Params, SessionId, ThreatModel};
use secagg_tests::APPLICATION;
use sha2::{Digest, Sha256};
use x25519_dalek::{X25519_BASEPOINT_BYTES, x25519};

/// What one client published of its two secrets.
pub struct Published {
    /// The session that it answered.
    pub session: SessionId,
    /// The parameters that it took.
    pub params: Params,
    /// The public key of its mask secret key.
    pub mask: Bytes,
    /// To its self-mask seed.
    pub commitment: Bytes,
}

/// Shares by owner and tag, then by holder.
#[derive(Default)]
pub struct Revealed(BTreeMap<(ClientId, u8), BTreeMap<ClientId, Bytes>>);

impl Revealed {
    /// Hears a share from a box that its owner sealed for the holder. A client seals once, so whatever the server told
    /// anybody, such shares are on the polynomials of one dealing.
    ///
    /// # Panics
    /// If enough shares give another secret than the owner published, or both secrets where no server may have them.
    pub fn hear(
        &mut self,
        (owner, published): (ClientId, &Published),
        (holder, tag, share): (ClientId, u8, Bytes),
    ) {
        let threshold = published.params.threshold() as usize;
        let shares = self.0.entry((owner, tag)).or_default();
        shares.insert(holder, share);
        if shares.len() < threshold {
            return;
        }
        let (holders, shares): (Vec<_>, Vec<_>) = shares.iter().map(|(&h, &s)| (h, s)).unzip();
        let [secret, again] = recover(&holders, &shares, &[]);
        assert_eq!(secret, again);
        assert!(published.fits(owner, tag, &secret), "{owner}'s secret {tag} of {holders:?}");
        let other = self.0.get(&(owner, 3 - tag)).map_or(0, BTreeMap::len);
        let is_active = published.params.threat_model() == ThreatModel::ActiveServer;
        assert!(!is_active || other < threshold, "both of {owner}'s secrets");
    }
}

impl Published {
    /// The check of section 6: 1 is the self-mask seed, 2 the mask secret key.
    fn fits(&self, owner: ClientId, tag: u8, secret: &Bytes) -> bool {
        match tag {
            1 => self.commitment_to(owner, secret) == self.commitment,
            _ => x25519(*secret, X25519_BASEPOINT_BYTES) == self.mask,
        }
    }

    fn commitment_to(&self, owner: ClientId, seed: &Bytes) -> Bytes {
        let context = ContextHash::new(&self.params, APPLICATION);
        let hash = Sha256::new().chain_update("secagg self mask commitment");
        let hash = hash.chain_update(self.session.0).chain_update(context.as_bytes());
        hash.chain_update(owner.0.to_le_bytes()).chain_update(seed).finalize().into()
    }
}
