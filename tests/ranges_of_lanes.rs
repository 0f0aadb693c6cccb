//! A round whose masked vectors are added, and whose masks are taken off, by ranges of lanes outside of the server's stage: as a cluster
//! does it, with the plan as bytes.

use secagg::kernels::{Accumulator, Backend, MaskPlan, PackError, pack};
use secagg::server::{CollectMaskedVectors, Collecting, Recovered, Save};
use secagg::{Abort, ClientId, ClientMisbehaved, Malformed, Outgoing, Rejected, ThreatModel};
use secagg_tests::{Cohort, Scene};

/// A multiple of 8, so that ranges begin on whole bytes at any width.
const RANGE: usize = 8;

fn pass<S: Collecting>(
    scene: &mut Scene<f64>,
    (mut stage, outgoing): (S, Vec<Outgoing>),
) -> (S::Next, Vec<Outgoing>) {
    for (client, answer) in scene.ask_all(&outgoing) {
        stage.receive(client, &answer).expect("an honest answer");
    }
    stage.close(&mut secagg_tests::rng()).expect("enough answers")
}

/// An open stage with the answers that it waits for.
fn collecting(scene: &mut Scene<f64>) -> (CollectMaskedVectors, Vec<(ClientId, Vec<u8>)>) {
    let share_keys = pass(scene, scene.open());
    let (collect, outgoing) = pass(scene, share_keys);
    let answers = scene.ask_all(&outgoing);
    (collect, answers)
}

fn finish(
    scene: &mut Scene<f64>,
    collected: (<CollectMaskedVectors as Collecting>::Next, Vec<Outgoing>),
) -> Recovered {
    let confirmed = pass(scene, collected);
    pass(scene, confirmed).0
}

/// What one worker adds up: its range of every vector, packed.
fn add_range(vectors: &[Vec<u8>], stage: &CollectMaskedVectors, range: usize) -> Vec<u32> {
    let (modulus, lanes) = (stage.params().modulus(), stage.params().lanes());
    let first = range * RANGE;
    let mut sum = vec![0; RANGE.min(lanes - first)];
    for vector in vectors {
        let bytes = &vector[modulus.packed_len(first)..modulus.packed_len(first + sum.len())];
        pack::unpack_add(Backend::Portable, modulus, bytes, &mut sum).expect("a range of lanes");
    }
    sum
}

fn unmask_range(plan: &[u8], sum: &mut [u32], range: usize) {
    let plan = MaskPlan::from_bytes(plan).expect("a plan");
    plan.apply(Backend::Portable, (range * RANGE) as u64, sum).expect("within the keystream");
}

#[test]
fn ranges_of_lanes_give_the_mean_that_one_process_gives() {
    for threat_model in ThreatModel::ALL {
        for width in [29, 32] {
            let cohort = || {
                let cohort = Cohort::secagg(5).threshold(3).dimension(50).against(threat_model);
                cohort.with(move |params| params.modulus_range(1 << width))
            };
            let whole = {
                let mut scene = cohort().scene::<f64>();
                let (mut stage, answers) = collecting(&mut scene);
                for (client, answer) in &answers[..4] {
                    stage.receive(*client, answer).expect("an honest answer");
                }
                let collected = stage.close(&mut secagg_tests::rng()).expect("enough answers");
                finish(&mut scene, collected).aggregate::<f64>().expect("a sum")
            };
            assert_eq!(by_ranges(&mut cohort().scene::<f64>()), whole);
        }
    }
}

/// The fifth client drops out, so that there are pairwise masks to take off.
fn by_ranges(scene: &mut Scene<f64>) -> secagg::Aggregate<f64> {
    let (mut stage, answers) = collecting(scene);
    let admit = |(client, answer): &(_, Vec<u8>)| stage.admit(*client, answer).map(<[u8]>::to_vec);
    let vectors: Vec<_> =
        answers[..4].iter().map(admit).collect::<Result<_, _>>().expect("honest answers");
    assert_eq!(stage.waiting_for(), [ClientId(5)]);
    let (modulus, lanes) = (stage.params().modulus(), stage.params().lanes());
    let ranges = 0..lanes.div_ceil(RANGE);
    let sum: Vec<_> = ranges.clone().flat_map(|range| add_range(&vectors, &stage, range)).collect();
    let mut packed = Vec::new();
    pack::append(Backend::Portable, modulus, &sum, &mut packed).expect("lanes of 32 bits");
    stage.add_sum(&packed).expect("the sum of the round's lanes");
    let collected = stage.close(&mut secagg_tests::rng()).expect("enough answers");
    let (masked, plan, reading) = finish(scene, collected).into_parts();
    let plan = plan.to_bytes();
    let mut lanes: Vec<_> = (0..masked.len()).map(|lane| masked.get(lane) as u32).collect();
    for (range, lanes) in lanes.chunks_mut(RANGE).enumerate() {
        unmask_range(&plan, lanes, range);
    }
    packed.clear();
    pack::append(Backend::Portable, modulus, &lanes, &mut packed).expect("lanes of 32 bits");
    let mut sum = Accumulator::new(modulus, lanes.len());
    sum.add_packed(Backend::Portable, &packed).expect("the sum of the round's lanes");
    reading.aggregate(&sum).expect("a sum")
}

#[test]
fn what_is_admitted_is_judged_as_what_is_received() {
    let mut scene = Cohort::secagg(5).threshold(3).dimension(2).scene::<f64>();
    let (mut stage, answers) = collecting(&mut scene);
    let (client, answer) = &answers[0];
    let refused = |stage: &mut CollectMaskedVectors, from: u64, bytes: &[u8]| {
        let waiting = stage.waiting_for();
        let refused = stage.admit(ClientId(from), bytes).expect_err("it is no honest vector");
        assert_eq!(stage.waiting_for(), waiting);
        refused
    };
    let length = PackError::Length { expected: 16, found: 15 };
    assert_eq!(
        refused(&mut stage, client.0, &answer[..answer.len() - 1]),
        Malformed::MaskedVector(length).into()
    );
    assert_eq!(refused(&mut stage, 9, answer), ClientMisbehaved::NotExpected.into());
    stage.admit(*client, answer).expect("an honest vector");
    let twice: Rejected = ClientMisbehaved::Duplicate.into();
    assert_eq!(refused(&mut stage, client.0, answer), twice);
    assert_eq!(stage.receive(*client, answer), Err(twice));
    assert_eq!(stage.add_sum(&[0; 15]), Err(length));
}

/// Vectors that were admitted and never added leave their masks, and more masks come off than went on.
#[test]
fn a_sum_that_is_not_brought_back_is_no_mean() {
    let mut scene = Cohort::secagg(5).threshold(3).dimension(50).scene::<f64>();
    let (mut stage, answers) = collecting(&mut scene);
    for (client, answer) in &answers {
        stage.admit(*client, answer).expect("an honest vector");
    }
    let collected = stage.close(&mut secagg_tests::rng()).expect("enough answers");
    let aborted = finish(&mut scene, collected).aggregate::<f64>();
    assert!(matches!(aborted, Err(Abort::Sum(_))), "{aborted:?}");
}
