//! The server of one round.

mod aggregate;
mod stages;

pub(crate) use aggregate::Aggregate;

use std::sync::{Arc, Mutex, MutexGuard};

use numpy::PyArray1;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use secagg::server::Setup;
use secagg::{ClientId, Outgoing, SessionId};
use secagg_kernels::{Backend, Modulus, pack};

use self::stages::{Open, Stages};
use crate::arguments::{Whole, session, stage_name};
use crate::arrays::Bytes;
use crate::arrays::{Lanes, is_double, with_lanes};
use crate::errors::{misuse, misused};
use crate::identity::{Directory, StateKey, rng};
use crate::mask_plan::MaskPlan;
use crate::params::Params;
use crate::quantizer::{accumulator, packed};
use crate::threads::{backend, compute, compute_on, locked};

/// The server of one round, stage by stage.
///
/// >>> server = Server(params, new_session_id(), cohort)
/// >>> while server.stage is not None:
/// ...     for client, request in server.requests.items():
/// ...         server.receive(client, send(client, request))
/// ...     server.close()
/// >>> server.aggregate(np.float32).mean
///
/// When to close a stage (a timeout, enough answers) is the caller's business. Methods may be called from
/// several threads; they take turns.
#[pyclass(frozen, module = "secagg")]
#[derive(Debug)]
pub(crate) struct Server {
    params: secagg::Params,
    session: SessionId,
    backend: Backend,
    stages: Mutex<Stages>,
}

