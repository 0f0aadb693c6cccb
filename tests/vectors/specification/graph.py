"""Section 5: the ring, and who is whose neighbour."""

from .prg import CHACHA20, keystream


def shuffle(ring_seed, size):
    ring, words = list(range(size)), _words(ring_seed)
    for last in range(size - 1, 0, -1):
        bound = last + 1
        fair = (2**64 - 1) - ((2**64 - 1) % bound)
        word = next(words)
        while word >= fair:
            word = next(words)
        other = word % bound
        ring[last], ring[other] = ring[other], ring[last]
    return ring


def _words(ring_seed):
    offset = 0
    while True:
        yield int.from_bytes(keystream(CHACHA20, ring_seed, offset, 8), "little")
        offset += 8


def actual_degree(degree, size):
    if degree % 2 == 1 and size % 2 == 1:
        degree += 1
    return min(degree, size - 1)


def neighbours(ring_seed, degree, size):
    """For each position, the sorted positions of its neighbours."""
    ring, d = shuffle(ring_seed, size), actual_degree(degree, size)
    found = {}
    for place, position in enumerate(ring):
        places = {(place + sign * i) % size for i in range(1, d // 2 + 1) for sign in (1, -1)}
        if d % 2 == 1:
            places.add((place + size // 2) % size)
        found[position] = sorted(ring[p] for p in places)
    return [found[position] for position in range(size)]


def is_connected(neighbours_of, members):
    """Whether some of the vertices, with the edges among them, are one component."""
    members = set(members)
    if not members:
        return True
    reached, todo = set(), [min(members)]
    while todo:
        member = todo.pop()
        if member not in reached:
            reached.add(member)
            todo += [n for n in neighbours_of[member] if n in members]
    return reached == members
