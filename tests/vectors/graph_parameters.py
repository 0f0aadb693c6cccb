"""The table `tests/data/graph_parameters.csv`, by the rule of docs/protocol.md, section 5, in whole numbers.

    python3 tests/vectors/graph_parameters.py            # writes the table again (a few minutes)
    python3 tests/vectors/graph_parameters.py --check    # exits with 1 if it is anything else

Nothing here is shared with the planner: it tries every even degree from 2 on and every threshold, counts placings of
colluders instead of multiplying ratios, and compares integers. The last columns are bits: how improbable it is, by exact
tails with these k and t, that any honest client or any part of the ring is exposed in a training, for rosters of n, n - 1 and n - D
members; rounded down to tenths.
"""

import sys
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from math import comb, perm
from pathlib import Path

TABLE = Path(__file__).parent.parent / "data" / "graph_parameters.csv"
HEADER = (
    "cohort_size,corrupted,dropout,security_bits,correctness_bits,rounds,search_bits,model,"
    "degree,threshold_min,threshold_max,corrupted_neighbours,bits_n,bits_n_minus_1,bits_n_minus_d"
)
FRACTIONS = [("0.05", "0.05"), ("0.1", "0.1"), ("0.2", "0.2"), ("0.05", "0.3"), ("0.33", "0.05")]
SIZES = [100, 1000, 10_000, 100_000]


def settings():
    """Cohort, fractions, σ, η, rounds, search bits, model."""
    for n in SIZES:
        for gamma, delta in FRACTIONS:
            for eta in (20, 30):
                yield n, gamma, delta, 40, eta, 1, 0, "curious"
                yield n, gamma, delta, 40, eta, 1, 40, "active"
            yield n, gamma, delta, 40, 30, 1, 0, "active"
    for n in (1000, 10_000):
        for gamma, delta in FRACTIONS:
            yield n, gamma, delta, 40, 30, 1000, 0, "curious"
            yield n, gamma, delta, 40, 30, 1000, 40, "active"
        for model, search in (("curious", 0), ("active", 0), ("active", 40)):
            yield n, "0.05", "0.1", 40, 30, 1, search, model


def marked(population, among, drawn):
    """Pairs of v, from the largest down, and the ways in which v of the drawn are marked; over comb(population, drawn)."""
    v = min(among, drawn)
    if drawn - v > population - among:
        return
    ways = comb(among, v) * comb(population - among, drawn - v)
    while ways:
        yield v, ways
        rest = population - among - drawn + v
        ways, v = ways * v * rest // ((among - v + 1) * (drawn - v + 1)), v - 1


def most(population, among, drawn, allowed):
    """The least v with Pr[X > v] ≤ allowed, a fraction."""
    limit = comb(population, drawn) * allowed.numerator
    total = 0
    for v, ways in marked(population, among, drawn):
        total += ways
        if total * allowed.denominator > limit:
            return v
    return 0


def at_least(population, among, drawn, least):
    total = 0
    for v, ways in marked(population, among, drawn):
        if v < least:
            break
        total += ways
    return Fraction(total, comb(population, drawn))


def placings(members, corrupted, fixed, of_them):
    """Part of all placings of colluders in which `of_them` given ones of `fixed` given places are theirs, and no others."""
    if corrupted < of_them:
        return Fraction(0)
    ways = perm(corrupted, of_them) * perm(members - corrupted, fixed - of_them)
    return Fraction(ways, perm(members, fixed))


def split(members, corrupted, degree, threshold):
    """A bound on the probability of two disjoint windows of k/2 places with r = t - k/2 colluders each."""
    h = degree // 2
    r = threshold - h
    assert r * members > h * corrupted, "the mean of a window is below r"
    if corrupted < 2 * r:
        return Fraction(0)
    inside = comb(h - 1, r - 1)
    pairs = members * (members - degree - 1) * inside**2 * placings(members, corrupted, 2 * h + 2, 2 * r) / 2
    crowded = sum(comb(h, j) * placings(members, corrupted, 2 * h + 1, r + j) for j in range(r, h + 1))
    return pairs + members * inside * crowded


def unconnected(members, lost, degree):
    return Fraction(members * (members - degree - 1), 2) * Fraction(perm(lost, degree), perm(members, degree))


def whole(n, a, d, k, t, model, members):
    """The graph's half of what may go wrong, for a roster of so many members."""
    if k >= members - 1:
        return Fraction(0)
    if model == "active":
        return split(members, a, k, t)
    return unconnected(members, a + d - (n - members), k)


def plan(n, a, d, bound, eta, model):
    """k, the least and the largest t, and t1."""
    failure = Fraction(1, n << eta)
    for k in range(2, n - 1, 2):
        if model == "curious" and not unconnected(n, a + d, k) < bound:
            continue
        others = n - d - 1
        t1 = most(others, a, min(k, others), bound / n)
        t2 = k - most(n - 1, d, k, failure)
        for t in range(max(t1 + 1, 2), t2 + 1):
            if model == "curious" or (2 * t > k + t1 and split(max(n - d, k + 2), a, k, t) <= bound):
                return k, t, t2, t1
    least = max(a + 1, 2) if model == "curious" else max((n - 1 + a) // 2 + 1, 2)
    assert least <= n - 1 - d, "not even the complete graph will do"
    return n - 1, least, n - 1 - d, a


def exposed(n, a, d, k, t, model, members):
    """Exact tails, and a union over honest clients: that one of them, or a part of the ring, is exposed."""
    degree = min(k, members - 1)
    one = at_least(members - 1, a, degree, t if model == "curious" else 2 * t - degree)
    return (members - a) * one + whole(n, a, d, k, t, model, members)


def tenths_of_bits(probability):
    """⌊-10 log2⌋ as text, found in whole numbers; "none" where nothing is left to chance."""
    if probability == 0:
        return "none"
    tenth = Fraction(probability) ** 10
    bits = tenth.denominator.bit_length() - tenth.numerator.bit_length()
    bits -= tenth > Fraction(1, 2) ** bits
    return f"{bits // 10}.{bits % 10}"


def row(setting):
    n, gamma, delta, sigma, eta, rounds, search, model = setting
    a, d = (int(Fraction(fraction) * n) for fraction in (gamma, delta))
    trials = rounds << search
    k, least, largest, t1 = plan(n, a, d, Fraction(1, trials << (sigma + 1)), eta, model)
    bits = []
    for members in (n, n - 1, n - d):
        probability = trials * exposed(n, a, d, k, least, model, members)
        assert probability <= Fraction(1, 1 << sigma), (setting, members)
        bits.append(tenths_of_bits(probability))
    return ",".join(map(str, (*setting, k, least, largest, t1, *bits)))


def main():
    with ProcessPoolExecutor() as pool:
        rows = pool.map(row, dict.fromkeys(settings()))
        text = "\n".join([HEADER, *rows, ""])
    if "--check" not in sys.argv:
        TABLE.write_text(text)
    elif text != TABLE.read_text():
        sys.exit(f"{TABLE} is not what the rule gives")


if __name__ == "__main__":
    main()
