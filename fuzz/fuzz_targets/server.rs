//! A server among clients that vanish, lie, repeat themselves and send rubbish, and that is saved and restored in
//! between, against plain counting: it takes each message that it must take and no other; the round ends as it
//! must; and its sum is that of the survivors, or there is none.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use secagg::server::{Recovered, Save};
use secagg::{Abort, ClientId, Outgoing, Stage, StateKey};
use secagg_fuzz::ending::Ending;
use secagg_fuzz::one_thread;
use secagg_fuzz::schedule::{Act, Schedule};
use secagg_fuzz::verdict::{Case, Lies};
use secagg_tests::plain::{Clients, Neighbours, neighbours};
use secagg_tests::{Log, Scene, Sent};

fuzz_target!(init: one_thread(), |schedule: Schedule| {
    let mut round = Round::new(&schedule);
    let outcome = round.run();
    round.ending.check(outcome, &round.lies);
});

/// A round in progress, and what a plain count says of it.
struct Round<'a> {
    schedule: &'a Schedule,
    scene: Scene<f64>,
    log: Log,
    lies: Lies,
    ending: Ending,
    rng: ChaCha20Rng,
}

/// A stage that collects.
struct Open<S> {
    stage: S,
    outgoing: Vec<Outgoing>,
    /// What those who were asked would say, unless they have left.
    honest: BTreeMap<ClientId, Option<Vec<u8>>>,
    answered: Clients,
}

impl<'a> Round<'a> {
    fn new(schedule: &'a Schedule) -> Self {
        let scene = schedule.terms.story().scene();
        let ending = Ending::new(schedule.terms, scene.params.clone());
        let (log, lies) = (Log::default(), Lies::default());
        Self { schedule, scene, log, lies, ending, rng: ChaCha20Rng::seed_from_u64(1) }
    }

    fn run(&mut self) -> Result<Recovered, Abort> {
        let share_keys = self.stage(self.scene.open())?;
        self.ending.graph = self.graph(&share_keys.1);
        let collect = self.stage(share_keys)?;
        self.ending.sharing = collect.1.iter().map(|outgoing| outgoing.to).collect();
        let confirm = self.stage(collect)?;
        self.ending.survivors = self.ending.answered(Stage::CollectMaskedVectors);
        let unmask = self.stage(confirm)?;
        Ok(self.stage(unmask)?.0)
    }

    fn graph(&mut self, outgoing: &[Outgoing]) -> Neighbours {
        let stage = Stage::ShareKeys;
        let sent = |outgoing: &Outgoing| {
            let bytes = outgoing.message.to_vec();
            Sent { stage, client: outgoing.to, from_server: true, bytes }
        };
        let log = Log { sent: outgoing.iter().map(sent).collect(), ..Log::default() };
        neighbours(&log, &self.scene.params)
    }

    fn stage<S: Save>(
        &mut self,
        (stage, outgoing): (S, Vec<Outgoing>),
    ) -> Result<(S::Next, Vec<Outgoing>), Abort> {
        let honest = self.ask_all(S::STAGE, &outgoing);
        let mut open = Open { stage, outgoing, honest, answered: Clients::new() };
        let schedule = self.schedule;
        let scene = &schedule.scenes[Stage::ALL.iter().position(|s| *s == S::STAGE).expect("one")];
        for act in scene.acts.iter().take(12) {
            open = self.act(open, act);
        }
        let asked: Vec<_> = open.honest.keys().copied().collect();
        for client in asked.into_iter().filter(|client| !scene.is_silent(*client)) {
            self.answer(&mut open, client);
        }
        self.ending.note(S::STAGE, open.answered);
        let foreseen = open.stage.check();
        let closed = open.stage.close(&mut secagg_tests::rng());
        match (&foreseen, &closed) {
            // Who lied is seen when secrets are recovered.
            (
                Err(Abort::FalseShares { client: foreseen, .. }),
                Err(Abort::FalseShares { client, .. }),
            ) => assert_eq!(foreseen, client),
            (Err(foreseen), Err(abort)) => assert_eq!(foreseen, abort),
            (Ok(()), Err(abort)) => assert!(matches!(abort, Abort::FalseShares { .. }), "{abort}"),
            _ => assert_eq!(foreseen, Ok(())),
        }
        closed
    }

