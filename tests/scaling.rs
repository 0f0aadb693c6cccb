//! The formulas behind docs/scaling.md count what rounds do, and the fits find costs that are known.

use std::collections::BTreeMap;

use secagg_benches::clock::Time;
use secagg_benches::scaling::{
    Axis, Case, ClientShard, Counts, LaneShard, Laws, Line, Measured, Part, Point, Shards,
    least_squares, round,
};

/// On the complete graph nothing is left to chance: D S pairs of a dropped client and a survivor.
const COMPLETE: Case =
    Case { clients: 12, degree: 11, threshold: 6, dimension: 1001, dropped: 3, threads: 1 };

#[test]
fn formulas_count_what_a_round_does() {
    for case in [COMPLETE, Case { dropped: 0, ..COMPLETE }, Case { dimension: 1, ..COMPLETE }] {
        let point = round(Axis::Clients, case);
        let (masks, bytes) = (Counts::of(&case).masks(), case.bytes());
        assert!((point.masks as f64 - masks).abs() < 1e-9, "{case:?}: {} masks", point.masks);
        for (counted, said) in point.bytes.iter().zip(bytes) {
            assert!((counted - said).abs() < 1e-9, "{case:?}: {counted} bytes, not {said}");
        }
        let timed = point.parts.values().all(|time| time.processor > 0.0 && time.wall > 0.0);
        assert!(timed && point.parts.len() == 11, "{:?}", point.parts);
    }
}

#[test]
fn a_power_law_gives_its_exponent() {
    let points = [1.0, 10.0, 300.0].map(|x: f64| (x, 5.0 * x.powf(1.5)));
    assert!((Line::exponent(&points) - 1.5).abs() < 1e-12);
    let line = Line::through(&[(0.0, 1.0), (2.0, 5.0), (4.0, 9.0)]);
    assert_eq!(line, Line { rise: 2.0, start: 1.0 });
}

/// Counts of very different sizes, as agreements and bytes are.
fn rows(costs: [f64; 3]) -> Vec<(Vec<f64>, f64)> {
    let x = |i: f64| vec![1e9 * i, 1000.0 / i, 3.0 + i * i];
    let y = |x: &[f64]| x.iter().zip(costs).map(|(x, cost)| x * cost).sum();
    (1..8).map(|i| x(f64::from(i))).map(|x| (x.clone(), y(&x))).collect()
}

#[test]
fn costs_are_found_again() {
    for costs in [[4e-11, 5e-6, 2e-3], [4e-11, 0.0, 2e-3], [0.0, 0.0, 7.0]] {
        for (found, cost) in least_squares(&rows(costs)).iter().zip(costs) {
            assert!((found - cost).abs() <= 1e-6 * cost.max(1e-12), "{found}, not {cost}");
        }
    }
}

#[test]
fn no_cost_is_negative() {
    let found = least_squares(&rows([4e-11, -2e-6, 2e-2]));
    assert!(found.iter().all(|&cost| cost >= 0.0) && found.contains(&0.0), "{found:?}");
}

/// What a round would take if every unit of a part's n-th term cost n nanoseconds.
fn seconds(part: Part, case: &Case) -> f64 {
    let (counts, terms) = (Counts::of(case), part.terms());
    terms.iter().zip(1..).map(|(term, n)| f64::from(n) * 1e-9 * (term.count)(&counts)).sum()
}

/// Rounds that took exactly that, along every axis.
fn made_up() -> Measured {
    let base =
        Case { clients: 500, degree: 60, threshold: 20, dimension: 9999, dropped: 50, threads: 1 };
    let mut cases = vec![base];
    cases.extend([100, 900, 4000].map(|clients| Case { clients, ..base }));
    cases.extend([10, 80, 300].map(|degree| Case { degree, threshold: degree / 2, ..base }));
    cases.extend([100, 1_000_000].map(|dimension| Case { dimension, ..base }));
    cases.extend([0, 200].map(|dropped| Case { dropped, ..base }));
    let time = |part, case: &Case| Time { processor: seconds(part, case), wall: 1.0 };
    let parts = || Part::SERVER.into_iter().chain(Part::CLIENT);
    let point = |case: Case| {
        let parts = parts().map(|part| (part, time(part, &case))).collect();
        Point { axis: Axis::Clients, case, parts, masks: 1, bytes: case.bytes() }
    };
    let (lanes, clients) = shards(base);
    Measured {
        machine: "none".into(),
        trial: true,
        repetitions: 1,
        alone: BTreeMap::new(),
        points: cases.into_iter().map(point).collect(),
        shards: Shards { round: base, lanes, clients },
    }
}

fn shards(case: Case) -> (LaneShard, ClientShard) {
    let time = Time { processor: 1.0, wall: 1.0 };
    let lanes = LaneShard {
        lanes: 100,
        masks: 10,
        batch: 10,
        uploads: 10,
        different: 10,
        schedules: time,
        apply: time,
        add: time,
    };
    (lanes, ClientShard { case, parts: Part::BY_CLIENT.map(|part| (part, time)).into() })
}

#[test]
fn laws_tell_what_a_round_takes_that_was_never_run() {
    let laws = Laws::fit(&made_up());
    let large = Case {
        clients: 1_000_000,
        degree: 56,
        threshold: 26,
        dimension: 10_000_000,
        dropped: 100_000,
        threads: 1,
    };
    for part in Part::SERVER.into_iter().chain(Part::CLIENT) {
        let ratio = laws.of(part).seconds(&large) / seconds(part, &large);
        assert!((ratio - 1.0).abs() < 1e-4, "{part:?}: {ratio}");
    }
}
