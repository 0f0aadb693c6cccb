//! Messages that must be refused, and why.

use core::fmt::Debug;
use std::collections::BTreeMap;

use secagg::kernels::Real;
use secagg::{ClientId, Failure, Outgoing, Policy, Receive, Stage};
use serde::Deserialize;

use crate::json::{Bytes, is_error, path_of, read_all, stage};
use crate::player::{Ended, Plan, Play, Players, Seats, threat_model};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bad {
    /// In which of the rounds.
    round: String,
    stage: String,
    to: Side,
    client: u64,
    error: String,
    /// Whether the client has given its true answer before.
    #[serde(default)]
    answered: bool,
    policy: Option<Floors>,
    message: Bytes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Side {
    Server,
    Client,
}

/// What is not the default in the policy of the client.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Floors {
    min_cohort_size: Option<u32>,
    min_threshold: Option<u32>,
    min_neighbours: Option<u32>,
    min_survivors: Option<u32>,
    threat_model: Option<u8>,
    min_corrupted_neighbours: Option<u32>,
    max_dimension: Option<usize>,
}

impl From<&Floors> for Policy {
    fn from(floors: &Floors) -> Self {
        let default = Self::default();
        Self {
            min_cohort_size: floors.min_cohort_size.unwrap_or(default.min_cohort_size),
            min_threshold: floors.min_threshold.unwrap_or(default.min_threshold),
            min_neighbours: floors.min_neighbours.unwrap_or(default.min_neighbours),
            min_survivors: floors.min_survivors.unwrap_or(default.min_survivors),
            threat_model: floors.threat_model.map_or(default.threat_model, threat_model),
            min_corrupted_neighbours: floors
                .min_corrupted_neighbours
                .unwrap_or(default.min_corrupted_neighbours),
            max_dimension: floors.max_dimension.unwrap_or(default.max_dimension),
            ..default
        }
    }
}

/// Everyone answers as the plan says, up to the stage in which the bad message comes.
struct Delivery<'a> {
    bad: &'a Bad,
    /// The verdict on it.
    verdict: Option<String>,
}

impl Play for Delivery<'_> {
    fn stage<F: Real>(
        &mut self,
        seats: &mut Seats<F>,
        now: Stage,
        outgoing: &[Outgoing],
        receive: &Receive<'_>,
    ) -> Result<(), Ended> {
        let due = now == stage(&self.bad.stage);
        if due && self.bad.to == Side::Client {
            let refused = seats.answer(ClientId(self.bad.client), &self.bad.message.0);
            let path = path_of_or_none(refused);
            self.verdict = Some(path.replacen("Misbehaved", "ServerMisbehaved", 1));
            return Err(Ended);
        }
        let mut honest = None;
        for Outgoing { to, message } in outgoing {
            if !seats.is_there(*to, now) {
                continue;
            }
            let reply = seats.answer(*to, message).expect("an honest server");
            if due && to.0 == self.bad.client && !self.bad.answered {
                honest = Some((*to, reply));
            } else {
                assert_eq!(receive(*to, &reply), Ok(()));
            }
        }
        if due { self.deliver(honest, receive) } else { Ok(()) }
    }
}

impl Delivery<'_> {
    /// The server refuses the message, and then takes the true one all the same.
    fn deliver(
        &mut self,
        honest: Option<(ClientId, Vec<u8>)>,
        receive: &Receive<'_>,
    ) -> Result<(), Ended> {
        let rejected = receive(ClientId(self.bad.client), &self.bad.message.0);
        let path = path_of_or_none(rejected);
        self.verdict = Some(path.replacen("Misbehaved", "ClientMisbehaved", 1));
        if let Some((client, reply)) = honest {
            assert_eq!(receive(client, &reply), Ok(()), "after {:?}", self.bad);
        }
        Err(Ended)
    }
}

/// The error, or that there is none.
fn path_of_or_none<T>(verdict: Result<T, impl Debug>) -> String {
    verdict.map_or_else(|error| path_of(&error), |_| "nothing".to_owned())
}

#[test]
fn bad_messages_are_refused_for_what_is_wrong_with_them() {
    let rounds: BTreeMap<_, _> = read_all::<Plan>("rounds").into_iter().collect();
    let cases = read_all::<Bad>("bad");
    assert!(cases.len() > 250, "{} cases", cases.len());
    let mut wrong = Vec::new();
    for (name, bad) in cases {
        let plan = &rounds[&bad.round];
        let policy = bad.policy.as_ref().map(|floors| (bad.client, floors.into()));
        let mut delivery = Delivery { bad: &bad, verdict: None };
        let seats = Seats::<f64>::new(plan, policy);
        let ended = plan.play(&mut Players { seats, play: &mut delivery });
        assert!(matches!(ended, Err(Failure::Driver(Ended))), "{name}: {ended:?}");
        let verdict = delivery.verdict.expect("delivered");
        if !is_error(&verdict, &bad.error) {
            wrong.push(format!("{name}: {verdict} where {} is due", bad.error));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
