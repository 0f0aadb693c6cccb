//! The `secagg` program as a library.
#![forbid(unsafe_code)]
