"""The client's side: mods that mask what a ClientApp replies."""

from __future__ import annotations

from collections.abc import Callable

from flwr.app import ArrayRecord, ConfigRecord, Context, Error, Message, RecordDict

from secagg import Client, Misuse, Policy, SecaggError, Stale, StateKey

from . import keys
from ._flwr import ErrorCode, MessageTypeLegacy
from ._records import LOG, RECORD, TERMS, bytes_of, of_kind, unwrap, without_record, wrap
from .errors import NotAgreed, PlainMessage
from .layout import hash_of
from .memory import Memory, Subject
from .terms import Terms, round_in
from .update import Update, check_weight, mask

ClientAppCallable = Callable[[Message, Context], Message]


def secagg_mod(message: Message, context: Context, call_next: ClientAppCallable) -> Message:
    """Takes part in secure aggregation by SecAgg: a client mod, the first in the list of mods.

    ``ClientApp(client_fn, mods=[secagg_mod])``, or ``ClientApp(mods=[secagg_mod])`` for the Message API. It is `SecAggMod`
    with its defaults. Mods that change the update, such as Flower's for differential privacy, come after it.
    """
    return SecAggMod()(message, context, call_next)


def secaggplus_mod(message: Message, context: Context, call_next: ClientAppCallable) -> Message:
    """Takes part in secure aggregation by SecAgg+. To a client it is the same as `secagg_mod`."""
    return SecAggMod()(message, context, call_next)


class SecAggMod:
    """A client mod whose floors and keys the client chooses.

    The app trains once, in the third of four stages, when all keys are shared. What leaves the client is masked:
    the arrays, the weight, and those metrics that the server averages. Everything else of the reply is dropped.

    A training message that is not part of a round is refused, as its reply would show the update; so is any other
    reply that holds arrays, and a request for parameters once the client has trained.

    Parameters
    ----------
    policy : Policy or None
        What this client asks of a round, whatever the server proposes, best by
        ``secagg.Policy.assuming(secagg.Assumptions(...))``. None for the least floors of all, which
        the log then names once in a run.
    same_model : bool
        Whether to refuse rounds whose clients may start from different models. A server that shows each client
        another model may learn from the sum whose update is whose.
    plain_evaluation : bool
        Whether evaluation messages that are not part of a round are answered. Their metrics are this client's
        own, in clear, as they always are in Flower. `SecAggGrid` with ``evaluate_metrics`` needs no such answers.
    state_key : callable
        Gives the key under which the client's state is sealed between two messages; see `secagg.flower.keys`.
    weight : callable or None
        Gives the weight (number of examples) of this client's next update from its context, where
        the app can know it before it trains. A client whose weight has no room in a round then
        leaves it in the setup, and does not train in vain. It is called once a round, and what it
        gives stays here; the weight of the update is that of the reply all the same.
    once_per_model : bool
        Whether to mask one vector of training, and one of evaluation, for the same model in a run,
        whatever round asks; a second asking is refused before the app trains. A failed round is
        then not repeated with the same model, nor is a model evaluated twice under the mask. The
        server must follow the protocol: a model that differs in a bit is another one.

    Raises
    ------
    secagg.Misuse
        For a policy of the active threat model, which no round of Flower's meets.
    """

    def __init__(
        self,
        *,
        policy: Policy | None = None,
        same_model: bool = True,
        plain_evaluation: bool = True,
        state_key: Callable[[Context], StateKey] = keys.state_key,
        weight: Callable[[Context], float] | None = None,
        once_per_model: bool = False,
    ) -> None:
        if policy is not None and policy.threat_model == "active":
            raise Misuse(
                'rounds of secagg.flower trust their server to follow the protocol (threat_model="curious"), so a policy '
                'with threat_model="active" refuses them all. Say threat_model="curious", or take secagg.Client'
            )
        self.policy = policy
        self.same_model = same_model
        self.plain_evaluation = plain_evaluation
        self.state_key = state_key
        self.weight = weight
        self.once_per_model = once_per_model

    def __call__(self, message: Message, context: Context, call_next: ClientAppCallable) -> Message:
        """Handles one message, as Flower calls a mod."""
        try:
            if message.has_content() and RECORD in of_kind(ConfigRecord, message.content):
                return self._take_part(message, context, call_next)
            return self._guard(message, context, call_next)
        except SecaggError as error:
            LOG.warning("secagg_mod: %s", error)
            reason = f"{type(error).__name__}: {error}"
            code = ErrorCode.MOD_FAILED_PRECONDITION
            return Message(Error(code=code, reason=reason), reply_to=message)

    def _take_part(self, message: Message, context: Context, call_next: ClientAppCallable) -> Message:
        memory = Memory(context)
        record = of_kind(ConfigRecord, message.content)[RECORD]
        request = unwrap(message.content)
        message.content = without_record(message.content)
        try:
            client = self._client(record, request, message, context, memory)
            if memory.asks_for_update(client, request):
                subject = self._subject(memory.terms, message, memory)
                reply, answer = _train(client, request, message, context, call_next, memory)
                if answer is None:
                    return reply
                if subject is not None:
                    memory.note_masked(subject)
            else:
                answer = client.answer(request)
        except Stale:
            raise  # Nothing has changed: the client goes on.
        except BaseException:
            if memory.is_of(request):
                memory.forget()
            raise
        memory.keep(client)
        return Message(RecordDict({**wrap(answer)}), reply_to=message)

    def _client(
        self, record: ConfigRecord, request: bytes, message: Message, context: Context, memory: Memory
    ) -> Client:
        key = self.state_key(context)
        if TERMS not in record or memory.is_of(request):
            return memory.restore(request, key)
        encoded = bytes_of(record, TERMS)
        terms = Terms.decode(encoded)
        self._check_terms(terms, context)
        if terms.model:
            self._subject(terms, message, memory)  # Refused here, a client costs the round no neighbour.
        if self.policy is None and memory.is_empty:
            _log_floors()
        memory.begin(request, encoded)
        if self.weight is not None and terms.weighs_arrays:
            check_weight(self.weight(context), memory.params)
        return Client(
            context.node_id, application=encoded, policy=self.policy, state_key=key, keep_vector=False
        )

    def _check_terms(self, terms: Terms, context: Context) -> None:
        if self.same_model and not terms.model:
            raise NotAgreed("clients may start from different models, which this client does not accept")
        if terms.run_id != context.run_id:
            raise NotAgreed(f"the server's terms are for run {terms.run_id}, and this client is in run {context.run_id}")

    def _subject(self, terms: Terms, message: Message, memory: Memory) -> Subject | None:
        """What the update will be about; None for a client that may mask any number of vectors.

        Raises
        ------
        Misuse
            If the client has masked a vector about it.
        """
        if not self.once_per_model:
            return None
        model = terms.model or hash_of(message.content)
        subject = Subject(terms.run_id, model, _is_training(terms, message))
        memory.check_once(subject)
        return subject

    def _guard(self, message: Message, context: Context, call_next: ClientAppCallable) -> Message:
        """Handles a message that is not part of a round, if its reply shows nothing that it should not."""
        category = _category(message)
        is_parameters = category == MessageTypeLegacy.GET_PARAMETERS
        memory = Memory(context)
        if category == "train":
            raise PlainMessage(
                "this client trains under secure aggregation alone. On the server, give the strategy a "
                "secagg.flower.SecAggGrid, or DefaultWorkflow a secagg.flower.SecAggPlusWorkflow"
            )
        if category == "evaluate" and not self.plain_evaluation:
            raise PlainMessage(
                "this client evaluates under secure aggregation alone: SecAggGrid(grid, evaluate_metrics=...)"
            )
        if is_parameters and memory.has_trained:
            raise PlainMessage(
                "this client has trained, and does not show its parameters: give the strategy initial_parameters"
            )
        reply = call_next(message, context)
        memory.put_back()
        if reply.has_content() and of_kind(ArrayRecord, reply.content) and not is_parameters:
            raise PlainMessage(f"the reply to {category!r} holds arrays, which are this client's own")
        return reply


