"""Section 12, the server of honest clients, some of which vanish; section 13, unmasking."""

from . import graph, messages
from .client import Client
from .encoding import unpack
from .keys import Context, public_key, verifying_key
from .prg import mask
from .recovery import recover_secret

SETUP, SHARE_KEYS, COLLECT, UNMASK, CONFIRM = 0, 1, 2, 3, 4
ORDER = (SETUP, SHARE_KEYS, COLLECT, CONFIRM, UNMASK)


class Round:
    """members: {id: {random, weight, update, vanishes: stage or None, identity}}; after run(), all that was said.

    fresh: what a curious server draws when it closes the setup.
    """

    def __init__(self, params, session, application, members, fresh, lies=()):
        self.params, self.members, self.log = params, dict(sorted(members.items())), []
        self.context = Context(session, params.encode(), application)
        self.clients = {
            client: Client(client, params, self.context, m["random"], m["weight"], m["update"], m.get("identity"))
            for client, m in self.members.items()
        }
        self.fresh = b"" if params.active else fresh
        self.lies = set(lies)  # (liar, owner)

    def run(self):
        self._setup()
        self._share_keys()
        self._collect()
        if self.params.active:
            self._confirm()
        else:
            self.asked, self.confirmations = self.survivors, {}
        self._unmask()
        return self

    def _is_there(self, client, stage):
        vanishes = self.members[client]["vanishes"]
        return vanishes is None or ORDER.index(vanishes) > ORDER.index(stage)

    def _ask(self, stage, requests, answer):
        """requests: {client: bytes}. Gives who answered, and logs what was said, request before answer."""
        answered = []
        for client, request in sorted(requests.items()):
            self.log.append({"client": client, "stage": stage, "from": "server", "bytes": request})
            if self._is_there(client, stage):
                reply = answer(client)
                said = {"client": client, "stage": stage, "from": "client", "bytes": reply}
                self.log.append(said)
                answered.append(client)
        return answered

    def _enough(self, answered):
        assert len(answered) > self.params.threshold, "TooFew"

    def _setup(self):
        request = messages.setup_request(self.context.session, self.params.encode(), self.context.hash)
        requests = dict.fromkeys(self.members, request)
        self.u1 = self._ask(SETUP, requests, lambda client: self.clients[client].setup(request))
        self._enough(self.u1)
        self.keys = {client: self.clients[client].keys for client in self.u1}
        self.roster = self.roster_of(self.keys)
        positions = graph.neighbours(self.roster, self.params.degree, len(self.u1))
        self.neighbours = {self.u1[i]: [self.u1[j] for j in row] for i, row in enumerate(positions)}
        self.ring = [self.u1[i] for i in graph.shuffle(self.roster, len(self.u1))]

    def roster_of(self, members):
        """members: {id: (mask public key, channel public key, signature)}."""
        if not self.params.active:
            return self.context.curious_roster(self.fresh, {client: keys[:2] for client, keys in members.items()})
        known = {client: verifying_key(one.identity) for client, one in self.clients.items()}
        return self.context.active_roster(
            {client: (*keys[:2], known.get(client, b"")) for client, keys in members.items()}
        )

    def _peers(self, client):
        seen = self.u1 if self.params.active else sorted([client, *self.neighbours[client]])
        return [(peer, self.keys[peer]) for peer in seen]

    def share_keys_request(self, client):
        return messages.share_keys_request(self.context.session, self.roster, self._peers(client))

    def _share_keys(self):
        self.boxes, self.commitments = {}, {}

        def answer(client):
            peers = {peer: self.keys[peer] for peer in self.neighbours[client]}
            told = [peer for peer, _ in self._peers(client)]
            reply = self.clients[client].share_keys(self.roster, told, peers)
            self.commitments[client] = reply[18:50]
            for i, peer in enumerate(self.neighbours[client]):
                self.boxes[client, peer] = reply[54 + 80 * i :][:80]
            return reply

        requests = {client: self.share_keys_request(client) for client in self.u1}
        answered = self._ask(SHARE_KEYS, requests, answer)
        self._enough(answered)
        self.u2 = self._not_lonely(answered)

    def _among(self, client, others):
        return [peer for peer in self.neighbours[client] if peer in others]

    def _not_lonely(self, v):
        while True:
            kept = [client for client in v if len(self._among(client, v)) >= self.params.threshold]
            if kept == v:
                assert v, "TooFewNeighbours"
                return v
            v = kept

    def forwarded(self, client):
        return {peer: self.boxes[peer, client] for peer in self._among(client, self.u2)}

    def _collect(self):
        self.sums, self.vectors = [0] * (self.params.dimension + 2), {}

        def answer(client):
            reply = self.clients[client].collect(self.forwarded(client))
            self.vectors[client] = unpack(reply[18:], len(self.sums), self.params.width)
            self.sums = [total + lane for total, lane in zip(self.sums, self.vectors[client])]
            return reply

        forwarded = {client: list(self.forwarded(client).items()) for client in self.u2}
        requests = {c: messages.collect_request(self.context.session, boxes) for c, boxes in forwarded.items()}
        self.survivors = self._ask(COLLECT, requests, answer)
        self.dropped = [client for client in self.u2 if client not in self.survivors]
        self._enough(self.survivors)
        self._each_has_t_among(self.survivors)
        assert graph.is_connected(self.neighbours, self.survivors), "Disconnected"

    def _needed(self):
        """Whose secrets are needed: survivors, and dropped clients with a surviving neighbour."""
        return self.survivors + [d for d in self.dropped if self._among(d, self.survivors)]

    def _each_has_t_among(self, helpers):
        for owner in self._needed():
            assert len(self._among(owner, helpers)) >= self.params.threshold, "TooFewNeighbours"

    def _confirm(self):
        request = messages.confirm_request(self.context.session, self.survivors)
        self.confirmations = {}

        def answer(client):
            reply = self.clients[client].confirm(self.survivors)
            self.confirmations[client] = reply[18:]
            return reply

        self.asked = self._ask(CONFIRM, dict.fromkeys(self.survivors, request), answer)
        assert len(self.asked) >= self.params.quorum, "TooFew"
        self._each_has_t_among(self.asked)

    def unmask_request(self, client):
        if self.params.active:
            confirmations = sorted(self.confirmations.items())[: self.params.quorum]
            return messages.unmask_request(self.context.session, self.survivors, confirmations)
        named = sorted([client, *self._among(client, self.survivors)])
        return messages.unmask_request(self.context.session, named, [])

    def _unmask(self):
        self.revealed = {}

        def answer(client):
            named = [client, *self._among(client, self.survivors)]
            reply = bytearray(self.clients[client].unmask(named))
            for i, owner in enumerate(self._among(client, self.u2)):
                place = 22 + 33 * i
                if (client, owner) in self.lies:
                    reply[place + 1] ^= 1
                self.revealed[owner, client] = bytes(reply[place + 1 : place + 33])
            return bytes(reply)

        requests = {client: self.unmask_request(client) for client in self.asked}
        self.unmaskers = self._ask(UNMASK, requests, answer)
        assert len(self.unmaskers) >= self.params.threshold, "TooFew"
        self._each_has_t_among(self.unmaskers)
        self._take_masks_off()

    def _take_masks_off(self):
        suspects, self.false_shares = set(), []
        for owner in sorted(self._needed()):
            shares = {h: self.revealed[owner, h] for h in self._among(owner, self.unmaskers)}
            secret, false = recover_secret(shares, self.params.threshold, self._check(owner), suspects)
            self.false_shares += [(owner, holder) for holder in false]
            for sign, seed in self._masks(owner, secret):
                self._add(sign, seed)
        self.sums = [total % self.params.modulus for total in self.sums]
        honest = [sum(lanes) for lanes in zip(*[self.clients[u].lanes for u in self.survivors])]
        assert self.sums == honest

    def _check(self, owner):
        if owner in self.survivors:
            return lambda secret: self.context.commitment(owner, secret) == self.commitments[owner]
        return lambda secret: public_key(secret) == self.keys[owner][0]

    def _masks(self, owner, secret):
        if owner in self.survivors:
            return [(-1, secret)]
        masks = []
        for u in self._among(owner, self.survivors):
            own, theirs = (owner, self.keys[owner][0]), (u, self.keys[u][0])
            seed = self.context.pairwise_seed(self.roster, secret, own, theirs)
            masks.append((1 if owner < u else -1, seed))
        return masks

    def _add(self, sign, seed):
        lanes = mask(self.params.prg, seed, self.params.width, 0, len(self.sums))
        self.sums = [total + sign * lane for total, lane in zip(self.sums, lanes)]

    def mean(self, binary32):
        return self.params.quantizer().mean(len(self.survivors), self.params.modulus, self.sums, binary32)
