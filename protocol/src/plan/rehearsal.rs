use core::fmt;
use core::hint::black_box;

use secagg_kernels::Backend;

use crate::identity::{Identity, Statement, SurvivorsHash, VerifyingKey};
use crate::keys::{End, Hub, Mask, MaskSecretKey, Salt};
use crate::session::Session;
use crate::shamir::{LagrangeBasis, SHARE_LEN, Share};
use crate::{ClientId, Params, RosterHash, SessionId, Signature};

/// The steps of a server's unmasking that are cryptography, on made-up secrets, for a caller that has
/// a clock (this crate has none). Each method does one step, and throws the result away.
///
/// ```
/// use secagg::Params;
/// use secagg::plan::Rehearsal;
///
/// let rehearsal = Rehearsal::new(&Params::secagg(100, 1, 50).build()?, 50);
/// let start = std::time::Instant::now();
/// rehearsal.agree();
/// let agreements = Rehearsal::NEIGHBOURS as f64;
/// println!("{} agreements per second", agreements / start.elapsed().as_secs_f64());
/// # Ok::<(), secagg::InvalidParams>(())
/// ```
pub struct Rehearsal {
    salt: Salt,
    key: MaskSecretKey,
    own: End<Mask>,
    neighbours: Vec<End<Mask>>,
    holders: Vec<ClientId>,
    basis: LagrangeBasis,
    shares: Vec<Share>,
    signed: (VerifyingKey, Statement, Signature),
}

impl Rehearsal {
    /// The neighbours of a dropped client that [`agree`](Self::agree) does at once: as many as share all
    /// that can be shared.
    pub const NEIGHBOURS: usize = 64;

    /// Makes up a client and its neighbours, and a secret that `threshold` shares recover.
    pub fn new(params: &Params, threshold: u32) -> Self {
        let [key, other] = [1, 2].map(|byte| MaskSecretKey::from_bytes(&[byte; SHARE_LEN]));
        let end = |client, key: &MaskSecretKey| End { client: ClientId(client), key: key.public() };
        let own = end(0, &key);
        let neighbours = vec![end(1, &other); Self::NEIGHBOURS];
        let holders: Vec<_> = (0..=u64::from(threshold)).map(ClientId).collect();
        let basis = LagrangeBasis::new(&holders);
        let shares = (0..threshold).map(|holder| Share([holder as u8; SHARE_LEN])).collect();
        let session = Session::new(SessionId([0; 16]), params.clone(), &[]);
        let roster = RosterHash::from_bytes([0; 32]);
        let (salt, signed) = (Salt::new(&session, &roster), signed(&session, &roster));
        Self { salt, key, own, neighbours, holders, basis, shares, signed }
    }

    /// Derives the pairwise seeds of a dropped client and [`NEIGHBOURS`](Self::NEIGHBOURS) survivors: an
    /// X25519 agreement and HKDF for each, with the fastest backend.
    pub fn agree(&self) {
        let (salt, secret) = (&self.salt, black_box(&self.key));
        let hub = Hub { backend: Backend::detect(), salt, secret, end: self.own };
        let mut masks = Vec::with_capacity(self.neighbours.len());
        // All keys are honest.
        let _ = hub.pairwise_masks(&self.neighbours, &mut masks);
        black_box(masks);
    }

    /// Verifies one signature, as an active server's clients make two of.
    pub fn verify(&self) {
        let (key, statement, signature) = &self.signed;
        black_box(black_box(key).verify(statement, signature));
    }

    /// Computes the Lagrange basis of a set of holders: once for each secret, or once for all of them
    /// in a complete graph. It has one holder to spare, as in a round, and its time grows with the
    /// square of the threshold.
    pub fn prepare_basis(&self) {
        black_box(LagrangeBasis::new(black_box(&self.holders)));
    }

    /// Recovers one secret with a basis that is there. The time grows with the threshold.
    pub fn recover(&self) {
        black_box(self.basis.without(&[0]).recover(black_box(&self.shares).iter()));
    }
}

/// A client's signature over some survivors.
fn signed(session: &Session, roster: &RosterHash) -> (VerifyingKey, Statement, Signature) {
    let identity = Identity::from_bytes(&[3; 32]);
    let survivors = SurvivorsHash::new([ClientId(0)].into_iter());
    let statement = Statement::survivors(session, ClientId(0), roster, &survivors);
    let signature = identity.sign(&statement);
    (identity.verifying_key(), statement, signature)
}

impl fmt::Debug for Rehearsal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rehearsal(threshold {})", self.shares.len())
    }
}
