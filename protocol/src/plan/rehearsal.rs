use core::fmt;
use core::hint::black_box;

use crate::identity::{Identity, Statement, SurvivorsHash, VerifyingKey};
use crate::keys::{End, Mask, MaskSecretKey, Salt, pairwise_seed};
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
/// println!("{} agreements per second", 1.0 / start.elapsed().as_secs_f64());
/// # Ok::<(), secagg::InvalidParams>(())
/// ```
pub struct Rehearsal {
    salt: Salt,
    key: MaskSecretKey,
    ends: [End<Mask>; 2],
    holders: Vec<ClientId>,
    basis: LagrangeBasis,
    shares: Vec<Share>,
    signed: (VerifyingKey, Statement, Signature),
}

impl Rehearsal {
    /// Makes up two clients, and a secret that `threshold` shares recover.
    pub fn new(params: &Params, threshold: u32) -> Self {
        let [key, other] = [1, 2].map(|byte| MaskSecretKey::from_bytes(&[byte; SHARE_LEN]));
        let end = |client, key: &MaskSecretKey| End { client: ClientId(client), key: key.public() };
        let ends = [end(0, &key), end(1, &other)];
        let holders: Vec<_> = (0..=u64::from(threshold)).map(ClientId).collect();
        let basis = LagrangeBasis::new(&holders);
        let shares = (0..threshold).map(|holder| Share([holder as u8; SHARE_LEN])).collect();
        let session = Session::new(SessionId([0; 16]), params.clone(), &[]);
        let roster = RosterHash::from_bytes([0; 32]);
        let (salt, signed) = (Salt::new(&session, &roster), signed(&session, &roster));
        Self { salt, key, ends, holders, basis, shares, signed }
    }

    /// Derives one pairwise seed: an X25519 agreement, and HKDF.
    pub fn agree(&self) {
        let [ours, theirs] = self.ends;
        let _ = black_box(pairwise_seed(&self.salt, black_box(&self.key), ours, theirs));
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
