from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias, final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ._errors import Imprecise

_StageName: TypeAlias = Literal[
    "setup", "share_keys", "collect_masked_vectors", "confirm_survivors", "unmask"
]
_ThreatModel: TypeAlias = Literal["curious", "active"]
_PrgName: TypeAlias = Literal["aes-128-ctr", "chacha20", "aegis-128x4"]
_Sign: TypeAlias = Literal[1, -1]
_Real: TypeAlias = NDArray[np.float32] | NDArray[np.float64]
_Lanes: TypeAlias = NDArray[np.uint16] | NDArray[np.uint32] | NDArray[np.uint64]
_Bytes: TypeAlias = bytes | bytearray | memoryview | NDArray[np.uint8]
_Int: TypeAlias = int | np.integer[Any]
_Float: TypeAlias = float | np.floating[Any] | np.integer[Any]

__all__ = [
    "PRGS",
    "STAGES",
    "Aggregate",
    "Assumptions",
    "Client",
    "Directory",
    "Identity",
    "Ledger",
    "MaskPlan",
    "Params",
    "Plan",
    "Policy",
    "Quantizer",
    "Server",
    "StateKey",
    "__version__",
    "_params_from_request",
    "backends",
    "expand",
    "new_session_id",
    "pack",
    "packed_len",
    "plan",
    "set_threads",
    "unpack",
    "unpack_add",
]

__version__: str
PRGS: tuple[str, ...]
STAGES: tuple[str, ...]

# --- Parameters and planning ---------------------------------------------------------------------

