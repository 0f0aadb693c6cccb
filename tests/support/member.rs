//! What one client brings to a story.

use secagg::{Client, ClientId, Policy, client};

use crate::APPLICATION;

/// One client of a cohort.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) weight: f64,
    /// If it is not the one that [`invented`] gives.
    pub(crate) update: Option<Vec<f64>>,
    pub(crate) application: Vec<u8>,
    pub(crate) policy: Policy,
}

impl Member {
    pub(crate) fn new(position: u32) -> Self {
        let (application, policy) = (APPLICATION.to_vec(), Policy::default());
        Self { weight: 10.0 * f64::from(position), update: None, application, policy }
    }

    pub(crate) fn client(&self, id: ClientId) -> Client {
        let setup = client::Setup::new(id);
        Client::Setup(setup.application(&self.application).policy(self.policy))
    }
}

/// Elements from -2 to 2 with a prime period, so that no two clients or places are alike.
pub(crate) fn invented(client: ClientId, dimension: usize) -> Vec<f64> {
    let start = client.0 % 97 * 37;
    let element = |index| ((start + 11 * index) % 97) as f64 / 24.0 - 2.0;
    (0..dimension as u64).map(element).collect()
}
