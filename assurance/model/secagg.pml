/* The active model of docs/protocol.md as far as a server has a choice in it, for Spin: docs/security.md, section 11.
 *
 * A session of N clients, seen from one roster. The server says who is on it, whom it tells, which boxes it forwards to
 * whom and which survivors it names to whom, all without a rule; corrupted clients sign whatever helps. Honest clients
 * make the checks of section 12. In the end the server names a set of honest clients whose sum it can read, and this
 * must be the one that the protocol gives away. `cargo xtask model` searches all that can happen.
 *
 * Keys, boxes and masks are ideal (lemmas 2 to 6), so that shares are counted: who holds them, and who revealed which.
 * Clients on other rosters, and runs before this one, matter only in that a mask key may be known from there: `ghosts`.
 * Corrupted clients are on every roster, in every set of survivors, and forward their boxes, since that never harms the
 * server. Sets of clients are bytes, one bit for each place of the ring.
 *
 * Each check of a client has a switch: with -DNO_... it is taken out, and an attack must be found.
 */

/* Where a roster of puppets shows: more corrupted clients than a threshold, and a sparse graph. Every second place is
 * corrupted, and no two disjoint windows of k/2 = 2 places are so altogether (lemma 11). */
#ifdef NO_ROSTER_FLOOR
#define SPARSE
#endif
#ifdef SPARSE
#define N 8
#define CORRUPTED (2 + 8 + 32 + 128)
#define A 4
#define DEGREE 4
#define T 4
#endif

/* Where a part of the ring can be split off: all boxes are forwarded, all survivors are named to all, and who can sign
 * does. In a window of k/2 = 2 places there may be one colluder, t - k/2, but not in two disjoint ones (lemma 10). */
#ifdef NO_GOOD_RING
#define PARTS
#define CORRUPTED (1 + 32)
#define A 2
#endif
#ifdef PARTS
#define N 10
#define DEGREE 4
#define T 3
#define FLOOR Q
#define SET short
#else
#define SET byte
#endif

#ifndef N
#define N 6
#define DEGREE (N - 1)
#endif

/* Two corrupted clients where the server proposed numbers that are made for none, and clients assume nothing. */
#ifdef NO_ASSUMPTIONS
#define TWO_CORRUPTED
#define T 3
#define Q 4
#endif
#ifdef NO_SIGNED_KEYS
#define TWO_CORRUPTED
#endif
#ifdef TWO_CORRUPTED
#define CORRUPTED (16 + 32)
#define A 2
#endif
#ifndef CORRUPTED
#define CORRUPTED 32
#define A 1
#endif

#ifdef NO_WITHHELD_BOUND /* More than the colluders, and half of what they and the neighbours are. */
#define T 2
#endif
#ifdef NO_QUORUM /* Half of the cohort. */
#define Q (N / 2)
#endif
#ifndef T /* The least with 2T > N - 1 + A. */
#define T 4
#endif
#ifndef Q /* The least with 2Q > N + A. */
#define Q ((N + A) / 2 + 1)
#endif
#ifndef FLOOR /* min_survivors of the policy. */
#define FLOOR (N - 1)
#endif
#ifndef LEMMA /* The one that is looked at, or all. */
#define LEMMA 0
#endif
#define FEW 2 /* Theorem 2: how many the sum is over. */
#define SUM 1 /* No lemma, and false: that nothing is ever read. It shows that sums come out. */
#define PROVES(lemma, claim) assert((LEMMA != 0 && LEMMA != lemma) || (claim))

#define BIT(i) (1 << (i))
#define HAS(set, i) (((set) >> (i)) & 1)
#define COUNT(s) (HAS(s, 0) + HAS(s, 1) + HAS(s, 2) + HAS(s, 3) + HAS(s, 4) + HAS(s, 5) + HAS(s, 6) + HAS(s, 7) \
    + HAS(s, 8) + HAS(s, 9))
#define ALL (BIT(N) - 1)
#define HONEST (ALL & ~CORRUPTED)
#define WITHIN(a, b) (((a) & ~(b)) == 0)

SET roster;    /* its members */
SET impostors; /* members whose keys are the server's own */
SET ghosts;    /* honest members that are not here, and whose mask keys the server has from elsewhere */
SET live;      /* honest clients that took the roster */
SET near[N];   /* neighbours on the ring of the roster */
SET boxes[N];  /* neighbours whose boxes were forwarded to this client */
SET masked;    /* honest clients that sent a masked vector */
SET story[N];  /* the survivors that this client signed */
SET second[N]; /* the same, where nothing keeps it from signing again */
SET revealed;  /* honest clients that revealed for their story */
SET also;      /* and for the second */
SET seeds, keys, part; /* in the end: whose secrets are known, and whose sum is read */
SET named, seen; /* survivors that are named, and signed */
byte i, u, v, n;

/* Any subset of a set, put into `into`. */
inline subset(into, all) {
    into = 0;
    i = 0;
    do
    :: i < N && HAS(all, i) -> into = into | BIT(i); i++
    :: i < N -> i++
    :: i == N -> break
    od;
    i = 0
}

/* The neighbours of `u`: DEGREE/2 members on either side, or all where these would meet. */
inline find_neighbours() {
    if
    :: COUNT(roster) <= DEGREE + 1 -> near[u] = roster & ~BIT(u)
    :: else ->
        near[u] = 0; v = u; n = 0;
        do
        :: n < DEGREE / 2 -> v = (v + 1) % N; n = n + HAS(roster, v); near[u] = near[u] | (roster & BIT(v))
        :: else -> break
        od;
        v = u; n = 0;
        do
        :: n < DEGREE / 2 -> v = (v + N - 1) % N; n = n + HAS(roster, v); near[u] = near[u] | (roster & BIT(v))
        :: else -> break
        od
    fi;
    v = 0; n = 0
}

