//! Clients against a server that tells every one of them what it likes, also things that fit together, and that are
//! killed and restored in between. No client answers one question in two ways, reveals both shares of one neighbour or
//! any but those it was dealt, says more after a refusal, or goes below its policy; and one to whom nobody lies answers.
#![no_main]

use std::collections::BTreeMap;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use secagg::kernels::DequantizeError;
use secagg::{Abort, ClientId};
use secagg_fuzz::one_thread;
use secagg_fuzz::round::Terms;
use secagg_fuzz::seat::{CLIENTS, DIRECTORY, Floors, Seat};
use secagg_fuzz::twist::Twist;
use secagg_fuzz::witness::Truth;
use secagg_fuzz::world::World;

#[derive(Arbitrary, Debug)]
struct Input {
    /// Two proposals of parameters under one session id.
    terms: [Terms; 2],
    /// Of every other client.
    policies: [Option<Floors>; 2],
    acts: Vec<Act>,
}

#[derive(Arbitrary, Debug)]
enum Act {
    /// A whole stage of one story, but for some clients, to whom nobody speaks.
    Play {
        world: u8,
        without: u8,
    },
    /// A story goes on in two ways.
    Fork {
        world: u8,
    },
    /// A client is asked what a story asks of it, or of another client, or something made from that.
    Ask {
        client: u8,
        world: u8,
        meant_for: u8,
        twist: Option<Twist>,
        tell: bool,
    },
    /// A story hears what a client answered once.
    Tell {
        world: u8,
        answer: u8,
    },
    Close {
        world: u8,
    },
    /// A client is asked again what somebody was asked once.
    Again {
        client: u8,
        request: u8,
    },
    Bytes {
        client: u8,
        bytes: Vec<u8>,
    },
    /// A client's process ends.
    Kill {
        client: u8,
    },
    /// The next state cannot be kept.
    Full {
        client: u8,
    },
}

struct Story {
    world: World,
    /// Its clients answered nobody else, and nobody answers for them.
    is_pure: bool,
}

struct Play {
    stories: Vec<Story>,
    seats: BTreeMap<ClientId, Seat>,
    truth: Truth,
    requests: Vec<Vec<u8>>,
    answers: Vec<(ClientId, Vec<u8>)>,
    rng: ChaCha20Rng,
}

fuzz_target!(init: one_thread(), |input: Input| {
    let mut play = Play::new(&input);
    for act in input.acts.iter().take(40) {
        play.act(act);
    }
});

impl Play {
    fn new(input: &Input) -> Self {
        let story = |terms: &Terms| {
            let world = World::open(terms.params(), terms.cohort(), &DIRECTORY);
            Story { world, is_pure: true }
        };
        let terms = input.terms.map(Terms::short);
        let stories = terms.iter().map(story).collect();
        let seat = |client: ClientId| {
            let floors = input.policies[(client.0 % 2) as usize];
            (client, Seat::new(client, floors, terms[0].update(client)))
        };
        let seats = (1..=CLIENTS).map(ClientId).map(seat).collect();
        let (truth, requests, answers) = (Truth::default(), Vec::new(), Vec::new());
        let rng = ChaCha20Rng::seed_from_u64(3);
        Self { stories, seats, truth, requests, answers, rng }
    }

    fn act(&mut self, act: &Act) {
        match act {
            Act::Play { world, without } => self.play(self.story(*world), *without),
            Act::Fork { world } if self.stories.len() < 6 => {
                let at = self.story(*world);
                let world = self.stories[at].world.fork(&DIRECTORY);
                self.stories[at].is_pure = false;
                self.stories.push(Story { world, is_pure: false });
            }
            Act::Fork { .. } => {}
            Act::Ask { client, world, meant_for, twist, tell } => {
                self.ask(client_of(*client), *world, *meant_for, twist.as_ref(), *tell);
            }
            Act::Tell { world, answer } => {
                let answer = self.answers.get(usize::from(*answer) % self.answers.len().max(1));
                if let Some((client, bytes)) = answer.cloned() {
                    let at = self.story(*world);
                    self.stories[at].is_pure = false;
                    let _ = self.stories[at].world.receive(client, &bytes);
                }
            }
            Act::Close { world } => self.close(self.story(*world)),
            Act::Again { client, request } => {
                let request = self.requests.get(usize::from(*request) % self.requests.len().max(1));
                if let Some(request) = request.cloned() {
                    self.lie(client_of(*client), &request);
                }
            }
            Act::Bytes { client, bytes } => {
                self.lie(client_of(*client), bytes);
            }
            Act::Kill { client } => self.seat(client_of(*client)).kill(),
            Act::Full { client } => self.seat(client_of(*client)).fill_disk(),
        }
    }

