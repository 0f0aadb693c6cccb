use proptest::prelude::*;

use super::*;
use crate::vectors::{array, list, number, numbers, parsed};

fn graph(len: u32, degree: u32) -> Graph {
    seeded(len, degree, 5)
}

fn seeded(len: u32, degree: u32, seed: u8) -> Graph {
    Graph::new(Ring::new(len, degree, &RosterHash::from_bytes([seed; 32])))
}

/// The number of clients that can be reached from client 0.
fn reached(graph: &Graph) -> usize {
    let mut seen = vec![false; graph.neighbours.len()];
    let mut next = vec![0];
    while let Some(client) = next.pop() {
        if !core::mem::replace(&mut seen[client], true) {
            next.extend(graph.neighbours(client));
        }
    }
    seen.iter().filter(|&&seen| seen).count()
}

/// Both parities of both numbers, and clients fewer than neighbours, as after drop-outs in setup.
#[test]
fn graphs_are_regular_symmetric_and_connected() {
    for len in 3..=16 {
        for degree in 2..=16 {
            let graph = graph(len, degree);
            let odd = degree % 2 == 1 && len % 2 == 1;
            let promised = (degree + u32::from(odd)).min(len - 1) as usize;
            assert_eq!(graph.degree(), promised, "{degree} neighbours of {len} clients");
            for client in 0..len as usize {
                assert_neighbours(&graph, client);
            }
            assert_eq!(reached(&graph), len as usize);
        }
    }
}

proptest! {
    /// The same for cohorts of any size, which the test above tries out only to 16.
    #[test]
    fn larger_graphs_are_so_too(len in 3..400_u32, degree in 2..400_u32, seed: u8) {
        let graph = seeded(len, degree, seed);
        let odd = degree % 2 == 1 && len % 2 == 1;
        prop_assert_eq!(graph.degree(), (degree + u32::from(odd)).min(len - 1) as usize);
        (0..len as usize).for_each(|client| assert_neighbours(&graph, client));
        prop_assert_eq!(reached(&graph), len as usize);
    }
}

fn assert_neighbours(graph: &Graph, client: usize) {
    let neighbours = graph.neighbours(client);
    assert_eq!(neighbours.len(), graph.degree());
    assert!(neighbours.is_sorted_by(|a, b| a < b), "{neighbours:?} ascend");
    assert!(!neighbours.contains(&client));
    let mutual = |&other: &usize| graph.neighbours(other).contains(&client);
    assert!(neighbours.iter().all(mutual));
}

#[test]
fn the_seed_decides() {
    let other = seeded(20, 4, 6);
    assert_eq!(graph(20, 4).neighbours, graph(20, 4).neighbours);
    assert_ne!(graph(20, 4).neighbours, other.neighbours);
}

/// What a client finds for itself is what the server keeps.
#[test]
fn ring_and_graph_agree() {
    for (len, degree) in [(5, 2), (6, 3), (7, 3), (9, 8)] {
        let graph = graph(len, degree);
        for member in 0..len as usize {
            assert_eq!(graph.ring().neighbours(member), graph.neighbours(member));
        }
        assert_eq!(graph.ring().neighbours(len as usize), Vec::<usize>::new(), "no such member");
    }
}

/// On a ring of ten with two neighbours each, two gaps part the others; on one with four, they must
/// be two wide; with three, the opposite member joins the parts.
#[test]
fn gaps_part_a_ring_as_its_degree_allows() {
    for (degree, gaps, parted) in [
        (2, vec![2, 7], true),
        (2, vec![2, 3], false),
        (4, vec![2, 7], false),
        (4, vec![2, 3, 7], false),
        (4, vec![2, 3, 7, 8], true),
        (3, vec![2, 7], false),
        (9, vec![2, 3, 7, 8], false),
    ] {
        let graph = graph(10, degree);
        let gone: Vec<_> = gaps.iter().map(|&place| graph.ring.order[place]).collect();
        let part = graph.ring().connected(|member| !gone.contains(&member));
        assert_eq!(part < 10 - gone.len(), parted, "degree {degree}, gaps at {gaps:?}");
    }
    assert_eq!(graph(10, 4).ring().connected(|_| false), 0);
}

/// Each of the 24 orders of four is drawn 10,000 / 24 = 417 times, give or take five standard
/// deviations of 20. A shuffle that swaps with any place (and not with those before) gives some of
/// them a third too often.
#[test]
fn every_order_is_equally_likely() {
    let mut drawn = std::collections::BTreeMap::<_, u32>::new();
    for number in 0_u64..10_000 {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&number.to_le_bytes());
        *drawn.entry(shuffled(4, &Seed::from_bytes(seed))).or_default() += 1;
    }
    assert_eq!(drawn.len(), 24);
    assert!(drawn.values().all(|count| (317..=517).contains(count)), "{drawn:?}");
}

#[test]
fn a_shuffle_loses_no_one() {
    // More words than the 64 of the first chunk of keystream.
    let mut ring = shuffled(1000, &Seed::from_bytes([9; 32]));
    assert!(!ring.is_sorted());
    ring.sort_unstable();
    assert!(ring.into_iter().eq(0..1000));
}

#[test]
fn words_go_on_where_a_chunk_ends() {
    let seed = Seed::from_bytes([3; 32]);
    let mut bytes = [0; 8 * 130];
    Prg::ChaCha20.expand(Backend::Portable, &seed, 0, &mut bytes).expect("a short keystream");
    let (expected, _) = bytes.as_chunks::<8>();
    assert!(words(&seed).zip(expected).all(|(word, bytes)| word == u64::from_le_bytes(*bytes)));
}

#[test]
fn graphs_are_those_of_the_reference() {
    let file = parsed(include_str!("../../../tests/vectors/graph.json"));
    for case in list(&file, "cases") {
        let (members, degree) = (number(&case["members"]) as u32, number(&case["degree"]) as u32);
        let seed = RosterHash::from_bytes(array(&case["ring_seed"]));
        let ring = Ring::new(members, degree, &seed);
        assert_eq!(positions(&ring.order), numbers(&case["ring"]), "{case}");
        let graph = Graph::new(ring);
        for (member, expected) in list(case, "neighbours").iter().enumerate() {
            assert_eq!(positions(graph.neighbours(member)), numbers(expected), "{case}");
        }
    }
}

fn positions(positions: &[usize]) -> Vec<u64> {
    positions.iter().map(|&at| at as u64).collect()
}