#[pymethods]
impl Server {
    /// Opens a round.
    ///
    /// Parameters
    /// ----------
    /// params : Params
    ///     The parameters of the round.
    /// session : bytes
    ///     16 fresh random bytes (`new_session_id`).
    /// cohort : sequence of int
    ///     The ids of the clients invited.
    /// application : bytes
    ///     What all clients must agree on.
    /// directory : Directory or None
    ///     Needed against an active server.
    /// backend : str or None
    ///     The kernels' backend; None for the fastest here.
    ///
    /// Raises
    /// ------
    /// Misuse
    ///     If the cohort does not fit the parameters or the directory.
    #[new]
    #[pyo3(signature = (params, session, cohort, *, application=Bytes::None, directory=None, backend=None),
           text_signature = "(params, session, cohort, *, application=b'', directory=None, backend=None)")]
    #[allow(clippy::needless_pass_by_value)] // Python's sequence is read into it.
    fn new(
        params: &Params,
        session: Bytes<'_>,
        cohort: Vec<Whole<u64>>,
        application: Bytes<'_>,
        directory: Option<&Directory>,
        backend: Option<&str>,
    ) -> PyResult<Self> {
        let (params, session) = (params.0.clone(), self::session(session.as_slice()?)?);
        let cohort: Vec<_> = cohort.iter().map(|client| ClientId(client.0)).collect();
        let (backend, application) = (self::backend(backend)?, application.as_slice()?);
        let opened = match directory {
            None => Setup::open(params.clone(), session, &cohort, application),
            Some(Directory(known)) => {
                Setup::open_signed(params.clone(), session, &cohort, application, known)
            }
        };
        let (setup, outgoing) = opened.map_err(misused)?;
        let open = Open { stage: setup.backend(backend), outgoing };
        Ok(Self { params, session, backend, stages: Mutex::new(Stages::Setup(open)) })
    }

    /// The server whose state `save` gave.
    ///
    /// Raises
    /// ------
    /// RestoreError
    ///     For bytes that no server saved under this key, and without a directory that is needed.
    #[staticmethod]
    #[pyo3(signature = (state, key, *, directory=None))]
    #[allow(clippy::needless_pass_by_value)] // The bytes' borrow lasts as long as the call.
    fn restore(
        py: Python<'_>,
        state: Bytes<'_>,
        key: &StateKey,
        directory: Option<&Directory>,
    ) -> PyResult<Self> {
        let (state, directory) = (state.as_slice()?, directory.map(|directory| &directory.0));
        let (stages, params, session) = compute(py, || Stages::restore(state, &key.0, directory))??;
        Ok(Self { params, session, backend: Backend::detect(), stages: Mutex::new(stages) })
    }

    /// Seals the present stage, with those of its requests whose clients have not answered.
    ///
    /// Save after any message, and after `close` before its requests are sent. The GIL is released.
    ///
    /// Raises
    /// ------
    /// Misuse
    ///     If the round is over: there is no stage to save.
    fn save<'py>(&self, py: Python<'py>, key: &StateKey) -> PyResult<Bound<'py, PyBytes>> {
        let state = compute_on(py, &self.stages, |stages| stages.save(&key.0, &mut rng()))?;
        state.map(|state| PyBytes::new(py, &state)).ok_or_else(no_stage)
    }

    /// The parameters of the round; of a restored server too.
    #[getter]
    fn params(&self) -> Params {
        Params(self.params.clone())
    }

    /// The session id.
    #[getter]
    fn session<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.session.0)
    }

    /// The stage that collects messages; None when the last one is closed or the round was aborted.
    ///
    /// Against a curious server the stage "confirm_survivors" does not occur.
    #[getter]
    fn stage(&self, py: Python<'_>) -> Option<&'static str> {
        py.detach(|| self.stages().stage()).map(stage_name)
    }

    /// The requests of the present stage, by client: of those that have not answered, ascending.
    #[getter]
    fn requests<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        by_client(py, &py.detach(|| self.stages().unanswered()))
    }

    /// Clients that were asked in this stage and have not answered, ascending.
    #[getter]
    fn waiting_for(&self, py: Python<'_>) -> Vec<u64> {
        ids(&py.detach(|| self.stages().waiting_for()))
    }

    /// Judges one message of one client. The GIL is released.
    ///
    /// Raises
    /// ------
    /// Malformed
    ///     The bytes are no message of this stage; the stage is as it was.
    /// Misbehaved
    ///     The message breaks a rule; the stage is as it was.
    /// Misuse
    ///     If no stage is open.
    #[allow(clippy::needless_pass_by_value)] // The bytes' borrow lasts as long as the call.
    fn receive(&self, py: Python<'_>, client: Whole<u64>, message: Bytes<'_>) -> PyResult<()> {
        let (client, message) = (ClientId(client.0), message.as_slice()?);
        // Only masked vectors are long enough for many threads.
        if message.get(1) == Some(&secagg::Stage::CollectMaskedVectors.number()) {
            return compute_on(py, &self.stages, |stages| stages.receive(client, message))?;
        }
        py.detach(|| self.stages().receive(client, message))
    }

    /// Whether the stage could be closed now.
    ///
    /// Raises
    /// ------
    /// Abort
    ///     As `close` would, but the stage goes on.
    fn check(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.stages().check())
    }

    /// Ends the stage and opens the next one. The GIL is released.
    ///
    /// Returns
    /// -------
    /// dict of int to bytes
    ///     The requests of the next stage; empty after the last one.
    ///
    /// Raises
    /// ------
    /// TooFew
    ///     Too few clients answered. The round is over.
    /// Abort
    ///     The round is over for another reason.
    fn close<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        by_client(py, &compute_on(py, &self.stages, Stages::close)??)
    }

    /// Takes the masks off and reads the sum, after the last stage. The GIL is released.
    ///
    /// Once: the sum is then gone.
    ///
    /// Parameters
    /// ----------
    /// dtype : dtype or None
    ///     float32 or float64; None for float32.
    ///
    /// Raises
    /// ------
    /// Abort
    ///     If the weights are all zero, or the sum is none that honest clients can make.
    /// Misuse
    ///     If the last stage is not closed, or the sum was read before.
    #[pyo3(signature = (dtype=None))]
    fn aggregate(&self, py: Python<'_>, dtype: Option<&Bound<'_, PyAny>>) -> PyResult<Aggregate> {
        let is_double = is_double(dtype)?;
        let done = py.detach(|| self.stages().take_recovered())?;
        let mut sum = done.sum;
        let unmasked = compute(py, || sum.apply(self.backend, &done.plan))?;
        unmasked.map_err(misused)?;
        Aggregate::read(py, is_double, done.reading, &sum)
    }

    /// Judges a masked vector as `receive` does, but leaves it to the caller to add its lanes.
    ///
    /// The caller adds the packed lanes, ``message[offset:]``, to a sum of its own
    /// (`kernels.unpack_add`), and gives that to `add_sum` before the stage is closed or saved. Only the
    /// length and the unused bits of the lanes are checked here, which is all that can be.
    ///
    /// Returns
    /// -------
    /// int
    ///     The offset in `message` at which the packed lanes start.
    ///
    /// Raises
    /// ------
    /// Malformed, Misbehaved
    ///     As `receive`.
    /// Misuse
    ///     If the stage is not "collect_masked_vectors".
    #[allow(clippy::needless_pass_by_value)] // The bytes' borrow lasts as long as the call.
    fn admit(&self, py: Python<'_>, client: Whole<u64>, message: Bytes<'_>) -> PyResult<usize> {
        let message = message.as_slice()?;
        py.detach(|| self.stages().admit(ClientId(client.0), message))
    }

    /// Adds the sum of admitted vectors.
    ///
    /// Parameters
    /// ----------
    /// lanes : ndarray of `Params.lane_dtype`
    ///     `Params.lanes` of them, wrapping in the word.
    ///
    /// Raises
    /// ------
    /// Misuse
    ///     If the stage is not "collect_masked_vectors", or the length is another.
    #[allow(clippy::needless_pass_by_value)] // The array's borrow lasts as long as the call.
    fn add_sum(&self, py: Python<'_>, lanes: Lanes<'_>) -> PyResult<()> {
        let modulus = self.params.modulus();
        let packed =
            with_lanes!(lanes, lanes => compute(py, || packed(self.backend, modulus, lanes)))??;
        compute_on(py, &self.stages, |stages| {
            stages.collecting()?.add_sum(&packed).map_err(misused)
        })?
    }

    /// The sum with its masks still on, once "collect_masked_vectors" is closed: a copy, of `Params.lane_dtype`.
    ///
    /// Raises
    /// ------
    /// Misuse
    ///     If that stage is not closed, or the sum was read.
    fn masked_sum<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let sum = compute_on(py, &self.stages, |stages| {
            let mut packed = Vec::new();
            stages.masked_sum()?.append_packed(self.backend, &mut packed);
            PyResult::Ok(packed)
        })??;
        unpacked(py, self.backend, self.params.modulus(), self.params.lanes(), &sum)
    }

    /// The masks to take off the sum, after the last stage.
    ///
    /// Raises
    /// ------
    /// Misuse
    ///     If the last stage is not closed.
    fn mask_plan(&self, py: Python<'_>) -> PyResult<MaskPlan> {
        py.detach(|| Ok(MaskPlan(Arc::clone(&self.stages().recovered()?.plan))))
    }

    /// Reads a sum whose masks the caller has taken off by `mask_plan`, as `aggregate` does.
    ///
    /// Parameters
    /// ----------
    /// lanes : ndarray of `Params.lane_dtype`
    ///     The sum.
    /// dtype : dtype or None
    ///     float32 or float64; None for float32.
    ///
    /// Raises
    /// ------
    /// Abort, Misuse
    ///     As `aggregate`.
    #[pyo3(signature = (lanes, dtype=None))]
    #[allow(clippy::needless_pass_by_value)] // The array's borrow lasts as long as the call.
    fn read(
        &self,
        py: Python<'_>,
        lanes: Lanes<'_>,
        dtype: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Aggregate> {
        let is_double = is_double(dtype)?;
        let sum = accumulator(py, self.backend, self.params.modulus(), &lanes)?;
        let (expected, found) = (self.params.lanes(), sum.len());
        if found != expected {
            let message = format!("{found} lanes where the round has {expected}");
            return Err(misuse("Length", message));
        }
        let done = py.detach(|| self.stages().take_recovered())?;
        Aggregate::read(py, is_double, done.reading, &sum)
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        format!("Server(stage={})", self.stage(py).unwrap_or("None"))
    }
}

