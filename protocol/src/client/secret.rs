//! Source of a client's random bytes (`docs/protocol.md`, section 4): one secret for a session is
//! drawn, and everything else is derived from it and from the request.
//!
//! So a client that is put back to an earlier state gives the same answer to the same request, and
//! no second box under one key, as long as one roster hash comes with one list. A generator that
//! repeats itself, as after a machine was cloned, is hedged with the identity, the key of saved
//! states, and the session's name (RFC 8937, section 3, has the idea).

use core::convert::Infallible;
use core::fmt;

use hkdf::{Hkdf, HkdfExtract};
use rand_core::{CryptoRng, Rng, TryCryptoRng, TryRng};
use secagg_kernels::{Backend, Prg, Real, Seed};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::keys::KEY_LEN;
use crate::sealed::without_traces;
use crate::session::Session;
use crate::{ClientId, PROTOCOL_VERSION, Stage};

/// The secret of one client in one session, from the setup until its vector is masked. It stays
/// where it is, and is wiped when dropped.
pub(super) struct ClientSecret(Box<Seed>);

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret(..)")
    }
}

impl ClientSecret {
    /// Draws 32 bytes, and extracts the secret from them and from what they are hedged with.
    pub(super) fn random(hedge: &[u8], rng: &mut impl CryptoRng) -> Self {
        let mut drawn = Zeroizing::new([0; KEY_LEN]);
        rng.fill_bytes(&mut *drawn);
        without_traces(|| {
            let (secret, _) = Hkdf::<Sha256>::extract(Some(&*drawn), hedge);
            Self::from_bytes(&Zeroizing::new(secret.into()))
        })
    }

    pub(super) fn from_bytes(bytes: &[u8; KEY_LEN]) -> Self {
        Self(Box::new(Seed::from_bytes(*bytes)))
    }

    pub(super) fn as_bytes(&self) -> &[u8; KEY_LEN] {
        self.0.as_bytes()
    }

    /// The random bytes of one stage. `asked` tells requests apart that have answers of their own.
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
        let expand = || {
            let mut seed = Zeroizing::new([0; KEY_LEN]);
            Hkdf::<Sha256>::from_prk(self.as_bytes())
                .expect("a secret is as long as a hash")
                .expand_multi_info(&info, &mut *seed)
                .expect("HKDF-SHA256 gives up to 8160 bytes");
            Box::new(Seed::from_bytes(*seed))
        };
        Draws { seed: without_traces(expand), drawn: 0 }
    }

    /// HMAC-SHA256 of a session, of what tells which masks are added, a weight and an update: equal
    /// for equal ones alone, and it tells nothing of them. The session is there for clients whose
    /// generator repeats itself.
    pub(super) fn fingerprint<F: Real>(
        &self,
        session: &Session,
        masks: &[u8],
        weight: f64,
        update: &[F],
    ) -> [u8; KEY_LEN] {
        let mut hmac = HkdfExtract::<Sha256>::new(Some(self.as_bytes()));
        hmac.input_ikm(b"secagg fingerprint");
        hmac.input_ikm(&session.id.0);
        hmac.input_ikm(session.context.as_bytes());
        hmac.input_ikm(&(masks.len() as u64).to_le_bytes());
        hmac.input_ikm(masks);
        hmac.input_ikm(&weight.to_le_bytes());
        let mut bytes = Zeroizing::new(Vec::with_capacity(8 * ELEMENTS));
        for elements in update.chunks(ELEMENTS) {
            bytes.clear();
            bytes.extend(elements.iter().flat_map(|element| element.to_f64().to_le_bytes()));
            hmac.input_ikm(&bytes);
        }
        let (fingerprint, _) = hmac.finalize();
        fingerprint.into()
    }
}

/// Elements that are hashed at once.
const ELEMENTS: usize = 1024;

/// The ChaCha20 keystream of a derived seed, read from its start.
pub(super) struct Draws {
    seed: Box<Seed>,
    drawn: u64,
}

impl Draws {
    /// The next 32 bytes, as a seed.
    pub(super) fn seed(mut self) -> Seed {
        without_traces(|| {
            let mut bytes = Zeroizing::new([0; KEY_LEN]);
            self.fill_bytes(&mut *bytes);
            Seed::from_bytes(*bytes)
        })
    }
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
        let expand = || Prg::ChaCha20.expand(Backend::Portable, &self.seed, self.drawn, out);
        without_traces(expand).expect("a keystream of 256 GiB, and 64 bytes of it for each share");
        self.drawn += out.len() as u64;
        Ok(())
    }
}

impl TryCryptoRng for Draws {}
