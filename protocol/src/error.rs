//! What can go wrong, sorted by who is to blame.
//!
//! [`Malformed`]: the bytes are no message. [`ClientMisbehaved`] and [`ServerMisbehaved`]: a
//! well-formed lie, one variant for each rule. [`Misuse`]: the caller of this crate. [`Abort`]: the
//! round cannot go on. None of them holds a secret.

use secagg_kernels::{ClientPassError, DequantizeError, KeystreamLimit, PackError};

use crate::plan::Unmet;
use crate::server::Suspect;
use crate::{ClientId, Imprecise, Stage};

/// Bytes that do not decode to the expected message.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// The message ends before its last field, or a count promises more than follows.
    #[error("the message is shorter than its fields")]
    Truncated,
    /// Bytes are left over behind the last field.
    #[error("the message has {0} bytes too many")]
    TrailingBytes(usize),
    /// The first byte is another protocol version.
    #[error("protocol version {0} is not spoken here")]
    Version(u8),
    /// The second byte is not the kind of message that this stage expects.
    #[error("message kind {found:#04x} where {expected:#04x} is due")]
    Kind {
        /// The kind byte that is due.
        expected: u8,
        /// The kind byte that came.
        found: u8,
    },
    /// A list of client ids is not strictly ascending, so it may hold duplicates.
    #[error("client ids are not strictly ascending")]
    Order,
    /// A public key is not the canonical encoding of a field element below 2^255 - 19.
    #[error("a public key is not canonically encoded")]
    KeyEncoding,
    /// A tag byte has a value without a meaning.
    #[error("a tag byte has a value without a meaning")]
    Tag,
    /// The masked vector's lanes have the wrong length for the round, or unused bits that are set.
    #[error("the masked vector cannot be unpacked: {0}")]
    MaskedVector(#[from] PackError),
    /// The round's parameters break a rule of their own.
    #[error("the parameters are not valid: {0}")]
    Params(#[from] crate::InvalidParams),
}

/// A client broke a rule of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientMisbehaved {
    /// The sender is not in the cohort, or has left the round at an earlier stage.
    #[error("the sender has no part in this stage")]
    NotExpected,
    /// The sender has answered this stage already.
    #[error("the sender has answered this stage already")]
    Duplicate,
    /// The message belongs to another session.
    #[error("the message belongs to another session")]
    ForeignSession,
    /// A public key lies in the small subgroup; an agreement with it would be no secret.
    #[error("a public key has low order")]
    LowOrderKey,
    /// A public key was advertised before, by the same or another client.
    #[error("a public key is advertised twice")]
    DuplicateKey,
    /// Not one sealed box (or revealed share) for each neighbour.
    #[error("{found} shares where the neighbourhood has {expected}")]
    ShareCount {
        /// Neighbours of the sender.
        expected: usize,
        /// Shares in the message.
        found: usize,
    },
    /// The signature over the keys or the survivors is missing, or is not the sender's over what it
    /// should sign: it may sign another set of survivors, or with a key that the directory does not
    /// know.
    #[error("the sender's signature is missing or does not verify")]
    BadSignature,
    /// A share of the other secret was revealed: the sender sees other survivors than the server.
    #[error("a share of the wrong secret is revealed")]
    ShareKind,
}

