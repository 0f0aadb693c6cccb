//! A report on a round: tables for people, a page to look at, one JSON document for machines.

mod html;
mod limit;
mod reason;
mod text;

pub use limit::Limit;
use reason::{flag, reason};
use secagg::{Aggregate, Params, StageReport};
use serde::Serialize;

use crate::check::{Check, Segment};
use crate::fleet::{Fleet, LeftAlone};
use crate::in_process::Exchange;
use crate::process;
use crate::run::{Finished, StageTime, Unmasking};

/// A round, from its parameters to its outcome.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// `done`, or `failed`.
    pub outcome: &'static str,
    /// Why the round could not finish.
    pub reason: Option<String>,
    /// Parameters and inputs that may not be meant so.
    pub warnings: Vec<String>,
    /// The parameters.
    pub parameters: Parameters,
    /// The stages that were run, in order.
    pub stages: Vec<Stage>,
    /// Processor seconds of all clients.
    pub client_seconds: f64,
    /// Processor seconds of the server.
    pub server_seconds: f64,
    /// Unmasking by the server.
    pub unmask: Option<Unmask>,
    /// Names of the clients whose updates are in the mean.
    pub survivors: Vec<String>,
    /// Shares that did not fit, by the names of who revealed them and whose secret they are of.
    pub false_shares: Vec<FalseShare>,
    /// Tensors that are not averaged.
    pub left_alone: Vec<LeftAlone>,
    /// For each dtype and clipping range: how far an element that is written can be from the true
    /// mean.
    pub bounds: Vec<Bound>,
    /// The sum of the survivors' weights.
    pub total_weight: Option<f64>,
    /// The largest of these bounds.
    pub error_bound: Option<f64>,
    /// Survivors with an element beyond the clipping range.
    pub clipped_clients: Option<u64>,
    /// The mean beside the plain one.
    pub check: Option<Check>,
    /// The most memory that this process held at once, in bytes.
    pub peak_memory_bytes: Option<u64>,
}

/// The numbers that everything else follows from.
#[derive(Clone, Debug, Serialize)]
pub struct Parameters {
    /// Clients invited.
    pub cohort_size: u32,
    /// Elements of an update.
    pub dimension: usize,
    /// Shares made of each secret: the neighbours of a client.
    pub num_shares: u32,
    /// Shares that recover a secret.
    pub reconstruction_threshold: u32,
    /// The largest weight.
    pub max_weight: f64,
    /// Elements are clipped to plus or minus this.
    pub clipping_range: f64,
    /// Levels of the quantizer.
    pub quantization_range: u64,
    /// Bits of the modulus.
    pub modulus_bits: u32,
    /// The PRG's name.
    pub prg: String,
    /// The assumption on the server: `curious` or `active`.
    pub threat_model: String,
    /// Neighbours of any one client that may collude with the server.
    pub corrupted_neighbours: u32,
}

/// The error of elements of one dtype and clipping range.
#[derive(Clone, Debug, Serialize)]
pub struct Bound {
    /// Type of the written elements, which rounds them once more.
    pub dtype: Option<String>,
    /// The range.
    pub clipping_range: f64,
    /// The largest error of such an element.
    pub error_bound: f64,
}

/// One stage.
#[derive(Clone, Debug, Serialize)]
pub struct Stage {
    /// The stage's name.
    pub stage: &'static str,
    /// On the clock, from opening to closing it.
    pub seconds: f64,
    /// Of these, from the last answer on, when the server alone is at work.
    pub closing_seconds: f64,
    /// Processor seconds of the server, for answers and to close the stage.
    pub server_seconds: f64,
    /// Processor seconds of all clients.
    pub client_seconds: f64,
    /// Clients asked.
    pub asked: usize,
    /// Clients whose answers were accepted.
    pub answered: usize,
    /// Names of those whose were not.
    pub dropped: Vec<String>,
    /// Names of those that answered, but had too few neighbours left to go on.
    pub left_out: Vec<String>,
    /// Messages that the server rejected.
    pub rejected: Vec<Complaint>,
    /// Clients that refused the server's message.
    pub refused: Vec<Complaint>,
    /// Bytes to clients, and to one on average.
    pub bytes_down: u64,
    /// Bytes to one client on average.
    pub bytes_down_per_client: u64,
    /// Bytes from clients.
    pub bytes_up: u64,
    /// Bytes from one client on average.
    pub bytes_up_per_client: u64,
}

