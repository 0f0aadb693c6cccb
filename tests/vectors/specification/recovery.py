"""Section 13: one secret from shares of which some are false, searched for set by set."""

from itertools import combinations

from .shamir import element, interpolate, point, recover


def recover_secret(shares, threshold, passes, suspects):
    """shares: {holder: share}. Gives the secret and the holders of false shares; `suspects` grows by these."""
    order = sorted(shares, key=lambda holder: (holder in suspects, holder))
    secret = recover({holder: shares[holder] for holder in order[:threshold]})
    if passes(secret):
        return secret, []
    for holders in _attempts(shares, threshold, suspects):
        found = _search(shares, holders, threshold, passes)
        if found:
            suspects.update(found[1])
            return found
    raise ValueError("FalseShares")


def _attempts(shares, threshold, suspects):
    ascending = sorted(shares)
    return [ascending, [h for h in ascending if h not in suspects], ascending[: threshold + 1]]


def _search(shares, holders, threshold, passes):
    spare = len(holders) - threshold
    if spare < 1:
        return None
    first, second = [_explanations(_half(shares, holders, half), threshold, spare) for half in (0, 1)]
    for one in first:
        for other in second:
            if len(set(one) | set(other)) <= spare:
                true = [h for h in holders if h not in one and h not in other][:threshold]
                secret = recover({h: shares[h] for h in true})
                if passes(secret):
                    return secret, [h for h in sorted(shares) if _is_false(shares, h, true)]
    return None


def _half(shares, holders, half):
    return {holder: element(shares[holder][16 * half :][:16]) for holder in holders}


def _explanations(values, threshold, spare):
    """All sets of at most spare/2, rounded up, without which the values lie on one polynomial, and which do not."""
    sets = [s for size in range((spare + 1) // 2 + 1) for s in combinations(sorted(values), size)]
    return sorted(s for s in sets if _explains(values, s, threshold))


def _explains(values, false, threshold):
    true = [holder for holder in sorted(values) if holder not in false]
    base = {point(holder): values[holder] for holder in true[:threshold]}
    on_it = [interpolate(base, point(holder)) == values[holder] for holder in true[threshold:]]
    off_it = [interpolate(base, point(holder)) != values[holder] for holder in false]
    return all(on_it) and all(off_it)


def _is_false(shares, holder, true):
    if holder in true:
        return False
    bases = [{point(h): value for h, value in _half(shares, true, half).items()} for half in (0, 1)]
    held = [element(shares[holder][:16]), element(shares[holder][16:])]
    return any(interpolate(base, point(holder)) != value for base, value in zip(bases, held))
