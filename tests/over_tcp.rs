//! The example server, and strangers that connect to it.

use std::collections::VecDeque;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use secagg::ClientId;

#[allow(dead_code)] // `main`
#[path = "../protocol/examples/over_tcp.rs"]
mod over_tcp;

/// A server, and clients of the cohort that come when they are called.
struct Round {
    listener: TcpListener,
}

impl Round {
    fn new() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").expect("a free port") }
    }

    fn connect(&self) -> TcpStream {
        let address = self.listener.local_addr().expect("an address");
        TcpStream::connect_timeout(&address, Duration::from_secs(5)).expect("a connection")
    }

    fn say(&self, bytes: &[u8]) -> TcpStream {
        let mut stream = self.connect();
        stream.write_all(bytes).expect("room for some bytes");
        stream
    }

    fn client(&self, id: u64) {
        let stream = self.connect();
        thread::spawn(move || over_tcp::client(ClientId(id), stream));
    }

    /// Plays a round whose clients come by and by, as the story says, and is long done by the
    /// deadline.
    fn play(self, story: impl FnOnce(&Self)) {
        thread::scope(|scope| {
            let start = Instant::now();
            let server = scope.spawn(|| over_tcp::serve(&self.listener));
            story(&self);
            let result = server.join().expect("no panic").expect("enough clients");
            assert!((result.mean[0] - 24.0 / 7.0).abs() < 1e-4, "{}", result.mean[0]);
            assert_eq!(result.survivors.len(), 7);
            assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
        });
    }
}

/// Of a thousand, those that the server has long hung up on are closed, for want of descriptors.
#[test]
fn silent_connections_cost_clients_nothing() {
    Round::new().play(|round| {
        let mut silent = VecDeque::new();
        for _ in 0..1000 {
            silent.push_back(round.connect());
            if silent.len() > 600 {
                silent.pop_front();
            }
        }
        (0..8).for_each(|id| round.client(id));
    });
}

#[test]
fn wrong_ids_and_garbage_cost_clients_nothing() {
    Round::new().play(|round| {
        let wrong: Vec<_> = (1000..1050_u64).map(|id| round.say(&id.to_le_bytes())).collect();
        let garbage = [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0; 7], &[255; 4096]];
        let garbage = garbage.map(|bytes| round.say(bytes));
        (0..8).for_each(|id| round.client(id));
        drop((wrong, garbage));
    });
}

/// Whoever comes second with an id has no part, and takes none from the first.
#[test]
fn an_id_is_taken_once() {
    Round::new().play(|round| {
        round.client(0);
        thread::sleep(Duration::from_millis(300));
        let doubles = [(); 5].map(|()| round.say(&0_u64.to_le_bytes()));
        (1..8).for_each(|id| round.client(id));
        drop(doubles);
    });
}
