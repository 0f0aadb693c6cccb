//! The identities of an in-process cohort, where its round needs them.

use std::collections::BTreeMap;

use rand_core::CryptoRng;
use secagg::client::Setup;
use secagg::{ClientId, Directory, Identity, InvalidDirectory, Params, ThreatModel};

/// An identity for each client of a round against an active server, and the directory that they and
/// the server are given. There are none otherwise.
#[derive(Clone, Debug)]
pub(crate) struct Identities(Option<(BTreeMap<ClientId, Identity>, Directory)>);

impl Identities {
    /// Fresh identities, if the round needs any.
    ///
    /// # Errors
    /// [`InvalidDirectory`] if the random numbers repeat themselves.
    pub(crate) fn new(
        params: &Params,
        cohort: &[ClientId],
        random: &mut impl CryptoRng,
    ) -> Result<Self, InvalidDirectory> {
        if params.threat_model() != ThreatModel::ActiveServer {
            return Ok(Self(None));
        }
        let identities: BTreeMap<_, _> =
            cohort.iter().map(|&client| (client, Identity::random(random))).collect();
        let known = identities.iter().map(|(&client, identity)| (client, identity.verifying_key()));
        let directory = Directory::new(known)?;
        Ok(Self(Some((identities, directory))))
    }

    /// What the server is given.
    pub(crate) fn directory(&self) -> Option<&Directory> {
        self.0.as_ref().map(|(_, directory)| directory)
    }

    /// Gives a client its identity and the directory.
    pub(crate) fn introduce(&self, client: ClientId, setup: Setup) -> Setup {
        let Some((identities, directory)) = &self.0 else { return setup };
        match identities.get(&client) {
            Some(identity) => setup.identity(identity.clone(), directory.clone()),
            None => setup,
        }
    }
}
