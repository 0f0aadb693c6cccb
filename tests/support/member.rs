//! What one client brings to a story.

use secagg::{Client, ClientId, Directory, Identity, Policy, client};

use crate::APPLICATION;

/// One client of a cohort.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) weight: f64,
    /// If it is not the one that [`invented`] gives.
    pub(crate) update: Option<Vec<f64>>,
    pub(crate) application: Vec<u8>,
    pub(crate) policy: Policy,
    /// Whom it takes itself for; in the directory it is [`identity`], unless it says otherwise.
    pub(crate) identity: Identity,
}

impl Member {
    pub(crate) fn new(id: ClientId, position: u32) -> Self {
        let (application, policy) = (APPLICATION.to_vec(), Policy::default());
        let (weight, identity) = (10.0 * f64::from(position), identity(id));
        Self { weight, update: None, application, policy, identity }
    }

    pub(crate) fn client(&self, id: ClientId, directory: Option<&Directory>) -> Client {
        let setup = client::Setup::new(id).application(&self.application).policy(self.policy);
        Client::Setup(match directory {
            Some(directory) => setup.identity(self.identity.clone(), directory.clone()),
            None => setup,
        })
    }
}

/// The identity that stories give to a client.
pub fn identity(client: ClientId) -> Identity {
    let mut bytes = *b"a story's identity of client ...";
    bytes[24..].copy_from_slice(&client.0.to_le_bytes());
    Identity::from_bytes(&bytes)
}

/// Elements from -2 to 2 with a prime period, so that no two clients or places are alike.
pub(crate) fn invented(client: ClientId, dimension: usize) -> Vec<f64> {
    let start = client.0 % 97 * 37;
    let element = |index| ((start + 11 * index) % 97) as f64 / 24.0 - 2.0;
    (0..dimension as u64).map(element).collect()
}
