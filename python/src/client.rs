//! One client in one round.

use core::convert::Infallible;
use std::sync::{Arc, Mutex};

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use secagg::client::{self, Persistent, Setup};
use secagg::kernels::Real;
use secagg::{ClientId, Stage, Store};

use crate::arguments::{Number, Whole, stage_name};
use crate::arrays::{Bytes, Update, with_update};
use crate::errors::{misuse, not_restored, refused, unanswered};
use crate::identity::{Directory, Identity, StateKey, rng};
use crate::ledger::Ledger;
use crate::policy::Policy;
use crate::threads::{backend, compute_on, compute_on_both, locked};

/// One client in one round, at whatever stage.
///
/// With a `state_key`, each answer is preceded by a new sealed `state`, from which `Client.restore` goes
/// on in any process. Keep the newest state and no other, before the answer is given away.
#[pyclass(frozen, module = "secagg")]
#[derive(Debug)]
pub(crate) struct Client {
    seat: Mutex<Seat>,
    /// Where a persistent client keeps its state.
    memory: Option<Memory>,
}

#[derive(Debug)]
enum Seat {
    Forgetful(secagg::Client),
    Persistent(Persistent<Memory>),
}

/// The state that was kept last.
#[derive(Clone, Debug, Default)]
struct Memory(Arc<Mutex<Option<Vec<u8>>>>);

impl Store for Memory {
    type Error = Infallible;

    fn replace(&mut self, state: &[u8]) -> Result<(), Infallible> {
        *locked(&self.0) = Some(state.to_vec());
        Ok(())
    }
}

#[pymethods]
impl Client {
    /// A client at the start of a round.
    ///
    /// Parameters
    /// ----------
    /// id : int
    ///     Its name in the cohort, from 0 to ``2**64 - 1``.
    /// application : bytes
    ///     What all clients must agree on, for example the hash of the global model and the number of the
    ///     round. Clients with other bytes refuse.
    /// policy : Policy or None
    ///     What the client asks of the round, best by `Policy.assuming`; None for the least floors
    ///     of all.
    /// identity, directory
    ///     Both, or neither. Needed for rounds against an active server. A client with an identity
    ///     refuses rounds that trust their server, with the rule "Downgrade".
    /// also_curious : bool
    ///     Whether a client with an identity takes part in rounds that trust their server too.
    /// state_key : StateKey or None
    ///     With it, `state` is kept.
    /// keep_vector : bool
    ///     Whether the state holds the masked vector, which is as long as the update. Without, the client gives
    ///     it once, and raises `Stale` when it is asked again.
    /// backend : str or None
    ///     The kernels' backend; None for the fastest here.
    #[new]
    #[pyo3(signature = (
        id, *, application=Bytes::None, policy=None, identity=None, directory=None,
        also_curious=false, state_key=None, keep_vector=true, backend=None
    ), text_signature = "(id, *, application=b'', policy=None, identity=None, directory=None, \
        also_curious=False, state_key=None, keep_vector=True, backend=None)")]
    // The bytes' borrow lasts as long as the call; keywords, in Python.
    #[allow(clippy::needless_pass_by_value, clippy::too_many_arguments)]
    fn new(
        id: Whole<u64>,
        application: Bytes<'_>,
        policy: Option<&Policy>,
        identity: Option<&Identity>,
        directory: Option<&Directory>,
        also_curious: bool,
        state_key: Option<&StateKey>,
        keep_vector: bool,
        backend: Option<&str>,
    ) -> PyResult<Self> {
        let mut setup = Setup::new(ClientId(id.0))
            .application(application.as_slice()?)
            .backend(self::backend(backend)?);
        if let Some(Policy(policy)) = policy {
            setup = setup.policy(*policy);
        }
        if let Some((identity, directory)) = credentials(identity, directory)? {
            setup = setup.identity(identity, directory);
        }
        if also_curious {
            setup = setup.also_curious();
        }
        Ok(Self::seated(setup, state_key, keep_vector))
    }

    /// The client whose `state` this is; `keep_vector` is not part of it, and is to be said again.
    ///
    /// Raises
    /// ------
    /// RestoreError
    ///     For bytes that no client kept under this key, and without an identity or directory that is needed.
    #[staticmethod]
    #[pyo3(signature = (state, state_key, *, identity=None, directory=None, keep_vector=true))]
    #[allow(clippy::needless_pass_by_value)] // The bytes' borrow lasts as long as the call.
    fn restore(
        py: Python<'_>,
        state: Bytes<'_>,
        state_key: &StateKey,
        identity: Option<&Identity>,
        directory: Option<&Directory>,
        keep_vector: bool,
    ) -> PyResult<Self> {
        let (credentials, key) = (credentials(identity, directory)?, state_key.0.clone());
        let state = state.as_slice()?;
        let memory = Memory(Arc::new(Mutex::new(Some(state.to_vec()))));
        let store = memory.clone();
        let client = py.detach(|| Persistent::restore(state, credentials, key, store));
        let client = keeping(client.map_err(not_restored)?, keep_vector);
        let seat = Mutex::new(Seat::Persistent(client));
        Ok(Self { seat, memory: Some(memory) })
    }

    /// The stage that the client waits in; None once it has finished or left the round.
    #[getter]
    fn stage(&self, py: Python<'_>) -> Option<&'static str> {
        py.detach(|| locked(&self.seat).stage()).map(stage_name)
    }

    /// The sealed state after the last answer or refusal; None without a state key, and before the first.
    ///
    /// It holds all secrets of the round, under the key, and the last answer (see `keep_vector`).
    #[getter]
    fn state<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        let memory = self.memory.as_ref()?;
        let state = py.detach(|| locked(&memory.0).clone());
        state.map(|state| PyBytes::new(py, &state))
    }

    /// Answers one message of the server. The GIL is released.
    ///
    /// A client with a state key that is asked the same again repeats its answer to the letter, but for a
    /// vector that it does not keep.
    ///
    /// Parameters
    /// ----------
    /// request : bytes
    ///     The message. As everywhere, a bytearray, a memoryview or an array of uint8 will do; it is read
    ///     in place.
    /// weight : float
    ///     The weight of the update. Used in the stage "collect_masked_vectors" alone, as is `update`.
    /// update : ndarray of float32 or float64
    ///     One dimension, contiguous, as long as the round's dimension. It is read in place: no other
    ///     thread may write to it meanwhile.
    /// ledger : Ledger or None
    ///     With it, the client masks one vector for the same application bytes, whatever the session. Keep
    ///     the ledger before the masked vector is given away.
    ///
    /// Returns
    /// -------
    /// bytes
    ///     The answer.
    ///
    /// Raises
    /// ------
    /// ServerMisbehaved
    ///     The server sent no message of this stage, or broke a rule. The client has left the round.
    /// BadUpdate
    ///     The update cannot be masked. The client has left the round.
    /// Misuse
    ///     The client has finished, or lacks an identity, or got no update where one is due. With the
    ///     rule "MaskedBefore": the ledger has another vector for the same application bytes; it is as it
    ///     was, and the client has left the round.
    /// Stale
    ///     The request was answered before the last one, or its answer is not kept; the client goes on.
    /// TypeError, ValueError
    ///     The update has another dtype, or is not contiguous; the client goes on.
    #[pyo3(signature = (request, weight=Number(0.0), update=None, *, ledger=None),
           text_signature = "($self, request, weight=0.0, update=None, *, ledger=None)")]
    #[allow(clippy::needless_pass_by_value)] // The array's borrow lasts as long as the call.
    fn answer<'py>(
        &self,
        py: Python<'py>,
        request: Bytes<'py>,
        weight: Number,
        update: Option<Update<'py>>,
        ledger: Option<&Ledger>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let (request, weight) = (request.as_slice()?, weight.0);
        let reply = match &update {
            Some(update) => with_update!(*update, update => {
                compute_on_both(py, &self.seat, ledger.map(|Ledger(it)| it), |seat, ledger| {
                    seat.answer(request, weight, update, ledger)
                })
            })?,
            None => compute_on(py, &self.seat, |seat| seat.answer_without_update(request))?,
        }?;
        Ok(PyBytes::new(py, &reply))
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        format!("Client(stage={})", self.stage(py).unwrap_or("None"))
    }
}

