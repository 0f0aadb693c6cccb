"""Section 6: GF(2^128) of POLYVAL, in plain integers, and Shamir's scheme over it."""

POLYNOMIAL = 1 << 128 | 1 << 127 | 1 << 126 | 1 << 121 | 1
ONE = 0xC2000000000000000000000000000001


def dot(a, b):
    product = 0
    while b:
        if b & 1:
            product ^= a
        a <<= 1
        b >>= 1
    for _ in range(128):  # divide by x
        if product & 1:
            product ^= POLYNOMIAL
        product >>= 1
    return product


def power(a, exponent):
    result = ONE
    while exponent:
        if exponent & 1:
            result = dot(result, a)
        a = dot(a, a)
        exponent >>= 1
    return result


def inverse(a):
    """The page's a^(2^128 - 2), by Euclid's algorithm, which is faster: dot(a, b) is x^128 where a · b is x^256."""
    u, v, factor, other = a, POLYNOMIAL, 1, 0
    while u != 1:
        shift = u.bit_length() - v.bit_length()
        if shift < 0:
            u, v, factor, other, shift = v, u, other, factor, -shift
        u ^= v << shift
        factor ^= other << shift
    for _ in range(256):
        factor = _times_x(factor)
    return factor


def _times_x(a):
    a <<= 1
    return a ^ POLYNOMIAL if a >> 128 else a


def point(client):
    return 2**64 + client


def element(raw):
    return int.from_bytes(raw, "little")


def halves(raw):
    return element(raw[:16]), element(raw[16:])


def joined(first, second):
    return first.to_bytes(16, "little") + second.to_bytes(16, "little")


def _value(coefficients, x):
    value = 0
    for coefficient in reversed(coefficients):
        value = dot(value, x) ^ coefficient
    return value


def split(secret, coefficients, holders):
    """coefficients: a_1 to a_(t-1), 32 bytes each. Gives the share of each holder."""
    rows = [halves(row) for row in (secret, *coefficients)]
    first, second = [list(half) for half in zip(*rows)]
    return {h: joined(_value(first, point(h)), _value(second, point(h))) for h in holders}


def interpolate(values, at=0):
    """The value at `at` of the polynomial through points {x: value}."""
    total = 0
    for j, value in values.items():
        numerator, denominator = ONE, ONE
        for i in values:
            if i != j:
                numerator = dot(numerator, i ^ at)
                denominator = dot(denominator, i ^ j)
        total ^= dot(value, dot(numerator, inverse(denominator)))
    return total


def recover(shares):
    """From the shares of t holders: {client: share}."""
    first = {point(h): element(share[:16]) for h, share in shares.items()}
    second = {point(h): element(share[16:]) for h, share in shares.items()}
    return joined(interpolate(first), interpolate(second))
