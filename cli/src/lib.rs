//! The `secagg` program as a library.
#![forbid(unsafe_code)]

pub mod files;
pub mod weights;
