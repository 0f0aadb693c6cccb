"""Section 8: keystreams and masks."""

from functools import lru_cache

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from . import aegis
from .encoding import word_bytes

AES_128_CTR, CHACHA20, AEGIS_128X4 = 1, 2, 3
PRGS = (AES_128_CTR, CHACHA20, AEGIS_128X4)
BLOCK = {AES_128_CTR: 16, CHACHA20: 64, AEGIS_128X4: 16384}
LIMIT = {prg: block * 2**32 for prg, block in BLOCK.items()}


def _aes_128_ctr(seed, block, length):
    counter = seed[16:28] + block.to_bytes(4, "big")
    return Cipher(algorithms.AES(seed[:16]), modes.CTR(counter)).encryptor().update(bytes(length))


def _chacha20(seed, block, length):
    # The package takes counter and nonce as one: 32 bits little-endian, then the 96 bits of RFC 8439.
    counter = block.to_bytes(4, "little") + bytes(12)
    return Cipher(algorithms.ChaCha20(seed, counter), None).encryptor().update(bytes(length))


@lru_cache(maxsize=256)
def _tile(seed, tile, length):
    return aegis.stream(length, seed[:16], seed[16:28] + tile.to_bytes(4, "big"))


def _aegis_128x4(seed, block, length):
    out = b""
    while len(out) < length:
        out += _tile(seed, block, min(BLOCK[AEGIS_128X4], length - len(out)))
        block += 1
    return out


_EXPAND = {AES_128_CTR: _aes_128_ctr, CHACHA20: _chacha20, AEGIS_128X4: _aegis_128x4}


def keystream(prg, seed, offset, length):
    """Bytes offset to offset + length - 1."""
    if offset + length > LIMIT[prg]:
        raise ValueError("KeystreamLimit")
    block, skip = divmod(offset, BLOCK[prg])
    return _EXPAND[prg](seed, block, skip + length)[skip:] if length else b""


def mask(prg, seed, width, first, count):
    """Lanes first to first + count - 1 of a mask: whole words."""
    size = word_bytes(width)
    stream = keystream(prg, seed, first * size, count * size)
    return [int.from_bytes(stream[i : i + size], "little") for i in range(0, len(stream), size)]