/// The server broke a rule of the protocol, and the client refuses to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ServerMisbehaved {
    /// The message belongs to another session.
    #[error("the message belongs to another session")]
    ForeignSession,
    /// The server's context hash is not the client's: they were given different application bytes.
    #[error("the server has another context: its application bytes differ from this client's")]
    Context,
    /// The cohort is smaller than the client's policy allows.
    #[error("a cohort of {found} clients is below this client's floor of {floor}")]
    CohortBelowPolicy {
        /// The cohort size in the parameters.
        found: u32,
        /// The policy's least cohort size.
        floor: u32,
    },
    /// The threshold is lower than the client's policy allows.
    #[error("a threshold of {found} shares is below this client's floor of {floor}")]
    ThresholdBelowPolicy {
        /// The threshold in the parameters.
        found: u32,
        /// The policy's least threshold.
        floor: u32,
    },
    /// The threat model is weaker than the client's policy asks for.
    #[error("this client takes part only where the server may be active, and is not trusted")]
    ThreatModelBelowPolicy,
    /// There are fewer colluding neighbours than the client's policy wants the round to bear.
    #[error("{found} colluding neighbours are borne, below this client's floor of {floor}")]
    CorruptedNeighboursBelowPolicy {
        /// Colluding neighbours that the parameters bear.
        found: u32,
        /// The policy's least number.
        floor: u32,
    },
    /// The parameters do not meet what the client assumes of its cohort.
    #[error("the parameters do not meet this client's assumptions: {0}")]
    Assumptions(#[from] Unmet),
    /// The server is not to be trusted, and the round would trust it: the client was given an
    /// identity.
    #[error(
        "the round trusts its server to be curious at most, and this client was given an identity for \
         rounds that do not; if it shall take part in both, say so (`also_curious`)"
    )]
    Downgrade,
    /// There are fewer members than a round could end with, or than the client's policy allows.
    #[error(
        "{found} members are below {floor}: the quorum, this client's floor, or what its assumptions expect"
    )]
    TooFewMembers {
        /// Members on the roster.
        found: usize,
        /// The largest of the quorum, the policy's least number of survivors, and the members that
        /// its assumptions expect.
        floor: usize,
    },
    /// There are fewer survivors than the client's policy allows.
    #[error("{found} survivors are below this client's floor of {floor}")]
    SurvivorsBelowPolicy {
        /// Survivors.
        found: usize,
        /// The policy's least number of survivors.
        floor: usize,
    },
    /// The policy has a floor for survivors that the client could never check: against a curious
    /// server a client is told of its neighbours alone.
    #[error(
        "this client's floor of {floor} survivors cannot be checked where it sees {seen} clients; use \
         the active threat model or the complete graph"
    )]
    SurvivorsUnseen {
        /// Clients that it would see, itself included.
        seen: u32,
        /// The policy's least number of survivors.
        floor: u32,
    },
    /// There are fewer neighbours than the client's policy allows.
    #[error("{found} neighbours are below this client's floor of {floor}")]
    NeighboursBelowPolicy {
        /// Neighbours offered.
        found: u32,
        /// The policy's least number of neighbours.
        floor: u32,
    },
    /// The vector is longer than the client's policy allows.
    #[error("a dimension of {found} is above this client's ceiling of {ceiling}")]
    DimensionAbovePolicy {
        /// The dimension in the parameters.
        found: usize,
        /// The policy's largest dimension.
        ceiling: usize,
    },
    /// The client's own keys are missing from its peer list, or are not the ones it advertised.
    #[error("the peer list does not hold the keys that this client advertised")]
    OwnKeysAltered,
    /// The roster hash is not that of the members' keys.
    #[error("the roster hash is not that of the members' keys")]
    RosterAltered,
    /// A member is not in the application's directory.
    #[error("client {0} is not in the directory")]
    NotInDirectory(ClientId),
    /// A member's signature over its keys is missing or does not verify, or a survivor's over the
    /// survivors as this client was told them.
    #[error("client {0}'s signature is missing or does not verify")]
    BadSignature(ClientId),
    /// A public key occurs twice in the peer list.
    #[error("client {0}'s public key occurs twice in the peer list")]
    DuplicateKey(ClientId),
    /// A peer's public key lies in the small subgroup.
    #[error("client {0}'s public key has low order")]
    LowOrderKey(ClientId),
    /// More neighbours than the parameters give a client: the threshold was not chosen for so many.
    #[error("{found} neighbours where the parameters allow {most}")]
    TooManyPeers {
        /// Neighbours in the list.
        found: usize,
        /// The largest number of neighbours in the full cohort.
        most: usize,
    },
    /// More members than the cohort has clients.
    #[error("{found} members where the cohort has {most} clients")]
    TooManyMembers {
        /// Members in the list.
        found: usize,
        /// The cohort size in the parameters.
        most: usize,
    },
    /// Fewer neighbours than the threshold: the client's secrets could not be recovered.
    #[error("{have} neighbours where the threshold is {need}")]
    TooFewPeers {
        /// Neighbours in the list.
        have: usize,
        /// The threshold.
        need: usize,
    },
    /// A sealed share is said to come from a client that is no neighbour.
    #[error("client {0} is no neighbour")]
    NotANeighbour(ClientId),
    /// Too few sealed shares arrived, or too few of them open.
    #[error("{have} sealed shares open where the threshold is {need}")]
    TooFewShares {
        /// Shares that opened.
        have: usize,
        /// The threshold.
        need: usize,
    },
    /// The survivors do not include this client, although it is asked to unmask them.
    #[error("the survivors omit this client")]
    SurvivorsOmitSelf,
    /// A survivor is no neighbour that shared its keys.
    #[error("client {0} is among the survivors but did not share its keys")]
    UnknownSurvivor(ClientId),
    /// The survivors that are to be unmasked are not those that this client confirmed.
    #[error("the survivors are not those that this client confirmed")]
    SurvivorsChanged,
    /// The survivors fall into parts without common masks, whose sums could be told apart.
    #[error(
        "the {survivors} survivors fall into parts without common masks, of which one has {part}"
    )]
    Disconnected {
        /// All survivors.
        survivors: usize,
        /// Survivors in the part of the lowest id.
        part: usize,
    },
    /// Too few clients confirmed the survivors.
    #[error("{have} clients confirmed the survivors where {need} are needed")]
    TooFewConfirmations {
        /// Clients whose confirmations were forwarded, and this one.
        have: usize,
        /// More than half of the cohort and its corrupted clients, and one more than the threshold.
        need: usize,
    },
    /// Fewer surviving neighbours than the threshold.
    #[error("{have} surviving neighbours where the threshold is {need}")]
    TooFewSurvivors {
        /// Surviving neighbours.
        have: usize,
        /// The threshold.
        need: usize,
    },
}

