//! The search for false shares, against one that tries all sets of holders (tests/vectors/specification/recovery.py).

use super::*;
use crate::keys::{ChannelPublicKey, KEY_LEN, MaskPublicKey};
use crate::message::AdvertisedKeys;
use crate::vectors::{array, client, hex, list, number, numbers, shamir_file};
use crate::{Params, SessionId};

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
    Members::new(session, clients, keys.collect())
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
        secrets.suspects = suspects.map(|id| members.position(id).expect("a holder")).collect();
        let secret = secrets.recover(0, |secret| secret[..] == hex(&case["secret"]));
        let found = secrets.into_false_shares().into_iter().map(|share| share.holder.0);
        let found: Vec<_> = found.collect();
        match secret {
            Ok(secret) => {
                assert_eq!(secret[..], hex(&case["secret"]), "{case}");
                assert_eq!(found, numbers(&case["false"]), "{case}");
            }
            Err(abort) => {
                assert_eq!(
                    (abort, &case["error"]),
                    (Abort::FalseShares(OWNER), &"FalseShares".into()),
                    "{case}"
                );
            }
        }
    }
}
