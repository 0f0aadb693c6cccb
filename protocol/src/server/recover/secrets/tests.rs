//! The search for false shares, against one that tries all sets of holders
//! (tests/vectors/specification/recovery.py).

use std::cell::Cell;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::*;
use crate::keys::{ChannelPublicKey, KEY_LEN, MaskPublicKey};
use crate::message::AdvertisedKeys;
use crate::vectors::{array, client, hex, list, number, numbers, shamir_file};
use crate::{Params, RosterHash, SessionId};

/// Owns the secret, and holds no share of it.
const OWNER: ClientId = ClientId(0);

fn session(threshold: u32) -> Session {
    let params = Params::secagg(10, 1, threshold).build().expect("valid parameters");
    Session::new(SessionId([0; 16]), params, b"")
}

/// The owner, then the holders.
fn members(session: &Session, holders: &[ClientId]) -> Members {
    let clients: Vec<_> = [OWNER].into_iter().chain(holders.iter().copied()).collect();
    let key = |at: usize| [at as u8; KEY_LEN];
    let keys = (0..clients.len()).map(|at| AdvertisedKeys {
        mask: MaskPublicKey::from_bytes(key(2 * at + 2)).expect("canonical"),
        channel: ChannelPublicKey::from_bytes(key(2 * at + 3)).expect("canonical"),
        signature: None,
    });
    let roster = RosterHash::from_bytes([0; KEY_LEN]);
    Members::new(&session.params, clients, keys.collect(), roster)
}

#[test]
fn false_shares_are_found_as_by_the_reference() {
    for case in list(&shamir_file(), "false_shares") {
        let (session, rows) = (session(number(&case["threshold"]) as u32), list(case, "shares"));
        let holders: Vec<_> = rows.iter().map(|row| client(&row["holder"])).collect();
        let members = members(&session, &holders);
        let held = rows.iter().map(|row| Share(array(&row["share"])));
        let shares = BTreeMap::from([(0, (1..).zip(held).collect())]);
        let unmaskers = (1..=holders.len()).map(|at| (at, at)).collect();
        let mut secrets = Secrets::new(&session, &members, &unmaskers, &shares);
        let suspects = numbers(&case["suspects"]).into_iter().map(ClientId);
        secrets.lessons.suspects =
            suspects.map(|id| members.position(id).expect("a holder")).collect();
        let secret = secrets.recover(0, |secret| secret[..] == hex(&case["secret"]));
        let found = secrets.false_shares().iter().map(|share| share.holder.0);
        let found: Vec<_> = found.collect();
        match secret {
            Ok(secret) => {
                assert_eq!(secret[..], hex(&case["secret"]), "{case}");
                assert_eq!(found, numbers(&case["false"]), "{case}");
            }
            Err(NotRecovered) => assert_eq!(case["error"], "FalseShares", "{case}"),
        }
    }
}

/// Result of an early attempt with the first `count` shares, those of `liars` false: whether it
/// finds the secret, how often it looks whether a result fits, and what it learns.
fn early(count: usize, liars: &[usize], lessons: Lessons) -> (bool, usize, Lessons) {
    let (session, secret) = (session(5), [9; SHARE_LEN]);
    let holders: Vec<_> = (1..=12).map(ClientId).collect();
    let members = members(&session, &holders);
    let shares = shamir::split(&secret, 5, &holders, &mut ChaCha20Rng::seed_from_u64(1));
    let mut shares: BTreeMap<_, _> = (1..).zip(shares).take(count).collect();
    for liar in liars {
        shares.get_mut(liar).expect("a holder").0[0] ^= 1;
    }
    let (shares, unmaskers) = ([(0, shares)].into(), (1..=count).map(|at| (at, at)).collect());
    let mut secrets =
        Secrets::new(&session, &members, &unmaskers, &shares).early(Basis::default(), lessons);
    let looks = Cell::new(0);
    let found = secrets.recover(0, |found| {
        looks.set(looks.get() + 1);
        *found == secret
    });
    (found.is_ok(), looks.get(), secrets.into_parts().1)
}

/// Five shares are enough. One look is one look at the first shares, and no search.
#[test]
fn early_searches_are_made_where_they_may_find_something() {
    let (found, looks, lessons) = early(6, &[2], Lessons::default());
    assert!(found && looks > 1 && lessons.suspects == BTreeSet::from([2]));
    let (found, looks, _) = early(6, &[2], lessons);
    assert!(found && looks == 1, "the liar is known");

    let (found, looks, lessons) = early(6, &[2, 4], Lessons::default());
    assert!(!found && looks > 1 && lessons.fruitless == 1, "two liars, one share to spare");
    for count in [6, 7] {
        let (found, looks, _) = early(count, &[1, 2], lessons.clone());
        assert!(!found && looks == 1, "{count} shares are no more than twice as many to spare");
    }
    let (found, _, lessons) = early(8, &[2, 4], lessons);
    assert!(found && lessons.suspects == BTreeSet::from([2, 4]));

    let (found, looks, _) = early(6, &[2], lessons.clone());
    assert!(!found && looks == 1, "four holders are trusted");
    let (found, looks, _) = early(7, &[2, 4], lessons);
    assert!(found && looks == 1);
}