@final
class Params:
    """The parameters of a round: fixed before it starts, checked once, the same for everyone.

    Made by `Params.secagg` (complete graph) or `Params.secagg_plus` (regular graph). Names and
    defaults are those of the Flower framework. Immutable, comparable, hashable and picklable.
    """

    @staticmethod
    def secagg(
        cohort_size: _Int,
        dimension: _Int,
        reconstruction_threshold: _Float,
        *,
        clipping_range: _Float = 8.0,
        quantization_range: _Int | Literal["auto"] = 4194304,
        max_weight: _Float = 1000.0,
        modulus_range: _Int = 4294967296,
        prg: _PrgName = "aes-128-ctr",
        threat_model: _ThreatModel = "curious",
        corrupted_neighbours: _Int | None = None,
    ) -> Params:
        """SecAgg: every client shares its secrets with all others.

        Parameters
        ----------
        cohort_size : int
            Clients invited, at least 3.
        dimension : int
            Elements of an update.
        reconstruction_threshold : int or float
            Shares that recover a secret: a count, or a fraction in (0, 1] of the ``cohort_size - 1``
            shares of each secret.
        clipping_range : float
            Elements are clipped to plus or minus this before they are weighted.
        quantization_range : int or "auto"
            Levels into which the clipping range is quantized; "auto" for as many as fit.
        max_weight : float
            The largest weight of a client. Precision falls as ``max_weight / weight``.
        modulus_range : int
            The modulus of all sums, a power of two up to ``2**64``.
        prg : str
            What expands seeds into masks.
        threat_model : str
            "curious": the server follows the protocol and studies all it sees. "active": it may lie.
        corrupted_neighbours : int or None
            Neighbours of any one client that may collude with the server; None for as many as the
            threshold bears.

        Raises
        ------
        Misuse
            If the numbers do not fit each other; the message says what to change.
        """

    @staticmethod
    def secagg_plus(
        cohort_size: _Int,
        dimension: _Int,
        num_shares: _Float,
        reconstruction_threshold: _Float,
        *,
        clipping_range: _Float = 8.0,
        quantization_range: _Int | Literal["auto"] = 4194304,
        max_weight: _Float = 1000.0,
        modulus_range: _Int = 4294967296,
        prg: _PrgName = "aes-128-ctr",
        threat_model: _ThreatModel = "curious",
        corrupted_neighbours: _Int | None = None,
    ) -> Params:
        """SecAgg+: every client shares its secrets with some neighbours.

        Parameters
        ----------
        cohort_size, dimension
            As for `Params.secagg`.
        num_shares : int or float
            Neighbours of each client: a count, or a fraction of the cohort. ``cohort_size - 1`` and
            ``cohort_size`` both mean the complete graph.
        reconstruction_threshold : int or float
            Shares that recover a secret: a count, or a fraction of those shares.

        Raises
        ------
        Misuse
            If the numbers do not fit each other; the message says what to change.
        """

    @staticmethod
    def from_request(request: _Bytes) -> Params:
        """The parameters in a setup request, as a client is sent it.

        Raises
        ------
        Misuse
            If the bytes are no setup request.
        """

    @property
    def cohort_size(self) -> int:
        """Clients invited."""

    @property
    def dimension(self) -> int:
        """Elements of an update."""

    @property
    def lanes(self) -> int:
        """Lanes of a masked vector: the weight, the update, and whether the client clipped."""

    @property
    def degree(self) -> int:
        """Neighbours of each client in the full cohort."""

    @property
    def is_complete(self) -> bool:
        """Whether all clients are neighbours."""

    @property
    def threshold(self) -> int:
        """Shares that recover a secret."""

    @property
    def corrupted_neighbours(self) -> int:
        """Neighbours of any one client that may collude with the server."""

    @property
    def quorum(self) -> int:
        """Confirmations of the same survivors that a client asks an active server for."""

    @property
    def clipping_range(self) -> float:
        """Elements are clipped to plus or minus this."""

    @property
    def quantization_range(self) -> int:
        """Levels of the quantizer."""

    @property
    def max_weight(self) -> float:
        """The largest weight of a client."""

    @property
    def modulus_range(self) -> int:
        """The modulus of all sums."""

    @property
    def width(self) -> int:
        """Bits of the modulus."""

    @property
    def prg(self) -> _PrgName:
        """What expands seeds into masks."""

    @property
    def threat_model(self) -> _ThreatModel:
        """What the server is assumed to do."""

    @property
    def packed_len(self) -> int:
        """Bytes of a masked vector's packed lanes."""

    @property
    def lane_dtype(self) -> np.dtype[Any]:
        """The unsigned integers that hold one lane: 16, 32 or 64 bits."""

    def error_bound(
        self, clients: _Int, total_weight: _Float, *, exact_weights: bool = True
    ) -> float:
        """The largest error of any element of the mean.

        Parameters
        ----------
        clients : int
            Survivors.
        total_weight : float
            The sum of their weights.
        exact_weights : bool
            Whether all weights are exact in their lane (`weight_is_exact`).

        Raises
        ------
        Misuse
            If there is nobody, or no weight above zero: there is then no mean.
        """

    def weight_is_exact(self, weight: _Float) -> bool:
        """Whether `weight` is a valid weight that its lane holds exactly."""

    def bytes_per_client(self) -> list[tuple[_StageName, int, int]]:
        """What one client sends and is sent in each stage, in bytes, if nobody drops out.

        Returns
        -------
        list of (stage, up, down)
        """

@final
class Plan:
    """A degree and thresholds that bear what was assumed of a cohort, made by `plan`."""

    @property
    def cohort_size(self) -> int:
        """Clients invited."""

    @property
    def degree(self) -> int:
        """Neighbours of each client."""

    @property
    def is_complete(self) -> bool:
        """Whether all clients are neighbours: no sparser graph will do."""

    @property
    def threshold(self) -> int:
        """The threshold to choose: the least that will do."""

    @property
    def thresholds(self) -> range:
        """All thresholds that will do."""

    @property
    def corrupted_neighbours(self) -> int:
        """The most neighbours of one client that collude."""

    @property
    def corrupted(self) -> int:
        """Clients that were assumed to collude."""

    @property
    def dropped(self) -> int:
        """Clients that were assumed to drop out."""

    @property
    def survivors(self) -> int:
        """Clients that were assumed to survive."""

    def params(
        self,
        dimension: _Int,
        *,
        clipping_range: _Float = 8.0,
        quantization_range: _Int | Literal["auto"] = 4194304,
        max_weight: _Float = 1000.0,
        modulus_range: _Int | None = None,
        prg: _PrgName = "aes-128-ctr",
    ) -> Params:
        """Parameters of a round with this graph and threshold.

        Parameters
        ----------
        dimension : int
            Elements of an update.
        modulus_range : int or None
            None for the smallest modulus that holds the sum, or 2**32 with ``quantization_range="auto"``.
        clipping_range, quantization_range, max_weight, prg
            As for `Params.secagg`.

        Raises
        ------
        Misuse
            If the numbers do not fit each other.
        """

