//! The native module of the Python package `secagg`: clients, server, parameters, planner and kernels.
//!
//! Nothing is computed here. Python's numbers, bytes and arrays become those of the crates and back; arrays are
//! read and written where they are; whatever takes time runs without the interpreter's lock. What each class and
//! function does is said in `python/secagg/_secagg.pyi`, word for word as here.

#![forbid(unsafe_code)]

mod arguments;
mod arrays;
mod assumptions;
mod client;
mod errors;
mod identity;
mod ledger;
mod mask_plan;
mod pack;
mod params;
mod plan;
mod policy;
mod quantizer;
mod server;
mod threads;

use pyo3::prelude::*;

#[pymodule]
mod _secagg {
    use pyo3::prelude::*;
    use pyo3::types::PyTuple;
    use secagg::Stage;
    use secagg::kernels::Prg;

    use crate::arguments::stage_name;

    #[pymodule_export]
    use crate::assumptions::Assumptions;
    #[pymodule_export]
    use crate::client::Client;
    #[pymodule_export]
    use crate::identity::{Directory, Identity, StateKey, new_session_id};
    #[pymodule_export]
    use crate::ledger::Ledger;
    #[pymodule_export]
    use crate::mask_plan::{MaskPlan, expand};
    #[pymodule_export]
    use crate::pack::{pack, packed_len, unpack, unpack_add};
    #[pymodule_export]
    use crate::params::{Params, params_from_request};
    #[pymodule_export]
    use crate::plan::{Plan, plan};
    #[pymodule_export]
    use crate::policy::Policy;
    #[pymodule_export]
    use crate::quantizer::Quantizer;
    #[pymodule_export]
    use crate::server::{Aggregate, Server};
    #[pymodule_export]
    use crate::threads::{backends, set_threads};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        let py = module.py();
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        module.add("PRGS", PyTuple::new(py, Prg::ALL.map(Prg::name))?)?;
        module.add("STAGES", PyTuple::new(py, Stage::ALL.map(stage_name))?)
    }
}
