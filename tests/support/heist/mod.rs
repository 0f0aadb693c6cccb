//! A server that may do anything, with puppets, in one session: it asks clients what it likes,
//! keeps all that it learns, and reads what that tells.

mod reading;

use std::collections::BTreeMap;

use secagg::message::{
    AdvertisedKeys, ConfirmRequest, Confirmation, MaskedVector, Message, SetupRequest,
    ShareKeysRequest, UnmaskRequest,
};
use secagg::{Client, ClientId, ContextHash, Directory, Refused, RosterHash, Signature};

use crate::network::Seat;
use crate::plain::{Clients, Neighbours, places, ring};
use crate::puppet::{Bytes, Peer, Puppet, Sealed, Terms};
use crate::{Scene, identity, wire};

/// Which of a client's two secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Secret {
    SelfMaskSeed = 1,
    MaskKey = 2,
}

/// The session, and all that the server knows of it.
#[derive(Debug)]
pub struct Heist {
    /// Its terms.
    pub terms: Terms,
    /// The roster that is told.
    pub roster: RosterHash,
    /// Who is whose neighbour on it.
    pub graph: Neighbours,
    directory: Option<Directory>,
    seats: BTreeMap<ClientId, Seat<f64>>,
    puppets: BTreeMap<ClientId, Puppet>,
    keys: BTreeMap<ClientId, AdvertisedKeys>,
    members: Vec<Peer>,
    /// By owner and holder.
    boxes: BTreeMap<(ClientId, ClientId), Sealed>,
    shares: BTreeMap<(ClientId, Secret), BTreeMap<ClientId, Bytes>>,
    /// Masked vectors, and whose masks are in them.
    masked: BTreeMap<ClientId, (Clients, Vec<u8>)>,
    signed: BTreeMap<(Vec<ClientId>, ClientId), Signature>,
    /// Mask secret keys that were learnt elsewhere.
    learnt: BTreeMap<ClientId, Bytes>,
}

impl Heist {
    /// The server of a story, in which these clients are its puppets.
    pub fn new(
        scene: Scene<f64>,
        puppets: impl IntoIterator<Item = u64>,
        application: &[u8],
    ) -> Self {
        let Scene { params, session, directory, mut seats } = scene;
        let context = ContextHash::new(&params, application);
        let terms = Terms { session, params, context };
        let puppets = puppets.into_iter().map(ClientId);
        let puppets: BTreeMap<_, _> = puppets.map(|id| (id, Puppet::new(id, 0))).collect();
        seats.retain(|id, _| !puppets.contains_key(id));
        let signs = directory.is_some();
        let keys = puppets.iter().map(|(&id, puppet)| (id, puppet.keys(&terms, signs))).collect();
        Self {
            terms,
            roster: RosterHash::from_bytes([0; 32]),
            graph: Neighbours::new(),
            directory,
            seats,
            puppets,
            keys,
            members: Vec::new(),
            boxes: BTreeMap::new(),
            shares: BTreeMap::new(),
            masked: BTreeMap::new(),
            signed: BTreeMap::new(),
            learnt: BTreeMap::new(),
        }
    }

    /// The clients that are no puppets.
    pub fn honest(&self) -> Clients {
        self.seats.keys().copied().collect()
    }

