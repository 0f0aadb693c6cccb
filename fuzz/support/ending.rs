//! How a round must end, by counting, and what its sum must be.

use std::collections::BTreeMap;

use secagg::kernels::Backend;
use secagg::server::{FalseShare, Recovered};
use secagg::{Abort, ClientId, Params, Stage};
use secagg_tests::plain::{Attendance, Clients, Neighbours, masked, weighted_mean};

use crate::round::{MAX_WEIGHT, Terms};
use crate::verdict::Lies;

/// What is known of a round that is about to end.
pub struct Ending {
    terms: Terms,
    /// The round's parameters.
    pub params: Params,
    /// Who is whose neighbour.
    pub graph: Neighbours,
    /// Who shared its keys and has enough neighbours that did.
    pub sharing: Clients,
    /// Whose vectors are in the sum.
    pub survivors: Clients,
    answered: BTreeMap<Stage, Clients>,
    /// Whose shares were taken, in the order in which they came.
    pub unmaskers: Vec<ClientId>,
    /// Whether some of them came by the way on which secrets are recovered before all shares are there.
    pub was_early: bool,
    /// Clients that have refused.
    gone: Clients,
}

/// What must come of one owner's secret.
enum Recovery {
    /// It is recovered.
    Certain,
    /// There are so many false shares that it depends on them.
    Open,
    Impossible,
}

impl Ending {
    /// Before the first stage.
    pub fn new(terms: Terms, params: Params) -> Self {
        Self {
            terms,
            params,
            graph: Neighbours::new(),
            sharing: Clients::new(),
            survivors: Clients::new(),
            answered: BTreeMap::new(),
            unmaskers: Vec::new(),
            was_early: false,
            gone: Clients::new(),
        }
    }

    /// Keeps whose answers to a stage were taken.
    pub fn note(&mut self, stage: Stage, answered: Clients) {
        self.answered.insert(stage, answered);
    }

    /// Whose answers to a stage were taken.
    pub fn answered(&self, stage: Stage) -> Clients {
        self.answered.get(&stage).cloned().unwrap_or_default()
    }

    /// Whether a client must refuse what the server asks: its own keys were altered, or too few boxes open.
    pub fn must_refuse(&mut self, stage: Stage, client: ClientId, lies: &Lies) -> bool {
        let refuses = match stage {
            Stage::ShareKeys => lies.keys.contains(&client),
            Stage::CollectMaskedVectors => {
                let owners = &self.graph[&client] & &self.sharing;
                let opens = owners.iter().filter(|&&owner| !lies.boxes.contains(&(client, owner)));
                opens.count() < self.params.threshold() as usize
            }
            _ => false,
        };
        if refuses {
            self.gone.insert(client);
        }
        self.gone.contains(&client)
    }

    /// The round came to what it must come to.
    ///
    /// # Panics
    /// If it did not.
    pub fn check(&self, outcome: Result<Recovered, Abort>, lies: &Lies) {
        let predicted = self.attendance().survivors(&self.graph, &self.params);
        let attendance = self.attendance().missing(lies.missing.clone());
        match (outcome, predicted) {
            (Err(Abort::FalseShares { client, suspects }), Ok(survivors)) => {
                assert_eq!(survivors, self.survivors);
                self.check_blame(client, &attendance, lies);
                assert!(suspects.iter().all(|it| self.framers(it.client, lies) >= it.framers));
            }
            (Err(abort), predicted) => assert_eq!(Err(abort), predicted),
            (Ok(recovered), predicted) => {
                assert_eq!(predicted.as_ref(), Ok(&self.survivors));
                self.check_sum(recovered, &attendance, lies);
            }
        }
    }

    /// Who does not answer a stage is gone.
    fn attendance(&self) -> Attendance {
        let stages = Stage::of(self.terms.threat_model());
        let drop = |client: ClientId| {
            let silent = |stage: &&Stage| !self.answered(**stage).contains(&client);
            stages.iter().find(silent).map(|stage| (client, *stage))
        };
        Attendance::new(
            self.terms.cohort().collect(),
            self.terms.cohort().filter_map(drop).collect(),
        )
    }

    /// Owners whose secrets the sum needs, ascending.
    fn owners(&self) -> Clients {
        masked(&self.graph, &self.sharing, &self.survivors)
    }

