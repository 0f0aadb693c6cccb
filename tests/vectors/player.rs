//! Plays a round of the reference with real clients and a real server, whose random bytes are fixed.

use core::convert::Infallible;
use core::time::Duration;
use std::collections::BTreeMap;

use rand_core::{TryCryptoRng, TryRng};
use secagg::client::Setup;
use secagg::kernels::Real;
use secagg::{
    Aggregate, Client, ClientId, Directory, Driver, Failure, Identity, Outgoing, Params,
    ParamsBuilder, Policy, Receive, Refused, Stage, ThreatModel, VerifyingKey, Workflow,
};
use serde::Deserialize;

use crate::json::{Bytes, Number, RealType, session, stage};
use crate::parameters::Fields;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Plan {
    pub(crate) params: Written,
    pub(crate) session: Bytes,
    pub(crate) application: Bytes,
    pub(crate) real: RealType,
    pub(crate) clients: Vec<Seat>,
    pub(crate) context: Bytes,
    /// What the server draws.
    fresh: Bytes,
    pub(crate) roster: Bytes,
    /// All members, by place.
    pub(crate) ring: Vec<u64>,
    pub(crate) neighbours: Vec<Neighbours>,
    pub(crate) sharers: Vec<u64>,
    pub(crate) survivors: Vec<u64>,
    pub(crate) unmaskers: Vec<u64>,
    pub(crate) false_shares: Vec<FalseShare>,
    /// Every survivor's vector before masking.
    pub(crate) lanes: Vec<Quantized>,
    pub(crate) sums: Vec<u64>,
    pub(crate) total_weight: Number,
    pub(crate) mean: Vec<Number>,
    pub(crate) clipped: u64,
    pub(crate) messages: Vec<Message>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Written {
    pub(crate) fields: Fields,
    pub(crate) bytes: Bytes,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Seat {
    pub(crate) id: u64,
    pub(crate) weight: Number,
    pub(crate) update: Vec<Number>,
    pub(crate) random: Bytes,
    vanishes: Option<String>,
    identity: Option<Bytes>,
    verifying_key: Option<Bytes>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Neighbours {
    pub(crate) id: u64,
    pub(crate) neighbours: Vec<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FalseShare {
    pub(crate) owner: u64,
    pub(crate) holder: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Quantized {
    pub(crate) id: u64,
    pub(crate) rounding: Bytes,
    pub(crate) lanes: Vec<u64>,
}

/// A message to some clients, or from one.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Message {
    pub(crate) stage: String,
    #[serde(default)]
    pub(crate) to: Vec<u64>,
    pub(crate) from: Option<u64>,
    /// Whether its sender lies, so that a true client says something else.
    #[serde(default, rename = "false")]
    pub(crate) is_false: bool,
    pub(crate) bytes: Bytes,
}

impl Plan {
    pub(crate) fn params(&self) -> Params {
        let built = self.params.fields.builder().build();
        built.expect("the parameters of a round")
    }

    pub(crate) fn cohort(&self) -> Vec<ClientId> {
        self.clients.iter().map(|seat| ClientId(seat.id)).collect()
    }

    fn directory(&self) -> Option<Directory> {
        let entry = |seat: &Seat| {
            let key = seat.verifying_key.as_ref()?.array();
            Some((ClientId(seat.id), VerifyingKey::from_bytes(&key).expect("a key")))
        };
        let entries: Option<Vec<_>> = self.clients.iter().map(entry).collect();
        entries.map(|entries| Directory::new(entries).expect("all keys differ"))
    }

    /// Runs the round, up to where the player ends it.
    pub(crate) fn play<F: Real, P: Play>(
        &self,
        player: &mut Players<'_, F, P>,
    ) -> Result<Aggregate<F>, Failure<Ended>> {
        let mut random = Fixed(self.fresh.0.clone());
        let workflow = Workflow::new(player, &mut random);
        let mut workflow = match self.directory() {
            Some(directory) => workflow.directory(directory),
            None => workflow,
        };
        let (session, application) = (session(&self.session), &self.application.0);
        workflow.run(self.params(), session, &self.cohort(), application)
    }
}

/// The end of a round that has shown what it was to show.
#[derive(Debug)]
pub(crate) struct Ended;

/// What a test does in each stage.
pub(crate) trait Play: Sized {
    fn stage<F: Real>(
        &mut self,
        players: &mut Seats<F>,
        stage: Stage,
        outgoing: &[Outgoing],
        receive: &Receive<'_>,
    ) -> Result<(), Ended>;
}

/// All clients of a round, and what a test does with them.
pub(crate) struct Players<'a, F, P> {
    pub(crate) seats: Seats<F>,
    pub(crate) play: &'a mut P,
}

impl<F: Real, P: Play> Driver for Players<'_, F, P> {
    type Error = Ended;

    fn exchange(
        &mut self,
        stage: Stage,
        outgoing: Vec<Outgoing>,
        _timeout: Option<Duration>,
        receive: &Receive<'_>,
    ) -> Result<(), Ended> {
        self.play.stage(&mut self.seats, stage, &outgoing, receive)
    }
}

/// The clients of a round, whatever stage they are in.
pub(crate) struct Seats<F>(BTreeMap<ClientId, Player<F>>);

struct Player<F> {
    client: Client,
    weight: f64,
    update: Vec<F>,
    random: Fixed,
    vanishes: Option<Stage>,
}

impl<F: Real> Seats<F> {
    /// All clients before the setup; `policy` is that of one of them.
    pub(crate) fn new(plan: &Plan, policy: Option<(u64, Policy)>) -> Self {
        let directory = plan.directory();
        let seat = |seat: &Seat| {
            let own = policy.filter(|&(id, _)| id == seat.id).map(|(_, policy)| policy);
            let setup = Setup::new(ClientId(seat.id)).application(&plan.application.0);
            let setup = setup.policy(own.unwrap_or_default());
            let setup = match (&seat.identity, directory.clone()) {
                (Some(identity), Some(directory)) => {
                    setup.identity(Identity::from_bytes(&identity.array()), directory)
                }
                _ => setup,
            };
            (ClientId(seat.id), Player::new(seat, Client::Setup(setup)))
        };
        Self(plan.clients.iter().map(seat).collect())
    }

    /// Whether a client still answers in this stage.
    pub(crate) fn is_there(&self, client: ClientId, stage: Stage) -> bool {
        self.0[&client].vanishes != Some(stage)
    }

    /// One answer; after a refusal the client is gone.
    pub(crate) fn answer(&mut self, client: ClientId, request: &[u8]) -> Result<Vec<u8>, Refused> {
        let player = self.0.get_mut(&client).expect("a client of the cohort");
        let before = core::mem::replace(&mut player.client, Client::Finished);
        let Player { weight, update, random, .. } = player;
        let (after, reply) = before.answer(request, *weight, update, random)?;
        player.client = after;
        Ok(reply)
    }

    /// Random bytes that a client was given and did not draw.
    pub(crate) fn left_over(&self, client: ClientId) -> usize {
        self.0[&client].random.0.len()
    }
}

impl<F: Real> Player<F> {
    fn new(seat: &Seat, client: Client) -> Self {
        Self {
            client,
            weight: seat.weight.0,
            update: seat.update.iter().map(|&Number(x)| F::from_f64(x)).collect(),
            random: Fixed(seat.random.0.clone()),
            vanishes: seat.vanishes.as_deref().map(stage),
        }
    }
}

/// Bytes in place of random ones, first to last. Whoever draws more fails the test.
struct Fixed(Vec<u8>);

impl TryRng for Fixed {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        panic!("both sides draw bytes")
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        panic!("both sides draw bytes")
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        let drawn: Vec<u8> = self.0.drain(..out.len()).collect();
        out.copy_from_slice(&drawn);
        Ok(())
    }
}

impl TryCryptoRng for Fixed {}

/// The threat model of a number.
pub(crate) fn threat_model(number: u8) -> ThreatModel {
    match number {
        0 => ThreatModel::HonestButCurious,
        1 => ThreatModel::ActiveServer,
        _ => panic!("{number} is no threat model"),
    }
}

impl Fields {
    fn builder(&self) -> ParamsBuilder {
        Params::secagg_plus(self.cohort_size, self.dimension, self.degree, self.threshold)
            .clipping_range(self.clipping_range.0)
            .quantization_range(self.quantization_range)
            .max_weight(self.max_weight.0)
            .modulus_range(1 << self.width)
            .prg(self.prg())
            .threat_model(threat_model(self.threat_model))
            .corrupted_neighbours(self.corrupted_neighbours)
    }
}
