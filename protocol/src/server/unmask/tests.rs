//! Tests of a sum whose masks do not come off.

use secagg_kernels::{Backend, Prg};

use super::*;
use crate::session::Session;
use crate::{Params, SessionId};

/// No vector that parameters allow is longer than its masks, so the error is made up.
#[test]
fn a_sum_whose_masks_did_not_come_off_is_no_mean() {
    let params = Params::secagg(4, 1, 2).build().expect("valid");
    let (sum, plan) =
        (Accumulator::new(params.modulus(), params.lanes()), MaskPlan::new(params.prg(), &[]));
    let session = Session::new(SessionId([0; 16]), params, b"");
    let round = Round { session, backend: Backend::detect(), directory: None };
    let reading = Reading { round, survivors: Vec::new(), false_shares: Vec::new() };
    let limit = KeystreamLimit { prg: Prg::Aes128Ctr };
    let recovered = Recovered { plan, taken_off: 0, sum, reading };
    let mean = recovered.aggregate_by::<f32>(|_, _| Err(limit));
    assert!(matches!(mean, Err(Abort::Keystream(found)) if found == limit), "{mean:?}");
}
