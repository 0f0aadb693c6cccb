//! What came of a story.

use core::convert::Infallible;
use std::collections::BTreeMap;

use secagg::kernels::Real;
use secagg::{Abort, Aggregate, ClientId, Failure, Params, Refused, Rejected, Report, Stage};

use crate::plain::{Attendance, Clients, Neighbours, error_bound, neighbours, weighted_mean};
use crate::{Log, Sent};

/// A finished round.
#[derive(Debug)]
pub struct Round<F> {
    /// Its parameters.
    pub params: Params,
    /// The weight and the update of each client.
    pub updates: BTreeMap<ClientId, (f64, Vec<F>)>,
    /// Who was silent, and from which stage on.
    pub drops: BTreeMap<ClientId, Stage>,
    /// How it ended.
    pub outcome: Result<Aggregate<F>, Failure<Infallible>>,
    /// What the workflow counted.
    pub report: Report,
    /// What was said.
    pub log: Log,
}

impl<F: Real> Round<F> {
    /// The aggregate of a round that ended well.
    pub fn aggregate(&self) -> &Aggregate<F> {
        self.outcome.as_ref().unwrap_or_else(|failure| {
            panic!("the round failed: {failure}; refusals: {:?}", self.log.refusals)
        })
    }

    /// Why a round ended badly.
    pub fn abort(&self) -> Abort {
        match &self.outcome {
            Err(Failure::Abort(abort)) => abort.clone(),
            other => panic!("the round did not abort: {other:?}"),
        }
    }

    /// The aggregate is the weighted mean of exactly these clients, within the stated bound.
    pub fn assert_mean_of(&self, survivors: impl IntoIterator<Item = u64>) -> &Self {
        let survivors: Vec<_> = survivors.into_iter().map(ClientId).collect();
        assert_eq!(self.aggregate().survivors, survivors);
        self.assert_mean()
    }

    /// The aggregate is the weighted mean of whom it calls survivors, within the stated bound.
    pub fn assert_mean(&self) -> &Self {
        let aggregate = self.aggregate();
        let expected = self.expected(&aggregate.survivors);
        let bound = self.bound();
        assert!(aggregate.error_bound >= bound - self.params.quantizer().clipping_range() * 1e-7);
        assert_eq!(aggregate.clipped, self.clipped(&aggregate.survivors));
        assert_eq!(aggregate.mean.len(), expected.len());
        for (index, (found, expected)) in aggregate.mean.iter().zip(&expected).enumerate() {
            let error = (found.to_f64() - expected).abs();
            assert!(error <= bound, "element {index}: {found:?} for {expected}, ± {bound}");
        }
        self
    }

    /// Whoever was silent: the round came to what the plain model says, be it a mean or an abort.
    pub fn assert_as_predicted(&self) -> &Self {
        let attendance = Attendance::new(self.cohort(), self.drops.clone());
        match attendance.survivors(&self.neighbours(), &self.params) {
            Ok(survivors) => self.assert_mean_of(survivors.into_iter().map(|client| client.0)),
            Err(abort) => {
                assert_eq!(self.abort(), abort, "{:?}", self.drops);
                self
            }
        }
    }

    /// The plain weighted mean of some clients.
    pub fn expected(&self, clients: &[ClientId]) -> Vec<f64> {
        let updates = clients.iter().map(|client| &self.updates[client]);
        let clipping_range = self.params.quantizer().clipping_range();
        weighted_mean(updates, self.params.dimension(), clipping_range)
    }

    /// Clients with an element beyond the clipping range.
    fn clipped(&self, clients: &[ClientId]) -> u64 {
        let c = self.params.quantizer().clipping_range();
        let clips =
            |client: &&ClientId| self.updates[client].1.iter().any(|x| x.to_f64().abs() > c);
        clients.iter().filter(clips).count() as u64
    }

    /// How far the mean may be from the plain one, by the specification's word.
    pub fn bound(&self) -> f64 {
        let Aggregate { survivors, total_weight, .. } = self.aggregate();
        let quantizer = self.params.quantizer();
        let exact = |client| quantizer.weight_is_exact(self.updates[client].0);
        let exact = survivors.iter().all(exact);
        error_bound(quantizer, survivors.len(), *total_weight, exact)
            + quantizer.clipping_range() * F::UNIT_ROUNDOFF
    }

    /// Messages that the server rejected, with their senders and stages.
    pub fn rejected(&self) -> Vec<(u64, Stage, Rejected)> {
        let stages = self.report.stages.iter();
        let rejected = stages.flat_map(|report| {
            report.rejected.iter().map(|&(client, reason)| (client.0, report.stage, reason))
        });
        rejected.collect()
    }

    /// Why a client left, if it did.
    pub fn refusal(&self, client: u64) -> Option<&Refused> {
        self.log.refusals.get(&ClientId(client)).map(|(_, refused)| refused)
    }

    /// A client refused at a stage for this reason, and said no more.
    pub fn assert_refused(&self, client: u64, stage: Stage, reason: impl Into<Refused>) -> &Self {
        let client = ClientId(client);
        assert_eq!(self.log.refusals.get(&client), Some(&(stage, reason.into())));
        let said = |sent: &&Sent| sent.client == client && !sent.from_server && sent.stage >= stage;
        assert_eq!(self.messages().filter(said).count(), 0);
        self
    }

    /// The graph that the server told its clients, or that they found.
    pub fn neighbours(&self) -> Neighbours {
        neighbours(&self.log, &self.params)
    }

    /// A client and its neighbours, ascending.
    pub fn near(&self, client: u64) -> Vec<u64> {
        let graph = self.neighbours();
        let neighbours = graph[&ClientId(client)].iter().map(|client| client.0);
        let mut near: Vec<_> = neighbours.chain([client]).collect();
        near.sort_unstable();
        near
    }

    /// Clients that are not among some, and no neighbours of theirs, ascending.
    pub fn far(&self, from: &[u64]) -> Vec<u64> {
        let near: Clients =
            from.iter().flat_map(|&client| self.near(client)).map(ClientId).collect();
        (&self.cohort() - &near).into_iter().map(|client| client.0).collect()
    }

    /// The whole cohort.
    pub fn cohort(&self) -> Clients {
        self.updates.keys().copied().collect()
    }

    /// All messages.
    pub fn messages(&self) -> impl DoubleEndedIterator<Item = &Sent> {
        self.log.sent.iter()
    }
}
