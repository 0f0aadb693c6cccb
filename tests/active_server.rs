//! Rounds whose server may lie: clients sign their keys, check the graph and confirm the survivors.

use secagg::{Stage, ThreatModel};
use secagg_tests::Cohort;

fn five() -> Cohort {
    Cohort::secagg(5).threshold(3).against(ThreatModel::ActiveServer)
}

#[test]
fn without_drop_outs_everyone_is_in_the_mean() {
    five().run::<f64>().assert_mean_of(1..=5);
    let ring = Cohort::secagg_plus(9, 4).threshold(3).against(ThreatModel::ActiveServer);
    ring.run::<f32>().assert_mean_of(1..=9);
}

#[test]
fn a_client_may_vanish_at_any_stage() {
    for stage in Stage::ALL {
        let survivors = if stage > Stage::CollectMaskedVectors { 1..=5 } else { 1..=4 };
        five().drop(5, stage).run::<f64>().assert_mean_of(survivors);
    }
}
