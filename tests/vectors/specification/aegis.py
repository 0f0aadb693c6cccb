"""AEGIS-128X4 (RFC 10032), `Stream`, on AES rounds of its own."""


def _gf_double(byte):
    return (byte << 1) ^ (0x11B if byte & 0x80 else 0)


def _sbox():
    """FIPS 197: the inverse in GF(2^8), then the affine map. Powers of 3 make logarithms."""
    powers, value = [], 1
    for _ in range(255):
        powers.append(value)
        value ^= _gf_double(value)
    logarithms = {power: exponent for exponent, power in enumerate(powers)}
    table = []
    for byte in range(256):
        inverse = powers[-logarithms[byte] % 255] if byte else 0
        rotations = [(inverse << i | inverse >> (8 - i)) & 0xFF for i in range(5)]
        mixed = 0x63
        for rotation in rotations:
            mixed ^= rotation
        table.append(mixed)
    return table


def _columns():
    """What a byte adds to its column of four by SubBytes and MixColumns, by the row that it comes to."""
    tables = []
    for row in range(4):
        table = []
        for substituted in _sbox():
            two = _gf_double(substituted)
            column = [two, substituted, substituted, two ^ substituted]
            column = column[-row:] + column[:-row] if row else column
            table.append(int.from_bytes(bytes(column), "little"))
        tables.append(table)
    return tables


_T = _columns()


def aes_round(block, key):
    """MixColumns(ShiftRows(SubBytes(block))) XOR key; a block is the little-endian number of its 16 bytes."""
    source, result = block.to_bytes(16, "little"), 0
    for column in range(4):
        mixed = 0
        for row in range(4):
            mixed ^= _T[row][source[(4 * column + 5 * row) % 16]]
        result |= mixed << (32 * column)
    return result ^ key


_D = 4
_C0 = int.from_bytes(bytes.fromhex("000101020305080d1522375990e97962"), "little")
_C1 = int.from_bytes(bytes.fromhex("db3d18556dc22ff12011314273b528dd"), "little")


def _update(state, m0, m1):
    """Each of the D states of eight blocks takes one step; M0 goes into block 0, M1 into block 4."""
    stepped = []
    for i, s in enumerate(state):
        taken = list(s)
        taken[0] ^= m0[i]
        taken[4] ^= m1[i]
        stepped.append([aes_round(s[j - 1], taken[j]) for j in range(8)])
    return stepped


def _init(key, nonce):
    state = [[key ^ nonce, _C1, _C0, _C1, key ^ nonce, key ^ _C0, key ^ _C1, key ^ _C0] for _ in range(_D)]
    contexts = [int.from_bytes(bytes([i, _D - 1]), "little") for i in range(_D)]
    for _ in range(10):
        for s, context in zip(state, contexts):
            s[3] ^= context
            s[7] ^= context
        state = _update(state, [nonce] * _D, [key] * _D)
    return state


def stream(length, key, nonce):
    """The first `length` bytes of the keystream."""
    state = _init(int.from_bytes(key, "little"), int.from_bytes(nonce, "little"))
    out = bytearray()
    while len(out) < length:
        z0 = [s[6] ^ s[1] ^ (s[2] & s[3]) for s in state]
        z1 = [s[2] ^ s[5] ^ (s[6] & s[7]) for s in state]
        for z in z0 + z1:
            out += z.to_bytes(16, "little")
        state = _update(state, [0] * _D, [0] * _D)
    return bytes(out[:length])
