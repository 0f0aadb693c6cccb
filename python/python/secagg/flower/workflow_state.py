"""The state that the stages of a legacy workflow share, by Flower's names."""

from __future__ import annotations

from dataclasses import dataclass, field

from flwr.app import RecordDict
from flwr.common import FitRes
from flwr.server.client_proxy import ClientProxy

from secagg import Misuse

from .layout import Numbers
from .round import Outcome, Round
from .settings import Settings

@dataclass
class WorkflowState:
    """The state that the stages of one round share.

    Fields and properties have the names, and as far as they can the contents, of Flower's own: a
    stage of one's own may read them after ``super()`` has run the stage. All that they hold is
    known to the server anyway.
    """

    nid_to_proxies: dict[int, ClientProxy] = field(default_factory=dict)
    nid_to_fitins: dict[int, RecordDict] = field(default_factory=dict)
    """What each node is sent in the stage in which it trains; may be changed before."""
    sampled_node_ids: set[int] = field(default_factory=set)
    active_node_ids: set[int] = field(default_factory=set)
    """The nodes that have answered in every stage so far."""
    nid_to_publickeys: dict[int, list[bytes]] = field(default_factory=dict)
    """By node, once it has answered the setup: its public keys, for masks and for sealed shares."""
    nid_to_neighbours: dict[int, set[int]] = field(default_factory=dict)
    """By node, once it has answered the setup: its neighbours and, as in Flower, itself."""
    legacy_results: list[tuple[ClientProxy, FitRes]] = field(default_factory=list)
    """What the strategy is given in the end: the mean in every survivor's name."""
    failures: list[BaseException] = field(default_factory=list)
    settings: Settings | None = None
    round: Round | None = None
    outcome: Outcome | None = None

    def opened(self) -> Round:
        """The round that the setup stage has opened.

        Raises
        ------
        secagg.Misuse
            If it has not: a setup stage of one's own must call that of its base.
        """
        if self.round is None:
            raise Misuse("no round is open: setup_stage must call super().setup_stage")
        return self.round

    @property
    def aggregate_ndarrays(self) -> list[Numbers]:
        """The sum of the survivors' vectors with its masks still on: their weights, then an array
        for each of the model.

        Lanes modulo `mod_range`. Empty until `collect_masked_vectors_stage` has run.

        Raises
        ------
        AttributeError
            After `unmask_stage`, which removes the masks.
        """
        if self.outcome is not None:
            raise AttributeError(
                "aggregate_ndarrays is gone once unmask_stage has removed the masks: read it after "
                "collect_masked_vectors_stage"
            )
        if self.round is None or self.round.server.stage in ("setup", "share_keys", "collect_masked_vectors"):
            return []
        try:
            lanes = self.round.server.masked_sum()
        except Misuse as error:
            raise AttributeError(f"there is no aggregate_ndarrays: {error}") from error
        parts = self.round.layout.places()
        return [lanes[:1], *(lanes[1:][place].reshape(part.shape) for part, place in parts)]

    @property
    def num_shares(self) -> int:
        """Shares of each secret, as Flower counts them: the client itself included; 0 before the
        setup."""
        if self.settings is None or self.round is None:
            return 0
        return self.settings.flowers_num_shares(self.round.server.params.cohort_size)

    @property
    def threshold(self) -> int:
        """Shares that recover a secret; 0 before the setup."""
        return 0 if self.round is None else self.round.server.params.threshold

    @property
    def clipping_range(self) -> float:
        """Parameters are clipped to plus or minus this; 0 before the setup."""
        return 0.0 if self.settings is None else self.settings.clipping_range

    @property
    def quantization_range(self) -> int:
        """Levels for the `max_weight` that was asked for; 0 before the setup."""
        if self.settings is None or self.round is None:
            return 0
        asked = self.settings.quantization_range
        return self.round.server.params.quantization_range if isinstance(asked, str) else asked

    @property
    def mod_range(self) -> int:
        """The modulus of all sums; 0 before the setup."""
        return 0 if self.settings is None else self.settings.modulus_range

    @property
    def max_weight(self) -> float:
        """The `max_weight` that was asked for; 0 before the setup."""
        return 0.0 if self.settings is None else self.settings.max_weight

    @property
    def forward_srcs(self) -> dict[int, list[int]]:
        """Not kept here, nor is `forward_ciphertexts`.

        Raises
        ------
        AttributeError
            Always.
        """
        raise AttributeError(
            "sealed shares are handed on inside of the round: there is no forward_srcs or forward_ciphertexts here, and "
            "the requests that hold them are in state.round.server.requests"
        )

    forward_ciphertexts = forward_srcs

    def note_keys(self) -> None:
        """Reads keys and neighbours off the requests that hand them out: docs/protocol.md,
        `ShareKeysRequest`."""
        for node, request in self.opened().server.requests.items():
            known = _keys_in(request)
            self.nid_to_neighbours[node] = set(known)
            self.nid_to_publickeys[node] = known[node]


HEADER, ID, KEY = 18 + 32 + 4, 8, 32


def _keys_in(request: bytes) -> dict[int, list[bytes]]:
    """By client, the two public keys in a request to share keys."""
    count = int.from_bytes(request[HEADER - 4 : HEADER], "little")
    size = (len(request) - HEADER) // count
    entries = [request[at : at + size] for at in range(HEADER, len(request), size)]
    return {
        int.from_bytes(entry[:ID], "little"): [entry[ID : ID + KEY], entry[ID + KEY : ID + 2 * KEY]]
        for entry in entries
    }