def _params_from_request(request: _Bytes) -> Params:
    """What a pickle of parameters is read by: a function, since pickles find those by name."""

@final
class Assumptions:
    """What is assumed of a cohort, and what must hold then. Immutable and picklable.

    For `plan`, and for a client's `Policy.assuming`.

    Parameters
    ----------
    cohort_size, corrupted, dropout, rounds, security_bits, search_bits, correctness_bits,
    threat_model
        As for `plan`, which checks them.
    """

    def __new__(
        cls,
        cohort_size: _Int,
        *,
        corrupted: _Float = 0.05,
        dropout: _Float = 0.1,
        rounds: _Int = 1,
        security_bits: _Int = 40,
        search_bits: _Int | None = None,
        correctness_bits: _Int = 30,
        threat_model: _ThreatModel = "curious",
    ) -> Assumptions: ...
    def __getnewargs_ex__(self) -> tuple[tuple[int], dict[str, Any]]: ...
    @property
    def cohort_size(self) -> int:
        """Clients invited."""

    @property
    def corrupted(self) -> float:
        """The fraction of the cohort that may collude with the server."""

    @property
    def dropout(self) -> float:
        """The fraction of the cohort that may vanish."""

    @property
    def rounds(self) -> int:
        """Rounds of the whole training."""

    @property
    def security_bits(self) -> int:
        """Bits of security, for all rounds together."""

    @property
    def search_bits(self) -> int:
        """Bits of search, in each round."""

    @property
    def correctness_bits(self) -> int:
        """Bits of correctness, in each round."""

    @property
    def threat_model(self) -> _ThreatModel:
        """What the server may do: "curious" or "active"."""

    def plan(self) -> Plan:
        """Finds the fewest neighbours, and the threshold, that meet them.

        Raises
        ------
        Misuse
            If not even the complete graph does; the message says what to change.
        """

def plan(
    cohort_size: _Int,
    *,
    corrupted: _Float = 0.05,
    dropout: _Float = 0.1,
    rounds: _Int = 1,
    security_bits: _Int = 40,
    search_bits: _Int | None = None,
    correctness_bits: _Int = 30,
    threat_model: _ThreatModel = "curious",
) -> Plan:
    """Finds the fewest neighbours, and the threshold, that a cohort needs.

    Parameters
    ----------
    cohort_size : int
        Clients invited.
    corrupted, dropout : float
        Fractions of the cohort, from 0 to below 1, that may collude with the server, and that may vanish.
    rounds : int
        Rounds of the whole training.
    security_bits : int
        In all rounds together, an update is exposed with a probability of at most ``2**-security_bits``.
    search_bits : int or None
        In each round the server may try ``2**search_bits`` rings and go on with the best. None for 40 bits
        if it is active, and 0 if it is curious.
    correctness_bits : int
        A round fails with a probability of at most ``2**-correctness_bits``.
    threat_model : str
        "curious" or "active".

    Raises
    ------
    Misuse
        If not even the complete graph bears that; the message says what to change.
    """

# --- Who is who ----------------------------------------------------------------------------------

