//! States that are sealed under the right key, and say what no stage says: whoever has the key may
//! have written them, in another version of this crate, say.

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::*;
use crate::keys::{ChannelPublicKey, Commitment, KEY_LEN, MaskPublicKey};
use crate::message::AdvertisedKeys;
use crate::roster::RosterHash;
use crate::session::Session;
use crate::shamir::Share;
use crate::{ClientId, Stage};

const CLIENTS: usize = 4;

/// The fields of an `Unmask`, of which a test alters one.
struct Fields {
    clients: Vec<ClientId>,
    keys: Vec<AdvertisedKeys>,
    commitments: BTreeMap<usize, Commitment>,
    survivors: BTreeSet<usize>,
    asked: BTreeSet<usize>,
    unmaskers: BTreeMap<usize, usize>,
    recovered: BTreeSet<usize>,
    shares: Shares,
}

impl Fields {
    fn sound() -> Self {
        let key = |at: usize| [at as u8; KEY_LEN];
        let keys = (0..CLIENTS).map(|at| AdvertisedKeys {
            mask: MaskPublicKey::from_bytes(key(2 * at + 2)).expect("canonical"),
            channel: ChannelPublicKey::from_bytes(key(2 * at + 3)).expect("canonical"),
            signature: None,
        });
        Self {
            clients: (0..CLIENTS as u64).map(ClientId).collect(),
            keys: keys.collect(),
            commitments: (0..CLIENTS).map(|at| (at, Commitment([0; 32]))).collect(),
            survivors: (0..CLIENTS).collect(),
            asked: (0..CLIENTS).collect(),
            unmaskers: [(CLIENTS - 1, 0)].into(),
            recovered: [CLIENTS - 1].into(),
            shares: [(0, [(CLIENTS - 1, Share([0; 32]))].into())].into(),
        }
    }

    /// Result of restoring them as an `Unmask`.
    fn restored(&self) -> Result<(), RestoreError> {
        let params = Params::secagg(CLIENTS as u32, 1, 2).build().expect("valid parameters");
        let sum = Accumulator::new(params.modulus(), params.lanes());
        let mut packed = Vec::new();
        sum.append_packed(Backend::detect(), &mut packed);
        let session = Session::new(SessionId([0; 16]), params, b"");
        let (key, mut rng) = (StateKey::from_bytes([1; 32]), ChaCha20Rng::seed_from_u64(1));
        let state = seal(server_kind(Stage::Unmask), session.id, &key, &mut rng, |to| {
            write_terms(&session, to);
            self.clients.write(to);
            self.keys.write(to);
            RosterHash::from_bytes([3; 32]).write(to);
            self.commitments.write(to);
            self.survivors.write(to);
            to.blob(&packed);
            self.asked.write(to);
            self.unmaskers.write(to);
            self.recovered.write(to);
            self.shares.write(to);
            Vec::<Outgoing>::new().write(to);
        });
        Unmask::restore(&state, &key, None).map(drop)
    }
}

fn altered(alter: impl FnOnce(&mut Fields)) -> Result<(), RestoreError> {
    let mut fields = Fields::sound();
    alter(&mut fields);
    fields.restored()
}

#[test]
fn sound_fields_are_restored() {
    assert_eq!(altered(|_| {}), Ok(()));
}

#[test]
fn every_member_has_keys_and_a_place_of_its_own() {
    let refused = Err(Malformed::Order.into());
    assert_eq!(altered(|it| it.clients.push(ClientId(9))), refused);
    assert_eq!(altered(|it| _ = it.keys.pop()), refused);
    assert_eq!(altered(|it| it.clients.swap(0, 1)), refused);
    assert_eq!(altered(|it| it.clients[1] = it.clients[0]), refused);
}

/// The first position that is no member's, and the last one that can be written.
#[test]
fn every_position_is_a_members() {
    let refused = Err(Malformed::Truncated.into());
    for at in [CLIENTS, u32::MAX as usize] {
        assert_eq!(altered(|it| _ = it.commitments.insert(at, Commitment([0; 32]))), refused);
        assert_eq!(altered(|it| _ = it.survivors.insert(at)), refused);
        assert_eq!(altered(|it| _ = it.asked.insert(at)), refused);
        assert_eq!(altered(|it| _ = it.unmaskers.insert(at, 0)), refused);
        assert_eq!(altered(|it| _ = it.recovered.insert(at)), refused);
        assert_eq!(altered(|it| _ = it.shares.insert(at, BTreeMap::new())), refused);
        let holder = |it: &mut Fields| it.shares.get_mut(&0)?.insert(at, Share([0; 32]));
        assert_eq!(altered(|it| _ = holder(it)), refused);
    }
}
