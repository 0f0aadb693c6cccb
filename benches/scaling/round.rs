//! One round, by parts.

use std::collections::BTreeMap;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use rayon::ThreadPoolBuilder;
use secagg::server::Collecting;
use secagg::{Params, Stage};
use secagg_kernels::Backend;

use super::{Axis, Case, Part, Point};
use crate::clock::{Time, timed};
use crate::cohort::{Cohort, Spent};

/// Runs one round on as many threads as it says, and takes the time of its parts.
///
/// # Panics
/// If the round does not end, or with another mean than it should: a mask that was left on would show.
pub fn round(axis: Axis, case: Case) -> Point {
    let pool = ThreadPoolBuilder::new().num_threads(case.threads).build().expect("threads");
    pool.install(|| {
        let params = params(&case);
        let mut cohort = Cohort::new(&params, u64::from(case.dropped));
        let last = cohort.before_unmasking(&params);
        let (recovered, recover) =
            timed(|| last.close(&mut ChaCha20Rng::seed_from_u64(1)).expect("enough shares").0);
        let masks = recovered.masks();
        let (mut sum, plan, reading) = recovered.into_parts();
        let backend = Backend::detect();
        let (applied, apply) = timed(|| sum.apply(backend, &plan));
        applied.expect("vectors shorter than a mask");
        let (mean, read) = timed(|| reading.aggregate::<f32>(&sum));
        check(&mean.expect("a sum without masks").mean, case.dimension);
        let mut parts = parts(cohort.spent());
        parts.extend([(Part::Recover, recover), (Part::Apply, apply), (Part::Read, read)]);
        Point { axis, case, parts, masks, bytes: bytes(cohort.spent(), &case) }
    })
}

/// 32 bits, and as many levels as the cohort leaves room for.
fn params(case: &Case) -> Params {
    let levels = (u64::from(u32::MAX) / u64::from(case.clients)).min(1 << 22);
    let Case { clients, dimension, degree, threshold, .. } = *case;
    let builder = Params::secagg_plus(clients, dimension, degree, threshold);
    builder.quantization_range(levels).build().expect("parameters")
}

/// All clients had the same update, so the mean is near it: a mask left on would show.
fn check(mean: &[f32], dimension: usize) {
    let update = crate::update(dimension);
    let far = mean.iter().zip(&update).filter(|(a, b)| (*a - *b).abs() > 0.01).count();
    assert_eq!(far, 0, "elements that are not what they should be, of {dimension}");
}

fn parts(spent: &[Spent]) -> BTreeMap<Part, Time> {
    let mut parts = BTreeMap::new();
    for stage in spent {
        let (server, client) = match stage.stage {
            Stage::Setup => (Part::Keys, Part::ClientKeys),
            Stage::ShareKeys => (Part::Boxes, Part::ClientShare),
            Stage::CollectMaskedVectors => (Part::Add, Part::ClientMask),
            _ => (Part::Reveal, Part::ClientReveal),
        };
        *parts.entry(server).or_insert_with(Time::default) += stage.server;
        *parts.entry(client).or_insert_with(Time::default) += each(stage);
    }
    parts
}

/// What one client took on average.
fn each(stage: &Spent) -> Time {
    let clients = stage.answered.max(1) as f64;
    let Time { processor, wall } = stage.clients;
    Time { processor: processor / clients, wall: wall / clients }
}

/// Bytes down and up of a client that stayed to the end.
fn bytes(spent: &[Spent], case: &Case) -> [f64; 2] {
    let mut bytes = [0.0, 0.0];
    for stage in spent.iter().filter(|stage| stage.answered > 0) {
        // The third stage asks the dropped ones, too.
        let early =
            matches!(stage.stage, Stage::Setup | Stage::ShareKeys | Stage::CollectMaskedVectors);
        let asked = if early { case.clients as usize } else { stage.answered };
        bytes[0] += stage.bytes[0] as f64 / asked as f64;
        bytes[1] += stage.bytes[1] as f64 / stage.answered as f64;
    }
    bytes
}
