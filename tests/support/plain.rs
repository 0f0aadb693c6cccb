//! What a round must come to, by counting and by plain arithmetic, without any cryptography.

use std::collections::{BTreeMap, BTreeSet};

use secagg::kernels::{Quantizer, Real};
use secagg::message::ShareKeysRequest;
use secagg::{Abort, ClientId, Params, Stage, ThreatModel};

use crate::Log;
pub use crate::ring::{places, ring};

/// A set of clients.
pub type Clients = BTreeSet<ClientId>;

/// Who is whose neighbour.
pub type Neighbours = BTreeMap<ClientId, Clients>;

/// The weighted mean of clipped updates.
pub fn weighted_mean<'a, F: Real>(
    updates: impl Iterator<Item = &'a (f64, Vec<F>)>,
    dimension: usize,
    clipping_range: f64,
) -> Vec<f64> {
    let mut total = 0.0;
    let mut sum = vec![0.0; dimension];
    for (weight, update) in updates {
        total += weight;
        for (sum, element) in sum.iter_mut().zip(update) {
            *sum += weight * element.to_f64().clamp(-clipping_range, clipping_range);
        }
    }
    sum.iter().map(|sum| sum / total).collect()
}

/// How far the mean of some clients may be from the weighted mean in binary64, as docs/protocol.md has it in section 9,
/// and not as the quantizer does.
pub fn error_bound(quantizer: &Quantizer, clients: usize, total_weight: f64, exact: bool) -> f64 {
    let (c, w_max) = (quantizer.clipping_range(), quantizer.max_weight());
    let (n, zero) = (clients as f64, ((quantizer.quantization_range() - 1) / 2) as f64);
    let lanes = n * (c / zero) * (w_max / total_weight) * (1.0 + zero * 2_f64.powi(-50));
    let top = 2.0 * zero;
    let s = if top >= w_max && w_max.fract() == 0.0 { (top / w_max).floor() } else { top / w_max };
    let weights = if exact { 0.0 } else { n / s * (2.0 * c / total_weight) };
    lanes + c * 2_f64.powi(-48) + weights
}

/// The graph: as the server told its clients, or where it may be active, as they find it themselves.
pub fn neighbours(log: &Log, params: &Params) -> Neighbours {
    match params.threat_model() {
        ThreatModel::ActiveServer => found(log, params.degree()),
        _ => told(log),
    }
}

/// All are told the same.
fn found(log: &Log, degree: u32) -> Neighbours {
    let mut requests = log.sent.iter().filter(|sent| sent.from_server);
    let Some(sent) = requests.find(|sent| sent.stage == Stage::ShareKeys) else {
        return Neighbours::new();
    };
    let request: ShareKeysRequest = log.message(sent.client.0).expect("the client was asked");
    let members: Vec<_> = request.peers.iter().map(|&(peer, _)| peer).collect();
    ring(&members, degree, &request.roster)
}

/// Who was gone by then is still its neighbours' neighbour.
fn told(log: &Log) -> Neighbours {
    let told = log.sent.iter().filter(|sent| sent.from_server && sent.stage == Stage::ShareKeys);
    let told: Clients = told.map(|sent| sent.client).collect();
    let mut graph = Neighbours::new();
    for client in told {
        for neighbour in neighbours_of(log, client) {
            graph.entry(client).or_default().insert(neighbour);
            graph.entry(neighbour).or_default().insert(client);
        }
    }
    graph
}

fn neighbours_of(log: &Log, client: ClientId) -> Clients {
    let request: ShareKeysRequest = log.message(client.0).expect("the client was asked");
    request.peers.iter().map(|&(peer, _)| peer).filter(|&peer| peer != client).collect()
}

/// Shares that are not there, by holder and owner.
pub type Missing = BTreeSet<(ClientId, ClientId)>;

/// Who answers each stage, if asked.
#[derive(Clone, Debug)]
pub struct Attendance {
    cohort: Clients,
    drops: BTreeMap<ClientId, Stage>,
    missing: Missing,
}

impl Attendance {
    /// Everyone but for those who drop, from the given stage on.
    pub fn new(cohort: Clients, drops: BTreeMap<ClientId, Stage>) -> Self {
        Self { cohort, drops, missing: Missing::new() }
    }

    /// Holders that cannot reveal a share of an owner's secret, since its box did not open.
    #[must_use]
    pub fn missing(mut self, missing: Missing) -> Self {
        self.missing = missing;
        self
    }

    /// Those of the cohort who are still there when `stage` is asked.
    pub fn at(&self, stage: Stage) -> Clients {
        let there = |client: &&ClientId| self.drops.get(client).is_none_or(|&drop| drop > stage);
        self.cohort.iter().filter(there).copied().collect()
    }

