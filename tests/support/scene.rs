//! A story told by hand: clients that are asked one by one, by a server that the test plays or drives.

use std::collections::BTreeMap;

use secagg::kernels::Real;
use secagg::server::Setup;
use secagg::{ClientId, Directory, Outgoing, Params, Refused, SessionId};

use crate::APPLICATION;
use crate::network::Seat;

/// Everything that a round needs, before its first message.
#[derive(Debug)]
pub struct Scene<F> {
    /// Its parameters.
    pub params: Params,
    /// Its session.
    pub session: SessionId,
    /// Who is who, where the server may be active.
    pub directory: Option<Directory>,
    pub(crate) seats: BTreeMap<ClientId, Seat<F>>,
}

impl<F: Real> Scene<F> {
    /// An honest server's first stage, with its requests.
    pub fn open(&self) -> (Setup, Vec<Outgoing>) {
        let cohort: Vec<_> = self.seats.keys().copied().collect();
        let (params, session) = (self.params.clone(), self.session);
        let opened = match &self.directory {
            None => Setup::open(params, session, &cohort, APPLICATION),
            Some(directory) => Setup::open_signed(params, session, &cohort, APPLICATION, directory),
        };
        opened.expect("a story has a valid cohort")
    }

    /// What one client answers. Who refuses is gone.
    ///
    /// # Errors
    /// The client's refusal.
    pub fn ask(&mut self, client: u64, request: &[u8]) -> Result<Vec<u8>, Refused> {
        self.seats.get_mut(&ClientId(client)).expect("a client of the cohort").answer(request)
    }

    /// What clients answer that have no reason to refuse.
    pub fn ask_all(&mut self, outgoing: &[Outgoing]) -> Vec<(ClientId, Vec<u8>)> {
        let answer =
            |sent: &Outgoing| (sent.to, self.ask(sent.to.0, &sent.message).expect("no reason"));
        outgoing.iter().map(answer).collect()
    }
}
