//! Vectorised kernels for secure aggregation.
