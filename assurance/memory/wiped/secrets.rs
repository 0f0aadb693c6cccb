//! All secrets of a round, from outside: what clients draw is known here, and what follows from it is computed again as
//! the specification has it.

use std::collections::BTreeMap;

use hkdf::Hkdf;
use secagg::message::{AdvertisedKeys, Message, ShareKeysRequest};
use secagg::{ClientId, ContextHash, RosterHash, Stage};
use secagg_assurance::play::{APPLICATION, Play, SESSION, Watch, revealed};
use secagg_kernels::{Prg, Seed};
use sha2::{Digest, Sha256, Sha512};
use x25519_dalek::{PublicKey, StaticSecret};

use crate::aes::round_keys;
use crate::draws::{Asked, Derived, derived};

/// Secret bytes, and what they are.
pub(crate) struct Secret {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

/// By owner, then holder.
type Shares = BTreeMap<(ClientId, ClientId), [u8; 32]>;

/// Everything that a round must not leave in memory.
pub(crate) fn of(play: &Play) -> Vec<Secret> {
    let seen = Recorder::of(play, &[]);
    let mut secrets = drawn(play, &seen);
    secrets.extend(seen.agreed(play));
    secrets.extend(shares(play));
    secrets.extend(masks(play, &secrets));
    secrets.extend(kept(play, &seen));
    secrets.extend(schedules(play, &secrets));
    secrets
}

fn secret(name: impl Into<String>, bytes: &[u8]) -> Secret {
    Secret { name: name.into(), bytes: bytes.to_vec() }
}

/// Bytes that clients draw and derive, and the lanes that their last draw rounds.
fn drawn(play: &Play, seen: &Recorder) -> Vec<Secret> {
    let mut secrets = Vec::new();
    for (&client, Derived { secret: own, seeds, draws }) in &seen.derived {
        secrets.push(secret(format!("what client {client} drew"), &seen.draws[&client][0]));
        secrets.push(secret(format!("secret of client {client}"), own));
        let from = |seed: &[u8; 32]| secret(format!("what client {client} draws from"), seed);
        secrets.extend(seeds.iter().map(from));
        let last = draws.len() - 1;
        let draw = |(number, draw): (usize, &[u8; 32])| {
            let what = if number == 2 || number == last { SEED } else { "draw" };
            secret(format!("{what} {number} of client {client}"), draw)
        };
        secrets.extend(draws.iter().enumerate().map(draw));
        let rounding = draws.last().expect("clients draw");
        secrets.push(secret(format!("lanes of client {client}"), &lanes(play, client, rounding)));
    }
    secrets
}

/// What the names of secrets begin with that are seeds of masks and of rounding.
const SEED: &str = "seed";

/// What the names of the channels' and the saved states' keys begin with.
const KEY: &str = "key";

/// What AES makes of its keys. Each stands alone, since some backends keep them in an order of their own.
fn schedules(play: &Play, secrets: &[Secret]) -> Vec<Secret> {
    let key = |secret: &Secret| match &secret.name {
        name if name.starts_with(KEY) => Some(secret.bytes[..32].to_vec()),
        name if name.starts_with(SEED) && play.params.prg() == Prg::Aes128Ctr => {
            Some(secret.bytes[..16].to_vec())
        }
        _ => None,
    };
    let keyed = secrets.iter().filter_map(|secret| Some((&secret.name, key(secret)?)));
    let schedule = |(name, key): (&String, Vec<u8>)| {
        let keys = round_keys(&key).split_off(key.len());
        let named = |key: &[u8]| secret(format!("a round's key of {name}"), key);
        keys.chunks(16).map(named).collect::<Vec<_>>()
    };
    keyed.flat_map(schedule).collect()
}

/// Keystreams as they start, which are added and never kept.
fn masks(play: &Play, secrets: &[Secret]) -> Vec<Secret> {
    let seeds = secrets.iter().filter(|secret| secret.name.starts_with(SEED));
    let mask = |seed: &Secret| {
        let (mut mask, bytes) = ([0; 64], seed.bytes.as_slice().try_into().expect("32 bytes"));
        let expanded =
            play.params.prg().expand(play.backend, &Seed::from_bytes(bytes), 0, &mut mask);
        expanded.expect("far from its end");
        secret(format!("the mask of {}", seed.name), &mask)
    };
    seeds.map(mask).collect()
}

/// What outlives a round, and the keys of saved states.
fn kept(play: &Play, seen: &Recorder) -> Vec<Secret> {
    let key = play.state_key.as_bytes();
    let mut secrets = vec![secret("what opens saved states", key)];
    for (client, identity) in (1..).zip(&play.identities) {
        let expanded = Sha512::digest(identity.as_bytes());
        secrets.push(secret(format!("identity of client {client}"), identity.as_bytes()));
        secrets.push(secret(format!("expanded identity of client {client}"), &expanded));
    }
    for salt in &seen.salts {
        let one = expanded(salt, key, &[b"secagg saved state"]);
        secrets.push(secret(format!("{KEY} and nonce of one saved state"), &one));
        secrets.push(secret("what that is expanded from", &extracted(salt, key)));
    }
    secrets
}

/// The shares that nobody reveals.
fn shares(play: &Play) -> Vec<Secret> {
    let seeds = revealed_with(play, &[], &dropped(play));
    let keys = survivors(play)
        .into_iter()
        .flat_map(|owner| revealed_with(play, &[(owner.0, Stage::CollectMaskedVectors)], &[owner]));
    let named = |((owner, holder), share): (_, [u8; 32])| {
        secret(format!("share of client {owner} for client {holder}"), &share)
    };
    seeds.into_iter().chain(keys).map(named).collect()
}

/// Whose vector is not in the sum: their self-mask seeds are not revealed.
fn dropped(play: &Play) -> Vec<ClientId> {
    let is_dropped = |client: &ClientId| {
        let since = play.drops.iter().find(|(dropped, _)| *dropped == client.0);
        since.is_some_and(|&(_, since)| since == Stage::CollectMaskedVectors)
    };
    play.clients().filter(is_dropped).collect()
}

/// Whose vector is: their mask keys are not.
fn survivors(play: &Play) -> Vec<ClientId> {
    let dropped = dropped(play);
    play.clients().filter(|client| !dropped.contains(client)).collect()
}

/// Shares of secrets of some clients, as they are revealed in a round with other drop-outs: everyone deals the same shares each
/// time.
fn revealed_with(play: &Play, drops: &[(u64, Stage)], owners: &[ClientId]) -> Shares {
    let mut shares = Recorder::of(play, drops).shares;
    shares.retain(|(owner, _), _| owners.contains(owner));
    shares
}

/// The lanes before they were masked: four of them say enough, and what they stand for.
fn lanes(play: &Play, client: ClientId, rounding: &[u8; 32]) -> Vec<u8> {
    let (backend, params) = (play.backend, &play.params);
    let update = &play.updates[client.0 as usize - 1];
    let mut lanes = vec![0_u32; params.lanes()];
    let rounding = Seed::from_bytes(*rounding);
    let quantizer = params.quantizer();
    let done =
        quantizer.quantize(backend, params.prg(), &rounding, client.0 as f64, update, &mut lanes);
    done.expect("a valid update");
    lanes[..8].iter().flat_map(|lane| lane.to_ne_bytes()).collect()
}

/// Notes all that is drawn and said.
#[derive(Default)]
struct Recorder {
    draws: BTreeMap<ClientId, Vec<[u8; 32]>>,
    asked: BTreeMap<ClientId, Asked>,
    derived: BTreeMap<ClientId, Derived>,
    keys: BTreeMap<ClientId, AdvertisedKeys>,
    /// Clients by their place in what a client reveals: its neighbours.
    neighbours: BTreeMap<ClientId, Vec<ClientId>>,
    roster: Option<RosterHash>,
    shares: Shares,
    salts: Vec<[u8; 32]>,
}

impl Recorder {
    fn of(play: &Play, drops: &[(u64, Stage)]) -> Self {
        let mut seen = Self::default();
        let play = Play { drops: drops.to_vec(), ..play.clone() };
        play.run(&mut seen).expect("one is missing at most");
        let salts = seen.salts.clone();
        seen.draws.values_mut().for_each(|draws| draws.retain(|draw| !salts.contains(draw)));
        let derive = |(&client, draws): (&ClientId, &Vec<[u8; 32]>)| {
            assert_eq!(draws.len(), 1, "client {client} draws once");
            (client, derived(&play, client, &draws[0], &seen.asked[&client]))
        };
        seen.derived = seen.draws.iter().map(derive).collect();
        seen
    }

