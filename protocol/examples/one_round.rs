//! Five clients, one of which vanishes; the server learns the weighted mean of the other four.

use std::collections::BTreeMap;

use getrandom::SysRng;
use rand_core::UnwrapErr;
use secagg::{Client, ClientId, Loopback, Params, SessionId, Stage, Workflow};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut random = UnwrapErr(SysRng);
    let cohort = [1, 2, 3, 4, 5].map(ClientId);
    let mut clients: BTreeMap<_, _> = cohort.into_iter().map(|id| (id, Client::new(id))).collect();

    // Where messages would cross a network, this function answers for every client in turn.
    let mut loopback = Loopback(|stage, id: ClientId, request: &[u8]| {
        if stage == Stage::CollectMaskedVectors && id == ClientId(4) {
            return None; // client 4 vanishes after it has shared its keys
        }
        let (examples, update) = (10.0 * id.0 as f64, [0.5, -0.25, 0.125 * id.0 as f32]);
        let client = clients.remove(&id)?;
        let (next, reply) = client.answer(request, examples, &update, &mut random).ok()?;
        clients.insert(id, next);
        Some(reply)
    });

    let params = Params::secagg(5, 3, 0.6).max_weight(100.0).build()?;
    let mut servers = UnwrapErr(SysRng);
    let session = SessionId::random(&mut servers);
    let mut workflow = Workflow::new(&mut loopback, &mut servers);
    let result = workflow.run::<f32>(params, session, &cohort, b"")?;

    println!("weighted mean of {} clients: {:?}", result.survivors.len(), result.mean);
    assert!((result.mean[2] - 0.443_18).abs() < 1e-4); // (1·10 + 2·20 + 3·30 + 5·50) / 8 / 110
    Ok(())
}
