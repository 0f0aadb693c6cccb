//! What a client may say, by the specification's rules: a witness that hears every question and every answer.

use std::collections::{BTreeMap, BTreeSet};

use secagg::message::{
    AdvertisedKeys, CollectRequest, ConfirmRequest, Confirmation, Message, SetupRequest,
    ShareKeysRequest, UnmaskRequest,
};
use secagg::{ClientId, ContextHash, Params, Policy, RosterHash, SessionId, Stage, ThreatModel};
use secagg_tests::plain::{Clients, Neighbours, ring};
use secagg_tests::puppet::{Peer, Terms};
use secagg_tests::{APPLICATION, wire};

use crate::revealed::{Published, Revealed};
use crate::seat::DIRECTORY;
use crate::twist::forwarded;

type Box80 = [u8; 80];

/// Everything that all clients have said together.
#[derive(Default)]
pub struct Truth {
    /// Keys as their owners advertised them.
    keys: BTreeMap<ClientId, (Params, AdvertisedKeys)>,
    /// Boxes by receiver and sender.
    boxes: BTreeMap<(ClientId, ClientId), Box80>,
    /// What went with them, by sender.
    published: BTreeMap<ClientId, Published>,
    revealed: Revealed,
    /// Signatures over survivors.
    confirmations: BTreeSet<(ClientId, [u8; 64], Vec<ClientId>)>,
    /// Survivors that someone helped to unmask, against an active server.
    unmasked: Vec<(Params, Vec<ClientId>)>,
}

/// What one client has said so far.
pub struct Witness {
    id: ClientId,
    policy: Policy,
    /// Whether it takes part where the server is trusted.
    also_curious: bool,
    answers: BTreeMap<Stage, (Vec<u8>, Vec<u8>)>,
    session: Option<SessionId>,
    params: Option<Params>,
    neighbours: Clients,
    members: Clients,
    /// Who sent it boxes, which it took.
    owners: Clients,
    /// Those whose boxes are the ones that they sealed for it.
    sealed: Clients,
    has_refused: bool,
    /// Questions whose answers could not be kept, and so were not given.
    unkept: BTreeSet<Vec<u8>>,
    confirmed: Option<Vec<ClientId>>,
}

impl Witness {
    /// Before the client's first answer.
    pub fn new(id: ClientId, policy: Policy, also_curious: bool) -> Self {
        let (answers, session, params, confirmed) = (BTreeMap::new(), None, None, None);
        let [neighbours, members, owners, sealed] = [const { Clients::new() }; 4];
        let (has_refused, unkept) = (false, BTreeSet::new());
        Self {
            id,
            policy,
            also_curious,
            answers,
            session,
            params,
            neighbours,
            members,
            owners,
            sealed,
            has_refused,
            unkept,
            confirmed,
        }
    }

    /// Hears that the client refused: it has left the round, and may only say what it had to say before.
    pub fn hear_refusal(&mut self) {
        self.has_refused = true;
    }

    /// Hears that the client may have an answer, which it did not give.
    pub fn hear_loss(&mut self, request: &[u8]) {
        self.unkept.insert(request.to_vec());
    }

    /// Hears that the client's process ended before anything was kept, so that another client begins.
    pub fn hear_rebirth(&mut self) {
        self.has_refused = false;
        self.unkept.clear();
    }

    /// Hears an answer.
    ///
    /// # Panics
    /// If the client should not have given it.
    pub fn hear(&mut self, truth: &mut Truth, request: &[u8], reply: &[u8]) {
        let stage = Stage::ALL.into_iter().find(|stage| stage.number() == reply[1]);
        let stage = stage.expect("the stage of a reply");
        if let Some((earlier, answer)) = self.answers.get(&stage) {
            assert_eq!(earlier, request, "another question at {stage}");
            assert_eq!(answer, reply, "another answer at {stage}");
            return;
        }
        let may_answer = !self.has_refused || self.unkept.contains(request);
        assert!(may_answer, "an answer at {stage} after a refusal");
        let later = self.answers.keys().filter(|answered| **answered > stage);
        assert_eq!(later.count(), 0, "back to {stage}");
        match stage {
            Stage::Setup => self.hear_keys(truth, request, reply),
            Stage::ShareKeys => self.hear_boxes(truth, request, reply),
            Stage::CollectMaskedVectors => self.hear_vector(truth, request),
            Stage::ConfirmSurvivors => self.hear_confirmation(truth, request, reply),
            Stage::Unmask => self.hear_shares(truth, request, reply),
            other => panic!("no rules for the stage {other}"),
        }
        self.answers.insert(stage, (request.to_vec(), reply.to_vec()));
    }

