//! The seam between a round and whatever carries its messages.

use core::convert::Infallible;
use core::time::Duration;

use crate::error::Rejected;
use crate::{ClientId, Outgoing, Stage};

/// Takes one client's answer and gives the verdict on it. Many threads may call it at once. It is borrowed for the
/// exchange: give it to scoped threads, or let tasks send whole answers to such threads.
pub type Receive<'a> = dyn Fn(ClientId, &[u8]) -> Result<(), Rejected> + Sync + 'a;

/// Carries one stage's messages to clients and their answers back.
///
/// The protocol holds no clock and no socket; this is where they come in. An implementation delivers
/// `outgoing`, hands each answer to `receive` as it arrives, and returns when all have answered, when
/// `timeout` has passed, or when it decides that waiting longer is pointless. Clients that do not
/// answer are drop-outs, which the protocol deals with; they are no error.
pub trait Driver {
    /// A fault of the transport as a whole, which ends the round.
    type Error;

    /// Runs the exchange of one stage.
    ///
    /// `receive` judges an answer at once and gives the verdict, which the driver may tell the client
    /// or log. A rejected answer counts as not given. `timeout` is for the whole exchange.
    ///
    /// A driver with threads (its own, not those of rayon's pool) calls `receive` on each of them as answers come: the
    /// server's work is then done by these threads, side by side, and one that reads no more before `receive` returns holds its
    /// client back. Nothing waits in between, so memory is bounded by the threads.
    ///
    /// # Errors
    /// Only if the transport itself failed.
    fn exchange(
        &mut self,
        stage: Stage,
        outgoing: Vec<Outgoing>,
        timeout: Option<Duration>,
        receive: &Receive<'_>,
    ) -> Result<(), Self::Error>;
}

/// The driver of tests and examples: a function that answers for each client, one after the other, in
/// this process. `None` is a client that does not answer.
///
/// It calls clients in the order of their ids and knows no time, so it ignores the timeout.
#[derive(Clone, Debug)]
pub struct Loopback<A>(pub A);

impl<A> Driver for Loopback<A>
where
    A: FnMut(Stage, ClientId, &[u8]) -> Option<Vec<u8>>,
{
    type Error = Infallible;

    fn exchange(
        &mut self,
        stage: Stage,
        outgoing: Vec<Outgoing>,
        _timeout: Option<Duration>,
        receive: &Receive<'_>,
    ) -> Result<(), Infallible> {
        for Outgoing { to, message } in outgoing {
            if let Some(answer) = (self.0)(stage, to, &message) {
                // The verdict is in the workflow's report; there is nobody here to tell.
                let _ = receive(to, &answer);
            }
        }
        Ok(())
    }
}
