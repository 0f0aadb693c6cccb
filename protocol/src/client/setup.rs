use rand_core::CryptoRng;
use secagg_kernels::Backend;
use zeroize::Zeroizing;

use super::ledger::application_hash;
use super::secret::ClientSecret;
use super::{Credentials, Me, ShareKeys};
use crate::error::{Misuse, Refused, ServerMisbehaved};
use crate::identity::{Directory, Identity, Statement};
use crate::keys::{ChannelSecretKey, KEY_LEN, MaskSecretKey, SecretKey};
use crate::message::{AdvertisedKeys, Message, SetupRequest};
use crate::saved::StateKey;
use crate::session::Session;
use crate::{ClientId, Params, Policy, Stage};

/// Stage 0: a client that waits for the parameters of a round.
#[derive(Clone, Debug)]
pub struct Setup {
    id: ClientId,
    application: Vec<u8>,
    policy: Policy,
    backend: Backend,
    credentials: Option<Credentials>,
    also_curious: bool,
    /// Key of saved states, which hedges the draw beside the identity.
    state_key: Option<StateKey>,
}

impl Setup {
    /// A client with the default [`Policy`], no application bytes, no identity, and the fastest
    /// backend.
    pub fn new(id: ClientId) -> Self {
        let (policy, backend) = (Policy::default(), Backend::detect());
        let (application, credentials, also_curious) = (Vec::new(), None, false);
        Self { id, application, policy, backend, credentials, also_curious, state_key: None }
    }

    /// Sets what the application wants all clients to agree on, for example the hash of the global
    /// model. Clients with other bytes do not understand each other, and their round fails.
    ///
    /// Against an active server they should name the round, for example by its number: a client cannot
    /// know whether a session id was used before, and its neighbours' signed keys of an earlier round
    /// with the same session id and the same bytes would still verify.
    #[must_use]
    pub fn application(mut self, application: &[u8]) -> Self {
        self.application = application.to_vec();
        self
    }

    /// Sets what the client asks of a round, best by [`Policy::assuming`].
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Sets who this client is, and who the others are; rounds against an active server need it. The
    /// directory must come from the application, not from the server that it is to guard against.
    ///
    /// A client with an identity refuses rounds against a curious server, which a server could
    /// propose to be trusted after all; [`also_curious`](Self::also_curious) admits them.
    ///
    /// ```
    #[doc = include_str!("../../examples/active_round.rs")]
    /// ```
    #[must_use]
    pub fn identity(mut self, identity: Identity, directory: Directory) -> Self {
        self.credentials = Some(Credentials { identity, directory });
        self
    }

    /// Takes part in rounds against a curious server too, although it has an identity.
    #[must_use]
    pub fn also_curious(mut self) -> Self {
        self.also_curious = true;
        self
    }

    /// Sets the kernels' backend.
    #[must_use]
    pub fn backend(mut self, backend: Backend) -> Self {
        self.backend = backend;
        self
    }

    /// Answers a [`SetupRequest`] with fresh [`AdvertisedKeys`]. It draws 32 bytes from `rng`,
    /// which are all that this client draws: whatever else is random is derived from them, from its
    /// identity if it has one, and from the request at hand.
    ///
    /// # Errors
    /// [`Refused`] for bytes that are no such message, for parameters below the policy, for another
    /// context than this client's, against an active server without an identity that the directory
    /// knows, and against a curious one with an identity.
    pub fn answer(
        self,
        request: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Result<(ShareKeys, Vec<u8>), Refused> {
        let (id, SetupRequest { params, context }) = SetupRequest::decode(request)?;
        self.check_downgrade(&params)?;
        self.policy.check(&params)?;
        let session = Session::new(id, params, &self.application);
        if session.context != context {
            return Err(ServerMisbehaved::Context.into());
        }
        let me = self.me(session)?;
        let secret = ClientSecret::random(&self.hedge(), rng);
        let mut draws = secret.draws(&me.session, me.id, Stage::Setup, request);
        let (mask, channel) = (SecretKey::random(&mut draws), SecretKey::random(&mut draws));
        let advertised = me.advertise(&mask, &channel);
        let reply = advertised.encode(id);
        Ok((ShareKeys { me, backend: self.backend, secret, mask, channel, advertised }, reply))
    }

    pub(super) fn hedged(self, key: &StateKey) -> Self {
        Self { state_key: Some(key.clone()), ..self }
    }

    /// Secrets that last longer than a session: those of identity and state, as far as there are
    /// any.
    fn hedge(&self) -> Zeroizing<Vec<u8>> {
        let identity = self.credentials.iter().map(|known| known.identity.as_bytes());
        let secrets = identity.chain(self.state_key.iter().map(StateKey::as_bytes));
        let mut hedge = Zeroizing::new(Vec::with_capacity(2 * KEY_LEN));
        secrets.for_each(|secret| hedge.extend_from_slice(secret));
        hedge
    }

    fn check_downgrade(&self, params: &Params) -> Result<(), ServerMisbehaved> {
        let trusting = !params.is_active() && !self.also_curious;
        if trusting && self.credentials.is_some() {
            return Err(ServerMisbehaved::Downgrade);
        }
        Ok(())
    }

    /// Forgets the identity where it is not needed.
    fn me(&self, session: Session) -> Result<Me, Misuse> {
        let credentials = if session.params.is_active() { Some(self.known()?) } else { None };
        let application = application_hash(&self.application);
        Ok(Me { id: self.id, policy: self.policy, session, application, credentials })
    }

    fn known(&self) -> Result<Credentials, Misuse> {
        let credentials = self.credentials.clone().ok_or(Misuse::NoIdentity)?;
        if credentials.are_of(self.id) {
            Ok(credentials)
        } else {
            Err(Misuse::IdentityNotInDirectory)
        }
    }
}

impl Me {
    pub(super) fn advertise(
        &self,
        mask: &MaskSecretKey,
        channel: &ChannelSecretKey,
    ) -> AdvertisedKeys {
        let (mask, channel) = (mask.public(), channel.public());
        let mut advertised = AdvertisedKeys { mask, channel, signature: None };
        advertised.signature = self.credentials.as_ref().map(|Credentials { identity, .. }| {
            identity.sign(&Statement::advertised_keys(&self.session, self.id, &advertised))
        });
        advertised
    }
}
