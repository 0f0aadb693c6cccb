//! Bytes that decode as a message are the one encoding of that message, and of no other.
#![no_main]

use libfuzzer_sys::fuzz_target;
use secagg::message::{
    AdvertisedKeys, CollectRequest, ConfirmRequest, Confirmation, MaskedVector, Message,
    RevealedShares, SealedShares, SetupRequest, ShareKeysRequest, UnmaskRequest,
};

fuzz_target!(|bytes: &[u8]| {
    let kinds = [
        is_exactly::<SetupRequest>(bytes),
        is_exactly::<AdvertisedKeys>(bytes),
        is_exactly::<ShareKeysRequest>(bytes),
        is_exactly::<SealedShares>(bytes),
        is_exactly::<CollectRequest>(bytes),
        // The one message without a count: its length is the parameters' business.
        is::<MaskedVector>(bytes),
        is_exactly::<ConfirmRequest>(bytes),
        is_exactly::<Confirmation>(bytes),
        is_exactly::<UnmaskRequest>(bytes),
        is_exactly::<RevealedShares>(bytes),
    ];
    assert!(kinds.into_iter().filter(|&decoded| decoded).count() <= 1);
});

/// Whether the bytes are a message of this kind; if so, they are all that it encodes to.
fn is<M: Message>(bytes: &[u8]) -> bool {
    let Ok((session, message)) = M::decode(bytes) else { return false };
    assert_eq!(message.encode(session), bytes);
    true
}

/// As [`is`]; and if so, a byte less or more is no such message.
fn is_exactly<M: Message>(bytes: &[u8]) -> bool {
    let decoded = is::<M>(bytes);
    if decoded {
        assert!(M::decode(&bytes[..bytes.len() - 1]).is_err());
        assert!(M::decode(&[bytes, &[0]].concat()).is_err());
    }
    decoded
}
