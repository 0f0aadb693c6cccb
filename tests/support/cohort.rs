//! The scene of a story: who takes part, with what, and what goes wrong.

use core::fmt;
use core::num::NonZeroU32;
use std::collections::BTreeMap;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use secagg::kernels::Real;
use secagg::message::Message;
use secagg::{
    Amount, Client, ClientId, Directory, Identity, Params, ParamsBuilder, Policy, SessionId, Stage,
    ThreatModel, Workflow,
};

use crate::member::{Member, identity, invented};
use crate::network::{Network, Seat};
use crate::script::{Script, Way};
use crate::{APPLICATION, Log, Round, SESSION, Scene};

type Settings = Box<dyn Fn(ParamsBuilder) -> ParamsBuilder>;

/// A cohort, before its round.
///
/// Unless the story says otherwise, clients are named 1, 2, 3 and so on, client i has the weight
/// 10 · i, updates have three elements, and the threshold is two thirds of the shares.
pub struct Cohort {
    members: BTreeMap<ClientId, Member>,
    dimension: usize,
    num_shares: Option<Amount>,
    threshold: Amount,
    settings: Vec<Settings>,
    threat_model: ThreatModel,
    session: SessionId,
    script: Script,
    seed: u64,
    attempts: u32,
}

impl Cohort {
    /// Clients on the complete graph.
    pub fn secagg(clients: u64) -> Self {
        Self::named(1..=clients)
    }

    /// Clients that each deal so many shares.
    pub fn secagg_plus(clients: u64, num_shares: impl Into<Amount>) -> Self {
        Self { num_shares: Some(num_shares.into()), ..Self::secagg(clients) }
    }

    /// Clients of these ids, on the complete graph.
    pub fn named(ids: impl IntoIterator<Item = u64>) -> Self {
        let members =
            ids.into_iter().zip(1..).map(|(id, i)| (ClientId(id), Member::new(ClientId(id), i)));
        Self {
            members: members.collect(),
            dimension: 3,
            num_shares: None,
            threshold: Amount::Fraction(2.0 / 3.0),
            settings: Vec::new(),
            threat_model: ThreatModel::HonestButCurious,
            session: SESSION,
            script: Script::default(),
            seed: 1,
            attempts: 1,
        }
    }

    /// Sets the elements of an update.
    #[must_use]
    pub fn dimension(mut self, dimension: usize) -> Self {
        self.dimension = dimension;
        self
    }

    /// Sets the threshold.
    #[must_use]
    pub fn threshold(mut self, threshold: impl Into<Amount>) -> Self {
        self.threshold = threshold.into();
        self
    }

    /// Sets any other parameter.
    #[must_use]
    pub fn with(mut self, setting: impl Fn(ParamsBuilder) -> ParamsBuilder + 'static) -> Self {
        self.settings.push(Box::new(setting));
        self
    }

    /// Sets what clients assume of the server. Where it may be active, everyone has an identity, and
    /// the directory knows them all.
    #[must_use]
    pub fn against(mut self, threat_model: ThreatModel) -> Self {
        self.threat_model = threat_model;
        self
    }

    /// Gives the round another session id.
    #[must_use]
    pub fn session(mut self, session: SessionId) -> Self {
        self.session = session;
        self
    }

    /// Lets one client sign with another identity than the directory has for it, or not know its own.
    #[must_use]
    pub fn identity(self, client: u64, identity: Identity) -> Self {
        self.member(client, |member| member.identity = identity)
    }

    /// Sets one client's weight.
    #[must_use]
    pub fn weight(self, client: u64, weight: f64) -> Self {
        self.member(client, |member| member.weight = weight)
    }

    /// Sets one client's update.
    #[must_use]
    pub fn update(self, client: u64, update: &[f64]) -> Self {
        self.member(client, |member| member.update = Some(update.to_vec()))
    }

    /// Gives one client other application bytes than the server's.
    #[must_use]
    pub fn application(self, client: u64, application: &[u8]) -> Self {
        self.member(client, |member| member.application = application.to_vec())
    }

    /// Sets one client's policy.
    #[must_use]
    pub fn policy(self, client: u64, policy: Policy) -> Self {
        self.member(client, |member| member.policy = policy)
    }

    /// Sets the seed of all random numbers.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The round may be played so many times, and clients join as many sessions.
    #[must_use]
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// Clients answer in a random order, another one at each seed.
    #[must_use]
    pub fn shuffled(mut self, seed: u64) -> Self {
        self.script.shuffle = Some(seed);
        self
    }

    /// From this stage on, a client is silent.
    #[must_use]
    pub fn drop(mut self, client: u64, stage: Stage) -> Self {
        self.script.drops.insert(ClientId(client), stage);
        self
    }

    /// Changes the bytes of a client's answer.
    #[must_use]
    pub fn tamper(
        self,
        client: u64,
        stage: Stage,
        tamper: impl Fn(&mut Vec<u8>) + 'static,
    ) -> Self {
        self.change(client, stage, Way::ToServer, tamper)
    }

    /// Changes the bytes of what the server sends to a client.
    #[must_use]
    pub fn forge(self, client: u64, stage: Stage, forge: impl Fn(&mut Vec<u8>) + 'static) -> Self {
        self.change(client, stage, Way::ToClient, forge)
    }

    /// Changes a message on its way; its type tells the stage and who sent it.
    #[must_use]
    pub fn edit<M: Message>(self, client: u64, edit: impl Fn(&mut M) + 'static) -> Self {
        let way = if M::FROM_SERVER { Way::ToClient } else { Way::ToServer };
        self.change(client, M::STAGE, way, move |bytes| {
            let (session, mut message) = M::decode(bytes).expect("an honest message");
            edit(&mut message);
            *bytes = message.encode(session);
        })
    }

