//! A client that survives its process.

use core::{fmt, mem};

use rand_core::CryptoRng;
use secagg_kernels::Real;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::ledger::Entry;
use super::saved::{read, write};
use super::{Client, Credentials, Ledger, Setup};
use crate::error::Refused;
use crate::field::Field;
use crate::identity::{Directory, Identity};
use crate::saved::{CLIENT, RestoreError, StateKey, Store, open, seal};
use crate::wire::HEADER_LEN;
use crate::{SessionId, Stage};

/// A client whose state is in a [`Store`] before its answer is given away, so that a process that
/// is killed loses nothing, and answers nothing twice in different ways.
///
/// Asked the same again, it repeats its answer to the letter; asked once more what it answered
/// earlier, it says nothing; asked something else, it refuses. A masked vector is the one long
/// answer, and can be left out of the state: see [`without_vectors`](Self::without_vectors). What
/// it keeps is sealed under a key of the caller's: the state holds all its secrets of the round. It
/// can be no better than its store, though: whoever puts back an older state has an older client.
#[derive(Debug)]
pub struct Persistent<S> {
    client: Client,
    /// None before the first answer, and nothing is kept until then.
    last: Option<Answered>,
    keeps_vectors: bool,
    key: StateKey,
    store: S,
}

/// The next stage, an answer, and what it has put into a ledger.
type Step = (Client, Vec<u8>, Option<Entry>);

/// The questions so far by their hashes, and what was answered to the last. That is empty where it
/// is not kept; no message is.
struct Answered {
    session: SessionId,
    requests: Vec<[u8; 32]>,
    reply: Zeroizing<Vec<u8>>,
    /// The ledger entry of the last answer.
    entry: Option<Entry>,
    is_kept: bool,
}

impl fmt::Debug for Answered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Answered({} requests)", self.requests.len())
    }
}

/// Why a persistent client gives no answer.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum PersistentError<E> {
    /// The client refused, and has left the round.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The request was answered before, and its answer is not kept: another one was answered since,
    /// or the client keeps no vectors. The client is as it was, and there is nothing to send.
    #[error("this request was answered before, and its answer is not kept")]
    Stale,
    /// The new state could not be kept. Ask the same again for another attempt.
    #[error("the client's state could not be kept: {0}")]
    Store(E),
}

impl<S: Store> Persistent<S> {
    /// A client at the start of a round.
    pub fn new(setup: Setup, key: StateKey, store: S) -> Self {
        let client = Client::Setup(setup.hedged(&key));
        Self { client, last: None, keeps_vectors: true, key, store }
    }

    /// Keeps the hash of a request for a masked vector, and not the vector, which is as long as the
    /// update. Asked for it again, the client has no answer ([`PersistentError::Stale`]), so one
    /// that is lost on its way is lost to the round. To be said again of a client that is restored.
    #[must_use]
    pub fn without_vectors(mut self) -> Self {
        self.keeps_vectors = false;
        self
    }

    /// The client that was kept last. The kernels' backend is the fastest here; identity and
    /// directory are not kept, and needed again against an active server.
    ///
    /// # Errors
    /// [`RestoreError`], for bytes that no client kept under this key.
    pub fn restore(
        state: &[u8],
        credentials: Option<(Identity, Directory)>,
        key: StateKey,
        store: S,
    ) -> Result<Self, RestoreError> {
        let known = credentials.map(|(identity, directory)| Credentials { identity, directory });
        let (client, last) = open(CLIENT, &key, state, |session, from| {
            let (requests, reply) = (Field::read(from)?, Zeroizing::new(from.blob()?.to_vec()));
            let entry = Field::read(from)?;
            let last = Answered { session, requests, reply, entry, is_kept: true };
            Ok((read(session, from, known.as_ref())?, last))
        })?;
        Ok(Self { client, last: Some(last), keeps_vectors: true, key, store })
    }

    /// The stage that the client waits in, or `None` once it has finished.
    pub const fn stage(&self) -> Option<Stage> {
        self.client.stage()
    }

    /// Answers one message, as [`Client::answer`] does, and keeps the new state first. A request
    /// that was the last one to be answered gets the same answer, for which `weight` and `update`
    /// are not looked at.
    ///
    /// # Errors
    /// [`PersistentError::Stale`] for what was answered earlier or is not kept, and the client goes
    /// on; [`PersistentError::Refused`], after which the client has left the round, in its store
    /// too; [`PersistentError::Store`] if the state could not be kept.
    pub fn answer<F: Real>(
        &mut self,
        request: &[u8],
        weight: f64,
        update: &[F],
        rng: &mut impl CryptoRng,
    ) -> Result<Vec<u8>, PersistentError<S::Error>> {
        self.answer_by(request, rng, |client, rng| {
            let (next, reply) = client.answer(request, weight, update, rng)?;
            Ok((next, reply, None))
        })
    }

