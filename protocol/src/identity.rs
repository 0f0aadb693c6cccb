//! Who is who, for rounds whose server may lie: Ed25519 identities (RFC 8032), and the two statements
//! that clients sign.

use core::fmt;
use std::collections::BTreeMap;
use std::sync::Arc;

use ed25519_dalek::{Signer, SigningKey};
use rand_core::CryptoRng;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::message::AdvertisedKeys;
use crate::roster::RosterHash;
use crate::session::Session;
use crate::{ClientId, PROTOCOL_VERSION};

/// Bytes of a signature.
pub(crate) const SIGNATURE_LEN: usize = 64;

/// A client's long-term Ed25519 signing key: who it is, from round to round. Wiped when dropped, and moved without leaving a
/// copy.
#[derive(Clone)]
pub struct Identity(Box<SigningKey>);

impl Identity {
    /// A fresh identity.
    pub fn random(rng: &mut impl CryptoRng) -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *bytes);
        Self::from_bytes(&bytes)
    }

    /// The identity of 32 secret bytes: the private key of RFC 8032, section 5.1.5.
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(Box::new(SigningKey::from_bytes(bytes)))
    }

    /// The 32 secret bytes, to be kept where no one else reads them.
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// What others know this identity by.
    pub fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey(self.0.verifying_key())
    }

    pub(crate) fn sign(&self, statement: &Statement) -> Signature {
        Signature(self.0.sign(&statement.0).to_bytes())
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(..)")
    }
}

/// The public half of an [`Identity`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct VerifyingKey(ed25519_dalek::VerifyingKey);

impl VerifyingKey {
    /// Takes the 32 bytes of an Ed25519 public key (RFC 8032, section 5.1.2).
    ///
    /// # Errors
    /// [`InvalidVerifyingKey`] for bytes that are no point of the curve, or one of low order, under
    /// which anyone can sign.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, InvalidVerifyingKey> {
        let key =
            ed25519_dalek::VerifyingKey::from_bytes(bytes).map_err(|_| InvalidVerifyingKey)?;
        if key.is_weak() { Err(InvalidVerifyingKey) } else { Ok(Self(key)) }
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// Strictly: one key, one statement, one signature.
    pub(crate) fn verify(&self, statement: &Statement, signature: &Signature) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        self.0.verify_strict(&statement.0, &signature).is_ok()
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VerifyingKey(")?;
        self.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

/// Bytes that are no Ed25519 public key, or one that anyone can sign for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("these 32 bytes are no Ed25519 public key of full order")]
pub struct InvalidVerifyingKey;

/// The verifying keys of clients, given by the application to every client and to the server. A clone
/// shares its entries.
///
/// The guarantees against an active server stand on it: it must not come from that server.
#[derive(Clone, Debug)]
pub struct Directory(Arc<BTreeMap<ClientId, VerifyingKey>>);

impl Directory {
    /// A directory of some clients; more than take part in a round do no harm.
    ///
    /// # Errors
    /// [`InvalidDirectory`] for a client or a key that is entered twice: one key must not speak for
    /// two clients.
    pub fn new(
        entries: impl IntoIterator<Item = (ClientId, VerifyingKey)>,
    ) -> Result<Self, InvalidDirectory> {
        let (mut directory, mut owners) = (BTreeMap::new(), BTreeMap::new());
        for (client, key) in entries {
            if directory.insert(client, key).is_some() {
                return Err(InvalidDirectory::DuplicateClient(client));
            }
            if let Some(owner) = owners.insert(*key.as_bytes(), client) {
                return Err(InvalidDirectory::DuplicateKey(owner, client));
            }
        }
        Ok(Self(Arc::new(directory)))
    }

    /// A client's verifying key, if it is known.
    pub fn get(&self, client: ClientId) -> Option<&VerifyingKey> {
        self.0.get(&client)
    }

    /// Whether `client` signed the statement.
    pub(crate) fn confirms(
        &self,
        client: ClientId,
        statement: &Statement,
        signature: &Signature,
    ) -> bool {
        self.get(client).is_some_and(|key| key.verify(statement, signature))
    }

    /// Whether all signed: in one batch, and one by one where that fails, to name who did not.
    ///
    /// A batch also takes signatures that are off by a point of low order, which none but the key's
    /// owner can make, and which harm nobody but the owner.
    pub(crate) fn confirm_all(
        &self,
        signed: &[(ClientId, Statement, Signature)],
    ) -> Result<(), ClientId> {
        if self.confirm_batch(signed).is_some() {
            return Ok(());
        }
        let confirmed = |(client, statement, signature): &&(ClientId, Statement, Signature)| {
            self.confirms(*client, statement, signature)
        };
        match signed.iter().find(|signed| !confirmed(signed)) {
            Some(&(liar, ..)) => Err(liar),
            None => Ok(()),
        }
    }

    fn confirm_batch(&self, signed: &[(ClientId, Statement, Signature)]) -> Option<()> {
        let keys: Option<Vec<_>> =
            signed.iter().map(|&(client, ..)| self.get(client).map(|key| key.0)).collect();
        let statements: Vec<_> = signed.iter().map(|(_, statement, _)| &statement.0[..]).collect();
        let signature = |signed: &(_, _, Signature)| ed25519_dalek::Signature::from(signed.2.0);
        let signatures: Vec<_> = signed.iter().map(signature).collect();
        ed25519_dalek::verify_batch(&statements, &signatures, &keys?).ok()
    }
}

/// A directory that does not say who is who.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidDirectory {
    /// A client has two entries.
    #[error("client {0} is entered twice in the directory")]
    DuplicateClient(ClientId),
    /// Two clients have the same verifying key.
    #[error("clients {0} and {1} have the same verifying key in the directory")]
    DuplicateKey(ClientId, ClientId),
}

/// An Ed25519 signature as it travels (RFC 8032, section 5.1.6); not yet verified.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature(pub [u8; SIGNATURE_LEN]);

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signature(..)")
    }
}

/// What is signed: its label tells the two kinds apart, and both name session, context and signer.
pub(crate) struct Statement(Vec<u8>);

impl Statement {
    /// "These are my keys of this session."
    pub(crate) fn advertised_keys(
        session: &Session,
        signer: ClientId,
        keys: &AdvertisedKeys,
    ) -> Self {
        Self::new(b"secagg sign advertised keys", session, signer)
            .with(keys.mask.as_bytes())
            .with(keys.channel.as_bytes())
    }

    /// "Among these members, I take exactly these for the survivors."
    pub(crate) fn survivors(
        session: &Session,
        signer: ClientId,
        roster: &RosterHash,
        survivors: &SurvivorsHash,
    ) -> Self {
        Self::new(b"secagg sign survivors", session, signer)
            .with(roster.as_bytes())
            .with(&survivors.0)
    }

    fn new(label: &[u8], session: &Session, signer: ClientId) -> Self {
        Self(label.to_vec())
            .with(&[PROTOCOL_VERSION])
            .with(&session.id.0)
            .with(session.context.as_bytes())
            .with(&signer.0.to_le_bytes())
    }

    fn with(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }
}

/// SHA-256 over a set of survivors, so that a statement is short however many they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SurvivorsHash(pub(crate) [u8; 32]);

impl SurvivorsHash {
    /// Hashes ids, which must ascend.
    pub(crate) fn new(survivors: impl Iterator<Item = ClientId>) -> Self {
        let mut hash = Sha256::new().chain_update(b"secagg survivors");
        survivors.for_each(|client| hash.update(client.0.to_le_bytes()));
        Self(hash.finalize().into())
    }
}

#[cfg(test)]
mod tests;