    /// What pairs of clients agree on, and what is derived from it.
    fn agreed(&self, play: &Play) -> Vec<Secret> {
        let context = ContextHash::new(&play.params, APPLICATION);
        let roster = self.roster.expect("a round");
        let salt = [&SESSION.0[..], context.as_bytes(), roster.as_bytes()].concat();
        let pairs =
            self.derived.keys().flat_map(|&one| self.keys.keys().map(move |&other| (one, other)));
        let pairs = pairs.filter(|(one, other)| one != other);
        pairs.flat_map(|pair| self.agreed_by(pair, &salt)).collect()
    }

    fn agreed_by(&self, (one, other): (ClientId, ClientId), salt: &[u8]) -> [Secret; 6] {
        let (own, their, draws) = (self.keys[&one], self.keys[&other], &self.derived[&one].draws);
        let ids = [one, other].map(|client| client.0.to_le_bytes());
        let derive = |label: &[u8], shared: &[u8; 32], own: &[u8; 32], their: &[u8; 32]| {
            expanded(salt, shared, &[label, &ids[0], &ids[1], own, their])[..32].to_vec()
        };
        let mask = x25519(&draws[0], *their.mask.as_bytes());
        let channel = x25519(&draws[1], *their.channel.as_bytes());
        // From the higher id to the lower it is no seed of anything, and is not found either.
        let seed =
            derive(b"secagg pairwise seed", &mask, own.mask.as_bytes(), their.mask.as_bytes());
        let key = derive(
            b"secagg share channel",
            &channel,
            own.channel.as_bytes(),
            their.channel.as_bytes(),
        );
        let name = |what| format!("{what} from client {one} to client {other}");
        [
            secret(name(SEED), &seed),
            secret(name("mask agreement"), &mask),
            secret(name("mask agreement, extracted,"), &extracted(salt, &mask)),
            secret(name(KEY), &key),
            secret(name("channel agreement"), &channel),
            secret(name("channel agreement, extracted,"), &extracted(salt, &channel)),
        ]
    }
}

impl Watch for Recorder {
    fn drawn(&mut self, client: ClientId, bytes: &mut [u8]) {
        let draw = (&*bytes).try_into().expect("clients draw 32 bytes at a time");
        self.draws.entry(client).or_default().push(draw);
    }