    /// Holders of an owner's shares, and the false ones of them.
    fn holders(&self, owner: ClientId, attendance: &Attendance, lies: &Lies) -> (Clients, Clients) {
        let holders = attendance.holders(&self.graph, &self.answered(Stage::Unmask), owner);
        let is_false = |holder: &&ClientId| lies.shares.contains(&(**holder, owner));
        let liars = holders.iter().filter(is_false).copied().collect();
        (holders, liars)
    }

    fn recovery(&self, owner: ClientId, attendance: &Attendance, lies: &Lies) -> Recovery {
        let (holders, liars) = self.holders(owner, attendance, lies);
        let (threshold, liars) = (self.params.threshold() as usize, liars.len());
        let false_commitment = lies.commitments.contains(&owner) && self.survivors.contains(&owner);
        let false_key = lies.keys.contains(&owner) && !self.survivors.contains(&owner);
        if false_commitment || false_key || holders.len() - liars < threshold {
            Recovery::Impossible
        } else if liars <= (holders.len() - threshold).div_ceil(2) {
            Recovery::Certain
        } else {
            Recovery::Open
        }
    }

    /// The clients that lied about one that told the truth.
    fn framers(&self, client: ClientId, lies: &Lies) -> usize {
        let is_liar = lies.commitments.contains(&client)
            || lies.keys.contains(&client)
            || lies.missing.union(&lies.shares).any(|&(holder, _)| holder == client);
        let about = lies.missing.union(&lies.shares).filter(|&&(_, owner)| owner == client);
        if is_liar { usize::MAX } else { about.map(|(holder, _)| holder).count() }
    }

    /// The first owner that is short of shares is named, or else the first whose secret is not
    /// recovered.
    fn check_blame(&self, blamed: ClientId, attendance: &Attendance, lies: &Lies) {
        assert!(self.owners().contains(&blamed));
        let threshold = self.params.threshold() as usize;
        let is_short =
            |owner: &&ClientId| self.holders(**owner, attendance, lies).0.len() < threshold;
        if let Some(short) = self.owners().iter().find(is_short) {
            return assert_eq!(*short, blamed);
        }
        for owner in self.owners() {
            match self.recovery(owner, attendance, lies) {
                Recovery::Certain => assert_ne!(owner, blamed),
                Recovery::Open if owner == blamed => return,
                Recovery::Open => {}
                Recovery::Impossible => return assert_eq!(owner, blamed),
            }
        }
    }

    fn check_sum(&self, recovered: Recovered, attendance: &Attendance, lies: &Lies) {
        for owner in self.owners() {
            let recovery = self.recovery(owner, attendance, lies);
            assert!(!matches!(recovery, Recovery::Impossible), "{owner}'s secret");
        }
        let (mut sum, plan, reading) = recovered.into_parts();
        sum.apply(Backend::detect(), &plan).expect("a short vector");
        let lanes: Vec<_> = (0..sum.len()).map(|lane| sum.get(lane)).collect();
        let honest = self.check_lanes(&lanes, lies);
        let aggregate = match reading.aggregate::<f64>(&sum) {
            Ok(aggregate) => aggregate,
            // A weight of less than one lane may be rounded to none.
            // Small weights or few levels leave a mean that says nothing.
            Err(Abort::Imprecise(it)) => return assert!(it.error_bound >= it.clipping_range),
            Err(_) => return assert!(!honest || lanes[0] == 0),
        };
        assert!(aggregate.survivors.iter().eq(&self.survivors));
        self.check_named(&aggregate.false_shares, attendance, lies);
        if honest {
            self.check_mean(&aggregate.mean, aggregate.total_weight);
        }
    }

