//! Bytes that decode as a message are the one encoding of that message, and of no other; and decoding takes no more memory
//! than they have themselves, or the same number of entries takes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use secagg::ClientId;
use secagg::message::{
    AdvertisedKeys, CollectRequest, ConfirmRequest, Confirmation, MaskedVector, Message,
    RevealedShares, SealedShares, SetupRequest, ShareKeysRequest, UnmaskRequest,
};
use secagg_assurance::allocator::{Watchful, Watermark};

#[global_allocator]
static ALLOCATOR: Watchful = Watchful;

/// Two keys and the byte that says that no signature follows, behind an id: 73 bytes, of which 144 are made, since there is
/// room for a signature in each. Entries of all other lists are no larger in memory than in a message.
const KEYS: usize = 8 + 2 * 32 + 1;

fuzz_target!(|bytes: &[u8]| {
    let most = bytes.len() / KEYS * size_of::<(ClientId, AdvertisedKeys)>();
    let kinds = [
        is_exactly::<SetupRequest>(bytes, 0),
        is_exactly::<AdvertisedKeys>(bytes, 0),
        is_exactly::<ShareKeysRequest>(bytes, most),
        is_exactly::<SealedShares>(bytes, bytes.len()),
        is_exactly::<CollectRequest>(bytes, bytes.len()),
        // The one message without a count: its length is the parameters' business.
        is::<MaskedVector>(bytes, bytes.len()),
        is_exactly::<ConfirmRequest>(bytes, bytes.len()),
        is_exactly::<Confirmation>(bytes, 0),
        is_exactly::<UnmaskRequest>(bytes, bytes.len()),
        is_exactly::<RevealedShares>(bytes, bytes.len()),
    ];
    assert!(kinds.into_iter().filter(|&decoded| decoded).count() <= 1);
});

/// Whether the bytes are a message of this kind, which takes so much memory at most; if so, they are all that it encodes
/// to.
fn is<M: Message>(bytes: &[u8], most: usize) -> bool {
    let before = Watermark::now();
    let decoded = M::decode(bytes);
    assert!(before.peak() <= most, "{} bytes for {}", before.peak(), bytes.len());
    let Ok((session, message)) = decoded else { return false };
    assert_eq!(message.encode(session), bytes);
    true
}

/// As [`is`]; and if so, a byte less or more is no such message.
fn is_exactly<M: Message>(bytes: &[u8], most: usize) -> bool {
    let decoded = is::<M>(bytes, most);
    if decoded {
        assert!(M::decode(&bytes[..bytes.len() - 1]).is_err());
        assert!(M::decode(&[bytes, &[0]].concat()).is_err());
    }
    decoded
}
