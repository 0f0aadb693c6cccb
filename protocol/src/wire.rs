//! Reading and writing of the fields that messages are made of.
//!
//! Integers are little-endian. A reader never allocates for more than the bytes that it holds, and
//! [`Reader::finish`] refuses anything left over.

use zeroize::Zeroize;

use crate::error::Malformed;
use crate::{ClientId, PROTOCOL_VERSION, SessionId};

/// Version byte, kind byte, session id.
pub(crate) const HEADER_LEN: usize = 2 + 16;

/// Appends fields to a message.
#[derive(Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    /// Starts a message of one kind, with room for `body` bytes behind the header.
    pub(crate) fn message(kind: u8, session: SessionId, body: usize) -> Self {
        let mut writer = Self(Vec::with_capacity(HEADER_LEN + body));
        writer.u8(PROTOCOL_VERSION);
        writer.u8(kind);
        writer.bytes(&session.0);
        writer
    }

    pub(crate) fn u8(&mut self, value: u8) {
        self.bytes(&[value]);
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.bytes(&value.to_le_bytes());
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.bytes(&value.to_le_bytes());
    }

    pub(crate) fn f64(&mut self, value: f64) {
        self.bytes(&value.to_le_bytes());
    }

    pub(crate) fn client(&mut self, id: ClientId) {
        self.u64(id.0);
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        if bytes.len() > self.0.capacity() - self.0.len() {
            self.grow(bytes.len());
        }
        self.0.extend_from_slice(bytes);
    }

    /// Moves to a larger buffer and wipes the one it leaves, which may hold secrets. Messages have their
    /// room from the start; saved states grow.
    fn grow(&mut self, more: usize) {
        let mut larger = Vec::with_capacity(2 * self.0.len() + more);
        larger.extend_from_slice(&self.0);
        core::mem::replace(&mut self.0, larger).zeroize();
    }

    /// Writes bytes behind their number.
    pub(crate) fn blob(&mut self, bytes: &[u8]) {
        self.u64(bytes.len() as u64);
        self.bytes(bytes);
    }

    /// Writes the length of a list. Lists are neighbourhoods, so they fit: a cohort is a `u32`.
    pub(crate) fn count(&mut self, len: usize) {
        self.u32(len as u32);
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// Takes fields off the front of a message.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Reads what has no header.
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Reads the header of a message of one kind.
    pub(crate) fn message(kind: u8, bytes: &'a [u8]) -> Result<(Self, SessionId), Malformed> {
        let mut reader = Self(bytes);
        let version = reader.u8()?;
        if version != PROTOCOL_VERSION {
            return Err(Malformed::Version(version));
        }
        let found = reader.u8()?;
        if found != kind {
            return Err(Malformed::Kind { expected: kind, found });
        }
        let session = SessionId(reader.array()?);
        Ok((reader, session))
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (head, rest) = self.0.split_first_chunk().ok_or(Malformed::Truncated)?;
        self.0 = rest;
        Ok(*head)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Malformed> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn f64(&mut self) -> Result<f64, Malformed> {
        self.array().map(f64::from_le_bytes)
    }

    pub(crate) fn client(&mut self) -> Result<ClientId, Malformed> {
        self.u64().map(ClientId)
    }

    /// Reads the length of a list whose elements take `element` bytes each: a length that the rest of
    /// the message cannot hold is refused before anything is allocated for it.
    fn count(&mut self, element: usize) -> Result<usize, Malformed> {
        let count = self.u32()? as usize;
        if count > self.0.len() / element { Err(Malformed::Truncated) } else { Ok(count) }
    }

    /// Reads a list: its length, then its elements. The vector never grows, so that no copy of a secret
    /// stays behind in memory that it has left.
    pub(crate) fn list<T>(
        &mut self,
        element: usize,
        mut read: impl FnMut(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        let count = self.count(element)?;
        let mut list = Vec::with_capacity(count);
        for _ in 0..count {
            list.push(read(self)?);
        }
        Ok(list)
    }

    /// Reads bytes behind their number.
    pub(crate) fn blob(&mut self) -> Result<&'a [u8], Malformed> {
        let len = usize::try_from(self.u64()?).map_err(|_| Malformed::Truncated)?;
        let (head, rest) = self.0.split_at_checked(len).ok_or(Malformed::Truncated)?;
        self.0 = rest;
        Ok(head)
    }

    /// Everything that is left.
    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }

    pub(crate) fn finish(self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed::TrailingBytes(self.0.len())) }
    }
}