/// The caller of this crate asked for what cannot be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Misuse {
    /// The cohort's length is not the parameters' cohort size.
    #[error("{found} clients are invited where the parameters say {expected}")]
    CohortSize {
        /// The cohort size in the parameters.
        expected: u32,
        /// Ids given.
        found: usize,
    },
    /// A client id is given twice.
    #[error("client {0} is invited twice")]
    DuplicateClient(ClientId),
    /// The update's length is not the round's dimension.
    #[error("the update has {found} elements where the round's dimension is {expected}")]
    Dimension {
        /// The dimension in the parameters.
        expected: usize,
        /// Elements in the update.
        found: usize,
    },
    /// The parameters foresee an active server, and no directory was given to the server's side.
    #[error("rounds against an active server need a directory of the clients' verifying keys")]
    NoDirectory,
    /// A client of the cohort is not in the directory.
    #[error("client {0} is invited but not in the directory")]
    NotInDirectory(ClientId),
    /// The round is against an active server, and the client was given no identity.
    #[error("rounds against an active server need an identity and a directory")]
    NoIdentity,
    /// The directory does not hold this client's own verifying key.
    #[error("the directory does not hold this client's own verifying key")]
    IdentityNotInDirectory,
    /// The client's ledger has another vector for the same application bytes.
    #[error(
        "a vector was masked for these application bytes before: in another session, or with another \
         update or weight. Give the round application bytes of its own; if the first vector never left, \
         or the update has fresh noise, let the ledger forget it"
    )]
    MaskedBefore,
    /// A round against an active server may be played once: clients have no evidence of who lied,
    /// and a second sum without one client would give away its update if the first could be opened.
    #[error("rounds against an active server are played once: set attempts to 1")]
    ActiveAttempts,
    /// A client that has finished its round was asked to go on.
    #[error("this client has answered its last stage")]
    Finished,
}