    /// Answers one message as [`answer`](Self::answer) does, and masks no second vector for the
    /// same application bytes. Keep the ledger before the answer is sent.
    ///
    /// # Errors
    /// As [`answer`](Self::answer); [`crate::Misuse::MaskedBefore`] is a refusal too.
    pub fn answer_once<F: Real>(
        &mut self,
        request: &[u8],
        weight: f64,
        update: &[F],
        ledger: &mut Ledger,
        rng: &mut impl CryptoRng,
    ) -> Result<Vec<u8>, PersistentError<S::Error>> {
        let before = ledger.clone();
        let reply = self.answer_by(request, rng, |client, rng| {
            let (next, reply) = client.answer_once(request, weight, update, ledger, rng)?;
            let entry = ledger.since(&before);
            Ok((next, reply, entry))
        })?;
        // The process that answered first may have ended before its ledger was kept.
        if let Some(entry) = self.last.as_ref().and_then(|last| last.entry) {
            ledger.enter_again(entry);
        }
        Ok(reply)
    }

    fn answer_by<R: CryptoRng>(
        &mut self,
        request: &[u8],
        rng: &mut R,
        answer: impl FnOnce(Client, &mut R) -> Result<Step, Refused>,
    ) -> Result<Vec<u8>, PersistentError<S::Error>> {
        let hash = Sha256::digest(request).into();
        let repeats = self.last.as_ref().is_some_and(|last| last.repeats(&hash));
        if !repeats && self.last.as_ref().is_some_and(|last| last.requests.contains(&hash)) {
            return Err(PersistentError::Stale);
        }
        let refused =
            if repeats { None } else { self.go_on(hash, |client| answer(client, rng)).err() };
        self.keep(rng).map_err(PersistentError::Store)?;
        refused.map_or_else(|| Ok(self.reply()), |refused| Err(refused.into()))
    }

    /// The answer to the last request, which is now in the store or must not be there.
    fn reply(&mut self) -> Vec<u8> {
        let keeps_vectors = self.keeps_vectors;
        self.last.as_mut().map_or_else(Vec::new, |last| {
            if last.is_to_be_kept(keeps_vectors) {
                last.reply.to_vec()
            } else {
                mem::take(&mut *last.reply)
            }
        })
    }

    /// To the next stage, or out of the round: then it must not come back from its store with the
    /// secrets that the refusal wiped. Where nothing was kept before, there are none.
    fn go_on(
        &mut self,
        request: [u8; 32],
        answer: impl FnOnce(Client) -> Result<Step, Refused>,
    ) -> Result<(), Refused> {
        let is_new = self.stage().is_some();
        match answer(mem::replace(&mut self.client, Client::Finished)) {
            Ok((next, reply, entry)) => {
                self.client = next;
                let requests = self.last.take().map_or_else(Vec::new, |last| last.requests);
                self.last = Some(Answered::new([requests, vec![request]].concat(), reply, entry));
                Ok(())
            }
            Err(refused) => {
                self.last.iter_mut().filter(|_| is_new).for_each(|last| last.is_kept = false);
                Err(refused)
            }
        }
    }

    fn keep(&mut self, rng: &mut impl CryptoRng) -> Result<(), S::Error> {
        let Self { client, last, keeps_vectors, key, store } = self;
        let Some(last) = last.as_mut().filter(|last| !last.is_kept) else { return Ok(()) };
        let kept = if last.is_to_be_kept(*keeps_vectors) { last.reply.as_slice() } else { &[] };
        let state = seal(CLIENT, last.session, key, rng, |to| {
            last.requests.write(to);
            to.blob(kept);
            last.entry.write(to);
            write(client, to);
        });
        store.replace(&state)?;
        last.is_kept = true;
        Ok(())
    }
}

impl Answered {
    /// The session is that of the reply, which the client itself wrote there.
    fn new(requests: Vec<[u8; 32]>, reply: Vec<u8>, entry: Option<Entry>) -> Self {
        let mut session = SessionId([0; 16]);
        session.0.copy_from_slice(&reply[HEADER_LEN - 16..HEADER_LEN]);
        Self { session, requests, reply: Zeroizing::new(reply), entry, is_kept: false }
    }

    /// Whether this request is the last one, and its answer is here.
    fn repeats(&self, request: &[u8; 32]) -> bool {
        self.requests.last() == Some(request) && !self.reply.is_empty()
    }

    /// Whether the answer belongs in the store: the second byte of a message says of which stage it
    /// is.
    fn is_to_be_kept(&self, keeps_vectors: bool) -> bool {
        keeps_vectors || self.reply.get(1) != Some(&Stage::CollectMaskedVectors.number())
    }
}