/// A client and its fault.
#[derive(Clone, Debug, Serialize)]
pub struct Complaint {
    /// The client's name.
    pub client: String,
    /// The fault.
    pub reason: String,
}

/// A share that did not fit.
#[derive(Clone, Debug, Serialize)]
pub struct FalseShare {
    /// The client that revealed it.
    pub holder: String,
    /// The client that the secret belongs to.
    pub owner: String,
}

/// Unmasking, by parts.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Unmask {
    /// Masks of the sum.
    pub masks: usize,
    /// Those that came off while answers still arrived.
    pub masks_taken_off: usize,
    /// Processor seconds to recover secrets and agree on seeds.
    pub recover_seconds: f64,
    /// Processor seconds to expand the masks and take them off.
    pub apply_seconds: f64,
    /// Processor seconds of all that the server does in the last stage, up to the mean: these two,
    /// judging answers, and reading the sum.
    pub cpu_seconds: f64,
    /// On the clock, from the last answer to the mean.
    pub seconds: f64,
}

impl Report {
    /// Describes a finished round.
    pub fn new(
        fleet: &impl Fleet,
        params: &Params,
        finished: &Finished,
        check: Option<Check>,
    ) -> Self {
        let (done, reason) = match &finished.outcome {
            Ok(aggregate) => (Some(aggregate), None),
            Err(failure) => (None, Some(reason(fleet, params, &finished.traffic, failure))),
        };
        let stages = stages(fleet, finished);
        let bounds = done.map_or(Vec::new(), |done| bounds(fleet, params, done));
        let error_bound = bounds.iter().map(|it| it.error_bound).reduce(f64::max);
        let imprecise = done.and_then(|done| done.imprecise).map(|it| it.sentence(flag));
        let warnings =
            fleet.warnings().into_iter().chain(threshold_warning(params)).chain(imprecise);
        let last = finished.unmasking.map_or(0.0, |it| it.last_processor_seconds);
        Self {
            outcome: if done.is_some() { "done" } else { "failed" },
            reason,
            warnings: warnings.collect(),
            parameters: parameters(params),
            client_seconds: stages.iter().map(|stage| stage.client_seconds).sum(),
            server_seconds: stages.iter().map(|stage| stage.server_seconds).sum::<f64>() + last,
            unmask: finished.unmasking.and_then(|it| Some(unmask(it, stages.last()?))),
            stages,
            survivors: done.map_or(Vec::new(), |done| names(fleet, &done.survivors)),
            false_shares: done.map_or(Vec::new(), |done| false_shares(fleet, &done.false_shares)),
            left_alone: fleet.left_alone(),
            bounds,
            total_weight: done.map(|done| done.total_weight),
            error_bound,
            clipped_clients: done.map(|done| done.clipped),
            check,
            peak_memory_bytes: process::peak_memory(),
        }
    }

    /// The bounds, where there are several.
    fn several_bounds(&self) -> &[Bound] {
        if self.bounds.len() > 1 { &self.bounds } else { &[] }
    }

    /// Whether there is a mean, and it passed the check if there was one.
    pub fn succeeded(&self) -> bool {
        self.reason.is_none() && self.check.as_ref().is_none_or(|check| check.holds)
    }