/// The server's verdict on one message: it is ignored, and the stage goes on as if it had not come.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejected {
    /// The bytes are no message of this stage.
    #[error("malformed: {0}")]
    Malformed(#[from] Malformed),
    /// The message breaks a rule.
    #[error("misbehaved: {0}")]
    Misbehaved(#[from] ClientMisbehaved),
}

/// Why a client left the round. Its secrets are wiped by the time this is returned.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// The server's bytes are no message of this stage.
    #[error("malformed: {0}")]
    Malformed(#[from] Malformed),
    /// The server's message breaks a rule.
    #[error("the server misbehaved: {0}")]
    Misbehaved(#[from] ServerMisbehaved),
    /// The caller's input cannot be used.
    #[error(transparent)]
    Misuse(#[from] Misuse),
    /// The update or its weight cannot be quantized, or the masks pass the keystream's limit.
    #[error("the update cannot be masked: {0}")]
    Update(#[from] ClientPassError),
}

/// Why a round ended without a sum.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Abort {
    /// Too few clients are left to go on.
    #[error("{stage}: {have} clients answered where {need} are needed")]
    TooFew {
        /// The stage that could not be closed.
        stage: Stage,
        /// Clients that answered it.
        have: usize,
        /// Clients that it needs.
        need: usize,
    },
    /// One client's neighbourhood is too small to recover its secrets.
    #[error(
        "{stage}: {have} neighbours of client {client} answered where its threshold needs {need}"
    )]
    TooFewNeighbours {
        /// The stage that could not be closed.
        stage: Stage,
        /// The client whose secrets could not be recovered.
        client: ClientId,
        /// Neighbours of it that answered.
        have: usize,
        /// The threshold.
        need: usize,
    },
    /// The survivors fall into parts that share no masks: taking the masks off would give away the
    /// sum of each part. More neighbours for each client make this improbable.
    #[error(
        "the {survivors} survivors fall into parts without common masks, of which one has {part}"
    )]
    Disconnected {
        /// All survivors.
        survivors: usize,
        /// Survivors in the part of the lowest id.
        part: usize,
    },
    /// Enough neighbours of a client answered, and yet its secret could not be recovered: it dealt
    /// boxes that do not open, false shares or a false commitment, or more of its neighbours lied
    /// than can be made good.
    #[error(
        "the shares of client {client}'s secret do not give what it committed to: {}",
        blame(suspects)
    )]
    FalseShares {
        /// The client whose secret could not be recovered: of several the lowest id, and of those
        /// that are short of shares before others.
        client: ClientId,
        /// The clients that lied, as far as can be told, by ascending id.
        suspects: Vec<Suspect>,
    },
    /// The unmasked sum is not a sum of quantized updates.
    #[error("the sum cannot be read: {0}")]
    Sum(#[from] DequantizeError),
    /// The error of the mean could be as large as the clipping range, so that it says nothing.
    #[error("{0}")]
    Imprecise(Imprecise),
    /// The vector is longer than a mask's keystream.
    #[error(transparent)]
    Keystream(#[from] KeystreamLimit),
}

impl Abort {
    /// The clients that lied, as far as can be told: without them the round may be played again.
    /// Each name is sure only as long as fewer clients lie than its [`Suspect::framers`].
    pub fn suspects(&self) -> &[Suspect] {
        match self {
            Self::FalseShares { suspects, .. } => suspects,
            _ => &[],
        }
    }
}

fn blame(suspects: &[Suspect]) -> String {
    let names: Vec<_> = suspects.iter().map(|it| it.client.to_string()).collect();
    match (names.as_slice(), suspects.iter().map(|it| it.framers).min()) {
        ([_, ..], Some(least)) => {
            format!("client {} lied, unless {least} or more others did", names.join(", "))
        }
        _ => "it lied, or some of its neighbours did".into(),
    }
}
