//! A server that tells one client other terms than the rest: what the client can see, it refuses; what it
//! cannot see takes it out of everyone's reach, so that its secrets and its update stay its own.

use secagg::kernels::Prg;
use secagg::message::{SetupRequest, ShareKeysRequest};
use secagg::{
    ContextHash, Misuse, Params, ParamsBuilder, RosterHash, ServerMisbehaved, Stage, ThreatModel,
};
use secagg_tests::{APPLICATION, Cohort, Round};

fn five() -> Cohort {
    Cohort::secagg(5).threshold(3)
}

/// Client 1 is told other parameters than the others, with a context to match or with theirs.
fn other_terms(cohort: Cohort, params: Params, matching: bool) -> Round<f64> {
    let edit = move |request: &mut SetupRequest| {
        request.params = params.clone();
        if matching {
            request.context = ContextHash::new(&params, APPLICATION);
        }
    };
    cohort.edit(1, edit).run::<f64>()
}

fn built(builder: ParamsBuilder) -> Params {
    builder.build().expect("valid parameters")
}

/// The five's parameters with any one of them changed.
fn changed() -> Vec<Params> {
    let five = || Params::secagg(5, 3, 3);
    vec![
        built(Params::secagg(6, 3, 3)),
        built(Params::secagg(5, 4, 3)),
        built(Params::secagg_plus(5, 3, 2, 2)),
        built(Params::secagg(5, 3, 2)),
        built(five().clipping_range(9.0)),
        built(five().quantization_range(1 << 20)),
        built(five().max_weight(999.0)),
        built(five().modulus_range(1 << 31)),
        built(five().prg(Prg::ChaCha20)),
        built(five().threat_model(ThreatModel::ActiveServer)),
        built(five().corrupted_neighbours(1)),
    ]
}

#[test]
fn no_parameter_can_be_changed_under_the_same_context() {
    for params in changed() {
        let round = other_terms(five(), params, false);
        round.assert_refused(1, Stage::Setup, ServerMisbehaved::Context).assert_mean_of(2..=5);
    }
}

/// Its list of peers is longer than so few can have.
#[test]
fn a_lower_cohort_or_degree_for_one_client_alone() {
    for (params, most) in [(Params::secagg(4, 3, 3), 3), (Params::secagg_plus(5, 3, 2, 2), 2)] {
        let round = other_terms(five(), built(params), true);
        let reason = ServerMisbehaved::TooManyPeers { found: 4, most };
        round.assert_refused(1, Stage::ShareKeys, reason).assert_mean_of(2..=5);
    }
}

/// Terms that client 1 cannot compare with anyone's: no box of another client opens for it.
#[test]
fn other_ranges_for_one_client_alone() {
    let five_terms = || Params::secagg(5, 3, 3);
    for params in [
        five_terms().clipping_range(9.0),
        five_terms().max_weight(999.0),
        five_terms().prg(Prg::ChaCha20),
        five_terms().modulus_range(1 << 64),
    ] {
        let round = other_terms(five(), built(params), true);
        let reason = ServerMisbehaved::TooFewShares { have: 0, need: 3 };
        round.assert_refused(1, Stage::CollectMaskedVectors, reason);
    }
}

/// What it was asked for is not what its caller has.
#[test]
fn another_dimension_for_one_client_alone() {
    let round = other_terms(five(), built(Params::secagg(5, 4, 3)), true);
    let misuse = Misuse::Dimension { expected: 4, found: 3 };
    round.assert_refused(1, Stage::CollectMaskedVectors, misuse);
}

/// A curious server's clients do not know the roster. But it is in every key that they derive.
#[test]
fn a_roster_hash_for_one_client_alone() {
    let other = |request: &mut ShareKeysRequest| request.roster = RosterHash::from_bytes([7; 32]);
    let round = five().edit(1, other).run::<f64>();
    let reason = ServerMisbehaved::TooFewShares { have: 0, need: 3 };
    round.assert_refused(1, Stage::CollectMaskedVectors, reason);
}

/// Another key for a neighbour takes that neighbour alone out of reach; three are left.
#[test]
fn a_neighbours_key_altered_takes_one_share_away() {
    let swap = |request: &mut ShareKeysRequest| {
        let keys = request.peers[3].1;
        request.peers[3].1 = core::mem::replace(&mut request.peers[2].1, keys);
    };
    let round = five().edit(1, swap).run::<f64>();
    let reason = ServerMisbehaved::TooFewShares { have: 2, need: 3 };
    round.assert_refused(1, Stage::CollectMaskedVectors, reason);
}
