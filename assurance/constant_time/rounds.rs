//! Whole rounds: all that clients draw at random, their updates and identities are secret, and so are the shares that
//! reach the server. What clients send is public.

use std::collections::BTreeSet;

use secagg::server::{Aggregate, Recovered};
use secagg::{ClientId, Identity, Params, ParamsBuilder, Stage, StateKey, ThreatModel};
use secagg_assurance::memcheck::{conceal, disclose};
use secagg_assurance::play::{Play, Watch, revealed};
use secagg_kernels::{Accumulator, Backend};

use crate::Case;

/// Enough for a tile and a bit.
const DIMENSION: usize = 5000;

pub(crate) fn cases() -> Vec<Case> {
    let secagg: fn() -> ParamsBuilder = || Params::secagg(5, DIMENSION, 2);
    let secagg_plus: fn() -> ParamsBuilder = || Params::secagg_plus(7, DIMENSION, 4, 2);
    let drops = vec![(2, Stage::CollectMaskedVectors), (4, Stage::Unmask)];
    let mut cases = Vec::new();
    for backend in Backend::available() {
        for (name, builder) in [("SecAgg", secagg), ("SecAgg+", secagg_plus)] {
            let drops = drops.clone();
            let name = format!("{name} with drop-outs, {}", backend.name());
            let params = move || builder().build().expect("parameters");
            let play = move || Play { backend, drops: drops.clone(), ..Play::new(params()) };
            cases.push(Case::new(name, move || round(play())));
        }
    }
    cases.push(Case::new("SecAgg against an active server", || round(active())));
    cases.push(Case::new("SecAgg, saved after every message", || round(saved(honest()))));
    cases.push(Case::new("the same, against an active server", || round(saved(active()))));
    cases.push(Case::new("SecAgg with false shares", false_shares));
    cases.push(Case::new("SecAgg, masks taken off while shares come", || round(concurrent())));
    cases
}

fn honest() -> Play {
    let params = Params::secagg(4, DIMENSION, 2).build().expect("parameters");
    Play { drops: vec![(2, Stage::CollectMaskedVectors)], ..Play::new(params) }
}

/// So many clients that a batch of masks comes off before the last has answered.
fn concurrent() -> Play {
    let params = Params::secagg(20, DIMENSION, 3).build().expect("parameters");
    let drops = vec![(2, Stage::CollectMaskedVectors)];
    Play { drops, concurrent: true, ..Play::new(params) }
}

fn active() -> Play {
    let builder = Params::secagg(5, DIMENSION, 3).threat_model(ThreatModel::ActiveServer);
    let drops = vec![(2, Stage::CollectMaskedVectors)];
    Play { drops, ..Play::new(builder.build().expect("parameters")) }
}

/// Everyone is restored after every message, from a state in which what was secret still is: under a key and a salt that
/// valgrind takes for public, a sealed byte is as secret as the byte that it hides. Under a secret key nothing would be
/// public, not even the numbers of things.
fn saved(play: Play) -> Play {
    Play { saved: true, state_key: StateKey::from_bytes([1; 32]), ..play }
}

/// Two holders lie to the server about everyone. With seven shares of each secret and three that recover it, four are to
/// spare, and both are found.
fn false_shares() {
    let params = Params::secagg(9, DIMENSION, 3).build().expect("parameters");
    let drops = vec![(5, Stage::CollectMaskedVectors)];
    let found = play(Play { drops, ..Play::new(params) }, &[2, 3]).false_shares;
    assert_eq!(found.len(), 2, "{found:?}");
}

fn round(play: Play) {
    assert_eq!(self::play(play, &[]).false_shares, []);
}

fn play(mut play: Play, liars: &[u64]) -> Aggregate<f32> {
    let mut salts = Salts::default();
    play.run(&mut salts).expect("enough are left");
    play.updates.iter_mut().for_each(|update| conceal(update));
    // The directory is made by now, of what is public.
    play.identities.iter_mut().for_each(conceal_identity);
    let mut eavesdropper = Eavesdropper { liars, salts: salts.found, drawn: 0 };
    let recovered = play.run(&mut eavesdropper).expect("enough are left");
    read(&play, recovered)
}

fn conceal_identity(identity: &mut Identity) {
    let mut bytes = *identity.as_bytes();
    conceal(&mut bytes);
    *identity = Identity::from_bytes(&bytes);
}

/// Takes the masks off. The sum is what everyone may know.
fn read(play: &Play, recovered: Recovered) -> Aggregate<f32> {
    let (mut sum, masks, reading) = recovered.into_parts();
    sum.apply(play.backend, &masks).expect("far from the masks' end");
    let mut bytes = Vec::new();
    sum.append_packed(play.backend, &mut bytes);
    disclose(&bytes);
    let mut sum = Accumulator::new(play.params.modulus(), play.params.lanes());
    sum.add_packed(play.backend, &bytes).expect("a packed sum");
    reading.aggregate(&sum).expect("the mean")
}

/// Counts draws, and remembers the last one before something is kept: the salt of a client's state.
#[derive(Default)]
struct Salts {
    drawn: usize,
    found: BTreeSet<usize>,
}

impl Watch for Salts {
    fn drawn(&mut self, _: ClientId, _: &mut [u8]) {
        self.drawn += 1;
    }

    fn kept(&mut self, _: &[u8]) {
        self.found.insert(self.drawn);
    }
}

/// Knows what is said, and nothing else.
struct Eavesdropper<'a> {
    /// Who changes the shares that it reveals.
    liars: &'a [u64],
    /// Which draws are of salts, which stand in front of a state.
    salts: BTreeSet<usize>,
    drawn: usize,
}

impl Watch for Eavesdropper<'_> {
    fn drawn(&mut self, _: ClientId, bytes: &mut [u8]) {
        self.drawn += 1;
        if !self.salts.contains(&self.drawn) {
            conceal(bytes);
        }
    }

    fn answered(&mut self, stage: Stage, client: ClientId, message: &mut [u8]) {
        disclose(message);
        if stage == Stage::Unmask {
            let falsehood = u8::from(self.liars.contains(&client.0));
            for share in revealed(message) {
                share[0] ^= falsehood;
                conceal(share);
            }
        }
    }

    /// The tag is public; the rest stays what it was.
    fn kept(&mut self, state: &[u8]) {
        disclose(&state[state.len() - 16..]);
    }
}
