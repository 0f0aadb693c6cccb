//! Derivation of a client's secrets, computed again from section 4 of the specification.

use hkdf::Hkdf;
use secagg::message::ShareKeysRequest;
use secagg::{ClientId, ContextHash, PROTOCOL_VERSION, Params, Stage};
use secagg_assurance::play::{APPLICATION, Play, SESSION};
use secagg_kernels::{Backend, Prg, Seed};
use sha2::{Digest, Sha256};

/// The parts of one client's requests that its secrets are derived from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    pub(crate) setup: Vec<u8>,
    pub(crate) share_keys: Option<ShareKeysRequest>,
}

/// The derived secrets of one client.
pub(crate) struct Derived {
    pub(crate) secret: [u8; 32],
    /// Of each stage.
    pub(crate) seeds: Vec<[u8; 32]>,
    /// Mask and channel secret key, self-mask seed, coefficients, rounding seed.
    pub(crate) draws: Vec<[u8; 32]>,
}

/// From the 32 bytes that a client drew.
pub(crate) fn derived(play: &Play, client: ClientId, bytes: &[u8; 32], asked: &Asked) -> Derived {
    let secret = secret(play, client, bytes);
    let (mut seeds, mut draws) = (Vec::new(), Vec::new());
    let mut stage = |stage, asked: &[u8], count| {
        let seed = seed(&play.params, client, &secret, stage, asked);
        draws.extend(keystream(&seed, count));
        seeds.push(seed);
    };
    stage(Stage::Setup, &asked.setup, 2);
    if let Some(ShareKeysRequest { roster, peers }) = &asked.share_keys {
        let ids = peers.iter().flat_map(|(peer, _)| peer.0.to_le_bytes());
        let listed: Vec<_> = roster.as_bytes().iter().copied().chain(ids).collect();
        let coefficients = 2 * (play.params.threshold() as usize - 1);
        stage(Stage::ShareKeys, &listed, 1 + coefficients);
    }
    stage(Stage::CollectMaskedVectors, &[], 1);
    Derived { secret, seeds, draws }
}

/// Hedged with the identity, and with the key of saved states where there are any.
fn secret(play: &Play, client: ClientId, drawn: &[u8; 32]) -> [u8; 32] {
    let identity = &play.identities[client.0 as usize - 1];
    let mut hedge = Vec::new();
    hedge.extend(play.directory.iter().flat_map(|_| *identity.as_bytes()));
    hedge.extend(play.saved.then(|| *play.state_key.as_bytes()).into_iter().flatten());
    Hkdf::<Sha256>::extract(Some(drawn), &hedge).0.into()
}

fn seed(
    params: &Params,
    client: ClientId,
    secret: &[u8; 32],
    stage: Stage,
    asked: &[u8],
) -> [u8; 32] {
    let context = ContextHash::new(params, APPLICATION);
    let info: [&[u8]; 7] = [
        b"secagg client draws",
        &[PROTOCOL_VERSION],
        &SESSION.0,
        context.as_bytes(),
        &client.0.to_le_bytes(),
        &[stage.number()],
        &Sha256::digest(asked),
    ];
    let mut seed = [0; 32];
    let expanded = Hkdf::<Sha256>::from_prk(secret).expect("as long as a hash");
    expanded.expand_multi_info(&info, &mut seed).expect("a short output");
    seed
}

fn keystream(seed: &[u8; 32], count: usize) -> Vec<[u8; 32]> {
    let mut bytes = vec![0; 32 * count];
    let expanded = Prg::ChaCha20.expand(Backend::Portable, &Seed::from_bytes(*seed), 0, &mut bytes);
    expanded.expect("far from its end");
    bytes.as_chunks().0.to_vec()
}
