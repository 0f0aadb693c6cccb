//! Errors that parameters and earlier checks leave no room for, and that are errors all the same.

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use secagg_kernels::Backend;

use super::*;
use crate::keys::{ChannelPublicKey, KEY_LEN, MaskPublicKey};
use crate::message::AdvertisedKeys;
use crate::server::Members;
use crate::session::Session;
use crate::shamir::split;
use crate::{Params, RosterHash, SessionId};

/// More than are agreed with at once.
const CLIENTS: usize = 40;
const DROPPED: usize = 3;

fn secret(at: usize) -> [u8; KEY_LEN] {
    [at as u8 + 1; KEY_LEN]
}

/// One dropped. The last survivor's mask key has low order, which the setup would have refused.
fn cohorts() -> Cohorts {
    let params = Params::secagg(CLIENTS as u32, 1, 5).build().expect("valid parameters");
    let session = Session::new(SessionId([0; 16]), params, b"");
    let mut keys: Vec<_> = (0..CLIENTS)
        .map(|at| AdvertisedKeys {
            mask: MaskSecretKey::from_bytes(&secret(at)).public(),
            channel: ChannelPublicKey::from_bytes([at as u8; KEY_LEN]).expect("canonical"),
            signature: None,
        })
        .collect();
    keys[CLIENTS - 1].mask = MaskPublicKey::from_bytes([0; KEY_LEN]).expect("canonical");
    let clients = (0..CLIENTS as u64).map(|at| ClientId(10 * at)).collect();
    let members =
        Members::new(&session.params, clients, keys, RosterHash::from_bytes([0; KEY_LEN]));
    let commit =
        |at| SelfMaskSeed::from_bytes(&secret(at)).commitment(&session, members.client(at));
    let commitments = (0..CLIENTS).map(|at| (at, commit(at))).collect();
    let round = Round { session, backend: Backend::detect(), directory: None };
    let survivors = (0..CLIENTS).filter(|&at| at != DROPPED).collect();
    Cohorts { round, members, commitments, survivors }
}

fn shares(cohorts: &Cohorts, owner: usize) -> BTreeMap<usize, Share> {
    let holders: Vec<_> = (0..CLIENTS).filter(|&at| at != owner).collect();
    let ids: Vec<_> = holders.iter().map(|&at| cohorts.members.client(at)).collect();
    let shares = split(&secret(owner), 5, &ids, &mut ChaCha20Rng::seed_from_u64(1));
    holders.into_iter().zip(shares).collect()
}

/// Half of a client's masks would spoil the sum; it counts as not recovered.
#[test]
fn a_key_of_low_order_leaves_no_masks_behind_and_tells_whose_secret_it_met() {
    let cohorts = cohorts();
    let shares = [0, DROPPED].map(|owner| (owner, shares(&cohorts, owner))).into();
    let unmaskers = (0..CLIENTS).filter(|&at| at != DROPPED).map(|at| (at, at)).collect();
    let mut recovery = Recovery::new(&cohorts, &unmaskers, &shares);
    let mut masks = Vec::new();
    assert_eq!(recovery.masks_of(0, &mut masks), Ok(()));
    assert_eq!(masks.len(), 1);
    assert_eq!(recovery.masks_of(DROPPED, &mut masks), Err(NotRecovered));
    assert_eq!(masks.len(), 1);
}
