//! Two shards of a round of a million clients and ten million parameters, done as one of many machines would do them: a
//! range of lanes with all masks and uploads, and a batch of clients with all of their secrets.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use secagg_benches::clock::{Time, timed};
use secagg_benches::scaling::{Axis, Case, ClientShard, Counts, LaneShard, Part, Shards};
use secagg_benches::{modulus, on_one_thread, scaling};
use secagg_kernels::{Accumulator, Backend, MaskPlan, Prg, Seed, Sign};

use crate::sweep;

/// Masks whose key schedules are held at once: less than half a GiB.
const BATCH: usize = 1 << 18;

/// Uploads pass by in 256 MiB of memory.
const MEMORY: usize = 256 << 20;

/// Where the range begins: not at the vector's beginning, and not where a tile does.
const FIRST: u64 = 5_000_001;

/// Lanes at the end of the range that are computed again, by the portable backend.
const CHECKED: usize = 16;

/// Does both shards on one thread.
pub(crate) fn measure(quick: bool) -> Shards {
    let round = sweep::planned(1_000_000, 10_000_000, 1);
    let (lanes, clients) = if quick { (1 << 12, 1000) } else { (1 << 16, 10_000) };
    Shards { round, lanes: lane_shard(&round, lanes), clients: client_shard(&round, clients) }
}

fn lane_shard(round: &Case, lanes: usize) -> LaneShard {
    let masks = Counts::of(round).masks() as usize;
    let uploads = (round.clients - round.dropped) as usize;
    let different = MEMORY / (4 * lanes);
    eprintln!("a range of {lanes} lanes: {masks} masks, {uploads} uploads");
    on_one_thread(|| {
        let mut sum = vec![0_u32; lanes];
        let mut shard = LaneShard {
            lanes,
            masks,
            batch: BATCH,
            uploads,
            different,
            schedules: Time::default(),
            apply: Time::default(),
            add: add(lanes, uploads, different),
        };
        unmask(&mut shard, &mut sum);
        shard
    })
}

/// Unpacks and adds so many uploads' parts, which lie in memory one after another.
fn add(lanes: usize, uploads: usize, different: usize) -> Time {
    let (modulus, backend) = (modulus(32), Backend::detect());
    let length = modulus.packed_len(lanes);
    let mut packed = vec![0; different * length];
    ChaCha20Rng::seed_from_u64(1).fill_bytes(&mut packed);
    let mut sum = Accumulator::new(modulus, lanes);
    let ((), took) = timed(|| {
        for upload in packed.chunks_exact(length).cycle().take(uploads) {
            sum.add_packed(backend, upload).expect("whole bytes");
        }
    });
    took
}

/// Takes all masks off the range, batch by batch. Plans arrive as bytes, as from the machines that recover seeds.
///
/// # Panics
/// If the last lanes are not what the portable backend makes of the same masks.
fn unmask(shard: &mut LaneShard, sum: &mut [u32]) {
    let mut random = ChaCha20Rng::seed_from_u64(2);
    let (mut left, mut checked) = (shard.masks, [0; CHECKED]);
    let last = sum.len() - CHECKED;
    while left > 0 {
        let count = left.min(BATCH);
        left -= count;
        let bytes = MaskPlan::new(Prg::Aes128Ctr, &seeds(count, &mut random)).to_bytes();
        let (plan, took) = timed(|| MaskPlan::from_bytes(&bytes).expect("a plan's bytes"));
        shard.schedules += took;
        let (applied, took) = timed(|| plan.apply(Backend::detect(), FIRST, sum));
        shard.apply += took;
        let checking = plan.apply(Backend::Portable, FIRST + last as u64, &mut checked);
        applied.and(checking).expect("lanes within a mask");
    }
    assert_eq!(sum[last..], checked, "masks of the shard");
}

/// Seeds that no client has; half of their masks are subtracted, as of pairs.
fn seeds(count: usize, random: &mut ChaCha20Rng) -> Vec<(Seed, Sign)> {
    let mut seed = || {
        let mut bytes = [0; 32];
        random.fill_bytes(&mut bytes);
        let sign = if bytes[31] % 2 == 0 { Sign::Add } else { Sign::Subtract };
        (Seed::from_bytes(bytes), sign)
    };
    (0..count).map(|_| seed()).collect()
}

/// A round of some clients, with the degree and the threshold of the large one, and next to no lanes.
fn client_shard(round: &Case, clients: u32) -> ClientShard {
    let dropped = clients / (round.clients / round.dropped);
    let case = Case { clients, dropped, dimension: 100, ..*round };
    eprintln!("a batch of {clients} clients");
    let point = scaling::round(Axis::Clients, case);
    let parts =
        point.parts.into_iter().filter(|(part, _)| Part::BY_CLIENT.contains(part)).collect();
    ClientShard { case, parts }
}