@final
class Policy:
    """What a client asks of a round, whatever the server proposes. Immutable and picklable.

    `Policy.assuming` makes the policy of a client that knows what to expect of its cohort. The
    server chooses how many neighbours there are, so floors on single numbers say little by
    themselves; they are for experts, on top.

    Parameters
    ----------
    assumptions : Assumptions or None
        As for `Policy.assuming`, with the floors on top.
    min_cohort_size : int or None
        None for the cohort size of the assumptions, or 3.
    threat_model : str or None
        The weakest threat model; "curious" accepts both. None for that of the assumptions, or
        "curious".
    min_threshold, min_neighbours, min_survivors, min_corrupted_neighbours
        Floors; see the properties.
    max_dimension : int or None
        The largest dimension; None for any.

    Raises
    ------
    Misuse
        If no parameters at all meet the assumptions; the message says what to change.
    """

    def __new__(
        cls,
        *,
        assumptions: Assumptions | None = None,
        min_cohort_size: _Int | None = None,
        min_threshold: _Int = 2,
        min_neighbours: _Int = 2,
        min_survivors: _Int = 3,
        min_corrupted_neighbours: _Int = 0,
        threat_model: _ThreatModel | None = None,
        max_dimension: _Int | None = None,
    ) -> Policy: ...
    def __getnewargs_ex__(self) -> tuple[tuple[()], dict[str, Any]]: ...
    @staticmethod
    def assuming(assumptions: Assumptions) -> Policy:
        """The policy of a client that takes part where its assumptions are met, in cohorts of at least
        their size, and against no weaker server than theirs.

        The client runs the planner's own inequalities on the parameters that the server proposes.
        It refuses those that do not meet them, with the rule "Assumptions", and in an active round
        a roster from which more clients are missing than may vanish, with the rule
        "TooFewMembers".

        Raises
        ------
        Misuse
            If no parameters at all meet them; the message says what to change.
        """

    @property
    def assumptions(self) -> Assumptions | None:
        """What the client assumes of its cohort, or None."""

    @property
    def min_cohort_size(self) -> int:
        """The least cohort size."""

    @property
    def min_threshold(self) -> int:
        """The least threshold, in shares."""

    @property
    def min_neighbours(self) -> int:
        """The least number of neighbours."""

    @property
    def min_survivors(self) -> int:
        """The least number of survivors, this client and colluders included."""

    @property
    def min_corrupted_neighbours(self) -> int:
        """The least number of colluding neighbours that the threshold must bear."""

    @property
    def threat_model(self) -> _ThreatModel:
        """The weakest threat model: "curious" accepts both."""

    @property
    def max_dimension(self) -> int | None:
        """The largest dimension, or None."""

@final
class Identity:
    """A client's long-term Ed25519 signing key, for rounds against an active server. Silent in `repr`."""

    def __new__(cls, secret: _Bytes) -> Identity:
        """The identity of 32 secret bytes."""

    @staticmethod
    def random() -> Identity:
        """A fresh identity, from the operating system's randomness."""

    def to_bytes(self) -> bytes:
        """The 32 secret bytes, to be kept where no one else reads them."""

    @property
    def verifying_key(self) -> bytes:
        """The 32 public bytes that others know this identity by."""

@final
class Directory:
    """The verifying keys of clients, given by the application to every client and to the server."""

    def __new__(cls, entries: Mapping[int, _Bytes]) -> Directory:
        """A directory of verifying keys by client id.

        Raises
        ------
        Misuse
            For a key that is none, or that two clients have.
        """

    def __contains__(self, key: _Int, /) -> bool: ...

@final
class StateKey:
    """32 secret bytes under which states are sealed. Silent in `repr`, wiped when dropped."""

    def __new__(cls, secret: _Bytes) -> StateKey:
        """The key of 32 secret bytes, which must be uniform."""

    @staticmethod
    def random() -> StateKey:
        """A fresh key, from the operating system's randomness."""

    def to_bytes(self) -> bytes:
        """The 32 secret bytes, to be kept apart from the states that they open."""

def new_session_id() -> bytes:
    """16 fresh random bytes: the name of one round, never used twice."""

# --- Clients -------------------------------------------------------------------------------------

