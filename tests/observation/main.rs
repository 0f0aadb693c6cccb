//! What a server tells those who listen. One test alone: whether anybody listens is looked up once for a whole process.

mod counters;

use counters::Counters;
use secagg::Stage;
use secagg_tests::Cohort;

/// Some vanish, one message is repeated, and some masks come off early.
#[test]
fn counters_count_every_message_and_mask() {
    let counters = Counters::default();
    let round = counters.listen(|| {
        let cohort = Cohort::secagg(40).threshold(0.5).repeat(7, Stage::Unmask);
        cohort.drop(2, Stage::ShareKeys).drop(3, Stage::CollectMaskedVectors).run::<f64>()
    });
    round.assert_mean();
    let stages = &round.report.stages;
    let sum = |count: fn(&secagg::StageReport) -> u64| stages.iter().map(count).sum::<u64>();
    assert_eq!(counters.get("secagg_accepted"), sum(|stage| stage.answered.len() as u64));
    assert_eq!(counters.get("secagg_received_bytes"), sum(|stage| stage.bytes_up));
    assert_eq!(counters.get("secagg_rejected"), 1);
    assert_eq!(counters.of_stage("secagg_rejected", "unmask"), 1);
    assert_eq!(counters.get("secagg_masks_taken_off"), 38 + 38);
    // The one before the last is closed without a question where the server is trusted to be curious only.
    assert_eq!(counters.spans("stage"), 5);
    assert_eq!(counters.spans("close"), 5);
    assert_eq!(counters.spans("receive"), sum(|it| (it.answered.len() + it.rejected.len()) as u64));
    assert!(counters.spans("recover") >= 2 && counters.spans("apply") >= 2);
}