    /// The survivors, or why there is no sum.
    ///
    /// # Errors
    /// The abort that the round must end with.
    pub fn survivors(&self, graph: &Neighbours, params: &Params) -> Result<Clients, Abort> {
        let threshold = params.threshold() as usize;
        let active = params.threat_model() == ThreatModel::ActiveServer;
        let quorum = if active { params.quorum() as usize } else { 0 };
        enough(Stage::Setup, self.at(Stage::Setup).len(), quorum.max(threshold + 1))?;
        let sharing = self.sharing(graph, threshold)?;
        let survivors = &sharing & &self.at(Stage::CollectMaskedVectors);
        enough(Stage::CollectMaskedVectors, survivors.len(), threshold + 1)?;
        let masked = masked(graph, &sharing, &survivors);
        reach(Stage::CollectMaskedVectors, &masked, threshold, |owner| {
            &graph[&owner] & &survivors
        })?;
        connected(graph, &survivors)?;
        let asked = match params.threat_model() {
            ThreatModel::ActiveServer => self.confirmed(graph, &masked, &survivors, params)?,
            _ => survivors.clone(),
        };
        let unmaskers = &asked & &self.at(Stage::Unmask);
        enough(Stage::Unmask, unmaskers.len(), threshold)?;
        let holders = |owner| self.holders(graph, &unmaskers, owner);
        reach(Stage::Unmask, &masked, threshold, holders)?;
        Ok(survivors)
    }

    /// The unmaskers that reveal a share of an owner's secret.
    pub fn holders(&self, graph: &Neighbours, unmaskers: &Clients, owner: ClientId) -> Clients {
        let mut holders = &graph[&owner] & unmaskers;
        holders.retain(|&holder| !self.missing.contains(&(holder, owner)));
        holders
    }

    /// Of the survivors those that confirmed.
    fn confirmed(
        &self,
        graph: &Neighbours,
        masked: &Clients,
        survivors: &Clients,
        params: &Params,
    ) -> Result<Clients, Abort> {
        let stage = Stage::ConfirmSurvivors;
        let confirmed = survivors & &self.at(stage);
        enough(stage, confirmed.len(), params.quorum() as usize)?;
        let need = params.threshold() as usize;
        reach(stage, masked, need, |owner| &graph[&owner] & &confirmed)?;
        Ok(confirmed)
    }

    /// U2: who shared its keys and has enough neighbours that did.
    fn sharing(&self, graph: &Neighbours, threshold: usize) -> Result<Clients, Abort> {
        let stage = Stage::ShareKeys;
        let mut sharing = self.at(stage);
        let answered = sharing.clone();
        let lonely = |clients: &Clients| {
            let few = |client: &&ClientId| graph[*client].intersection(clients).count() < threshold;
            clients.iter().find(few).copied()
        };
        while let Some(client) = lonely(&sharing) {
            sharing.remove(&client);
        }
        if !sharing.is_empty() {
            return Ok(sharing);
        }
        if answered.len() <= threshold {
            return Err(Abort::TooFew { stage, have: answered.len(), need: threshold + 1 });
        }
        reach(stage, &answered, threshold, |owner| &graph[&owner] & &answered)?;
        Ok(sharing)
    }
}

fn enough(stage: Stage, have: usize, need: usize) -> Result<(), Abort> {
    if have < need { Err(Abort::TooFew { stage, have, need }) } else { Ok(()) }
}

/// The part of the lowest id, grown by one ring of neighbours after the other, must be all.
fn connected(graph: &Neighbours, survivors: &Clients) -> Result<(), Abort> {
    let mut part: Clients = survivors.first().copied().into_iter().collect();
    loop {
        let near = part.iter().flat_map(|client| &graph[client]).copied().collect();
        let grown: Clients = &part | &(survivors & &near);
        if grown == part {
            break;
        }
        part = grown;
    }
    let (survivors, part) = (survivors.len(), part.len());
    if part < survivors { Err(Abort::Disconnected { survivors, part }) } else { Ok(()) }
}

/// Clients whose secret the sum needs: survivors, and the dropped that a survivor is masked against.
pub fn masked(graph: &Neighbours, sharing: &Clients, survivors: &Clients) -> Clients {
    let needed =
        |client: &&ClientId| survivors.contains(client) || !graph[*client].is_disjoint(survivors);
    sharing.iter().filter(needed).copied().collect()
}

/// Each secret must be within reach of as many of its owner's neighbours.
fn reach(
    stage: Stage,
    owners: &Clients,
    need: usize,
    holders: impl Fn(ClientId) -> Clients,
) -> Result<(), Abort> {
    let reached = owners.iter().map(|&owner| (owner, holders(owner).len()));
    match reached.into_iter().find(|&(_, have)| have < need) {
        Some((client, have)) => Err(Abort::TooFewNeighbours { stage, client, have, need }),
        None => Ok(()),
    }
}