@final
class Client:
    """One client in one round, at whatever stage.

    With a `state_key`, each answer is preceded by a new sealed `state`, from which `Client.restore` goes
    on in any process. Keep the newest state and no other, before the answer is given away.
    """

    def __new__(
        cls,
        id: _Int,
        *,
        application: _Bytes = b"",
        policy: Policy | None = None,
        identity: Identity | None = None,
        directory: Directory | None = None,
        also_curious: bool = False,
        state_key: StateKey | None = None,
        keep_vector: bool = True,
        backend: str | None = None,
    ) -> Client:
        """A client at the start of a round.

        Parameters
        ----------
        id : int
            Its name in the cohort, from 0 to ``2**64 - 1``.
        application : bytes
            What all clients must agree on, for example the hash of the global model and the number of the
            round. Clients with other bytes refuse.
        policy : Policy or None
            What the client asks of the round, best by `Policy.assuming`; None for the least floors
            of all.
        identity, directory
            Both, or neither. Needed for rounds against an active server. A client with an identity
            refuses rounds that trust their server, with the rule "Downgrade".
        also_curious : bool
            Whether a client with an identity takes part in rounds that trust their server too.
        state_key : StateKey or None
            With it, `state` is kept.
        keep_vector : bool
            Whether the state holds the masked vector, which is as long as the update. Without, the client
            gives it once, and raises `Stale` when it is asked again.
        backend : str or None
            The kernels' backend; None for the fastest here.
        """

    @staticmethod
    def restore(
        state: _Bytes,
        state_key: StateKey,
        *,
        identity: Identity | None = None,
        directory: Directory | None = None,
        keep_vector: bool = True,
    ) -> Client:
        """The client whose `state` this is; `keep_vector` is not part of it, and is to be said again.

        Raises
        ------
        RestoreError
            For bytes that no client kept under this key, and without an identity or directory that is needed.
        """

    @property
    def stage(self) -> _StageName | None:
        """The stage that the client waits in; None once it has finished or left the round."""

    @property
    def state(self) -> bytes | None:
        """The sealed state after the last answer or refusal; None without a state key, and before the first.

        It holds all secrets of the round, under the key, and the last answer (see `keep_vector`).
        """

    def answer(
        self,
        request: _Bytes,
        weight: _Float = 0.0,
        update: _Real | None = None,
        *,
        ledger: Ledger | None = None,
    ) -> bytes:
        """Answers one message of the server. The GIL is released.

        A client with a state key that is asked the same again repeats its answer to the letter, but for a
        vector that it does not keep.

        Parameters
        ----------
        request : bytes
            The message. As everywhere, a bytearray, a memoryview or an array of uint8 will do; it is read
            in place.
        weight : float
            The weight of the update. Used in the stage "collect_masked_vectors" alone, as is `update`.
        update : ndarray of float32 or float64
            One dimension, contiguous, as long as the round's dimension. It is read in place: no other
            thread may write to it meanwhile.
        ledger : Ledger or None
            With it, the client masks one vector for the same application bytes, whatever the session. Keep
            the ledger before the masked vector is given away.

        Returns
        -------
        bytes
            The answer.

        Raises
        ------
        ServerMisbehaved
            The server sent no message of this stage, or broke a rule. The client has left the round.
        BadUpdate
            The update cannot be masked. The client has left the round.
        Misuse
            The client has finished, or lacks an identity, or got no update where one is due. With the
            rule "MaskedBefore": the ledger has another vector for the same application bytes; it is as it
            was, and the client has left the round.
        Stale
            The request was answered before the last one, or its answer is not kept; the client goes on.
        TypeError, ValueError
            The update has another dtype, or is not contiguous; the client goes on.
        """

@final
class Ledger:
    """A client's memory of the application bytes for which it has masked a vector, over all sessions.

    Given to `Client.answer`, it refuses a second vector for the same application bytes, except that very
    vector again. It holds 32 bytes for each of them, none of which is secret. Keep `to_bytes` before the
    masked vector is given away, and pass the ledger to the next session. Comparable and picklable; clients
    in several threads may share one.
    """

    def __new__(cls) -> Ledger:
        """A ledger without entries."""

    @staticmethod
    def from_bytes(ledger: _Bytes) -> Ledger:
        """The ledger of the bytes that `to_bytes` gave.

        Raises
        ------
        Misuse
            For other bytes.
        """

    def to_bytes(self) -> bytes:
        """The ledger as bytes, to be kept."""

    def forget(self, application: _Bytes) -> bool:
        """Admits a second vector for these application bytes.

        This is safe in two cases: the first vector never left this process, or the update has fresh noise,
        so that two sums tell no more than the noise allows.

        Returns
        -------
        bool
            Whether there was a first.
        """

    def __len__(self) -> int: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __reduce__(self) -> tuple[Any, tuple[bytes]]: ...

# --- The server ----------------------------------------------------------------------------------