    fn story(&self, number: u8) -> usize {
        usize::from(number) % self.stories.len()
    }

    fn seat(&mut self, client: ClientId) -> &mut Seat {
        self.seats.get_mut(&client).expect("a client from 1 to 8")
    }

    /// All that are not left out answer, and the stage is closed.
    fn play(&mut self, at: usize, without: u8) {
        for outgoing in self.stories[at].world.waiting() {
            if without >> (outgoing.to.0 % 8) & 1 == 0 {
                self.exchange(at, outgoing.to, &outgoing.message);
            }
        }
        self.close(at);
    }

    /// A client is told what the story has for it, and the story hears the answer.
    fn exchange(&mut self, at: usize, client: ClientId, request: &[u8]) {
        let seat = self.seat(client);
        let (full, is_told_the_truth) = (seat.has_full_disk(), seat.is_faithful_to(at));
        let answer = self.question(client, request);
        let story = &mut self.stories[at];
        story.is_pure &= is_told_the_truth;
        assert!(answer.is_some() || full || !story.is_pure, "client {client} owes an answer");
        story.is_pure &= answer.is_some();
        if let Some(answer) = answer {
            let received = story.world.receive(client, &answer);
            assert!(received.is_ok() || !story.is_pure, "{received:?}");
        }
    }

    fn close(&mut self, at: usize) {
        let story = &mut self.stories[at];
        let closed = story.world.close();
        assert!(!story.is_pure || is_free_of_lies(&closed, &story.world), "{closed:?}");
    }

    fn ask(
        &mut self,
        client: ClientId,
        world: u8,
        meant_for: u8,
        twist: Option<&Twist>,
        tell: bool,
    ) {
        let at = self.story(world);
        let requests = self.stories[at].world.requests();
        let Some(outgoing) = requests.get(usize::from(meant_for) % requests.len().max(1)) else {
            return;
        };
        let stage = self.stories[at].world.stage().expect("a stage that asks");
        let request = match twist {
            Some(twist) => {
                let terms = self.stories[at].world.terms().expect("a stage that asks");
                twist.apply(stage, &outgoing.message, &terms)
            }
            None => outgoing.message.to_vec(),
        };
        let answer = self.lie(client, &request);
        if let Some(answer) = answer.filter(|_| tell) {
            self.stories[at].is_pure = false;
            let _ = self.stories[at].world.receive(client, &answer);
        }
    }

    /// Asks a client something that no story has for it, for all that it knows.
    fn lie(&mut self, client: ClientId, request: &[u8]) -> Option<Vec<u8>> {
        self.seat(client).is_lied_to();
        self.question(client, request)
    }

    fn question(&mut self, client: ClientId, request: &[u8]) -> Option<Vec<u8>> {
        self.requests.push(request.to_vec());
        let seat = self.seats.get_mut(&client).expect("a client from 1 to 8");
        let answer = seat.answer(request, &mut self.truth, &mut self.rng)?;
        self.answers.push((client, answer.clone()));
        Some(answer)
    }
}

/// Where all told the truth, no share is false, and the sum is one that honest clients can make.
fn is_free_of_lies(closed: &Result<(), Abort>, world: &World) -> bool {
    match closed {
        // A weight of less than one lane may be rounded to none.
        Err(Abort::Sum(error)) => *error == DequantizeError::ZeroTotalWeight,
        Err(Abort::FalseShares { .. }) => false,
        Err(_) => true,
        Ok(()) => !matches!(world, World::Over(named) if !named.is_empty()),
    }
}

fn client_of(number: u8) -> ClientId {
    ClientId(1 + u64::from(number) % CLIENTS)
}
