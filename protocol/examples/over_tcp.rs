//! A server that listens on a socket and works on all cores. Eight clients connect; one hangs up in the middle.
//!
//! Each of the server's threads reads an answer and hands it over, which does the server's work on it. A thread that
//! works reads nothing, so TCP holds clients back, and memory is bounded by the number of threads.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use getrandom::SysRng;
use rand_core::UnwrapErr;
use secagg::{Client, ClientId, Driver, Outgoing, Params, Receive, SessionId, Stage, Workflow};

const CLIENTS: u64 = 8;
const VANISHES: ClientId = ClientId(4);
const THREADS: usize = 4;

/// How long the server waits for a client to say who it is, or to take what it is sent.
const PATIENCE: Duration = Duration::from_secs(10);

/// No message of this round is longer. A server that believed any length would allocate it.
const LONGEST: usize = 1 << 20;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let clients = (0..CLIENTS)
        .map(|id| thread::spawn(move || client(ClientId(id), TcpStream::connect(address)?)));
    let clients: Vec<_> = clients.collect();
    let mut server = Server::accept(&listener)?;

    let params = Params::secagg(CLIENTS as u32, 1000, 0.6).max_weight(1.0).build()?;
    let cohort: Vec<_> = server.connections.keys().copied().collect();
    let session = SessionId::random(&mut UnwrapErr(SysRng));
    let mut workflow = Workflow::new(&mut server).timeout(Some(Duration::from_secs(10)));
    let result = workflow.run::<f32>(params, session, &cohort, b"")?;
    drop(server); // hangs up, which ends the clients

    println!("mean of {} clients: {} in each element", result.survivors.len(), result.mean[0]);
    assert!((result.mean[0] - 24.0 / 7.0).abs() < 1e-4); // 0 + 1 + 2 + 3 + 5 + 6 + 7
    for client in clients {
        client.join().expect("a client that does not panic")?;
    }
    Ok(())
}

/// A client: what it is asked, it answers, until the server hangs up.
fn client(id: ClientId, mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(&id.0.to_le_bytes())?;
    let (mut client, mut random) = (Client::new(id), UnwrapErr(SysRng));
    while let Ok(request) = read(&stream, None) {
        if id == VANISHES && client.stage() == Some(Stage::CollectMaskedVectors) {
            return Ok(());
        }
        let answer = client.answer(&request, 1.0, &[id.0 as f32; 1000], &mut random);
        let (next, reply) = answer.map_err(io::Error::other)?;
        write(&stream, &reply)?;
        client = next;
    }
    Ok(())
}

/// The server's end of the connections.
struct Server {
    connections: BTreeMap<ClientId, TcpStream>,
}

impl Server {
    /// Waits for the whole cohort. A real server checks here who is at the other end.
    fn accept(listener: &TcpListener) -> io::Result<Self> {
        let mut connections = BTreeMap::new();
        while connections.len() < CLIENTS as usize {
            let (stream, _) = listener.accept()?;
            stream.set_write_timeout(Some(PATIENCE))?;
            let mut id = [0; 8];
            // Whoever does not say who it is has no part.
            if fill(&stream, Some(Instant::now() + PATIENCE), &mut id).is_ok() {
                connections.insert(ClientId(u64::from_le_bytes(id)), stream);
            }
        }
        Ok(Self { connections })
    }
}

impl Driver for Server {
    type Error = io::Error;

    fn exchange(
        &mut self,
        _stage: Stage,
        outgoing: Vec<Outgoing>,
        timeout: Option<Duration>,
        receive: &Receive<'_>,
    ) -> io::Result<()> {
        let deadline = timeout.map(|timeout| Instant::now() + timeout);
        // Whoever cannot be reached, or does not answer, is gone: connections are taken out, and put back after an answer.
        let asked = outgoing.into_iter().filter_map(|Outgoing { to, message }| {
            let stream = self.connections.remove(&to)?;
            write(&stream, &message).ok().map(|()| (to, stream))
        });
        let (asked, answered) =
            (Mutex::new(asked.collect::<Vec<_>>()), Mutex::new(BTreeMap::new()));
        let next = || asked.lock().expect("no thread panics").pop();
        let work = || {
            while let Some((client, stream)) = next() {
                let answer = read(&stream, deadline);
                if answer.is_ok_and(|answer| receive(client, &answer).is_ok()) {
                    answered.lock().expect("no thread panics").insert(client, stream);
                }
            }
        };
        thread::scope(|scope| (0..THREADS).for_each(|_| drop(scope.spawn(work))));
        self.connections = answered.into_inner().expect("no thread panics");
        Ok(())
    }
}

/// A length of four bytes, and a message.
fn read(stream: &TcpStream, deadline: Option<Instant>) -> io::Result<Vec<u8>> {
    let mut len = [0; 4];
    fill(stream, deadline, &mut len)?;
    let len = u32::from_le_bytes(len) as usize;
    if len > LONGEST {
        return Err(io::Error::other("longer than any message of this round"));
    }
    let mut message = vec![0; len];
    fill(stream, deadline, &mut message)?;
    Ok(message)
}

/// Reads until the deadline, however slowly bytes trickle in.
fn fill(
    mut stream: &TcpStream,
    deadline: Option<Instant>,
    mut buffer: &mut [u8],
) -> io::Result<()> {
    while !buffer.is_empty() {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if left == Some(Duration::ZERO) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(left)?;
        match stream.read(buffer)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => buffer = &mut buffer[read..],
        }
    }
    Ok(())
}

fn write(mut stream: &TcpStream, message: &[u8]) -> io::Result<()> {
    stream.write_all(&(message.len() as u32).to_le_bytes())?;
    stream.write_all(message)
}
