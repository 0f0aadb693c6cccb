//! Secure aggregation: SecAgg and SecAgg+ as four sans-I/O stages.
#![forbid(unsafe_code)]