def _log_floors() -> None:
    """Says what a client without a policy refuses."""
    least = Policy()
    LOG.info(
        "secagg_mod: this client has no policy, so it refuses no rounds but those of fewer than %d clients, thresholds below %d "
        "shares, and clients with fewer than %d neighbours. To refuse all that does not meet what you expect: "
        "SecAggMod(policy=secagg.Policy.assuming(secagg.Assumptions(...)))",
        least.min_cohort_size, least.min_threshold, least.min_neighbours,
    )  # fmt: skip


def _category(message: Message) -> str:
    return message.metadata.message_type.split(".")[0]


def _is_training(terms: Terms, message: Message) -> bool:
    """Whether a round trains. Terms alone do not tell: a server's could have a training message ask for metrics alone."""
    return _category(message) != "evaluate" or terms.has_arrays


def _train(
    client: Client,
    request: bytes,
    message: Message,
    context: Context,
    call_next: ClientAppCallable,
    memory: Memory,
) -> tuple[Message, bytes | None]:
    """Lets the app train, or evaluate, and masks what it replies; an error of the app is passed on."""
    terms = memory.terms
    if terms.model and hash_of(message.content) != terms.model:
        raise NotAgreed("the server sent another model than the one that all clients agreed on")
    if round_in(message.content) not in (None, terms.round):
        raise NotAgreed(
            f"the server's terms are for round {terms.round}, and its message is for round {round_in(message.content)}"
        )
    layout = terms.layout(message.content)
    is_first = not memory.has_trained
    if _is_training(terms, message):
        memory.note_training()
    reply = call_next(message, context)
    if reply.has_error():
        memory.forget()
        return reply, None
    update = Update.of(reply.content, terms)
    if is_first:
        update.warn_of_dropped(terms)
    return reply, mask(client, request, update, layout, terms, memory.params)
