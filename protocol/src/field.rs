//! The fields of saved states: what a stage holds, part by part.
//!
//! Messages have each their own layout, which is specified; states are read by the version of this crate
//! that wrote them, and need no more than one rule for each type.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Malformed;
use crate::identity::{SIGNATURE_LEN, SurvivorsHash};
use crate::keys::{ChannelKey, Commitment, SecretKey, SelfMaskSeed};
use crate::message::{AdvertisedKeys, SealedShares};
use crate::roster::RosterHash;
use crate::sealed::SharePair;
use crate::session::{ContextHash, Session};
use crate::shamir::Share;
use crate::wire::{Reader, Writer};
use crate::{ClientId, Params, SessionId, Signature};

/// A part of a saved state.
pub(crate) trait Field: Sized {
    fn write(&self, to: &mut Writer);
    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed>;
}

impl<const N: usize> Field for [u8; N] {
    fn write(&self, to: &mut Writer) {
        to.bytes(self);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        from.array()
    }
}

/// A position among members, of whom there are no more than a `u32` can count.
impl Field for usize {
    fn write(&self, to: &mut Writer) {
        to.u32(*self as u32);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(from.u32()? as Self)
    }
}

impl Field for ClientId {
    fn write(&self, to: &mut Writer) {
        to.client(*self);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        from.client()
    }
}

impl Field for AdvertisedKeys {
    fn write(&self, to: &mut Writer) {
        self.write_body(to);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        Self::read_body(from)
    }
}

/// Types that are 32 or 64 bytes under another name.
macro_rules! named_bytes {
    ($($name:ty: $len:expr, $bytes:expr, $from:expr;)*) => {$(
        impl Field for $name {
            fn write(&self, to: &mut Writer) {
                let bytes: fn(&Self) -> &[u8; $len] = $bytes;
                to.bytes(bytes(self));
            }

            fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
                from.array::<{ $len }>().map($from)
            }
        }
    )*};
}

named_bytes! {
    Signature: SIGNATURE_LEN, |it| &it.0, Self;
    Commitment: 32, |it| &it.0, Self;
    Share: 32, |it| &it.0, Self;
    SurvivorsHash: 32, |it| &it.0, Self;
    RosterHash: 32, Self::as_bytes, Self::from_bytes;
    SelfMaskSeed: 32, Self::as_bytes, |bytes| Self::from_bytes(&bytes);
}

impl<U> Field for SecretKey<U> {
    fn write(&self, to: &mut Writer) {
        to.bytes(self.as_bytes());
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        from.array().map(|bytes| Self::from_bytes(&bytes))
    }
}

impl Field for ChannelKey {
    fn write(&self, to: &mut Writer) {
        to.bytes(&self.key);
        to.bytes(&self.nonce);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self { key: from.array()?, nonce: from.array()? })
    }
}

impl Field for SealedShares {
    fn write(&self, to: &mut Writer) {
        self.commitment.write(to);
        self.boxes.write(to);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self { commitment: Field::read(from)?, boxes: Field::read(from)? })
    }
}

impl Field for SharePair {
    fn write(&self, to: &mut Writer) {
        self.mask_secret_key.write(to);
        self.self_mask_seed.write(to);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (mask_secret_key, self_mask_seed) = (Field::read(from)?, Field::read(from)?);
        Ok(Self { mask_secret_key, self_mask_seed })
    }
}

impl<A: Field, B: Field> Field for (A, B) {
    fn write(&self, to: &mut Writer) {
        self.0.write(to);
        self.1.write(to);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok((A::read(from)?, B::read(from)?))
    }
}

impl<T: Field> Field for Option<T> {
    fn write(&self, to: &mut Writer) {
        to.u8(u8::from(self.is_some()));
        if let Some(value) = self {
            value.write(to);
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        match from.u8()? {
            0 => Ok(None),
            1 => T::read(from).map(Some),
            _ => Err(Malformed::Tag),
        }
    }
}

impl<T: Field> Field for Vec<T> {
    fn write(&self, to: &mut Writer) {
        to.count(self.len());
        for item in self {
            item.write(to);
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        // Every field takes a byte at least.
        from.list(1, T::read)
    }
}

impl<T: Field + Ord> Field for BTreeSet<T> {
    fn write(&self, to: &mut Writer) {
        to.count(self.len());
        for item in self {
            item.write(to);
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(from.list(1, T::read)?.into_iter().collect())
    }
}

impl<K: Field + Ord, V: Field> Field for BTreeMap<K, V> {
    fn write(&self, to: &mut Writer) {
        to.count(self.len());
        for (key, value) in self {
            key.write(to);
            value.write(to);
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(from.list(1, <(K, V)>::read)?.into_iter().collect())
    }
}

/// A session without its id, which stands in the state's header.
pub(crate) fn write_terms(session: &Session, to: &mut Writer) {
    session.params.encode(to);
    to.bytes(session.context.as_bytes());
}

pub(crate) fn read_terms(id: SessionId, from: &mut Reader<'_>) -> Result<Session, Malformed> {
    let params = Params::decode(from)?;
    Ok(Session { id, params, context: ContextHash::from_bytes(from.array()?) })
}