@final
class Server:
    """The server of one round, stage by stage.

    >>> server = Server(params, new_session_id(), cohort)
    >>> while server.stage is not None:
    ...     for client, request in server.requests.items():
    ...         server.receive(client, send(client, request))
    ...     server.close()
    >>> server.aggregate(np.float32).mean

    When to close a stage (a timeout, enough answers) is the caller's business. Methods may be called from
    several threads; they take turns.
    """

    def __new__(
        cls,
        params: Params,
        session: _Bytes,
        cohort: Sequence[int],
        *,
        application: _Bytes = b"",
        directory: Directory | None = None,
        backend: str | None = None,
    ) -> Server:
        """Opens a round.

        Parameters
        ----------
        params : Params
            The parameters of the round.
        session : bytes
            16 fresh random bytes (`new_session_id`).
        cohort : sequence of int
            The ids of the clients invited.
        application : bytes
            What all clients must agree on.
        directory : Directory or None
            Needed against an active server.
        backend : str or None
            The kernels' backend; None for the fastest here.

        Raises
        ------
        Misuse
            If the cohort does not fit the parameters or the directory.
        """

    @staticmethod
    def restore(state: _Bytes, key: StateKey, *, directory: Directory | None = None) -> Server:
        """The server whose state `save` gave.

        Raises
        ------
        RestoreError
            For bytes that no server saved under this key, and without a directory that is needed.
        """

    def save(self, key: StateKey) -> bytes:
        """Seals the present stage, with those of its requests whose clients have not answered.

        Save after any message, and after `close` before its requests are sent. The GIL is released.

        Raises
        ------
        Misuse
            If the round is over: there is no stage to save.
        """

    @property
    def params(self) -> Params:
        """The parameters of the round; of a restored server too."""

    @property
    def session(self) -> bytes:
        """The session id."""

    @property
    def stage(self) -> _StageName | None:
        """The stage that collects messages; None when the last one is closed or the round was aborted.

        Against a curious server the stage "confirm_survivors" does not occur.
        """

    @property
    def requests(self) -> dict[int, bytes]:
        """The requests of the present stage, by client: of those that have not answered, ascending."""

    @property
    def waiting_for(self) -> list[int]:
        """Clients that were asked in this stage and have not answered, ascending."""

    def receive(self, client: _Int, message: _Bytes) -> None:
        """Judges one message of one client. The GIL is released.

        Raises
        ------
        Malformed
            The bytes are no message of this stage; the stage is as it was.
        Misbehaved
            The message breaks a rule; the stage is as it was.
        Misuse
            If no stage is open.
        """

    def check(self) -> None:
        """Whether the stage could be closed now.

        Raises
        ------
        Abort
            As `close` would, but the stage goes on.
        """

    def close(self) -> dict[int, bytes]:
        """Ends the stage and opens the next one. The GIL is released.

        Returns
        -------
        dict of int to bytes
            The requests of the next stage; empty after the last one.

        Raises
        ------
        TooFew
            Too few clients answered. The round is over.
        Abort
            The round is over for another reason.
        """

    def aggregate(self, dtype: DTypeLike | None = None) -> Aggregate:
        """Takes the masks off and reads the sum, after the last stage. The GIL is released.

        Once: the sum is then gone.

        Parameters
        ----------
        dtype : dtype or None
            float32 or float64; None for float32.

        Raises
        ------
        Abort
            If the weights are all zero, or the sum is none that honest clients can make.
        Misuse
            If the last stage is not closed, or the sum was read before.
        """

    # For callers that spread lanes over processes: accumulate ranges of uploads, apply ranges of the plan.

    def admit(self, client: _Int, message: _Bytes) -> int:
        """Judges a masked vector as `receive` does, but leaves it to the caller to add its lanes.

        The caller adds the packed lanes, ``message[offset:]``, to a sum of its own
        (`kernels.unpack_add`), and gives that to `add_sum` before the stage is closed or saved. Only the
        length and the unused bits of the lanes are checked here, which is all that can be.

        Returns
        -------
        int
            The offset in `message` at which the packed lanes start.

        Raises
        ------
        Malformed, Misbehaved
            As `receive`.
        Misuse
            If the stage is not "collect_masked_vectors".
        """

    def add_sum(self, lanes: _Lanes) -> None:
        """Adds the sum of admitted vectors.

        Parameters
        ----------
        lanes : ndarray of `Params.lane_dtype`
            `Params.lanes` of them, wrapping in the word.

        Raises
        ------
        Misuse
            If the stage is not "collect_masked_vectors", or the length is another.
        """

    def masked_sum(self) -> NDArray[Any]:
        """The sum with its masks still on, once "collect_masked_vectors" is closed: a copy, of `Params.lane_dtype`.

        Raises
        ------
        Misuse
            If that stage is not closed, or the sum was read.
        """

    def mask_plan(self) -> MaskPlan:
        """The masks to take off the sum, after the last stage.

        Raises
        ------
        Misuse
            If the last stage is not closed.
        """

    def read(self, lanes: _Lanes, dtype: DTypeLike | None = None) -> Aggregate:
        """Reads a sum whose masks the caller has taken off by `mask_plan`, as `aggregate` does.

        Parameters
        ----------
        lanes : ndarray of `Params.lane_dtype`
            The sum.
        dtype : dtype or None
            float32 or float64; None for float32.

        Raises
        ------
        Abort, Misuse
            As `aggregate`.
        """

