//! Whole rounds, down to every byte of every message.

use std::collections::BTreeMap;

use secagg::kernels::{Backend, Real, Seed};
use secagg::message::{Message as _, SetupRequest, ShareKeysRequest};
use secagg::{Aggregate, ClientId, Outgoing, Receive, Stage, ThreatModel};

use crate::json::{Number, RealType, clients, read_all, stage};
use crate::parameters::encoded;
use crate::player::{Ended, Plan, Play, Players, Quantized, Seats};

/// Stage, whether the server sends it, and the client at the other end.
type Place = (Stage, bool, ClientId);

/// Everyone answers as the plan says; what the server and true clients say is noted.
#[derive(Default)]
struct Faithful {
    said: BTreeMap<Place, Vec<u8>>,
    /// What liars say instead.
    lies: BTreeMap<Place, Vec<u8>>,
}

impl Play for Faithful {
    fn stage<F: Real>(
        &mut self,
        seats: &mut Seats<F>,
        stage: Stage,
        outgoing: &[Outgoing],
        receive: &Receive<'_>,
    ) -> Result<(), Ended> {
        for Outgoing { to, message } in outgoing {
            self.said.insert((stage, true, *to), message.to_vec());
            if !seats.is_there(*to, stage) {
                continue;
            }
            let honest = seats.answer(*to, message).expect("an honest server");
            let place = (stage, false, *to);
            let reply = self.lies.get(&place).cloned().unwrap_or(honest);
            assert_eq!(receive(*to, &reply), Ok(()), "{stage} {to}");
            self.said.insert(place, reply);
        }
        Ok(())
    }
}

/// All messages of a plan by place.
fn messages(plan: &Plan) -> BTreeMap<Place, Vec<u8>> {
    let places = plan.messages.iter().flat_map(|message| {
        let stage = stage(&message.stage);
        let to = message.to.iter().map(move |&id| (stage, true, ClientId(id)));
        let from = message.from.iter().map(move |&id| (stage, false, ClientId(id)));
        to.chain(from).map(|place| (place, message.bytes.0.clone()))
    });
    places.collect()
}

fn lies(plan: &Plan) -> BTreeMap<Place, Vec<u8>> {
    let lies = plan.messages.iter().filter(|message| message.is_false);
    let place = |id: u64, name: &str| (stage(name), false, ClientId(id));
    lies.filter_map(|m| Some((place(m.from?, &m.stage), m.bytes.0.clone()))).collect()
}

fn check<F: Real>(name: &str, plan: &Plan) {
    let mut faithful = Faithful { lies: lies(plan), ..Faithful::default() };
    let mut players = Players { seats: Seats::<F>::new(plan, None), play: &mut faithful };
    let aggregate = plan.play(&mut players).unwrap_or_else(|failure| panic!("{name}: {failure:?}"));
    for survivor in &aggregate.survivors {
        assert_eq!(players.seats.left_over(*survivor), 0, "{name}: {survivor} drew less");
    }
    check_said(name, &faithful.said, &messages(plan));
    check_result(name, plan, &aggregate);
    check_lists(plan, &faithful.said);
    check_lanes::<F>(plan);
}

fn check_said(name: &str, said: &BTreeMap<Place, Vec<u8>>, expected: &BTreeMap<Place, Vec<u8>>) {
    for (place, bytes) in said {
        assert_eq!(Some(bytes), expected.get(place), "{name}: {place:?}");
    }
    assert_eq!(said.len(), expected.len(), "{name}: a message was not sent");
}

