use crate::keys::KEY_LEN;
use crate::message::{Message, SetupRequest};
use crate::sealed::SEALED_LEN;
use crate::shamir::SHARE_LEN;
use crate::wire::HEADER_LEN;
use crate::{ContextHash, Params, SessionId, Stage};

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
/// the stages. Drop-outs only make messages shorter.
///
/// The formulas are those of `docs/protocol.md`, section 11. With k neighbours, m elements and b bits
/// for each lane:
///
/// | stage | up | down |
/// | --- | --- | --- |
/// | setup | 82 | 96 |
/// | share keys | 54 + 80 k | 22 + 72 (k + 1) |
/// | collect masked vectors | 18 + ⌈(m + 1) b / 8⌉ | 22 + 88 k |
/// | unmask | 22 + 33 k | 22 + 8 (k + 1) |
///
/// ```
/// use secagg::Params;
/// use secagg::plan::bytes_per_client;
///
/// let params = Params::secagg_plus(500, 100_000, 25, 0.4).build()?;
/// let up: u64 = bytes_per_client(&params).iter().map(|stage| stage.up).sum();
/// assert_eq!(up, 403_005); // of which 400,004 are the lanes of the masked vector
/// # Ok::<(), secagg::InvalidParams>(())
/// ```
pub fn bytes_per_client(params: &Params) -> Vec<StageBytes> {
    let neighbours = u64::from(params.degree());
    let bytes = |stage| {
        let (up, down) = match stage {
            Stage::Setup => (2 * KEY, setup_request(params)),
            Stage::ShareKeys => {
                (KEY + COUNT + neighbours * SEALED, COUNT + (neighbours + 1) * (ID + 2 * KEY))
            }
            Stage::CollectMaskedVectors => {
                (params.packed_len() as u64, COUNT + neighbours * (ID + SEALED))
            }
            Stage::Unmask => (COUNT + neighbours * (TAG + SHARE), COUNT + (neighbours + 1) * ID),
        };
        StageBytes { stage, up: HEADER + up, down: HEADER + down }
    };
    Stage::ALL.into_iter().map(bytes).collect()
}

const HEADER: u64 = HEADER_LEN as u64;
const KEY: u64 = KEY_LEN as u64;
const SEALED: u64 = SEALED_LEN as u64;
const SHARE: u64 = SHARE_LEN as u64;
const COUNT: u64 = 4;
const ID: u64 = 8;
const TAG: u64 = 1;

/// The body of the one message that holds the parameters.
fn setup_request(params: &Params) -> u64 {
    let request = SetupRequest { params: params.clone(), context: ContextHash::new(params, &[]) };
    request.encode(SessionId([0; 16])).len() as u64 - HEADER
}
