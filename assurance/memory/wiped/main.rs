//! Secrets are wiped: nothing that a round gives back to the allocator holds one of them.
//!
//! Rounds are always the same, so all secrets are known before they are played for the test, and every block that is
//! freed meanwhile is searched for any 16 bytes of them: of what clients draw, agree on and derive, what HKDF and Ed25519
//! make of it on the way, their shares, lanes before they are masked, how masks begin, and each round's key of AES.
//!
//! Not sought: what is on the stack or in registers, what is never freed, fewer than 16 bytes that stand alone, and forms in
//! which no secret stands as such: a field element in limbs, bitsliced keys, states of AEGIS and hashes, GHASH's key and its powers.

#![forbid(unsafe_code)]

mod aes;
mod draws;
mod secrets;

use std::sync::Mutex;
use std::thread;

use secagg::server::Recovered;
use secagg::{Abort, ClientId, Identity, Params, ParamsBuilder, Stage, StateKey, ThreatModel};
use secagg_assurance::allocator::{self, Find, NEEDLE, Watchful};
use secagg_assurance::play::{Play, Watch, revealed};
use secagg_kernels::x25519::agree_many;
use secagg_kernels::{Backend, MaskPlan, Prg, Seed, Sign};
use secrets::Secret;

#[global_allocator]
static ALLOCATOR: Watchful = Watchful;

/// There is one allocator, and it looks for the secrets of one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// The names of the secrets that were left in memory by `work`, each with where it was first.
fn left_by(secrets: &[Secret], work: impl FnOnce()) -> Vec<String> {
    for (number, secret) in secrets.iter().enumerate() {
        for needle in secret.bytes.windows(NEEDLE) {
            allocator::seek(needle.try_into().expect("a needle"), number);
        }
    }
    work();
    let found = |find: Find| {
        format!("{} in {} bytes\n{}", secrets[find.secret].name, find.size, find.backtrace)
    };
    allocator::finds().into_iter().map(found).collect()
}

/// The secrets are computed on another thread: copies that this leaves on the stack would come to
/// the heap in the unused bytes of what the round keeps.
fn assert_wiped(play: &Play, end: impl FnOnce(Result<Recovered, Abort>)) {
    let _alone = ALONE.lock();
    let elsewhere = thread::scope(|scope| scope.spawn(|| secrets::of(play)).join());
    let secrets = elsewhere.expect("a round that is as it was");
    let left = left_by(&secrets, || end(play.run(&mut Nobody)));
    assert!(left.is_empty(), "{} secrets were left, the first: {}", left.len(), left.join("\n\n"));
}

/// Looks away.
struct Nobody;

impl Watch for Nobody {}

fn with_mean(outcome: Result<Recovered, Abort>) {
    outcome.expect("enough are left").aggregate::<f32>().expect("a mean");
}

const DROPS: [(u64, Stage); 2] = [(2, Stage::CollectMaskedVectors), (4, Stage::Unmask)];

fn play(builder: ParamsBuilder) -> Play {
    Play { drops: DROPS.into(), ..Play::new(builder.build().expect("parameters")) }
}

#[test]
fn secagg_leaves_nothing() {
    assert_wiped(&play(Params::secagg(5, 100, 2)), with_mean);
}

#[test]
fn secagg_plus_leaves_nothing() {
    assert_wiped(&play(Params::secagg_plus(8, 9000, 5, 2)), with_mean);
}

#[test]
fn other_generators_leave_nothing() {
    for prg in [Prg::ChaCha20, Prg::Aegis128X4] {
        for backend in Backend::available() {
            let play = play(Params::secagg(5, 9000, 2).prg(prg));
            assert_wiped(&Play { backend, ..play }, with_mean);
        }
    }
}

#[test]
fn active_rounds_leave_nothing() {
    let active = Params::secagg(5, 100, 3).threat_model(ThreatModel::ActiveServer);
    let drops = vec![(2, Stage::CollectMaskedVectors)];
    assert_wiped(&Play { drops, ..play(active) }, with_mean);
}

#[test]
fn saved_rounds_leave_nothing() {
    assert_wiped(&Play { saved: true, ..play(Params::secagg(5, 100, 2)) }, with_mean);
    let active = Params::secagg(5, 100, 3).threat_model(ThreatModel::ActiveServer);
    let drops = vec![(2, Stage::CollectMaskedVectors)];
    assert_wiped(&Play { saved: true, drops, ..play(active) }, with_mean);
}

/// Secrets are recovered, and shares dropped, while others still come. Few clients have many masks where many drop.
#[test]
fn masks_that_come_off_early_leave_nothing() {
    let drops = [2, 5, 7, 8].map(|client| (client, Stage::CollectMaskedVectors)).to_vec();
    let play = Play { drops, concurrent: true, ..play(Params::secagg(11, 20, 2)) };
    assert_wiped(&play, |outcome| {
        let recovered = outcome.expect("enough are left");
        assert!(recovered.masks_taken_off() > 0);
        recovered.aggregate::<f32>().expect("a mean");
    });
}