@final
class Aggregate:
    """What the server learns from a round, and all that it learns."""

    @property
    def mean(self) -> NDArray[Any]:
        """The weighted mean of the survivors' clipped updates."""

    @property
    def error_bound(self) -> float:
        """The largest possible distance of any element from the exact mean, whatever the weights."""

    @property
    def warning(self) -> Imprecise | None:
        """What to change where `error_bound` is 1 % of the clipping range or more, or 10 % of the mean's largest element."""

    @property
    def clipped(self) -> int:
        """Survivors with an element beyond the clipping range. The server does not learn which they are."""

    @property
    def total_weight(self) -> float:
        """The sum of the survivors' weights."""

    @property
    def survivors(self) -> list[int]:
        """Whose updates are in the mean, ascending."""

    @property
    def false_shares(self) -> list[tuple[int, int]]:
        """(holder, owner) of shares that were found false and done without. The mean is right all the same."""

# --- Kernels (public as `secagg.kernels`) --------------------------------------------------------

def backends() -> list[str]:
    """The backends that this machine can run, the fastest first."""

def set_threads(threads: _Int | None) -> None:
    """Sets how many threads this process computes with.

    Parameters
    ----------
    threads : int or None
        From 1 to 1024; None for one per core, or as many as the environment variable ``RAYON_NUM_THREADS`` says.

    Raises
    ------
    Misuse
        If it is another number, or if the system does not give so many threads.
    """

def expand(
    prg: _PrgName, seed: _Bytes, out: NDArray[np.uint8], *, first_byte: _Int = 0, backend: str | None = None
) -> None:
    """Writes the keystream of a seed over `out`, from `first_byte` on.

    Parameters
    ----------
    prg : str
        The generator.
    seed : bytes
        32 secret bytes.
    out : ndarray of uint8
        One dimension, contiguous, writeable.
    first_byte : int
        Where in the keystream `out` starts.
    backend : str or None
        None for the fastest here.

    Raises
    ------
    Misuse
        If the range ends beyond what one seed gives, or there is no such generator or backend.
    TypeError, ValueError
        If `out` has another dtype, or is not contiguous or not writeable.
    """

@final
class MaskPlan:
    """Masks, each with its sign, to be applied to any range of a vector.

    The order of seeds, the ranges and the threads have no influence on the result.
    """

    def __new__(cls, prg: _PrgName, masks: Sequence[tuple[_Bytes, _Sign]]) -> MaskPlan:
        """A plan of (seed of 32 bytes, 1 to add or -1 to subtract) pairs."""

    @staticmethod
    def from_bytes(data: _Bytes) -> MaskPlan:
        """The plan that `to_bytes` gave.

        Raises
        ------
        Misuse
            For bytes that are no plan.
        """

    def to_bytes(self) -> bytes:
        """The plan as bytes, for another process. They are the secret that unmasks the sum, seed by seed:
        send them to workers of the server alone, and by a confidential channel."""

    @property
    def prg(self) -> _PrgName:
        """The generator that expands the seeds."""

    def __len__(self) -> int: ...
    def apply(self, lanes: _Lanes, *, first_lane: _Int = 0, backend: str | None = None) -> None:
        """Adds and subtracts all masks to `lanes` in place. The GIL is released.

        Parameters
        ----------
        lanes : ndarray of uint16, uint32 or uint64
            One dimension, contiguous, writeable: the range of the vector that starts at `first_lane`.
        first_lane : int
            Where in the whole vector `lanes` starts.
        backend : str or None
            None for the fastest here.

        Raises
        ------
        Misuse
            If the range ends beyond what one seed gives; no lane is then touched.
        TypeError, ValueError
            If `lanes` has another dtype, or is not contiguous or not writeable.
        """