    /// Before its honest answer, a client sends others made from it.
    #[must_use]
    pub fn precede(
        mut self,
        client: u64,
        stage: Stage,
        variants: impl Fn(&[u8]) -> Vec<Vec<u8>> + 'static,
    ) -> Self {
        let change = move |honest: Vec<u8>| {
            let mut messages = variants(&honest);
            messages.push(honest);
            messages
        };
        self.script.change(client, stage, Way::ToServer, Box::new(change));
        self
    }

    /// A client sends its answer twice.
    #[must_use]
    pub fn repeat(self, client: u64, stage: Stage) -> Self {
        self.precede(client, stage, |honest| vec![honest.to_vec()])
    }

    /// The server asks a client the same thing twice.
    #[must_use]
    pub fn ask_twice(mut self, client: u64, stage: Stage) -> Self {
        let twice = |request: Vec<u8>| vec![request.clone(), request];
        self.script.change(client, stage, Way::ToClient, Box::new(twice));
        self
    }

    /// When all have answered a stage, one more message comes from `from`, who need not exist.
    #[must_use]
    pub fn inject(
        mut self,
        from: u64,
        stage: Stage,
        forgery: impl Fn(&Log) -> Vec<u8> + 'static,
    ) -> Self {
        self.script.inject(from, stage, Box::new(forgery));
        self
    }

    /// Runs the round, with updates and mean of the type `F`.
    pub fn run<F: Real>(self) -> Round<F> {
        let (params, session) = (self.params(), self.session);
        let cohort: Vec<_> = self.members.keys().copied().collect();
        let updates = self.updates::<F>();
        let drops = self.script.drops.clone();
        let directory = self.directory();
        let attempts = NonZeroU32::new(self.attempts).expect("a story has an attempt");
        let further = self.further(directory.as_ref());
        let seats = self.seats(&updates, directory.as_ref());
        let mut network = Network::new(seats, self.script).further(further);
        let mut random = crate::rng();
        let workflow = Workflow::new(&mut network, &mut random).attempts(attempts);
        let mut workflow = match directory {
            Some(directory) => workflow.directory(directory),
            None => workflow,
        };
        let outcome = workflow.run::<F>(params.clone(), session, &cohort, APPLICATION);
        let report = workflow.report().clone();
        Round { params, updates, drops, outcome, report, log: network.into_log() }
    }

    /// The round before its first message, for a test that is the server itself.
    pub fn scene<F: Real>(&self) -> Scene<F> {
        let (updates, directory) = (self.updates::<F>(), self.directory());
        let seats = self.seats(&updates, directory.as_ref());
        Scene { params: self.params(), session: self.session, directory, seats }
    }

    fn params(&self) -> Params {
        let clients = self.members.len() as u32;
        let builder = match self.num_shares {
            None => Params::secagg(clients, self.dimension, self.threshold),
            Some(shares) => Params::secagg_plus(clients, self.dimension, shares, self.threshold),
        };
        let builder = builder.threat_model(self.threat_model);
        let builder = self.settings.iter().fold(builder, |builder, setting| setting(builder));
        builder.build().expect("a story has valid parameters")
    }

    fn directory(&self) -> Option<Directory> {
        let active = self.threat_model == ThreatModel::ActiveServer;
        let entry = |&id: &ClientId| (id, identity(id).verifying_key());
        let directory = Directory::new(self.members.keys().map(entry));
        active.then(|| directory.expect("ids differ, and so do identities"))
    }

    fn updates<F: Real>(&self) -> BTreeMap<ClientId, (f64, Vec<F>)> {
        let rounded = |update: &[f64]| update.iter().copied().map(F::from_f64).collect();
        let members = self.members.iter().map(|(&id, member)| {
            let update = member.update.clone().unwrap_or_else(|| invented(id, self.dimension));
            (id, (member.weight, rounded(&update)))
        });
        members.collect()
    }

    fn seats<F: Real>(
        &self,
        updates: &BTreeMap<ClientId, (f64, Vec<F>)>,
        directory: Option<&Directory>,
    ) -> BTreeMap<ClientId, Seat<F>> {
        let seats = self.members.iter().map(|(&id, member)| {
            let (weight, update) = updates[&id].clone();
            (id, Seat::new(member.client(id, directory), weight, update, self.rng(id)))
        });
        seats.collect()
    }

    /// All that clients join sessions with, but the first.
    fn further(&self, directory: Option<&Directory>) -> BTreeMap<ClientId, Vec<Client>> {
        let further = |id, member: &Member| {
            (1..self.attempts).map(|_| member.client(id, directory)).collect::<Vec<_>>()
        };
        self.members.iter().map(|(&id, member)| (id, further(id, member))).collect()
    }

    /// Every client has random numbers of its own, whatever the order of their answers.
    fn rng(&self, client: ClientId) -> ChaCha20Rng {
        let mut rng = ChaCha20Rng::seed_from_u64(self.seed);
        rng.set_stream(client.0);
        rng
    }

    fn member(mut self, client: u64, set: impl FnOnce(&mut Member)) -> Self {
        set(self.members.get_mut(&ClientId(client)).expect("a client of the cohort"));
        self
    }

    fn change(
        mut self,
        client: u64,
        stage: Stage,
        way: Way,
        change: impl Fn(&mut Vec<u8>) + 'static,
    ) -> Self {
        let change = move |mut bytes: Vec<u8>| {
            change(&mut bytes);
            vec![bytes]
        };
        self.script.change(client, stage, way, Box::new(change));
        self
    }
}

impl fmt::Debug for Cohort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cohort")
            .field("members", &self.members)
            .field("script", &self.script)
            .finish_non_exhaustive()
    }
}