#[test]
fn rounds_that_end_early_leave_nothing() {
    for stage in [Stage::ShareKeys, Stage::CollectMaskedVectors, Stage::Unmask] {
        let play = play(Params::secagg(5, 100, 3));
        let drops = (2..=5).map(|client| (client, stage)).collect();
        assert_wiped(&Play { drops, ..play }, |outcome| {
            outcome.expect_err("one client is left");
        });
    }
}

/// Whose shares are false, of everyone's secret.
const LIARS: [ClientId; 2] = [ClientId(2), ClientId(3)];

struct Lies;

impl Watch for Lies {
    fn answered(&mut self, stage: Stage, client: ClientId, message: &mut [u8]) {
        if stage == Stage::Unmask && LIARS.contains(&client) {
            revealed(message).for_each(|share| share[0] ^= 1);
        }
    }
}

/// Liars are found at the first secret: a self-mask seed, or the mask key of the client that dropped.
#[test]
fn searches_for_false_shares_leave_nothing() {
    for (dropped, concurrent) in [(5, false), (1, false), (5, true)] {
        let _alone = ALONE.lock();
        let drops = vec![(dropped, Stage::CollectMaskedVectors)];
        let play = Play { drops, concurrent, ..play(Params::secagg(9, 100, 3)) };
        let left = left_by(&secrets::of(&play), || {
            let recovered = play.run(&mut Lies).expect("enough are left");
            let mean = recovered.aggregate::<f32>().expect("a mean");
            assert_eq!(
                mean.false_shares.iter().map(|share| share.holder).collect::<Vec<_>>(),
                LIARS
            );
        });
        assert!(left.is_empty(), "{dropped} dropped: {}", left.join("\n\n"));
    }
}

/// The server's request is changed on its way to one client, at one stage.
struct Liar(Stage);

impl Watch for Liar {
    fn asked(&mut self, stage: Stage, client: ClientId, message: &mut Vec<u8>) {
        if (stage, client) == (self.0, ClientId(3)) {
            message.pop();
        }
    }
}

#[test]
fn clients_that_refuse_leave_nothing() {
    for stage in [Stage::ShareKeys, Stage::CollectMaskedVectors, Stage::Unmask] {
        let _alone = ALONE.lock();
        // Who refuses is a drop-out to the others, and its mask key is revealed.
        let mut play = Play { drops: vec![(3, stage)], ..play(Params::secagg(5, 100, 2)) };
        let secrets = secrets::of(&play);
        play.drops.clear();
        let left = left_by(&secrets, || with_mean(play.run(&mut Liar(stage))));
        assert!(left.is_empty(), "at {stage}: {}", left.join("\n\n"));
    }
}

#[test]
fn secrets_are_wiped_where_they_are_dropped() {
    let _alone = ALONE.lock();
    let bytes: [u8; 32] = std::array::from_fn(|i| 0xa0 ^ (7 * i as u8));
    let agreed = agree_many(Backend::Portable, &bytes, &[[9; 32]])[0];
    let named = |name: &str, bytes: [u8; 32]| Secret { name: name.into(), bytes: bytes.into() };
    let secrets = [named("the secret", bytes), named("what is agreed on", agreed)];
    let left = left_by(&secrets, || {
        drop(Box::new(Seed::from_bytes(bytes)));
        drop(Box::new(StateKey::from_bytes(bytes)));
        drop(Box::new(Identity::from_bytes(&bytes)));
        drop(agree_many(Backend::Portable, &bytes, &[[9; 32]]));
        for prg in Prg::ALL {
            let masks = [(Seed::from_bytes(bytes), Sign::Add)];
            let plan = MaskPlan::new(prg, &masks);
            for backend in Backend::available() {
                plan.apply(backend, 0, &mut [0_u32; 100]).expect("far from its end");
                prg.expand(backend, &masks[0].0, 0, &mut [0; 100]).expect("far from its end");
            }
        }
    });
    assert!(left.is_empty(), "{}", left.join("\n\n"));
}

#[test]
fn a_copy_that_is_not_wiped_is_found() {
    let _alone = ALONE.lock();
    let bytes: Vec<u8> = (0..32).map(|i| 0xc0 ^ (5 * i)).collect();
    let secrets = [Secret { name: "planted".into(), bytes: bytes.clone() }];
    let whole = left_by(&secrets, || drop([&[1, 2, 3], &bytes[..]].concat()));
    assert_eq!(whole.len(), 1);
    for start in 0..=16 {
        let part = left_by(&secrets, || drop(bytes[start..][..NEEDLE].to_vec()));
        assert_eq!(part.len(), 1, "from byte {start} on");
    }
    let moved = left_by(&secrets, || {
        let mut growing = bytes.clone();
        growing.reserve(1000);
        growing.fill(0);
    });
    assert_eq!(moved.len(), 1);
    let other = left_by(&secrets, || drop(bytes[17..].to_vec()));
    assert!(other.is_empty(), "{other:?}");
}
