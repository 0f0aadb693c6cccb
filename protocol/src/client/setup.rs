use rand_core::CryptoRng;
use secagg_kernels::Backend;

use super::{Me, ShareKeys};
use crate::error::{Refused, ServerMisbehaved};
use crate::keys::SecretKey;
use crate::message::{AdvertisedKeys, Message, SetupRequest};
use crate::session::Session;
use crate::{ClientId, Policy};

/// Stage 0: a client that waits for the parameters of a round.
#[derive(Clone, Debug)]
pub struct Setup {
    id: ClientId,
    application: Vec<u8>,
    policy: Policy,
    backend: Backend,
}

impl Setup {
    /// A client with the default [`Policy`], no application bytes, and the fastest backend.
    pub fn new(id: ClientId) -> Self {
        let (policy, backend) = (Policy::default(), Backend::detect());
        Self { id, application: Vec::new(), policy, backend }
    }

    /// Sets what the application wants all clients to agree on, for example the hash of the global
    /// model. Clients with other bytes do not understand each other, and their round fails.
    #[must_use]
    pub fn application(mut self, application: &[u8]) -> Self {
        self.application = application.to_vec();
        self
    }

    /// Sets the floors that the server cannot lower.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Sets the kernels' backend.
    #[must_use]
    pub fn backend(mut self, backend: Backend) -> Self {
        self.backend = backend;
        self
    }

    /// Answers a [`SetupRequest`] with fresh [`AdvertisedKeys`].
    ///
    /// # Errors
    /// [`Refused`] for bytes that are no such message, for parameters below the policy, and for
    /// another context than this client's.
    pub fn answer(
        self,
        request: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Result<(ShareKeys, Vec<u8>), Refused> {
        let (id, SetupRequest { params, context }) = SetupRequest::decode(request)?;
        self.policy.check(&params)?;
        let session = Session::new(id, params, &self.application);
        if session.context != context {
            return Err(ServerMisbehaved::Context.into());
        }
        let (mask, channel) = (SecretKey::random(rng), SecretKey::random(rng));
        let advertised = AdvertisedKeys { mask: mask.public(), channel: channel.public() };
        let reply = advertised.encode(id);
        let Self { id, policy, backend, .. } = self;
        let me = Me { id, session };
        Ok((ShareKeys { me, policy, backend, mask, channel, advertised }, reply))
    }
}