    /// Puppets among some clients.
    pub fn puppets_among<'a>(&self, clients: impl IntoIterator<Item = &'a ClientId>) -> Clients {
        clients.into_iter().filter(|client| self.puppets.contains_key(client)).copied().collect()
    }

    /// One of the puppets.
    pub fn puppet(&self, id: u64) -> &Puppet {
        &self.puppets[&ClientId(id)]
    }

    /// Gives a client's seat to another one of the same name.
    pub fn seat(&mut self, client: u64, setup: secagg::client::Setup) {
        let seat = self.seats.get_mut(&ClientId(client)).expect("a client of the cohort");
        seat.begin(Client::Setup(setup));
    }

    /// What a client answers.
    ///
    /// # Errors
    /// Its refusal.
    pub fn ask(&mut self, client: ClientId, request: &[u8]) -> Result<Vec<u8>, Refused> {
        self.seats.get_mut(&client).expect("a client of the cohort").answer(request)
    }

    /// Asks clients for their keys.
    ///
    /// # Errors
    /// The first refusal.
    pub fn advertise(&mut self, clients: &Clients) -> Result<(), Refused> {
        let Terms { params, context, session } = self.terms.clone();
        let request = SetupRequest { params, context }.encode(session);
        for &client in clients {
            let answer = self.ask(client, &request)?;
            self.keys.insert(client, decoded(&answer));
        }
        Ok(())
    }

    /// Says that a client advertised these keys.
    pub fn claim(&mut self, client: u64, keys: AdvertisedKeys) {
        self.keys.insert(ClientId(client), keys);
    }

    /// What a client advertised.
    pub fn keys(&self, client: ClientId) -> AdvertisedKeys {
        self.keys[&client]
    }

    /// Lets a puppet advertise other keys.
    pub fn renew(&mut self, id: u64, attempt: u64) {
        let puppet = Puppet::new(ClientId(id), attempt);
        self.claim(id, puppet.keys(&self.terms, self.directory.is_some()));
        self.puppets.insert(puppet.id, puppet);
    }

    /// Makes the roster of these members, whose keys are there.
    pub fn enrol(&mut self, members: &Clients, fresh: &Bytes) {
        let peers: Vec<_> = members.iter().map(|&client| (client, self.keys[&client])).collect();
        self.believe(members, self.terms.roster(&peers, self.directory.as_ref(), fresh));
    }

    /// Takes a roster hash from elsewhere.
    pub fn believe(&mut self, members: &Clients, roster: RosterHash) {
        self.members = members.iter().map(|&client| (client, self.keys[&client])).collect();
        self.roster = roster;
        self.graph = ring(&self.ids(), self.terms.params.degree(), &roster);
    }

    /// The members as they stand around the ring.
    pub fn places(&self) -> Vec<ClientId> {
        places(&self.ids(), &self.roster)
    }

    fn ids(&self) -> Vec<ClientId> {
        self.members.iter().map(|(client, _)| *client).collect()
    }

    /// Tells a client the roster, and keeps its boxes; puppets open theirs.
    ///
    /// # Errors
    /// The client's refusal.
    pub fn share_keys(&mut self, client: ClientId) -> Result<(), Refused> {
        let (all, near) = (self.directory.is_some(), &self.graph[&client]);
        let is_told = |(peer, _): &&Peer| all || *peer == client || near.contains(peer);
        let peers = self.members.iter().filter(is_told).copied().collect();
        let request = ShareKeysRequest { roster: self.roster, peers };
        let answer = self.ask(client, &request.encode(self.terms.session))?;
        self.keep_boxes(client, &answer);
        Ok(())
    }

    /// Keeps what a client answered to its roster.
    pub fn keep_boxes(&mut self, owner: ClientId, answer: &[u8]) {
        let (keys, near) = (self.keys[&owner], self.graph[&owner].clone());
        for (at, holder) in near.into_iter().enumerate() {
            let sealed = answer[wire::sealed_box(at)].try_into().expect("80 bytes");
            self.boxes.insert((owner, holder), sealed);
            let puppet = self.puppets.get(&holder);
            let opened = puppet
                .and_then(|puppet| puppet.open(&self.terms, &self.roster, &(owner, keys), &sealed));
            if let Some([key, seed]) = opened {
                self.keep_share(owner, Secret::MaskKey, holder, key);
                self.keep_share(owner, Secret::SelfMaskSeed, holder, seed);
            }
        }
    }

    fn keep_share(&mut self, owner: ClientId, secret: Secret, holder: ClientId, share: Bytes) {
        self.shares.entry((owner, secret)).or_default().insert(holder, share);
    }

    /// A box of one client for another: a puppet makes one, and that of an absent client is
    /// rubbish.
    pub fn sealed(&self, owner: ClientId, holder: ClientId) -> Option<Sealed> {
        let seal =
            |puppet: &Puppet| puppet.seal(&self.terms, &self.roster, &(holder, self.keys[&holder]));
        let kept = self.boxes.get(&(owner, holder)).copied();
        kept.or_else(|| self.puppets.get(&owner).map(seal))
    }

    /// Forwards the boxes of some of a client's neighbours, as far as there are any, and keeps its
    /// masked vector.
    ///
    /// # Errors
    /// The client's refusal.
    pub fn collect(&mut self, client: ClientId, from: &Clients) -> Result<(), Refused> {
        let near = self.graph[&client].intersection(from);
        let boxes: Vec<_> =
            near.filter_map(|&owner| Some((owner, self.sealed(owner, client)?))).collect();
        let answer = self.ask(client, &wire::collect_request(self.terms.session, &boxes))?;
        let owners = boxes.iter().map(|&(owner, _)| owner).collect();
        self.masked.insert(client, (owners, decoded::<MaskedVector>(&answer).packed));
        Ok(())
    }

    /// Puts rubbish in the place of an absent client's boxes.
    pub fn fake_boxes(&mut self, owner: ClientId) {
        let near = self.graph[&owner].clone();
        self.boxes.extend(near.iter().map(|&holder| ((owner, holder), [0; 80])));
    }

    /// Lets clients sign survivors.
    ///
    /// # Errors
    /// The first refusal.
    pub fn confirm(&mut self, clients: &Clients, survivors: &Clients) -> Result<(), Refused> {
        let survivors: Vec<_> = survivors.iter().copied().collect();
        let request = ConfirmRequest { survivors: survivors.clone() }.encode(self.terms.session);
        for &client in clients {
            let Confirmation { signature } = decoded(&self.ask(client, &request)?);
            self.signed.insert((survivors.clone(), client), signature);
        }
        Ok(())
    }

    /// Lets clients unmask the survivors, with the signatures of all that signed these and of all
    /// puppets among them.
    ///
    /// # Errors
    /// The first refusal.
    pub fn unmask(&mut self, clients: &Clients, survivors: &Clients) -> Result<(), Refused> {
        let confirmations = self.confirmations(survivors);
        let survivors: Vec<_> = survivors.iter().copied().collect();
        let request = UnmaskRequest { survivors, confirmations }.encode(self.terms.session);
        for &client in clients {
            let answer = self.ask(client, &request)?;
            self.keep_revealed(client, &answer);
        }
        Ok(())
    }

    fn confirmations(&self, survivors: &Clients) -> Vec<(ClientId, Signature)> {
        let all: Vec<_> = survivors.iter().copied().collect();
        let sign = |&client: &ClientId| {
            let by_puppet =
                || self.terms.signed_survivors(client, &identity(client), &self.roster, &all);
            let signed = self.signed.get(&(all.clone(), client)).copied();
            let signed = signed.or_else(|| self.puppets.get(&client).map(|_| by_puppet()));
            Some((client, signed?))
        };
        all.iter().filter_map(sign).collect()
    }

    fn keep_revealed(&mut self, holder: ClientId, answer: &[u8]) {
        let owners = self.masked[&holder].0.clone();
        for (at, owner) in owners.into_iter().enumerate() {
            let (tag, share) = answer[wire::revealed(at)].split_first().expect("33 bytes");
            let share = share.try_into().expect("32 bytes");
            match tag {
                1 => self.keep_share(owner, Secret::SelfMaskSeed, holder, share),
                2 => self.keep_share(owner, Secret::MaskKey, holder, share),
                _ => {}
            }
        }
    }
}

fn decoded<M: Message>(bytes: &[u8]) -> M {
    M::decode(bytes).expect("an honest message").1
}