    fn asked(&mut self, stage: Stage, client: ClientId, message: &mut Vec<u8>) {
        if stage == Stage::Setup {
            self.asked.entry(client).or_default().setup.clone_from(message);
        }
        if stage == Stage::ShareKeys {
            let (_, request) = ShareKeysRequest::decode(message).expect("an honest server");
            self.roster = Some(request.roster);
            let others = request.peers.iter().map(|(peer, _)| *peer);
            self.neighbours.insert(client, others.filter(|peer| *peer != client).collect());
            self.asked.entry(client).or_default().share_keys = Some(request);
        }
    }

    fn answered(&mut self, stage: Stage, client: ClientId, message: &mut [u8]) {
        match stage {
            Stage::Setup => {
                let (_, keys) = AdvertisedKeys::decode(message).expect("an honest client");
                self.keys.insert(client, keys);
            }
            Stage::Unmask => {
                for (&owner, share) in self.neighbours[&client].iter().zip(revealed(message)) {
                    self.shares.insert((owner, client), *share);
                }
            }
            _ => {}
        }
    }

    /// Behind the header of a state stands its salt, which its owner drew.
    fn kept(&mut self, state: &[u8]) {
        self.salts.push(state[18..50].try_into().expect("a salt"));
    }
}

fn x25519(secret: &[u8; 32], public: [u8; 32]) -> [u8; 32] {
    StaticSecret::from(*secret).diffie_hellman(&PublicKey::from(public)).to_bytes()
}

/// What HKDF expands: its pseudorandom key.
fn extracted(salt: &[u8], secret: &[u8]) -> Vec<u8> {
    Hkdf::<Sha256>::extract(Some(salt), secret).0.to_vec()
}

fn expanded(salt: &[u8], secret: &[u8], info: &[&[u8]]) -> Vec<u8> {
    let mut okm = [0; 44];
    let expanded = Hkdf::<Sha256>::new(Some(salt), secret).expand_multi_info(info, &mut okm);
    expanded.expect("a short output");
    okm.to_vec()
}
