//! A corrupted client, which knows all its secrets and helps the server with them. Derivations are
//! written anew from docs/protocol.md: sections 4 and 7 here, section 6 in `shamir`.

mod shamir;

use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm, KeyInit, Tag};
use ed25519_dalek::{Signer, SigningKey};
use hkdf::Hkdf;
use secagg::message::AdvertisedKeys;
use secagg::{
    ChannelPublicKey, ClientId, ContextHash, Directory, Identity, MaskPublicKey, Params,
    RosterHash, SessionId, Signature,
};
use sha2::{Digest, Sha256};
use x25519_dalek::{X25519_BASEPOINT_BYTES, x25519};

use crate::identity;

pub use shamir::recover;

/// A secret, a share, a key or a hash.
pub type Bytes = [u8; 32];

/// A sealed pair of shares: of the mask secret key, and of the self-mask seed.
pub type Sealed = [u8; 80];

/// A member and its keys.
pub type Peer = (ClientId, AdvertisedKeys);

/// The terms of a session, under which everything is derived.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Its name.
    pub session: SessionId,
    /// Its parameters.
    pub params: Params,
    /// The hash of these and of the application bytes.
    pub context: ContextHash,
}

/// A client at one end of an agreement, with its public key there.
type End = (ClientId, Bytes);

/// A corrupted client.
#[derive(Clone, Debug)]
pub struct Puppet {
    /// Its name.
    pub id: ClientId,
    mask: Bytes,
    channel: Bytes,
}

impl Terms {
    /// The hash over the members' keys: with the directory's verifying keys against an active
    /// server, and with the server's fresh bytes where there is no directory.
    pub fn roster(
        &self,
        members: &[Peer],
        directory: Option<&Directory>,
        fresh: &Bytes,
    ) -> RosterHash {
        let mut hash = Sha256::new().chain_update(b"secagg roster").chain_update(self.session.0);
        hash.update(self.context.as_bytes());
        hash.update(if directory.is_none() { &fresh[..] } else { &[] });
        for (client, keys) in members {
            hash.update(client.0.to_le_bytes());
            hash.update(keys.mask.as_bytes());
            hash.update(keys.channel.as_bytes());
            if let Some(known) = directory.and_then(|directory| directory.get(*client)) {
                hash.update(known.as_bytes());
            }
        }
        RosterHash::from_bytes(hash.finalize().into())
    }

    /// Keys of a client, signed by whoever has this identity.
    pub fn signed_keys(
        &self,
        id: ClientId,
        by: &Identity,
        mut keys: AdvertisedKeys,
    ) -> AdvertisedKeys {
        let mut said = b"secagg sign advertised keys\x01".to_vec();
        said.extend(self.session.0.iter().chain(self.context.as_bytes()));
        said.extend(id.0.to_le_bytes());
        said.extend(keys.mask.as_bytes().iter().chain(keys.channel.as_bytes()));
        keys.signature = Some(signature(by, &said));
        keys
    }

    /// Survivors as a client confirms them, signed by whoever has this identity.
    pub fn signed_survivors(
        &self,
        id: ClientId,
        by: &Identity,
        roster: &RosterHash,
        survivors: &[ClientId],
    ) -> Signature {
        let mut all = Sha256::new().chain_update(b"secagg survivors");
        for client in survivors {
            all.update(client.0.to_le_bytes());
        }
        let mut said = b"secagg sign survivors\x01".to_vec();
        said.extend(self.session.0.iter().chain(self.context.as_bytes()));
        said.extend(id.0.to_le_bytes());
        said.extend(roster.as_bytes().iter().copied().chain(all.finalize()));
        signature(by, &said)
    }

    /// The seed of the mask between a client whose secret key is known and another one.
    pub fn pairwise_seed(
        &self,
        roster: &RosterHash,
        (one, secret): (ClientId, &Bytes),
        other: End,
    ) -> Bytes {
        let ours = (one, public(secret));
        let (first, second) = if ours.0 < other.0 { (ours, other) } else { (other, ours) };
        let mut seed = [0; 32];
        let shared = x25519(*secret, other.1);
        self.derive(roster, b"secagg pairwise seed", &shared, first, second, &mut seed);
        seed
    }

