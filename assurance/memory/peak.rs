//! How much memory a round takes at most, in bytes that are counted and not estimated.

#![forbid(unsafe_code)]

use std::sync::Mutex;

use secagg::{ClientId, Params, Stage};
use secagg_assurance::allocator::{Watchful, Watermark};
use secagg_assurance::play::{Play, Watch};

#[global_allocator]
static ALLOCATOR: Watchful = Watchful;

/// There is one count for all threads.
static ALONE: Mutex<()> = Mutex::new(());

const KIB: usize = 1 << 10;

/// Counts while the server takes masked vectors.
#[derive(Default)]
struct Server {
    before: Option<Watermark>,
    kept: usize,
    peak: usize,
}

impl Watch for Server {
    fn answered(&mut self, _: Stage, _: ClientId, _: &mut [u8]) {
        self.before = Some(Watermark::now());
    }

    fn received(&mut self, stage: Stage, _: ClientId) {
        if let (Some(before), Stage::CollectMaskedVectors) = (self.before, stage) {
            self.peak = self.peak.max(self.kept + before.peak());
            self.kept += before.kept();
        }
    }
}

/// Uploads are added to the one sum as they come: of each, the server keeps a name among the survivors, about a dozen bytes.
/// A vector here has 80,004 bytes, so that keeping or copying a single one would show.
#[test]
fn a_server_keeps_one_vector_however_many_clients_there_are() {
    let _alone = ALONE.lock();
    for (clients, concurrent) in [(10, false), (200, false), (200, true)] {
        let builder = Params::secagg_plus(clients, 20_000, 7, 4);
        let play = Play { concurrent, ..Play::new(builder.build().expect("parameters")) };
        let mut server = Server::default();
        let recovered = play.run(&mut server).expect("nobody drops");
        drop(recovered);
        let most = 8 * KIB;
        assert!(server.peak > 0 && server.peak < most, "{clients} clients: {}", server.peak);
    }
}

/// Counts while clients mask their updates.
#[derive(Default)]
struct Client {
    before: Option<Watermark>,
    message: usize,
    peak: usize,
}

impl Watch for Client {
    fn asked(&mut self, _: Stage, _: ClientId, _: &mut Vec<u8>) {
        self.before = Some(Watermark::now());
    }

    fn answered(&mut self, stage: Stage, _: ClientId, message: &mut [u8]) {
        if let (Some(before), Stage::CollectMaskedVectors) = (self.before, stage) {
            self.message = message.len();
            self.peak = self.peak.max(before.peak());
        }
    }
}

const DIMENSION: usize = 500_000;

fn client_peak(saved: bool) -> (usize, usize) {
    let params = Params::secagg_plus(10, DIMENSION, 7, 4).build().expect("parameters");
    let mut client = Client::default();
    let play = Play { saved, ..Play::new(params) };
    drop(play.run(&mut client).expect("nobody drops"));
    (client.peak, client.message)
}

/// Beside the caller's update, a client needs its masked vector, and for each thread a tile of 16 KiB twice; key schedules
/// are small. 256 KiB have room for eight threads.
#[test]
fn a_client_needs_its_masked_vector_and_little_more() {
    let _alone = ALONE.lock();
    let (peak, message) = client_peak(false);
    assert!(peak >= message && peak < message + 256 * KIB, "{peak} for {message}");
}

/// Its answer is part of its state: it is there as the answer, among what is sealed, in the sealed state, and at the store.
#[test]
fn a_client_that_is_saved_needs_its_masked_vector_five_times() {
    let _alone = ALONE.lock();
    let (peak, message) = client_peak(true);
    assert!(peak > 2 * message && peak < 5 * message + 256 * KIB, "{peak} for {message}");
}
