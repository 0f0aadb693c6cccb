//! Vectors that a second implementation of the specification made (`reference.py` beside this file): this one must come to
//! the same bytes, refuse the same messages, and for the same reasons.
//!
//! What only the inside of `secagg` can see (keys, shares, boxes, the graph) is compared in that crate's unit
//! tests, which read the same files.

mod bad;
mod json;
mod kernels;
mod messages;
mod parameters;
mod player;
mod quantizer;
mod rounds;