    fn derive(
        &self,
        roster: &RosterHash,
        label: &[u8; 20],
        shared: &Bytes,
        first: End,
        second: End,
        out: &mut [u8],
    ) {
        let salt = [&self.session.0[..], self.context.as_bytes(), roster.as_bytes()].concat();
        let (first_id, second_id) = (first.0.0.to_le_bytes(), second.0.0.to_le_bytes());
        let info = [&label[..], &first_id, &second_id, &first.1, &second.1].concat();
        let key = Hkdf::<Sha256>::new(Some(&salt), shared);
        key.expand(&info, out).expect("less than 8160 bytes");
    }

    /// The cipher of one box, its nonce, and what is bound to it.
    fn channel(
        &self,
        roster: &RosterHash,
        shared: &Bytes,
        sender: End,
        receiver: End,
    ) -> (Aes256Gcm, [u8; 12], Vec<u8>) {
        let mut okm = [0; 44];
        self.derive(roster, b"secagg share channel", shared, sender, receiver, &mut okm);
        let (key, nonce) = okm.split_first_chunk::<32>().expect("44 bytes");
        let mut data = [&[1][..], &self.session.0, &[1]].concat();
        data.extend([sender.0, receiver.0].iter().flat_map(|id| id.0.to_le_bytes()));
        data.extend(self.params.threshold().to_le_bytes());
        (Aes256Gcm::new(&(*key).into()), nonce.try_into().expect("12 bytes"), data)
    }
}

impl Puppet {
    /// A client whose keys follow from its name and a number, which it can try until it likes them.
    pub fn new(id: ClientId, attempt: u64) -> Self {
        let secret = |role: &[u8]| {
            let hash = Sha256::new().chain_update(role).chain_update(id.0.to_le_bytes());
            hash.chain_update(attempt.to_le_bytes()).finalize().into()
        };
        Self { id, mask: secret(b"mask"), channel: secret(b"channel") }
    }

    /// Its mask secret key.
    pub fn mask(&self) -> &Bytes {
        &self.mask
    }

    /// Its public keys, signed where the server may be active.
    pub fn keys(&self, terms: &Terms, signs: bool) -> AdvertisedKeys {
        let mask = MaskPublicKey::from_bytes(public(&self.mask)).expect("canonical");
        let channel = ChannelPublicKey::from_bytes(public(&self.channel)).expect("canonical");
        let keys = AdvertisedKeys { mask, channel, signature: None };
        if signs { terms.signed_keys(self.id, &identity(self.id), keys) } else { keys }
    }

    /// A box that opens, with shares of nothing.
    pub fn seal(&self, terms: &Terms, roster: &RosterHash, (to, keys): &Peer) -> Sealed {
        let agreed = x25519(self.channel, *keys.channel.as_bytes());
        let (ours, theirs) = ((self.id, public(&self.channel)), (*to, *keys.channel.as_bytes()));
        let (cipher, nonce, data) = terms.channel(roster, &agreed, ours, theirs);
        let mut text = [0; 64];
        let tag = cipher.encrypt_inout_detached(&nonce.into(), &data, (&mut text[..]).into());
        let mut sealed = [0; 80];
        sealed[..64].copy_from_slice(&text);
        sealed[64..].copy_from_slice(&tag.expect("64 bytes are few"));
        sealed
    }

    /// The two shares in a box for it: of the mask secret key, and of the self-mask seed.
    pub fn open(
        &self,
        terms: &Terms,
        roster: &RosterHash,
        (from, keys): &Peer,
        sealed: &Sealed,
    ) -> Option<[Bytes; 2]> {
        let agreed = x25519(self.channel, *keys.channel.as_bytes());
        let (ours, owner) = ((self.id, public(&self.channel)), (*from, *keys.channel.as_bytes()));
        let (cipher, nonce, data) = terms.channel(roster, &agreed, owner, ours);
        let (mut plain, tag) = (sealed[..64].to_vec(), Tag::try_from(&sealed[64..]).ok()?);
        let opened =
            cipher.decrypt_inout_detached(&nonce.into(), &data, (&mut plain[..]).into(), &tag);
        opened.ok()?;
        let (shares, _) = plain.as_chunks();
        Some([shares[0], shares[1]])
    }
}

fn public(secret: &Bytes) -> Bytes {
    x25519(*secret, X25519_BASEPOINT_BYTES)
}

fn signature(by: &Identity, said: &[u8]) -> Signature {
    Signature(SigningKey::from_bytes(by.as_bytes()).sign(said).to_bytes())
}