/* How many signed what `u` signed, or may: corrupted clients sign everything. */
inline count_signatures(these) {
    n = A; v = 0;
    do
    :: v < N -> n = n + (HAS(live, v) && (story[v] == these || second[v] == these)); v++
    :: v == N -> break
    od;
    v = 0
}

/* Stage 4, the client: signs the survivors `set` if they pass its checks. */
inline confirm(into) {
#ifdef PARTS
    seen = named;
#else
    subset(seen, roster & HONEST);
    seen = seen | CORRUPTED;
#endif
    if
    :: !HAS(seen, u) || COUNT(seen & near[u]) < T || COUNT(seen) < FLOOR -> skip
#ifndef NO_FORWARDED
    :: HAS(seen, u) && !WITHIN(seen & near[u] & HONEST, boxes[u]) -> skip
#endif
    :: else -> into = seen
    fi;
    seen = 0
}

/* Shares of the seed (`survived`) or of the mask key of `u` that the server has, in n. */
inline count_shares(survived) {
    n = COUNT(near[u] & (CORRUPTED | impostors)); v = 0;
    do
    :: v < N ->
        if
        :: HAS(near[u], v) && HAS(revealed, v) && HAS(story[v], u) == survived -> n++
        :: HAS(near[u], v) && HAS(also, v) && HAS(second[v], u) == survived -> n++
        :: else -> skip
        fi;
        v++
    :: else -> break
    od;
    v = 0
}

init {
    /* Setup and roster. */
    atomic {
#ifdef PARTS
        roster = ALL;
        live = HONEST;
        subset(named, HONEST);
        named = named | CORRUPTED;
#else
        subset(roster, HONEST);
        roster = roster | CORRUPTED;
        subset(live, roster & HONEST);
#endif
#ifdef NO_SIGNED_KEYS /* A curious round: all keys are what the server says. */
        subset(impostors, roster & HONEST & ~live);
#endif
#ifdef NO_NAMED_ROUND /* Signed keys of an earlier run under the same terms. */
        subset(ghosts, roster & HONEST & ~live & ~impostors);
#endif
#ifndef NO_ROSTER_FLOOR
        if
        :: COUNT(roster) < Q || COUNT(roster) < FLOOR -> live = 0
        :: else -> skip
        fi;
#endif
        u = 0;
        do
        :: u < N && HAS(live, u) -> d_step { find_neighbours() }; u++
        :: u < N && !HAS(live, u) -> u++
        :: else -> break
        od;
        u = 0
    }

    /* Boxes and masks: of absent members the server can forward nothing that opens. */
    do
    :: u < N ->
        atomic {
            if
            :: HAS(live, u) ->
#ifdef PARTS
                boxes[u] = near[u] & HONEST;
#else
                subset(boxes[u], near[u] & HONEST);
#endif
                if
#ifndef NO_OPENED
                :: COUNT(boxes[u] & (live | impostors)) + COUNT(near[u] & CORRUPTED) < T -> boxes[u] = 0
#endif
                :: else -> masked = masked | BIT(u)
                fi
            :: else -> skip
            fi;
            u++
        }
    :: else -> break
    od;
    u = 0;

    /* Survivors: each client is named some, or none. */
    do
    :: u < N ->
        atomic {
            if
            :: HAS(masked, u) -> confirm(story[u])
#ifdef NO_ONCE
            ; confirm(second[u])
#endif
#ifdef PARTS
            :: else -> skip
#else
            :: true -> skip
#endif
            fi;
            u++
        }
    :: else -> break
    od;
    u = 0;

    /* Revealing: whoever can is asked, since more shares never harm the server. */
    d_step {
        do
        :: u < N ->
            count_signatures(story[u]);
            revealed = revealed | ((story[u] && n >= Q) << u);
            count_signatures(second[u]);
            also = also | ((second[u] && n >= Q) << u);
            u++
        :: else -> break
        od;
        u = 0;
        do
        :: u < N ->
            if
            :: HAS(live, u) ->
                count_shares(1);
                seeds = seeds | ((n >= T) << u);
                count_shares(0);
                keys = keys | ((n >= T) << u)
            :: else
            fi;
            u++
        :: else -> break
        od;
        u = 0; n = 0
    }

    /* Lemma 8: one story. Lemma 9: not both secrets. */
    d_step {
        do
        :: u < N ->
            if
            :: HAS(revealed, u) -> PROVES(8, seen == 0 || seen == story[u]); seen = story[u]
            :: else
            fi;
            PROVES(8, !HAS(also, u) || second[u] == seen);
            u++
        :: else -> break
        od;
        u = 0;
        PROVES(9, (seeds & keys) == 0)
    }

    /* Lemma 10: a part whose masks are all known, or cancel within it, is the sum over all of the survivors. */
    atomic {
        subset(part, masked & seeds);
        do
        :: u < N && HAS(part, u) && !WITHIN(boxes[u], part | keys | ghosts | impostors) -> part = 0; break
        :: u < N && !(HAS(part, u) && !WITHIN(boxes[u], part | keys | ghosts | impostors)) -> u++
        :: u == N -> break
        od;
        assert(LEMMA != SUM || part == 0);
        PROVES(10, part == 0 || part == (seen & live));
        PROVES(FEW, part == 0 || COUNT(part) + A >= FLOOR);
        part = 0; u = 0
    }
}
