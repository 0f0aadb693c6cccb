//! Whether a server must take a client's message, judged by the specification's rules, and what comes of it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use secagg::kernels::{Backend, pack};
use secagg::message::{
    AdvertisedKeys, Confirmation, MaskedVector, Message, RevealedShares, SealedShares,
};
use secagg::{ClientId, Params, Stage, ThreatModel};
use secagg_tests::plain::{Clients, Missing, Neighbours};
use secagg_tests::{SESSION, wire};

/// What the lies that were taken come to.
#[derive(Debug, Default)]
pub struct Lies {
    /// Clients with other keys than they know of.
    pub keys: Clients,
    /// Clients whose commitment is not that to their seed.
    pub commitments: Clients,
    /// Holders whose box from an owner does not open.
    pub boxes: Missing,
    /// Lanes that the sum has too much for a client's vector; nothing where it has no honest one.
    pub vectors: BTreeMap<ClientId, Option<Vec<u64>>>,
    /// Holders that reveal no share of an owner's secret.
    pub missing: Missing,
    /// Holders that reveal a false one.
    pub shares: Missing,
    /// All keys that were taken.
    seen: BTreeSet<[u8; 32]>,
}

/// A message, and what is known when it comes.
pub struct Case<'a> {
    /// The round's parameters.
    pub params: &'a Params,
    /// Who is whose neighbour, once that is known.
    pub graph: &'a Neighbours,
    /// Who shared its keys, once that is known.
    pub sharing: &'a Clients,
    /// Who sent a vector, once that is known.
    pub survivors: &'a Clients,
    /// The sender, who was asked and has not answered.
    pub from: ClientId,
    /// What it would say if it were honest, unless it has left.
    pub honest: Option<&'a [u8]>,
    /// What it says.
    pub bytes: &'a [u8],
}

impl Lies {
    /// Whether the message must be taken; if so, its lies are noted.
    pub fn judge(&mut self, stage: Stage, case: &Case<'_>) -> bool {
        match stage {
            Stage::Setup => self.judge_keys(case),
            Stage::ShareKeys => self.judge_boxes(case),
            Stage::CollectMaskedVectors => self.judge_vector(case),
            Stage::ConfirmSurvivors => {
                decoded::<Confirmation>(case.bytes).is_some() && case.honest == Some(case.bytes)
            }
            Stage::Unmask => self.judge_shares(case),
            other => panic!("no model of the stage {other}"),
        }
    }

    fn judge_keys(&mut self, case: &Case<'_>) -> bool {
        let Some(keys) = decoded::<AdvertisedKeys>(case.bytes) else { return false };
        let both = [*keys.mask.as_bytes(), *keys.channel.as_bytes()];
        let is_honest = case.honest == Some(case.bytes);
        let signed_as_asked = match case.params.threat_model() {
            ThreatModel::ActiveServer => is_honest,
            _ => keys.signature.is_none(),
        };
        let fresh = both[0] != both[1] && !both.iter().any(|key| self.seen.contains(key));
        let taken = signed_as_asked && fresh && !both.into_iter().any(has_low_order);
        if taken {
            self.seen.extend(both);
            self.keys.extend((!is_honest).then_some(case.from));
        }
        taken
    }

    fn judge_boxes(&mut self, case: &Case<'_>) -> bool {
        let holders = &case.graph[&case.from];
        let len = wire::sealed_box(holders.len()).start;
        if decoded::<SealedShares>(case.bytes).is_none() || case.bytes.len() != len {
            return false;
        }
        if !case.is_as_honest(wire::COMMITMENT) {
            self.commitments.insert(case.from);
        }
        let altered = |(at, holder): (usize, &ClientId)| {
            (!case.is_as_honest(wire::sealed_box(at))).then_some((*holder, case.from))
        };
        self.boxes.extend(holders.iter().enumerate().filter_map(altered));
        true
    }

    fn judge_vector(&mut self, case: &Case<'_>) -> bool {
        let Some(lanes) = decoded(case.bytes).and_then(|vector| lanes(case.params, &vector)) else {
            return false;
        };
        let honest = case.honest.map(|bytes| decoded(bytes).expect("an honest message"));
        let honest = honest.map(|vector| lanes_of_honest(case.params, &vector));
        let more = |honest: Vec<u64>| lanes.iter().zip(honest).map(|(a, b)| a.wrapping_sub(b));
        self.vectors.insert(case.from, honest.map(|honest| more(honest).collect()));
        true
    }

    /// One entry for each neighbour that shared its keys, of the secret that is needed.
    fn judge_shares(&mut self, case: &Case<'_>) -> bool {
        let owners = &case.graph[&case.from] & case.sharing;
        let len = wire::revealed(owners.len()).start;
        if decoded::<RevealedShares>(case.bytes).is_none() || case.bytes.len() != len {
            return false;
        }
        let tag = |at| case.bytes[wire::revealed(at).start];
        let fits = |(at, owner): (usize, &ClientId)| match tag(at) {
            0 => true,
            tag => (tag == 1) == case.survivors.contains(owner),
        };
        if !owners.iter().enumerate().all(fits) {
            return false;
        }
        for (at, &owner) in owners.iter().enumerate() {
            if case.is_as_honest(wire::revealed(at)) {
                let opened = !self.boxes.contains(&(case.from, owner));
                assert_eq!(tag(at) != 0, opened, "{}'s box from {owner}", case.from);
            }
            if tag(at) == 0 {
                self.missing.insert((case.from, owner));
            } else if !case.is_as_honest(wire::revealed(at)) {
                self.shares.insert((case.from, owner));
            }
        }
        true
    }
}

impl Case<'_> {
    fn is_as_honest(&self, part: Range<usize>) -> bool {
        self.honest.is_some_and(|honest| honest.get(part.clone()) == self.bytes.get(part))
    }
}

fn decoded<M: Message>(bytes: &[u8]) -> Option<M> {
    let (session, message) = M::decode(bytes).ok()?;
    (session == SESSION).then_some(message)
}

/// Whoever agrees with it agrees on zero.
fn has_low_order(key: [u8; 32]) -> bool {
    x25519_dalek::x25519([0x77; 32], key) == [0; 32]
}

fn lanes(params: &Params, vector: &MaskedVector) -> Option<Vec<u64>> {
    let mut lanes = vec![0; params.lanes()];
    let unpacked = pack::unpack(Backend::Portable, params.modulus(), &vector.packed, &mut lanes);
    unpacked.ok().map(|()| lanes)
}

fn lanes_of_honest(params: &Params, vector: &MaskedVector) -> Vec<u64> {
    lanes(params, vector).expect("an honest vector")
}