    /// All that are asked answer at once; what becomes of their answers is another matter.
    fn ask_all(
        &mut self,
        stage: Stage,
        outgoing: &[Outgoing],
    ) -> BTreeMap<ClientId, Option<Vec<u8>>> {
        let mut honest = BTreeMap::new();
        for Outgoing { to, message } in outgoing {
            self.say(stage, *to, true, message);
            let answer = self.scene.ask(to.0, message);
            let leaves = self.ending.must_refuse(stage, *to, &self.lies);
            assert_eq!(answer.is_err(), leaves, "client {to} at {stage}: {answer:?}");
            honest.insert(*to, answer.ok());
        }
        honest
    }

    fn act<S: Save>(&mut self, mut open: Open<S>, act: &Act) -> Open<S> {
        let clients = self.schedule.terms.cohort().count();
        match act {
            Act::Answer(from) => self.answer(&mut open, from.id(clients)),
            Act::Lie(from, edits) => {
                let from = from.id(clients);
                if let Some(Some(bytes)) = open.honest.get(&from) {
                    let mut bytes = bytes.clone();
                    edits.iter().for_each(|edit| edit.apply(S::STAGE, &mut bytes));
                    self.deliver(&mut open, from, &bytes);
                }
            }
            Act::Replay(from, which) => {
                let said = self.log.sent.get(usize::from(*which) % self.log.sent.len().max(1));
                if let Some(bytes) = said.map(|sent| sent.bytes.clone()) {
                    self.deliver(&mut open, from.id(clients), &bytes);
                }
            }
            Act::Garbage(from, bytes) => self.deliver(&mut open, from.id(clients), bytes),
            Act::Reborn(bit) => open = self.reborn(open, *bit),
        }
        open
    }

    fn answer<S: Save>(&mut self, open: &mut Open<S>, client: ClientId) {
        if let Some(Some(bytes)) = open.honest.get(&client) {
            let bytes = bytes.clone();
            self.deliver(open, client, &bytes);
        }
    }

    fn deliver<S: Save>(&mut self, open: &mut Open<S>, from: ClientId, bytes: &[u8]) {
        let due = open.honest.contains_key(&from) && !open.answered.contains(&from);
        let honest = open.honest.get(&from).and_then(Option::as_deref);
        let Ending { params, graph, sharing, survivors, .. } = &self.ending;
        let case = Case { params, graph, sharing, survivors, from, honest, bytes };
        let taken = due && self.lies.judge(S::STAGE, &case);
        // In some rounds some come by the way that is for many threads, on which masks come off while answers arrive.
        let is_alone = self.schedule.terms.is_sequential() || from.0 % 2 == 0;
        let verdict = if is_alone {
            open.stage.receive(from, bytes)
        } else {
            open.stage.concurrently(|receive| receive(from, bytes))
        };
        assert_eq!(verdict.is_ok(), taken, "client {from} at {}: {verdict:?}", S::STAGE);
        open.answered.extend(taken.then_some(from));
        open.check_waiting();
        if taken && S::STAGE == Stage::Unmask {
            self.ending.unmaskers.push(from);
            self.ending.was_early |= !is_alone;
        }
        self.say(S::STAGE, from, false, bytes);
    }

    fn reborn<S: Save>(&mut self, open: Open<S>, bit: u16) -> Open<S> {
        let key = StateKey::from_bytes([7; 32]);
        let mut state = open.stage.save(&open.outgoing, &key, &mut self.rng);
        drop(open.stage);
        let directory = self.scene.directory.as_ref();
        let (stage, outgoing) = S::restore(&state, &key, directory).expect("its own state");
        let bit = usize::from(bit) % (8 * state.len());
        state[bit / 8] ^= 1 << (bit % 8);
        assert!(S::restore(&state, &key, directory).is_err(), "an altered state");
        let open = Open { stage, outgoing, ..open };
        open.check_waiting();
        assert!(open.outgoing.iter().map(|outgoing| outgoing.to).eq(open.stage.waiting_for()));
        open
    }

    fn say(&mut self, stage: Stage, client: ClientId, from_server: bool, bytes: &[u8]) {
        self.log.sent.push(Sent { stage, client, from_server, bytes: bytes.to_vec() });
    }
}

impl<S: Save> Open<S> {
    fn check_waiting(&self) {
        let silent = self.honest.keys().filter(|client| !self.answered.contains(client));
        assert!(self.stage.waiting_for().iter().eq(silent));
    }
}
