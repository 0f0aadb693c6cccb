//! What a client's random bytes come from (`docs/protocol.md`, section 4): one secret for a session is
//! drawn, and everything else is derived from it and from what the request asks for.
//!
//! So a client that is put back to an earlier state gives the same answer to the same request, and no
//! second box under one key. A generator that repeats itself, as after a machine was cloned, is hedged
//! with the identity, and with the session's name (RFC 8937, section 3, has the idea).

use core::convert::Infallible;
use core::fmt;

use hkdf::Hkdf;
use rand_core::{CryptoRng, TryCryptoRng, TryRng};
use secagg_kernels::{Backend, Prg, Seed};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::identity::Identity;
use crate::keys::KEY_LEN;
use crate::session::Session;
use crate::{ClientId, PROTOCOL_VERSION, Stage};

/// The secret of one client in one session, from the setup until its vector is masked. It stays where
/// it is, and is wiped when dropped.
pub(super) struct ClientSecret(Box<Seed>);

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret(..)")
    }
}

impl ClientSecret {
    /// Draws 32 bytes, and extracts the secret from them and the identity, if there is one.
    pub(super) fn random(identity: Option<&Identity>, rng: &mut impl CryptoRng) -> Self {
        let mut drawn = Zeroizing::new([0; KEY_LEN]);
        rng.fill_bytes(&mut *drawn);
        let hedge = identity.map_or(&[][..], |identity| identity.as_bytes());
        let (secret, _) = Hkdf::<Sha256>::extract(Some(&*drawn), hedge);
        Self::from_bytes(&Zeroizing::new(secret.into()))
    }

    pub(super) fn from_bytes(bytes: &[u8; KEY_LEN]) -> Self {
        Self(Box::new(Seed::from_bytes(*bytes)))
    }

    pub(super) fn as_bytes(&self) -> &[u8; KEY_LEN] {
        self.0.as_bytes()
    }

    /// What the client draws from in a stage, where `asked` tells requests apart that have answers of
    /// their own.
    pub(super) fn draws(
        &self,
        session: &Session,
        client: ClientId,
        stage: Stage,
        asked: &[u8],
    ) -> Draws {
        let asked = Sha256::digest(asked);
        let info: [&[u8]; 7] = [
            b"secagg client draws",
            &[PROTOCOL_VERSION],
            &session.id.0,
            session.context.as_bytes(),
            &client.0.to_le_bytes(),
            &[stage.number()],
            &asked,
        ];
        let mut seed = Zeroizing::new([0; KEY_LEN]);
        Hkdf::<Sha256>::from_prk(self.as_bytes())
            .expect("a secret is as long as a hash")
            .expand_multi_info(&info, &mut *seed)
            .expect("HKDF-SHA256 gives up to 8160 bytes");
        Draws { seed: Seed::from_bytes(*seed), drawn: 0 }
    }
}

/// The ChaCha20 keystream of a derived seed, read from its start.
pub(super) struct Draws {
    seed: Seed,
    drawn: u64,
}

impl TryRng for Draws {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut word = [0; 4];
        self.try_fill_bytes(&mut word)?;
        Ok(u32::from_le_bytes(word))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut word = [0; 8];
        self.try_fill_bytes(&mut word)?;
        Ok(u64::from_le_bytes(word))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        Prg::ChaCha20
            .expand(Backend::Portable, &self.seed, self.drawn, out)
            .expect("a keystream of 256 GiB, and 64 bytes of it for each share");
        self.drawn += out.len() as u64;
        Ok(())
    }
}

impl TryCryptoRng for Draws {}