impl Client {
    fn seated(setup: Setup, state_key: Option<&StateKey>, keep_vector: bool) -> Self {
        let memory = state_key.map(|_| Memory::default());
        let seat = match (state_key, memory.clone()) {
            (Some(StateKey(key)), Some(store)) => {
                let client = Persistent::new(setup, key.clone(), store);
                Seat::Persistent(keeping(client, keep_vector))
            }
            _ => Seat::Forgetful(secagg::Client::Setup(setup)),
        };
        Self { seat: Mutex::new(seat), memory }
    }
}

impl Seat {
    fn stage(&self) -> Option<Stage> {
        match self {
            Self::Forgetful(client) => client.stage(),
            Self::Persistent(client) => client.stage(),
        }
    }

    fn answer<F: Real>(
        &mut self,
        request: &[u8],
        weight: f64,
        update: &[F],
        ledger: Option<&mut client::Ledger>,
    ) -> PyResult<Vec<u8>> {
        let mut rng = rng();
        match self {
            Self::Persistent(client) => match ledger {
                Some(ledger) => client.answer_once(request, weight, update, ledger, &mut rng),
                None => client.answer(request, weight, update, &mut rng),
            }
            .map_err(unanswered),
            Self::Forgetful(client) => {
                let client = std::mem::replace(client, secagg::Client::Finished);
                let answered = match ledger {
                    Some(ledger) => client.answer_once(request, weight, update, ledger, &mut rng),
                    None => client.answer(request, weight, update, &mut rng),
                };
                let (next, reply) = answered.map_err(refused)?;
                *self = Self::Forgetful(next);
                Ok(reply)
            }
        }
    }

    /// A client that is about to mask nothing would be lost to the round; one that repeats an answer needs no update.
    fn answer_without_update(&mut self, request: &[u8]) -> PyResult<Vec<u8>> {
        let stage = Stage::CollectMaskedVectors;
        if self.stage() == Some(stage) && request.get(1) == Some(&(FROM_SERVER | stage.number())) {
            return Err(misuse("Update", "this stage masks an update: give one, with its weight"));
        }
        self.answer::<f32>(request, 0.0, &[], None)
    }
}

fn keeping(client: Persistent<Memory>, keep_vector: bool) -> Persistent<Memory> {
    if keep_vector { client } else { client.without_vectors() }
}

/// The bit of a message's kind that says who sends it.
const FROM_SERVER: u8 = 0x80;

fn credentials(
    identity: Option<&Identity>,
    directory: Option<&Directory>,
) -> PyResult<Option<(secagg::Identity, secagg::Directory)>> {
    match (identity, directory) {
        (Some(identity), Some(directory)) => Ok(Some((identity.0.clone(), directory.0.clone()))),
        (None, None) => Ok(None),
        _ => Err(misuse("NoIdentity", "give both an identity and a directory, or neither")),
    }
}
