//! The server chooses the parameters.

use secagg::{ClientId, Directory, Refused, ServerMisbehaved, client};
use secagg_tests::plain::Clients;
use secagg_tests::{APPLICATION, Cohort, Heist, identity};

use super::{
    CLIENTS, PUPPETS, assert_refused, assert_unmet, assuming, everyone, floors, heist, ids,
};
use super::{loose, plan};

/// The complete graph under the plan's number of colluders: a quorum of little more than half,
/// which ten puppets bring about twice. Half of the honest clients are told that all survived, the
/// others that client 1 did not.
fn raised_degree(policy: secagg::Policy) -> Result<Heist, Refused> {
    let (degree, colluders) = (CLIENTS as u32 - 1, plan().corrupted_neighbours());
    let mut heist = heist(degree, u32::midpoint(degree, colluders) + 1, colluders, policy);
    let (all, honest) = (everyone(), heist.honest());
    heist.advertise(&honest)?;
    heist.enrol(&all, &[0; 32]);
    for &client in &honest {
        heist.share_keys(client)?;
    }
    for &client in &honest {
        heist.collect(client, &all)?;
    }
    let told: [Clients; 2] = [ids(1..=45), ids(46..=90)];
    for (told, survivors) in told.iter().zip([all.clone(), ids(2..=CLIENTS)]) {
        heist.confirm(told, &survivors)?;
        heist.unmask(told, &survivors)?;
    }
    Ok(heist)
}

#[test]
fn a_raised_degree() {
    assert!(PUPPETS.count() > plan().corrupted_neighbours() as usize + 1);
    raised_degree(floors()).expect("no floor is passed").assert_reads([1]);
    assert_unmet(raised_degree(assuming(loose())));
}

/// A round that trusts the server, proposed to a client with an identity. Neighbours that nobody
/// has heard of hold all shares.
fn downgrade(setup: impl Fn(client::Setup) -> client::Setup) -> Result<Heist, Refused> {
    let scene = Cohort::secagg_plus(CLIENTS, 20).threshold(12).scene();
    let mut heist = Heist::new(scene, PUPPETS.chain(2..=11), APPLICATION);
    let directory = Directory::new([(ClientId(1), identity(ClientId(1)).verifying_key())]);
    let client = client::Setup::new(ClientId(1)).application(APPLICATION);
    let own = identity(ClientId(1));
    heist.seat(1, setup(client.identity(own, directory.expect("one entry"))));
    heist.advertise(&ids([1]))?;
    let members = ids(PUPPETS.chain(1..=11));
    heist.enrol(&members, &[0; 32]);
    heist.share_keys(ClientId(1))?;
    heist.collect(ClientId(1), &members)?;
    Ok(heist)
}

#[test]
fn a_downgrade() {
    downgrade(client::Setup::also_curious).expect("it trusts the server").assert_reads([1]);
    assert_refused(downgrade(|setup| setup), ServerMisbehaved::Downgrade);
}
