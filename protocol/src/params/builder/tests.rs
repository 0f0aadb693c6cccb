use super::*;

fn built(builder: ParamsBuilder) -> Params {
    builder.build().expect("valid parameters")
}

fn refused(builder: ParamsBuilder) -> InvalidParams {
    builder.build().expect_err("invalid parameters")
}

/// So many colluders that they could recover a secret, or one less.
#[test]
fn a_threshold_is_above_the_colluders() {
    let with = |corrupted| Params::secagg(10, 1, 5).corrupted_neighbours(corrupted);
    assert_eq!(built(with(4)).corrupted_neighbours(), 4);
    assert_eq!(built(Params::secagg(10, 1, 5)).corrupted_neighbours(), 4);
    for corrupted_neighbours in [5, u32::MAX] {
        let error = refused(with(corrupted_neighbours));
        let least = corrupted_neighbours.saturating_add(1);
        let (threshold, neighbours) = (5, 9);
        let expected = InvalidParams::CorruptedNeighbours {
            threshold,
            neighbours,
            corrupted_neighbours,
            least,
        };
        assert_eq!(error, expected);
    }
}

/// Of nine neighbours and c colluders, 9 + c shares can be had; less than twice the threshold.
#[test]
fn two_stories_take_more_shares_than_an_active_server_can_have() {
    let with = |threshold| Params::secagg(10, 1, threshold).threat_model(ThreatModel::ActiveServer);
    for (threshold, most) in [(5, 0), (6, 2), (7, 4), (8, 6), (9, 8)] {
        assert_eq!(built(with(threshold)).corrupted_neighbours(), most);
        let error = refused(with(threshold).corrupted_neighbours(most + 1));
        assert!(matches!(error, InvalidParams::CorruptedNeighbours { .. }), "{error}");
    }
    let error = refused(with(4));
    let corrupted_neighbours = 0;
    let expected = InvalidParams::CorruptedNeighbours {
        threshold: 4,
        neighbours: 9,
        corrupted_neighbours,
        least: 5,
    };
    assert_eq!(error, expected);
}

/// Three shares may become four, so two are no more than half.
#[test]
fn the_neighbour_that_an_odd_degree_may_add_counts() {
    let with = |clients, threshold| {
        let params = Params::secagg_plus(clients, 1, 3, threshold);
        params.threat_model(ThreatModel::ActiveServer)
    };
    let least = 3;
    let expected = InvalidParams::CorruptedNeighbours {
        threshold: 2,
        neighbours: 4,
        corrupted_neighbours: 0,
        least,
    };
    assert_eq!(refused(with(10, 2)), expected);
    assert_eq!(built(with(10, 3)).corrupted_neighbours(), 1);
    // Four clients have three neighbours each, and never more.
    assert_eq!(built(with(4, 2)).corrupted_neighbours(), 0);
}
