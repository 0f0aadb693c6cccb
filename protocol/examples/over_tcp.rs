//! A server that listens on a socket and works on all cores. Eight clients connect; one hangs up in
//! the middle.
//!
//! Each client has a thread that reads its answer and hands it over, which does the server's work
//! on it: so one client that says nothing holds up nobody but itself, and only until the deadline.
//! Strangers hold up nobody at all. A server of many thousands would rather wait for all sockets at
//! once, and hand whole answers to as many threads as it has cores.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Read, Write};
use std::mem;
use std::net::{TcpListener, TcpStream};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use getrandom::SysRng;
use rand_core::UnwrapErr;
use secagg::server::Aggregate;
use secagg::{Client, ClientId, Driver, Outgoing, Params, Receive, SessionId, Stage, Workflow};

const CLIENTS: u64 = 8;
const VANISHES: ClientId = ClientId(4);

/// How long the server waits for the cohort, or for a client to take what it is sent.
const PATIENCE: Duration = Duration::from_secs(10);

/// No message of this round is longer. A server that believed any length would allocate it.
const LONGEST: usize = 1 << 20;

/// The most open connections that have not said who they are.
const STRANGERS: usize = 256;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let clients = (0..CLIENTS)
        .map(|id| thread::spawn(move || client(ClientId(id), TcpStream::connect(address)?)));
    let clients: Vec<_> = clients.collect();
    let result = serve(&listener)?;

    println!("mean of {} clients: {} in each element", result.survivors.len(), result.mean[0]);
    assert!((result.mean[0] - 24.0 / 7.0).abs() < 1e-4); // 0 + 1 + 2 + 3 + 5 + 6 + 7
    for client in clients {
        client.join().expect("a client that does not panic")?;
    }
    Ok(())
}

/// A round. In the end the server hangs up, which ends the clients.
pub(crate) fn serve(listener: &TcpListener) -> Result<Aggregate<f32>> {
    let mut server = Server::accept(listener)?;
    let params = Params::secagg(CLIENTS as u32, 1000, 0.6).max_weight(1.0).build()?;
    // Whoever is not there is a drop-out.
    let cohort: Vec<_> = (0..CLIENTS).map(ClientId).collect();
    let mut random = UnwrapErr(SysRng);
    let session = SessionId::random(&mut random);
    let mut workflow =
        Workflow::new(&mut server, &mut random).timeout(Some(Duration::from_secs(10)));
    Ok(workflow.run(params, session, &cohort, b"")?)
}

/// A client: what it is asked, it answers, until the server hangs up.
pub(crate) fn client(id: ClientId, mut stream: TcpStream) -> io::Result<()> {
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
    /// Waits for the cohort, but not for ever. A real server checks here who is at the other end:
    /// this one believes whoever is the first to give a client's id.
    fn accept(listener: &TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let (mut connections, mut strangers) = (BTreeMap::new(), VecDeque::new());
        let deadline = Instant::now() + PATIENCE;
        while connections.len() < CLIENTS as usize && Instant::now() < deadline {
            match listener.accept() {
                Ok((stream, _)) => strangers.push_back(stream),
                // Nobody is there, or nobody can be let in for now.
                Err(_) => thread::sleep(Duration::from_millis(5)),
            }
            if strangers.len() > STRANGERS {
                strangers.pop_front(); // has been silent for longest
            }
            for stream in mem::take(&mut strangers) {
                match greet(&stream) {
                    Ok(Some(client)) => _ = connections.entry(client).or_insert(stream),
                    Ok(None) => strangers.push_back(stream),
                    Err(_) => {}
                }
            }
        }
        Ok(Self { connections })
    }
}

/// Which client of the cohort this is, once it has said so. Does not wait.
fn greet(mut stream: &TcpStream) -> io::Result<Option<ClientId>> {
    stream.set_nonblocking(true)?;
    let mut id = [0; 8];
    match stream.peek(&mut id) {
        Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(8) => stream.read_exact(&mut id)?,
        Ok(_) => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
        Err(error) => return Err(error),
    }
    stream.set_nonblocking(false)?;
    stream.set_write_timeout(Some(PATIENCE))?;
    match u64::from_le_bytes(id) {
        id @ ..CLIENTS => Ok(Some(ClientId(id))),
        _ => Err(io::Error::other("not of the cohort")),
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
        // Whoever cannot be reached, or does not answer, is gone: connections are taken out, and
        // put back after an answer.
        let answered = Mutex::new(BTreeMap::new());
        let ask = |client, message: &[u8], stream: TcpStream| {
            let answer = write(&stream, message).and_then(|()| read(&stream, deadline));
            if answer.is_ok_and(|answer| receive(client, &answer).is_ok()) {
                answered.lock().expect("no thread panics").insert(client, stream);
            }
        };
        thread::scope(|scope| {
            for Outgoing { to, message } in outgoing {
                if let Some(stream) = self.connections.remove(&to) {
                    scope.spawn(move || ask(to, &message, stream));
                }
            }
        });
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