    fn hear_keys(&mut self, truth: &mut Truth, request: &[u8], reply: &[u8]) {
        let (session, SetupRequest { params, context }) = decoded(request);
        assert_eq!(context, ContextHash::new(&params, APPLICATION));
        let policy = &self.policy;
        assert!(params.cohort_size() >= policy.min_cohort_size);
        assert!(params.threshold() >= policy.min_threshold);
        assert!(params.degree() >= policy.min_neighbours);
        assert!(params.corrupted_neighbours() >= policy.min_corrupted_neighbours);
        assert!(params.dimension() <= policy.max_dimension);
        let active = params.threat_model() == ThreatModel::ActiveServer;
        assert!(active || self.also_curious, "a curious round");
        assert!(active || policy.threat_model == ThreatModel::HonestButCurious);
        let admitted = policy.assumptions.is_none_or(|all| all.admit(&params).is_ok());
        assert!(admitted, "parameters that do not meet the policy's assumptions");
        assert!(active || most_neighbours(&params) + 1 >= policy.min_survivors as usize);
        let (answered, keys) = decoded::<AdvertisedKeys>(reply);
        assert_eq!((session, active), (answered, keys.signature.is_some()));
        truth.keys.insert(self.id, (params.clone(), keys));
        (self.session, self.params) = (Some(session), Some(params));
    }

    fn hear_boxes(&mut self, truth: &mut Truth, request: &[u8], reply: &[u8]) {
        let ShareKeysRequest { roster, peers } = self.decoded_here(request);
        let own = (self.id, truth.keys[&self.id].1);
        assert!(peers.contains(&own), "its own keys");
        let keys =
            peers.iter().flat_map(|(_, keys)| [*keys.mask.as_bytes(), *keys.channel.as_bytes()]);
        assert_eq!(keys.collect::<BTreeSet<_>>().len(), 2 * peers.len(), "a key twice");
        self.members = peers.iter().map(|(client, _)| *client).collect();
        self.neighbours = if self.is_active() {
            self.check_members(truth, &roster, &peers);
            let members: Vec<_> = self.members.iter().copied().collect();
            let graph: Neighbours = ring(&members, self.params().degree(), &roster);
            graph[&self.id].clone()
        } else {
            self.members.iter().copied().filter(|client| *client != self.id).collect()
        };
        let count = self.neighbours.len();
        assert!(count >= self.threshold() && count >= self.policy.min_neighbours as usize);
        assert!(count <= most_neighbours(self.params()));
        assert_eq!(reply.len(), wire::sealed_box(count).start);
        for (at, &neighbour) in self.neighbours.iter().enumerate() {
            let sealed = reply[wire::sealed_box(at)].try_into().expect("a box");
            truth.boxes.insert((neighbour, self.id), sealed);
        }
        let (session, params) = (self.session.expect("it has one"), self.params().clone());
        let commitment = reply[wire::COMMITMENT].try_into().expect("32 bytes");
        let mask = *own.1.mask.as_bytes();
        truth.published.insert(self.id, Published { session, params, mask, commitment });
    }

    /// Everyone signed its own keys, the hash is that of all, and the round can end with so many.
    fn check_members(&self, truth: &Truth, roster: &RosterHash, peers: &[Peer]) {
        let (session, params) = (self.session.expect("it has one"), self.params().clone());
        let context = ContextHash::new(&params, APPLICATION);
        let is_true = |(client, keys): &Peer| {
            truth.keys.get(client).is_some_and(|(terms, said)| *terms == params && said == keys)
        };
        assert!(peers.iter().all(is_true), "keys that a member did not sign");
        let least = self.least_members();
        assert!(peers.len() <= params.cohort_size() as usize && peers.len() >= least);
        let terms = Terms { session, params, context };
        assert_eq!(terms.roster(peers, Some(&DIRECTORY), &[0; 32]), *roster);
    }

    fn least_members(&self) -> usize {
        let params = self.params();
        let (n, t) = (params.cohort_size(), params.threshold());
        let colluders = n * params.corrupted_neighbours() / params.degree();
        let quorum = (u32::midpoint(n, colluders) + 1).max(t + 1);
        let dropout = self.policy.assumptions.map_or(1.0, |all| all.dropout);
        let present = n - (dropout * f64::from(n)).floor() as u32;
        quorum.max(present).max(self.policy.min_survivors) as usize
    }

