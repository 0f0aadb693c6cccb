use crate::identity::SIGNATURE_LEN;
use crate::keys::KEY_LEN;
use crate::message::{Message, SetupRequest};
use crate::sealed::SEALED_LEN;
use crate::shamir::SHARE_LEN;
use crate::wire::HEADER_LEN;
use crate::{ContextHash, Params, SessionId, Stage, ThreatModel};

/// What one client sends and is sent in one stage, in bytes, headers included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StageBytes {
    /// The stage.
    pub stage: Stage,
    /// From the client to the server.
    pub up: u64,
    /// From the server to the client.
    pub down: u64,
}

/// The lengths of all messages of a round in which nobody drops out, for each client; in the order of
/// the stages. With drop-outs most messages are shorter; an odd degree may become one more.
///
/// The formulas are those of `docs/protocol.md`, section 11. With n clients, k neighbours, a threshold
/// of t, a quorum of q ([`Params::quorum`]), m elements and b bits for each lane:
///
/// | stage | up | down |
/// | --- | --- | --- |
/// | setup | 83; active 147 | 102 |
/// | share keys | 54 + 80 k | 54 + 73 (k + 1); active 54 + 137 n |
/// | collect masked vectors | 18 + ⌈(m + 2) b / 8⌉ | 22 + 88 k |
/// | confirm survivors (active) | 82 | 22 + 8 n |
/// | unmask | 22 + 33 k | 26 + 8 (k + 1); active 26 + 8 n + 72 q |
///
/// ```
/// use secagg::Params;
/// use secagg::plan::bytes_per_client;
///
/// let params = Params::secagg_plus(500, 100_000, 25, 0.4).build()?;
/// let up: u64 = bytes_per_client(&params).iter().map(|stage| stage.up).sum();
/// assert_eq!(up, 403_010); // of which 400,008 are the lanes of the masked vector
/// # Ok::<(), secagg::InvalidParams>(())
/// ```
pub fn bytes_per_client(params: &Params) -> Vec<StageBytes> {
    let stages = Stage::of(params.threat_model()).iter();
    stages
        .map(|&stage| StageBytes { stage, up: up(stage, params), down: down(stage, params) })
        .collect()
}

fn up(stage: Stage, params: &Params) -> u64 {
    let neighbours = u64::from(params.degree());
    let body = match stage {
        Stage::Setup => keys(params),
        Stage::ShareKeys => KEY + COUNT + neighbours * SEALED,
        Stage::CollectMaskedVectors => params.packed_len() as u64,
        Stage::ConfirmSurvivors => SIGNATURE,
        Stage::Unmask => COUNT + neighbours * (TAG + SHARE),
    };
    HEADER + body
}

fn down(stage: Stage, params: &Params) -> u64 {
    let [cohort, neighbours, quorum] =
        [params.cohort_size(), params.degree(), params.quorum()].map(u64::from);
    // Against an active server a client sees all keys and all survivors, and enough confirmations.
    let (peers, confirmations) = match params.threat_model() {
        ThreatModel::HonestButCurious => (neighbours + 1, 0),
        ThreatModel::ActiveServer => (cohort, quorum),
    };
    let body = match stage {
        Stage::Setup => setup_request(params),
        Stage::ShareKeys => ROSTER + COUNT + peers * (ID + keys(params)),
        Stage::CollectMaskedVectors => COUNT + neighbours * (ID + SEALED),
        Stage::ConfirmSurvivors => COUNT + cohort * ID,
        Stage::Unmask => COUNT + peers * ID + COUNT + confirmations * (ID + SIGNATURE),
    };
    HEADER + body
}

/// Two public keys, and whether a signature follows.
fn keys(params: &Params) -> u64 {
    let signature = match params.threat_model() {
        ThreatModel::HonestButCurious => 0,
        ThreatModel::ActiveServer => SIGNATURE,
    };
    2 * KEY + TAG + signature
}

const HEADER: u64 = HEADER_LEN as u64;
const KEY: u64 = KEY_LEN as u64;
const SEALED: u64 = SEALED_LEN as u64;
const SHARE: u64 = SHARE_LEN as u64;
const SIGNATURE: u64 = SIGNATURE_LEN as u64;
const ROSTER: u64 = 32;
const COUNT: u64 = 4;
const ID: u64 = 8;
const TAG: u64 = 1;

/// The body of the one message that holds the parameters.
fn setup_request(params: &Params) -> u64 {
    let request = SetupRequest { params: params.clone(), context: ContextHash::new(params, &[]) };
    request.encode(SessionId([0; 16])).len() as u64 - HEADER
}
