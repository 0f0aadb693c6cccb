//! Tools that look at secagg from below, where its own tests do not reach: which memory holds a secret, and what a
//! branch or an address depends on.
//!
//! - [`memcheck`] talks to valgrind's memcheck, which follows undefined bits through every instruction: secrets are
//!   marked undefined, and what decides by them is an error ([`constant_time/`](../constant_time)).
//! - [`allocator`] is a global allocator that counts bytes, and looks for secrets in what is freed ([`memory/`](../memory)).
//! - [`play`] plays whole rounds for both, in which everything random is the same each time.
//!
//! Where valgrind does not know the instructions, the clock has to do: [`timing/`](../timing).

#![deny(unsafe_code)]
// These tools fail tests: a panic is their job, and its message their documentation.
#![allow(clippy::missing_panics_doc)]

pub mod allocator;
pub mod memcheck;
pub mod play;
