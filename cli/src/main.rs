//! Runs secure aggregation rounds.
fn main() {}