    /// One JSON document.
    pub fn json(&self) -> String {
        // Numbers, strings and lists; nothing in a report can fail to be written.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }
}

fn threshold_warning(params: &Params) -> Option<String> {
    let all = params.threshold() == params.degree();
    all.then(|| {
        "the threshold asks for all shares, so that no drop-out after sharing keys is survived: \
         lower --reconstruction-threshold"
            .into()
    })
}

/// A bound for each dtype and range, in the order of the tensors.
fn bounds(fleet: &impl Fleet, params: &Params, done: &Aggregate<f64>) -> Vec<Bound> {
    let own = params.quantizer().clipping_range();
    let mut segments = fleet.segments();
    if segments.is_empty() {
        segments = vec![Segment { elements: 0..done.mean.len(), clipping_range: own, dtype: None }];
    }
    let mut bounds = Vec::<Bound>::new();
    for Segment { elements, clipping_range, dtype } in segments {
        let times = clipping_range / own;
        let largest = done.mean[elements].iter().map(|x| x.abs() * times).fold(0.0, f64::max);
        let bound = done.error_bound * times;
        let error_bound = bound + dtype.map_or(0.0, |dtype| dtype.rounding(largest + bound));
        let dtype = dtype.map(|dtype| dtype.to_string());
        let same = |it: &&mut Bound| {
            it.dtype == dtype && it.clipping_range.total_cmp(&clipping_range).is_eq()
        };
        match bounds.iter_mut().find(same) {
            Some(group) => group.error_bound = group.error_bound.max(error_bound),
            None => bounds.push(Bound { dtype, clipping_range, error_bound }),
        }
    }
    bounds
}

fn parameters(params: &Params) -> Parameters {
    Parameters {
        cohort_size: params.cohort_size(),
        dimension: params.dimension(),
        num_shares: params.degree(),
        reconstruction_threshold: params.threshold(),
        max_weight: params.quantizer().max_weight(),
        clipping_range: params.quantizer().clipping_range(),
        quantization_range: params.quantizer().quantization_range(),
        modulus_bits: params.modulus().width(),
        prg: params.prg().to_string(),
        threat_model: params.threat_model().to_string(),
        corrupted_neighbours: params.corrupted_neighbours(),
    }
}

fn stages(fleet: &impl Fleet, finished: &Finished) -> Vec<Stage> {
    let measured = finished.exchanges.iter().zip(&finished.stages);
    let stages = finished.traffic.stages.iter().zip(measured);
    stages.map(|(traffic, (exchange, &time))| stage(fleet, traffic, exchange, time)).collect()
}

fn stage(
    fleet: &impl Fleet,
    traffic: &StageReport,
    exchange: &Exchange,
    StageTime { seconds, closing_processor_seconds }: StageTime,
) -> Stage {
    let per_client = |bytes, clients: usize| bytes / (clients as u64).max(1);
    let answers = traffic.answered.len() + traffic.rejected.len();
    Stage {
        stage: traffic.stage.name(),
        seconds,
        closing_seconds: seconds - exchange.seconds,
        server_seconds: exchange.server_seconds + closing_processor_seconds,
        client_seconds: exchange.client_seconds,
        asked: traffic.asked.len(),
        answered: traffic.answered.len(),
        dropped: names(fleet, &traffic.dropped),
        left_out: names(fleet, &traffic.left_out),
        rejected: complaints(fleet, &traffic.rejected),
        refused: complaints(fleet, &exchange.refused),
        bytes_down: traffic.bytes_down,
        bytes_down_per_client: per_client(traffic.bytes_down, traffic.asked.len()),
        bytes_up: traffic.bytes_up,
        bytes_up_per_client: per_client(traffic.bytes_up, answers),
    }
}

fn names(fleet: &impl Fleet, clients: &[secagg::ClientId]) -> Vec<String> {
    clients.iter().map(|&client| fleet.name(client)).collect()
}

fn complaints<E: ToString>(fleet: &impl Fleet, of: &[(secagg::ClientId, E)]) -> Vec<Complaint> {
    let complaint = |(client, reason): &(secagg::ClientId, E)| Complaint {
        client: fleet.name(*client),
        reason: reason.to_string(),
    };
    of.iter().map(complaint).collect()
}

fn false_shares(fleet: &impl Fleet, of: &[secagg::server::FalseShare]) -> Vec<FalseShare> {
    let names = |share: &secagg::server::FalseShare| FalseShare {
        holder: fleet.name(share.holder),
        owner: fleet.name(share.owner),
    };
    of.iter().map(names).collect()
}

fn unmask(unmasking: Unmasking, last: &Stage) -> Unmask {
    let Unmasking { masks, masks_taken_off, recover_seconds, apply_seconds, .. } = unmasking;
    Unmask {
        masks,
        masks_taken_off,
        recover_seconds,
        apply_seconds,
        cpu_seconds: last.server_seconds + unmasking.last_processor_seconds,
        seconds: last.closing_seconds + unmasking.last_seconds,
    }
}
