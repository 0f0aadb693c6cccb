"""Section 12, an honest client: what it draws and says in each stage."""

from . import messages, shamir
from .encoding import pack, u64
from .keys import agree, client_secret, public_key, sign
from .prg import CHACHA20, keystream, mask


class Draws:
    """What a client draws from in one stage (section 4)."""

    def __init__(self, seed):
        self.seed, self.taken = seed, 0

    def take(self, length):
        self.taken += length
        return keystream(CHACHA20, self.seed, 0, self.taken)[-length:]


class Client:
    def __init__(self, client, params, context, random, weight, update, identity=None):
        self.id, self.params, self.context, self.identity = client, params, context, identity
        self.secret, self.weight, self.update = client_secret(random, identity), weight, update

    def _draws(self, stage, asked):
        return Draws(self.context.draws_seed(self.secret, self.id, stage, asked))

    def setup(self, request):
        draws = self._draws(0, request)
        self.mask_secret, self.channel_secret = draws.take(32), draws.take(32)
        mask_key, channel_key = public_key(self.mask_secret), public_key(self.channel_secret)
        signature = None
        if self.params.active:
            signature = sign(self.identity, self.context.signed_keys(self.id, mask_key, channel_key))
        self.keys = (mask_key, channel_key, signature)
        return messages.advertised_keys(self.context.session, self.keys)

    def share_keys(self, roster, told, peers):
        """told: the ids in the request; peers: {id: keys} of the neighbours."""
        self.roster, self.peers = roster, dict(sorted(peers.items()))
        draws = self._draws(1, roster + b"".join(map(u64, told)))
        self.seed = draws.take(32)
        deals = []
        for secret in (self.mask_secret, self.seed):
            coefficients = [draws.take(32) for _ in range(self.params.threshold - 1)]
            deals.append(shamir.split(secret, coefficients, self.peers))
        boxes = [self._seal(peer, deals[0][peer] + deals[1][peer]) for peer in self.peers]
        commitment = self.context.commitment(self.id, self.seed)
        return messages.sealed_shares(self.context.session, commitment, boxes)

    def _ends(self, peer):
        return (self.id, self.keys[1]), (peer, self.peers[peer][1])

    def _channel(self, peer, sender, receiver):
        shared = agree(self.channel_secret, self.peers[peer][1])
        return self.context.channel(self.roster, shared, sender, receiver)

    def _seal(self, peer, shares):
        own, theirs = self._ends(peer)
        key = self._channel(peer, own, theirs)
        return self.context.seal(key, self.id, peer, self.params.threshold, shares)

    def _open(self, peer, sealed):
        own, theirs = self._ends(peer)
        key = self._channel(peer, theirs, own)
        return self.context.open(key, peer, self.id, self.params.threshold, sealed)

    def collect(self, boxes):
        """boxes: {sender: box}, by ascending id."""
        self.held = {sender: self._open(sender, sealed) for sender, sealed in boxes.items()}
        quantizer = self.params.quantizer()
        self.lanes = quantizer.quantize(self.params.prg, self.rounding_seed(), self.weight, self.update)
        masked = list(self.lanes)
        self._add(masked, 1, self.seed)
        for peer in boxes:
            self._add(masked, 1 if self.id < peer else -1, self.pairwise_seed(peer))
        return messages.masked_vector(self.context.session, pack(masked, self.params.width))

    def rounding_seed(self):
        return self._draws(2, b"").take(32)

    def pairwise_seed(self, peer):
        own, theirs = (self.id, self.keys[0]), (peer, self.peers[peer][0])
        return self.context.pairwise_seed(self.roster, self.mask_secret, own, theirs)

    def _add(self, lanes, sign_of, seed):
        for i, lane in enumerate(mask(self.params.prg, seed, self.params.width, 0, len(lanes))):
            lanes[i] += sign_of * lane

    def confirm(self, survivors):
        self.survivors = survivors
        statement = self.context.signed_survivors(self.id, self.roster, survivors)
        return messages.confirmation(self.context.session, sign(self.identity, statement))

    def unmask(self, survivors):
        """survivors: those that the request names."""
        entries = [(1, held[32:]) if peer in survivors else (2, held[:32]) for peer, held in self.held.items()]
        return messages.revealed_shares(self.context.session, entries)
