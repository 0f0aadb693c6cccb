"""Section 4 (keys, roster, commitments, signatures) and section 7 (sealed shares)."""

import hmac

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from .encoding import VERSION, sha256, u8, u32, u64


def _raw(public):
    return public.public_bytes(Encoding.Raw, PublicFormat.Raw)


def public_key(secret):
    return _raw(X25519PrivateKey.from_private_bytes(secret).public_key())


def agree(secret, public):
    return X25519PrivateKey.from_private_bytes(secret).exchange(X25519PublicKey.from_public_bytes(public))


def verifying_key(identity):
    return _raw(Ed25519PrivateKey.from_private_bytes(identity).public_key())


def client_secret(drawn, identity):
    """HKDF-Extract with the drawn bytes for its salt: HMAC-SHA256."""
    return hmac.new(drawn, identity or b"", "sha256").digest()


class Context:
    """What all keys of a round are bound to: the session and the context hash."""

    def __init__(self, session, parameters, application):
        self.session = session
        self.hash = sha256(b"secagg context", u8(VERSION), parameters, application)

    def curious_roster(self, fresh, members):
        """fresh: the server's 32 bytes; members: {id: (mask public key, channel public key)}."""
        return self._roster(fresh, members)

    def active_roster(self, members):
        """members: {id: (mask public key, channel public key, verifying key)}."""
        return self._roster(b"", members)

    def _roster(self, fresh, members):
        rows = [u64(client) + b"".join(keys) for client, keys in sorted(members.items())]
        return sha256(b"secagg roster", self.session, self.hash, fresh, *rows)

    def draws_seed(self, secret, client, stage, asked):
        info = b"secagg client draws" + u8(VERSION) + self.session + self.hash + u64(client) + u8(stage)
        return HKDFExpand(SHA256(), 32, info + sha256(asked)).derive(secret)

    def commitment(self, owner, seed):
        return sha256(b"secagg self mask commitment", self.session, self.hash, u64(owner), seed)

    def _derive(self, roster, shared, label, first, second, length):
        """first, second: (id, public key)."""
        salt = self.session + self.hash + roster
        info = label + u64(first[0]) + u64(second[0]) + first[1] + second[1]
        return HKDF(SHA256(), length, salt, info).derive(shared)

    def pairwise_seed(self, roster, secret, own, theirs):
        """own, theirs: (id, mask public key)."""
        lower, higher = sorted((own, theirs))
        shared = agree(secret, theirs[1])
        return self._derive(roster, shared, b"secagg pairwise seed", lower, higher, 32)

    def channel(self, roster, shared, sender, receiver):
        """Key and nonce of one direction; sender, receiver: (id, channel public key)."""
        derived = self._derive(roster, shared, b"secagg share channel", sender, receiver, 44)
        return derived[:32], derived[32:]

    def sealed_data(self, sender, receiver, threshold):
        return u8(VERSION) + self.session + u8(1) + u64(sender) + u64(receiver) + u32(threshold)

    def seal(self, key_and_nonce, sender, receiver, threshold, shares):
        key, nonce = key_and_nonce
        return AESGCM(key).encrypt(nonce, shares, self.sealed_data(sender, receiver, threshold))

    def open(self, key_and_nonce, sender, receiver, threshold, sealed):
        key, nonce = key_and_nonce
        return AESGCM(key).decrypt(nonce, sealed, self.sealed_data(sender, receiver, threshold))

    def signed_keys(self, signer, mask, channel):
        head = b"secagg sign advertised keys" + u8(VERSION) + self.session + self.hash
        return head + u64(signer) + mask + channel

    def signed_survivors(self, signer, roster, survivors):
        head = b"secagg sign survivors" + u8(VERSION) + self.session + self.hash
        listed = sha256(b"secagg survivors", *[u64(client) for client in sorted(survivors)])
        return head + u64(signer) + roster + listed


def sign(identity, statement):
    return Ed25519PrivateKey.from_private_bytes(identity).sign(statement)