    /// Each lane is what the survivors' are together, and what was added to them on the way. Answers whether
    /// nothing was.
    fn check_lanes(&self, lanes: &[u64], lies: &Lies) -> bool {
        let mut more = vec![0_u64; lanes.len()];
        for client in &self.survivors {
            let Some(lanes) = &lies.vectors[client] else { return false };
            more.iter_mut().zip(lanes).for_each(|(more, lane)| *more = more.wrapping_add(*lane));
        }
        let modulus = self.params.modulus();
        let expected = self.lanes();
        for (at, (lane, more)) in lanes.iter().zip(&more).enumerate() {
            let expected = expected[at];
            let off = lane.wrapping_sub(*more).wrapping_sub(expected as u64);
            // As a signed number of as many bits as the modulus.
            let unused = 64 - modulus.width();
            let off = ((off << unused) as i64 >> unused) as f64;
            let most = 2.5 * self.survivors.len() as f64 + expected * 1e-12;
            assert!(off.abs() <= most, "lane {at} is off by {off}, where {most} may be");
        }
        more.iter().all(|more| more & modulus.max_value() == 0)
    }

    /// The exact sum of the survivors' weights, and of their elements' places among the lanes. Rounding the weight and
    /// then the element moves each by less than 2.
    fn lanes(&self) -> Vec<f64> {
        let mut sum = vec![0.0; self.params.lanes()];
        for client in &self.survivors {
            let (weight, update) = self.terms.update(*client);
            let lanes = [weight * self.params.quantizer().weight_scale()].into_iter();
            let clips = update.iter().any(|x| x.abs() > self.params.quantizer().clipping_range());
            let lanes = lanes.chain(update.iter().map(|x| self.lane(weight, *x)));
            let lanes = lanes.chain([f64::from(clips)]);
            sum.iter_mut().zip(lanes).for_each(|(sum, lane)| *sum += lane);
        }
        sum
    }

    fn lane(&self, weight: f64, element: f64) -> f64 {
        let quantizer = self.params.quantizer();
        let c = quantizer.clipping_range();
        let share = element.clamp(-c, c) / c * (weight / MAX_WEIGHT);
        (1.0 + share) * ((quantizer.quantization_range() - 1) / 2) as f64
    }

    /// Owner by owner: who was named before is a suspect, and asked last.
    fn check_named(&self, named: &[FalseShare], attendance: &Attendance, lies: &Lies) {
        assert!(named.iter().all(|named| self.owners().contains(&named.owner)));
        let mut suspects = Clients::new();
        for owner in self.owners() {
            let about = named.iter().filter(|named| named.owner == owner);
            let named: Clients = about.map(|named| named.holder).collect();
            let (holders, liars) = self.holders(owner, attendance, lies);
            self.check_named_for(&named, &holders, &liars, &suspects);
            suspects.extend(named);
        }
    }

    /// Holders are named if and only if a liar is among those that are asked first. As long as liars are no more than
    /// half of what is to spare, rounded up, they are who is named: another polynomial with the same secret has less than
    /// t - 1 true shares on it, and would take more false ones than there are.
    fn check_named_for(
        &self,
        named: &Clients,
        holders: &Clients,
        liars: &Clients,
        suspects: &Clients,
    ) {
        let threshold = self.params.threshold() as usize;
        let has_liar = |mut asked: Vec<&ClientId>| {
            asked.truncate(threshold);
            asked.into_iter().any(|holder| liars.contains(holder))
        };
        let asked = holders.difference(suspects).chain(holders.intersection(suspects));
        let by_arrival = self.unmaskers.iter().filter(|client| holders.contains(client));
        let was_early =
            self.was_early && holders.len() > threshold && !has_liar(by_arrival.collect());
        if !has_liar(asked.collect()) || (was_early && named.is_empty()) {
            assert!(named.is_empty(), "{named:?} where nobody had to look");
        } else if liars.len() <= (holders.len() - threshold).div_ceil(2) {
            assert_eq!(named, liars);
        } else {
            assert!(!named.is_empty(), "nobody of {liars:?}");
        }
    }

    fn check_mean(&self, mean: &[f64], total_weight: f64) {
        let updates: Vec<_> =
            self.survivors.iter().map(|&client| self.terms.update(client)).collect();
        let quantizer = self.params.quantizer();
        let c = quantizer.clipping_range();
        let expected = weighted_mean(updates.iter(), self.params.dimension(), c);
        let bound = quantizer.error_bound_with_inexact_weights(updates.len() as u64, total_weight);
        for (found, expected) in mean.iter().zip(expected) {
            assert!((found - expected).abs() <= bound + c * 1e-14, "{found} for {expected}");
        }
    }
}