fn check_result<F: Real>(name: &str, plan: &Plan, aggregate: &Aggregate<F>) {
    assert_eq!(aggregate.survivors, clients(&plan.survivors), "{name}");
    assert_eq!(aggregate.total_weight.to_bits(), plan.total_weight.0.to_bits(), "{name}");
    let mean: Vec<_> = aggregate.mean.iter().map(|x| x.to_f64().to_bits()).collect();
    let expected: Vec<_> = plan.mean.iter().map(|x| x.0.to_bits()).collect();
    assert_eq!(mean, expected, "{name}");
    assert_eq!(aggregate.clipped, plan.clipped, "{name}");
    let found = aggregate.false_shares.iter().map(|share| (share.owner.0, share.holder.0));
    let expected = plan.false_shares.iter().map(|share| (share.owner, share.holder));
    assert!(found.eq(expected), "{name}: {:?}", aggregate.false_shares);
}

/// What the plan says beside bytes is what these bytes say.
fn check_lists(plan: &Plan, said: &BTreeMap<Place, Vec<u8>>) {
    assert_eq!(encoded(&plan.params()), plan.params.bytes.0);
    let asked = |stage, from_server| {
        let places = said.keys().filter(move |place| (place.0, place.1) == (stage, from_server));
        places.map(|place| place.2).collect::<Vec<_>>()
    };
    assert_eq!(asked(Stage::CollectMaskedVectors, true), clients(&plan.sharers));
    assert_eq!(asked(Stage::CollectMaskedVectors, false), clients(&plan.survivors));
    assert_eq!(asked(Stage::Unmask, false), clients(&plan.unmaskers));
    for (&(stage, from_server, client), bytes) in said {
        match (stage, from_server) {
            (Stage::Setup, true) => {
                let (_, request) = SetupRequest::decode(bytes).expect("a request");
                assert_eq!(request.context.as_bytes()[..], plan.context.0);
            }
            (Stage::ShareKeys, true) => check_peers(plan, client, bytes),
            _ => {}
        }
    }
}

/// A client is told of its neighbours and itself, or of all members if the server may be active.
fn check_peers(plan: &Plan, client: ClientId, bytes: &[u8]) {
    let (_, request) = ShareKeysRequest::decode(bytes).expect("a request");
    assert_eq!(request.roster.as_bytes()[..], plan.roster.0);
    let of_client = plan.neighbours.iter().find(|row| row.id == client.0);
    let near = [of_client.expect("a member").neighbours.as_slice(), &[client.0]].concat();
    let active = plan.params().threat_model() == ThreatModel::ActiveServer;
    let mut expected = if active { plan.ring.clone() } else { near };
    expected.sort_unstable();
    assert!(request.peers.iter().map(|(id, _)| id.0).eq(expected));
}

/// Every survivor's vector before masking, by the quantizer alone; and the sum of them.
fn check_lanes<F: Real>(plan: &Plan) {
    let params = plan.params();
    let mut sums = vec![0_u64; plan.sums.len()];
    for Quantized { id, rounding, lanes: expected } in &plan.lanes {
        let seat = plan.clients.iter().find(|seat| seat.id == *id).expect("a client");
        let update: Vec<_> = seat.update.iter().map(|&Number(x)| F::from_f64(x)).collect();
        let (mut lanes, rounding) = (vec![0_u64; sums.len()], Seed::from_bytes(rounding.array()));
        let (backend, weight) = (Backend::detect(), seat.weight.0);
        let quantizer = params.quantizer();
        let done =
            quantizer.quantize(backend, params.prg(), &rounding, weight, &update, &mut lanes);
        assert_eq!((done, &lanes), (Ok(()), expected), "{id}");
        sums.iter_mut().zip(lanes).for_each(|(sum, lane)| *sum += lane);
    }
    assert_eq!(sums, plan.sums);
    assert!(plan.lanes.iter().map(|row| row.id).eq(plan.survivors.iter().copied()));
}

#[test]
fn rounds_are_those_of_the_reference() {
    let rounds = read_all::<Plan>("rounds");
    assert!(rounds.len() >= 8, "{} rounds", rounds.len());
    for (name, plan) in rounds {
        match plan.real {
            RealType::F32 => check::<f32>(&name, &plan),
            RealType::F64 => check::<f64>(&name, &plan),
        }
    }
}