impl Server {
    fn stages(&self) -> MutexGuard<'_, Stages> {
        locked(&self.stages)
    }
}

fn no_stage() -> PyErr {
    misuse("NoStage", "no stage is open: the round is over")
}

fn ids(clients: &[ClientId]) -> Vec<u64> {
    clients.iter().map(|client| client.0).collect()
}

/// Clients that are sent the same share one object.
fn by_client<'py>(py: Python<'py>, outgoing: &[Outgoing]) -> PyResult<Bound<'py, PyDict>> {
    let requests = PyDict::new(py);
    let mut last: Option<(&Arc<[u8]>, Bound<'py, PyBytes>)> = None;
    for Outgoing { to, message } in outgoing {
        let shared = last.take().filter(|(bytes, _)| Arc::ptr_eq(bytes, message));
        let object = shared.map_or_else(|| PyBytes::new(py, message), |(_, object)| object);
        requests.set_item(to.0, &object)?;
        last = Some((message, object));
    }
    Ok(requests)
}

/// Lanes in a new array of the smallest word that holds the modulus.
fn unpacked<'py>(
    py: Python<'py>,
    backend: Backend,
    modulus: Modulus,
    lanes: usize,
    packed: &[u8],
) -> PyResult<Bound<'py, PyAny>> {
    macro_rules! unpack {
        ($word:ty) => {{
            let mut words: Vec<$word> = vec![0; lanes];
            py.detach(|| pack::unpack(backend, modulus, packed, &mut words)).map_err(misused)?;
            Ok(PyArray1::from_vec(py, words).into_any())
        }};
    }
    match modulus.width() {
        ..=16 => unpack!(u16),
        17..=32 => unpack!(u32),
        _ => unpack!(u64),
    }
}
