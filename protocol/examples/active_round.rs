//! Five clients that do not trust their server; one vanishes before it confirms the survivors.

use std::collections::BTreeMap;

use getrandom::SysRng;
use rand_core::UnwrapErr;
use secagg::plan::Assumptions;
use secagg::{
    Client, ClientId, Directory, Identity, Loopback, Policy, SessionId, Stage, ThreatModel,
    Workflow, client,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut random = UnwrapErr(SysRng);
    let cohort = [1, 2, 3, 4, 5].map(ClientId);

    // Once: every client makes its identity and keeps it, and the application (not the server!) tells
    // everyone the verifying keys.
    let identities = cohort.map(|id| (id, Identity::random(&mut random)));
    let known = identities.each_ref().map(|(id, identity)| (*id, identity.verifying_key()));
    let directory = Directory::new(known)?;

    // In each round: what every client assumes, by which it judges what the server proposes, and
    // application bytes that name the round.
    let believed = Assumptions::new(5, ThreatModel::ActiveServer);
    let assumptions = Assumptions { corrupted: 0.2, dropout: 0.2, ..believed };
    let policy = Policy::assuming(assumptions)?;
    let application = b"model 7f3a, round 12";
    let mut clients = BTreeMap::new();
    for (id, identity) in identities {
        let setup = client::Setup::new(id).policy(policy).application(application);
        clients.insert(id, Client::Setup(setup.identity(identity, directory.clone())));
    }

    let mut loopback = Loopback(|stage, id: ClientId, request: &[u8]| {
        if stage == Stage::ConfirmSurvivors && id == ClientId(4) {
            return None; // its update is in the sum all the same
        }
        let client = clients.remove(&id)?;
        let update = [0.5, -0.25, 0.125 * id.0 as f32];
        let (next, reply) = client.answer(request, 10.0, &update, &mut random).ok()?;
        clients.insert(id, next);
        Some(reply)
    });

    let params = assumptions.plan()?.params(3).max_weight(100.0).build()?;
    let mut servers = UnwrapErr(SysRng);
    let session = SessionId::random(&mut servers);
    let mut workflow = Workflow::new(&mut loopback, &mut servers).directory(directory);
    let result = workflow.run::<f32>(params, session, &cohort, application)?;

    println!("mean of {} clients: {:?}", result.survivors.len(), result.mean);
    assert!((result.mean[2] - 0.375).abs() < 1e-4); // (1 + 2 + 3 + 4 + 5) / 8 / 5
    Ok(())
}
