"""The state that the stages of a legacy workflow share, by Flower's names."""

from __future__ import annotations

from dataclasses import dataclass, field

from flwr.app import RecordDict
from flwr.common import FitRes
from flwr.server.client_proxy import ClientProxy

from secagg import Misuse, Params

from .errors import RoundFailed
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

        Lanes modulo `mod_range`. Empty until `collect_masked_vectors_stage` has run, and where a
        stage up to that one has ended the round.

        Raises
        ------
        AttributeError
            After `unmask_stage`, which removes the masks: Flower's own deletes it there, too. The
            mean is then in `outcome`, and in `legacy_results` as the strategy is given it.
        """
        if self.round is None:
            return []
        if any(report.stage == "unmask" for report in self.round.stages):
            raise AttributeError(
                "aggregate_ndarrays is gone once unmask_stage has removed the masks, as in Flower's own: read it "
                "after collect_masked_vectors_stage, or the mean in state.legacy_results"
            )
        try:
            lanes = self.round.server.masked_sum()
        except (Misuse, RoundFailed):
            return []
        parts = self.round.layout.places()
        return [lanes[:1], *(lanes[1:][place].reshape(part.shape) for part, place in parts)]

    @property
    def num_shares(self) -> int:
        """Shares of each secret, as Flower counts them: the client itself included; 0 before the
        setup, and in a round of too few nodes."""
        params = self._params
        return 0 if self.settings is None or params is None else self.settings.flowers_num_shares(params.cohort_size)

    @property
    def threshold(self) -> int:
        """Shares that recover a secret; 0 before the setup, and in a round of too few nodes."""
        return 0 if self._params is None else self._params.threshold

    @property
    def clipping_range(self) -> float:
        """Parameters are clipped to plus or minus this; 0 before the setup."""
        return 0.0 if self.settings is None else self.settings.clipping_range

    @property
    def quantization_range(self) -> int:
        """The levels that were asked for, which are the fewest for `max_weight`; 0 before the setup.

        With "auto" they are those of the largest weight.
        """
        if self.settings is None or self.round is None:
            return 0
        asked = self.settings.quantization_range
        if not isinstance(asked, str):
            return asked
        return 0 if self._params is None else self._params.quantization_range

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

    @property
    def _params(self) -> Params | None:
        """The parameters of the round; None before the setup, and where it had too few nodes."""
        try:
            return None if self.round is None else self.round.server.params
        except RoundFailed:
            return None

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
