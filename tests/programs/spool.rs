//! One process of a round that is spoken through files: the server, or some of the clients.
//!
//!     spool DIR LIFE STOP_AT PAUSE server THREAT_MODEL
//!     spool DIR LIFE STOP_AT PAUSE clients LEAVER STAGE CLIENT...
//!
//! LIFE counts the processes that there were in this role. At the step STOP_AT (if it is not 0) the
//! process says where it is and waits to be killed. PAUSE is in milliseconds, after each message.

#![forbid(unsafe_code)]

mod clients;
mod files;
mod server;

use std::env;
use std::error::Error;
use std::rc::Rc;
use std::str::FromStr;

use files::Files;
use secagg::{ClientId, Stage, ThreatModel};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let mut args = env::args().skip(1);
    let root: String = next(&mut args)?;
    let (life, stop_at, pause) = (next(&mut args)?, next(&mut args)?, next(&mut args)?);
    let role: String = next(&mut args)?;
    let files = |name: &str| Files::new(&root, name, life, stop_at, pause);
    if role == "server" {
        let threat_model: ThreatModel = next(&mut args)?;
        return server::run(&files("server"), threat_model);
    }
    let leaver = (ClientId(next(&mut args)?), next::<Stage>(&mut args)?);
    let clients: Vec<u64> = args.map(|id| id.parse()).collect::<Result<_, _>>()?;
    let name = format!("clients-{clients:?}");
    clients::run(&Rc::new(files(&name)), clients.into_iter().map(ClientId), leaver)
}

fn next<T: FromStr<Err: Error + 'static>>(args: &mut impl Iterator<Item = String>) -> Outcome<T> {
    Ok(args.next().ok_or("an argument is missing")?.parse()?)
}
