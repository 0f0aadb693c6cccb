//! Secure aggregation: a server learns the weighted mean of many clients' vectors, and nothing else
//! about any of them.
//!
//! This crate is a sans-I/O implementation of **SecAgg** (Bonawitz et al., *Practical Secure
//! Aggregation for Privacy-Preserving Machine Learning*, CCS 2017) and **SecAgg+** (Bell et al.,
//! *Secure Single-Server Aggregation with (Poly)Logarithmic Overhead*, CCS 2020). It holds no clock,
//! no socket, no thread and no hidden randomness: bytes go in, bytes come out, and the caller brings
//! the random numbers and decides when a stage is over.
//!
//! A round has four stages, for clients ([`client`]) and for the server ([`server`]), and one more before
//! the last where the server may lie ([`ThreatModel`]):
//!
//! | stage | a client sends | the server answers with |
//! | --- | --- | --- |
//! | setup | two public keys | the keys of its neighbours |
//! | share keys | a sealed share of its secrets for each neighbour | the shares meant for it |
//! | collect masked vectors | its update, quantized and masked | who survived |
//! | confirm survivors | its signature over who survived | enough such signatures |
//! | unmask | one share per neighbour | — the sum |
//!
//! Stages are types. A client's step consumes the stage and returns the next one with a message. The
//! server has two verbs: `receive` judges one client's message and leaves the stage sound whatever
//! it says; `close` ends the stage. [`Workflow`] runs them all over a [`Driver`], which is the seam
//! for transports.
//!
//! A process may end in the middle of a round: [`server::Save`] and [`client::Persistent`] keep what the
//! next one goes on from, sealed under a [`StateKey`].
//!
//! A server takes messages from as many threads as bring them ([`server::Collecting::concurrently`]), and can be
//! watched through the `tracing` crate:
//!
//! | | level | name | fields |
//! | --- | --- | --- | --- |
//! | span | INFO | `stage`, of a [`Workflow`]; also of the one before the last where nobody is asked | `stage` |
//! | span | INFO | `close`, within it | |
//! | span | DEBUG | `receive`, one message | `stage`, `client` |
//! | span | DEBUG | `recover`, some secrets | `owners`, how many |
//! | span | DEBUG | `apply`, some masks | `masks`, how many |
//! | event | DEBUG | `rejected` | `reason` |
//! | event | DEBUG | target `secagg::metrics` | `stage`, and counters as `monotonic_counter.NAME`: `secagg_accepted`, `secagg_rejected`, `secagg_received_bytes`; by itself `secagg_masks_taken_off` |
//!
//! Spans that are opened on a driver's own threads have no parent, unless these threads enter one.
//!
//! The bytes on the wire and every check are written down in `docs/protocol.md`. Vectors are masked,
//! summed and quantized by [`secagg_kernels`].
//!
//! # Example
//!
//! ```
#![doc = include_str!("../examples/one_round.rs")]
//! ```

#![forbid(unsafe_code)]

pub mod client;
mod driver;
mod error;
mod field;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod graph;
mod identity;
mod ids;
mod keys;
pub mod message;
mod params;
pub mod plan;
mod policy;
mod precision;
mod roster;
mod saved;
mod sealed;
pub mod server;
mod session;
mod shamir;
mod threat_model;
mod trace;
#[cfg(test)]
mod vectors;
mod wire;
mod workflow;

pub use client::Client;
pub use driver::{Driver, Loopback, Receive};
pub use error::{Abort, ClientMisbehaved, Malformed, Misuse, Refused, Rejected, ServerMisbehaved};
pub use identity::{
    Directory, Identity, InvalidDirectory, InvalidVerifyingKey, Signature, VerifyingKey,
};
pub use ids::{ClientId, SessionId, Stage, UnknownStage};
pub use keys::{ChannelPublicKey, MaskPublicKey};
pub use message::Outgoing;
pub use params::{Amount, InvalidAmount, InvalidParams, Params, ParamsBuilder, QuantizationRange};
pub use policy::Policy;
pub use precision::Imprecise;
pub use roster::RosterHash;
pub use saved::{RestoreError, StateKey, Store, saved_stage};
pub use secagg_kernels as kernels;
pub use server::Aggregate;
pub use session::{ContextHash, PROTOCOL_VERSION};
pub use threat_model::{ThreatModel, UnknownThreatModel};
pub use workflow::{FailedAttempt, Failure, Pending, Report, StageReport, Workflow};