    fn hear_vector(&mut self, truth: &Truth, request: &[u8]) {
        self.decoded_here::<CollectRequest>(request);
        let boxes = forwarded(request);
        self.owners = boxes.iter().map(|(sender, _)| *sender).collect();
        assert!(self.owners.is_subset(&self.neighbours), "a box from a stranger");
        assert!(boxes.len() >= self.policy.min_neighbours as usize);
        let is_sealed = |(sender, sealed): &_| truth.boxes.get(&(self.id, *sender)) == Some(sealed);
        self.sealed =
            boxes.iter().filter(|sent| is_sealed(sent)).map(|(sender, _)| *sender).collect();
        assert!(self.sealed.len() >= self.threshold(), "too few boxes can be opened");
    }

    fn hear_confirmation(&mut self, truth: &mut Truth, request: &[u8], reply: &[u8]) {
        let ConfirmRequest { survivors } = self.decoded_here(request);
        assert!(self.is_active());
        let all: Clients = survivors.iter().copied().collect();
        assert!(all.is_subset(&self.members));
        assert!(survivors.len() >= self.policy.min_survivors as usize);
        self.check_survivors(&(&all & &self.neighbours), all.contains(&self.id));
        let (_, Confirmation { signature }) = decoded(reply);
        truth.confirmations.insert((self.id, signature.0, survivors.clone()));
        self.confirmed = Some(survivors);
    }

    /// Survivors among the neighbours.
    fn check_survivors(&self, near: &Clients, is_one: bool) {
        assert!(is_one, "it is omitted itself");
        assert!(near.is_subset(&self.owners), "a survivor that shared no keys");
        assert!(near.len() >= self.threshold(), "too few survivors");
    }

    fn hear_shares(&mut self, truth: &mut Truth, request: &[u8], reply: &[u8]) {
        let UnmaskRequest { survivors, confirmations } = self.decoded_here(request);
        let all: Clients = survivors.iter().copied().collect();
        if self.is_active() {
            assert_eq!(
                self.confirmed.as_ref(),
                Some(&survivors),
                "other survivors than it confirmed"
            );
            let told: Clients = confirmations.iter().map(|(client, _)| *client).collect();
            let others = confirmations.into_iter().filter(|(client, _)| *client != self.id);
            for (client, signature) in others {
                let signed = (client, signature.0, survivors.clone());
                assert!(truth.confirmations.contains(&signed), "{client} did not confirm");
            }
            let have = told.union(&Clients::from([self.id])).count();
            assert!(have >= self.params().quorum() as usize, "too few confirmed");
            let mut others = truth.unmasked.iter().filter(|(params, _)| params == self.params());
            assert!(others.all(|(_, others)| *others == survivors), "two sums are unmasked");
            truth.unmasked.push((self.params().clone(), survivors));
        } else {
            let near: Clients = all.iter().copied().filter(|client| *client != self.id).collect();
            assert!(survivors.len() >= self.policy.min_survivors as usize);
            self.check_survivors(&near, all.contains(&self.id));
        }
        self.check_revealed(truth, &all, reply);
    }

    /// One share at most of each neighbour: of the seed of who survived, of the key of who dropped. What it did not get
    /// from its owner it cannot have.
    fn check_revealed(&self, truth: &mut Truth, survivors: &Clients, reply: &[u8]) {
        assert_eq!(reply.len(), wire::revealed(self.owners.len()).start);
        for (at, owner) in self.owners.iter().enumerate() {
            let (&tag, share) = reply[wire::revealed(at)].split_first().expect("33 bytes");
            let due = if survivors.contains(owner) { 1 } else { 2 };
            assert!(tag == 0 || tag == due, "{}'s share of {owner}", self.id);
            if tag == due {
                assert!(self.sealed.contains(owner), "a box that {owner} did not seal");
                let share = share.try_into().expect("32 bytes");
                let published = (*owner, &truth.published[owner]);
                truth.revealed.hear(published, (self.id, tag, share));
            }
        }
    }

    fn decoded_here<M: Message>(&self, request: &[u8]) -> M {
        let (session, message) = decoded(request);
        assert_eq!(Some(session), self.session);
        message
    }

    fn is_active(&self) -> bool {
        self.params().threat_model() == ThreatModel::ActiveServer
    }

    fn threshold(&self) -> usize {
        self.params().threshold() as usize
    }

    fn params(&self) -> &Params {
        self.params.as_ref().expect("it has answered the setup")
    }
}

fn decoded<M: Message>(bytes: &[u8]) -> (SessionId, M) {
    M::decode(bytes).unwrap_or_else(|error| panic!("an answer to what is no message: {error}"))
}

/// An odd number of members may make an odd degree even.
fn most_neighbours(params: &Params) -> usize {
    let even = params.degree() + params.degree() % 2;
    even.min(params.cohort_size() - 1) as usize
}
