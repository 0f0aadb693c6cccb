//! Lies of a server: an honest request, and what is changed in it.

use arbitrary::Arbitrary;
use secagg::message::{ConfirmRequest, Message, ShareKeysRequest, UnmaskRequest};
use secagg::{ClientId, Stage};
use secagg_tests::puppet::Terms;
use secagg_tests::wire;

use crate::seat::DIRECTORY;

/// One change of a server's honest request.
#[derive(Arbitrary, Debug)]
pub enum Twist {
    /// One bit is flipped.
    Flip(u16),
    /// One byte.
    Set(u16, u8),
    /// The end is missing.
    Cut(u8),
    /// An element of the list is left out: a member, a box, a survivor. From 128 on, a bit for each
    /// of the first seven members says who is left out, and the hash is that of the others.
    Omit(u8),
    /// An element of the list is another one's: its keys, or its box.
    Copy(u8, u8),
    /// Somebody is among the survivors.
    Add(u8),
    /// A confirmation is left out.
    Doubt(u8),
}

impl Twist {
    /// The request of a stage, changed; as it was, if it has nothing to change.
    pub fn apply(&self, stage: Stage, request: &[u8], terms: &Terms) -> Vec<u8> {
        match *self {
            Self::Flip(_) | Self::Set(..) | Self::Cut(_) => self.bytes(request),
            _ => match stage {
                Stage::ShareKeys => change(request, |message| self.peers(message, terms)),
                Stage::CollectMaskedVectors => self.boxes(request),
                Stage::ConfirmSurvivors => change(request, |message: &mut ConfirmRequest| {
                    self.survivors(&mut message.survivors);
                }),
                Stage::Unmask => change(request, |message: &mut UnmaskRequest| {
                    self.survivors(&mut message.survivors);
                    if let Self::Doubt(which) = *self {
                        omit(&mut message.confirmations, which);
                    }
                }),
                _ => request.to_vec(),
            },
        }
    }

    fn bytes(&self, request: &[u8]) -> Vec<u8> {
        let mut bytes = request.to_vec();
        match *self {
            Self::Flip(bit) => {
                let bit = usize::from(bit) % (8 * bytes.len());
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
            Self::Set(at, to) => {
                let at = usize::from(at) % bytes.len();
                bytes[at] = to;
            }
            Self::Cut(less) => bytes.truncate(bytes.len().saturating_sub(less.into())),
            _ => {}
        }
        bytes
    }

    fn peers(&self, message: &mut ShareKeysRequest, terms: &Terms) {
        match *self {
            Self::Omit(which @ 128..) => {
                let mut bits = (0..7).map(|bit| which >> bit & 1 == 1);
                message.peers.retain(|_| !bits.next().unwrap_or(false));
                message.roster = terms.roster(&message.peers, Some(&DIRECTORY), &[0; 32]);
            }
            Self::Omit(which) => omit(&mut message.peers, which),
            Self::Copy(from, to) => {
                let [from, to] = [from, to].map(|at| usize::from(at) % message.peers.len());
                message.peers[to].1 = message.peers[from].1;
            }
            _ => {}
        }
    }

    /// Boxes are no one's business, so this goes by bytes.
    fn boxes(&self, request: &[u8]) -> Vec<u8> {
        let mut bytes = request.to_vec();
        let boxes = forwarded(request).len();
        match *self {
            Self::Omit(which) if boxes > 0 => {
                let sealed = wire::forwarded_box(usize::from(which) % boxes);
                bytes.drain(sealed.start - 8..sealed.end);
                bytes[wire::HEADER_LEN] -= 1;
            }
            Self::Copy(from, to) if boxes > 0 => {
                let [from, to] = [from, to].map(|at| wire::forwarded_box(usize::from(at) % boxes));
                bytes.copy_within(from, to.start);
            }
            _ => {}
        }
        bytes
    }

    fn survivors(&self, survivors: &mut Vec<ClientId>) {
        match *self {
            Self::Omit(which) => omit(survivors, which),
            Self::Add(client) => {
                let client = ClientId(u64::from(client % 10));
                if let Err(place) = survivors.binary_search(&client) {
                    survivors.insert(place, client);
                }
            }
            _ => {}
        }
    }
}

/// The boxes of a [`CollectRequest`](secagg::message::CollectRequest), each with its sender.
pub fn forwarded(request: &[u8]) -> Vec<(ClientId, [u8; 80])> {
    let count = request.len().saturating_sub(wire::HEADER_LEN + 4) / 88;
    let entry = |at| {
        let sealed = wire::forwarded_box(at);
        let sender = request[sealed.start - 8..sealed.start].try_into().expect("8 bytes");
        (ClientId(u64::from_le_bytes(sender)), request[sealed].try_into().expect("80 bytes"))
    };
    (0..count).map(entry).collect()
}

fn change<M: Message>(request: &[u8], change: impl FnOnce(&mut M)) -> Vec<u8> {
    let (session, mut message) = M::decode(request).expect("an honest request");
    change(&mut message);
    message.encode(session)
}

fn omit<T>(list: &mut Vec<T>, which: u8) {
    if !list.is_empty() {
        list.remove(usize::from(which) % list.len());
    }
}