@final
class Quantizer:
    """How floats become lanes, and sums of lanes a weighted mean. Immutable."""

    def __new__(
        cls,
        clipping_range: _Float = 8.0,
        quantization_range: _Int = 4194304,
        max_weight: _Float = 1000.0,
    ) -> Quantizer:
        """A quantizer that clips to plus or minus `clipping_range`.

        Raises
        ------
        Misuse
            If a number is out of its range.
        """

    @staticmethod
    def largest_for(width: _Int, clients: _Int) -> int | None:
        """The most levels whose sum over `clients` stays below ``2**width``, or None."""

    @property
    def clipping_range(self) -> float:
        """Elements are clipped to plus or minus this."""

    @property
    def quantization_range(self) -> int:
        """Levels."""

    @property
    def max_weight(self) -> float:
        """The largest weight."""

    def quantize(
        self,
        weight: _Float,
        update: _Real,
        out: _Lanes,
        *,
        seed: _Bytes,
        prg: _PrgName = "aes-128-ctr",
        backend: str | None = None,
    ) -> None:
        """Quantizes a weight and an update into `out`: the weight in lane 0, element i in lane 1 + i, and in the last lane 1
        if an element is beyond the clipping range, otherwise 0.

        Parameters
        ----------
        weight : float
            From 0 to `max_weight`.
        update : ndarray of float32 or float64
            One dimension, contiguous.
        out : ndarray of uint16, uint32 or uint64
            One dimension, contiguous, writeable, two lanes longer than `update`.
        seed : bytes
            32 bytes that drive the stochastic rounding: fresh for each vector, and the seed of no mask.

        Raises
        ------
        Misuse
            If the update or the weight cannot be quantized; the content of `out` is then unspecified.
        """

    def dequantize(
        self,
        lanes: _Lanes,
        clients: _Int,
        *,
        width: _Int = 32,
        dtype: DTypeLike | None = None,
        backend: str | None = None,
    ) -> tuple[NDArray[Any], float, int]:
        """Reads the sum of so many clients' lanes, all masks off.

        Parameters
        ----------
        lanes : ndarray of uint16, uint32 or uint64
            The sum, of the smallest word that holds `width` bits.
        clients : int
            Vectors in the sum.
        width : int
            Bits of the modulus.
        dtype : dtype or None
            float32 or float64; None for float32.

        Returns
        -------
        mean : ndarray
        total_weight : float
        clipped : int
            Clients with an element beyond the clipping range.

        Raises
        ------
        Misuse
            If the sum is none that so many honest clients can make.
        """

    def error_bound(self, clients: _Int, total_weight: _Float) -> float:
        """The largest error of any element of the mean, when all weights are exact.

        Raises
        ------
        Misuse
            If there is nobody, or no weight above zero: there is then no mean.
        """

def packed_len(lanes: _Int, width: _Int) -> int:
    """Bytes that so many lanes of `width` bits occupy when packed.

    Raises
    ------
    Misuse
        If that is more than memory can have.
    """

def pack(lanes: _Lanes, width: _Int, *, backend: str | None = None) -> bytes:
    """Packs lanes, each reduced modulo ``2**width``. The GIL is released.

    Raises
    ------
    Misuse
        If a lane does not hold `width` bits.
    """

def unpack(data: _Bytes, width: _Int, out: _Lanes, *, backend: str | None = None) -> None:
    """Unpacks lanes of `width` bits over `out`. The GIL is released.

    Raises
    ------
    Misuse
        If `data` has the wrong length or unused bits that are set; no lane is then touched.
    """

def unpack_add(data: _Bytes, width: _Int, out: _Lanes, *, backend: str | None = None) -> None:
    """Unpacks lanes of `width` bits and adds them to `out`, wrapping in the word. The GIL is released.

    A range of a masked vector that starts at a multiple of 8 lanes starts on a whole byte at every width.

    Raises
    ------
    Misuse
        If `data` has the wrong length or unused bits that are set; no lane is then touched.
    """
