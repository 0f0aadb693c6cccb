//! Damaged bytes: truncated, prolonged, of another version, with impossible lengths, and with each
//! bit flipped. Nothing panics, and nothing that is checked passes for something else.

use secagg::message::{AdvertisedKeys, CollectRequest, Message, SealedShares, UnmaskRequest};
use secagg::message::{ConfirmRequest, Confirmation};
use secagg::message::{MaskedVector, RevealedShares, SetupRequest, ShareKeysRequest};
use secagg::{ClientId, Malformed, Stage, ThreatModel};
use secagg_tests::{Cohort, Round, STAGES, wire};

/// Small enough for a round at each bit, and with shares to spare.
fn four() -> Cohort {
    Cohort::secagg(4).threshold(2).dimension(1)
}

fn active() -> Cohort {
    four().against(ThreatModel::ActiveServer)
}

/// Messages that are none, made from an honest one.
fn broken(honest: &[u8]) -> Vec<Vec<u8>> {
    let mut broken: Vec<_> = (0..honest.len()).map(|len| honest[..len].to_vec()).collect();
    broken.push([honest, &[0]].concat());
    let replaced = |at: usize, byte: u8| {
        let mut bytes = honest.to_vec();
        bytes[at] = byte;
        bytes
    };
    broken.extend((0..=u8::MAX).filter(|&byte| byte != honest[0]).map(|byte| replaced(0, byte)));
    broken.extend((0..=u8::MAX).filter(|&byte| byte != honest[1]).map(|byte| replaced(1, byte)));
    broken
}

/// The server takes none of them and is as it was: the honest message afterwards counts.
#[test]
fn the_server_survives_whatever_is_no_message() {
    for &stage in STAGES {
        let round = four().precede(2, stage, broken).run::<f64>();
        let variants = round.rejected().len();
        let honest = round.messages().rfind(|sent| {
            (sent.client, sent.stage, sent.from_server) == (ClientId(2), stage, false)
        });
        assert_eq!(variants, broken(&honest.expect("it was sent").bytes).len());
        round.assert_mean_of(1..=4);
    }
}

/// What the server sends to client 2 at a stage of an honest round.
fn request(round: &Round<f64>, stage: Stage) -> Vec<u8> {
    let sent = round
        .messages()
        .find(|sent| (sent.client, sent.stage, sent.from_server) == (ClientId(2), stage, true));
    sent.expect("it was sent").bytes.clone()
}

/// A client takes none of them either, but since its stage is gone, it leaves.
#[test]
fn a_client_leaves_at_whatever_is_no_message() {
    let honest = four().run::<f64>();
    for &stage in STAGES {
        // Versions and kinds are checked before anything else; one of each will do here.
        let variants = broken(&request(&honest, stage));
        for bytes in variants.into_iter().rev().step_by(7) {
            let round =
                four().forge(2, stage, move |request| request.clone_from(&bytes)).run::<f64>();
            assert!(matches!(round.refusal(2), Some(secagg::Refused::Malformed(_))));
            round.assert_mean();
        }
    }
}

/// Runs a round for each bit of a message, with that bit flipped, and looks at what comes of it.
/// Behind the header, the count and one field, every third will do, or every seventh of a long
/// message: these are odd, so all places in a byte are met.
fn each_bit_flipped(
    len: usize,
    flipped: impl Fn(usize) -> Cohort,
    look: impl Fn(usize, &Round<f64>),
) {
    let step = if len < 300 { 3 } else { 7 };
    for bit in (0..8 * len).filter(|bit| *bit < 8 * 64 || bit % step == 0) {
        look(bit, &flipped(bit).run::<f64>());
    }
}

fn right_or_none(_: usize, round: &Round<f64>) {
    if round.outcome.is_ok() {
        round.assert_mean();
    } else {
        round.abort();
    }
}

fn tampered<M: Message>(cohort: fn() -> Cohort) -> (usize, impl Fn(usize) -> Cohort) {
    let len = cohort().run::<f64>().log.bytes::<M>(2).expect("it was sent").len();
    (len, move |bit| cohort().tamper(2, M::STAGE, move |bytes| wire::flip(bytes, bit)))
}

fn forged<M: Message>(cohort: fn() -> Cohort) -> (usize, impl Fn(usize) -> Cohort) {
    let len = cohort().run::<f64>().log.bytes::<M>(2).expect("it was sent").len();
    (len, move |bit| cohort().forge(2, M::STAGE, move |bytes| wire::flip(bytes, bit)))
}

/// Any change of the parameters changes the context, and any other session is not the server's.
#[test]
fn a_flipped_bit_in_the_parameters_loses_that_client_alone() {
    let (len, cohort) = forged::<SetupRequest>(four);
    each_bit_flipped(len, cohort, |bit, round| {
        assert!(round.refusal(2).is_some() || round.rejected().len() == 1, "bit {bit}");
        round.assert_mean_of([1, 3, 4]);
    });
}

#[test]
fn a_flipped_bit_in_a_key_loses_that_client_alone() {
    let (len, cohort) = tampered::<AdvertisedKeys>(four);
    each_bit_flipped(len, cohort, |_, round| _ = round.assert_mean_of([1, 3, 4]));
}

#[test]
fn a_flipped_bit_among_the_survivors_is_always_seen() {
    let (len, cohort) = forged::<UnmaskRequest>(four);
    each_bit_flipped(len, cohort, |bit, round| {
        assert!(round.refusal(2).is_some(), "bit {bit}");
        round.assert_mean_of(1..=4);
    });
}

/// Client 2 refuses, wherever the bit is that is not in `unread` bytes. The graph is complete: on a
/// sparse one, it does not read the signatures of members that are no neighbours either
/// (docs/protocol.md, section 12).
fn always_refused<M: Message>(unread: core::ops::Range<usize>) {
    let (len, cohort) = forged::<M>(active);
    each_bit_flipped(len, cohort, |bit, round| {
        assert!(round.refusal(2).is_some() || unread.contains(&(bit / 8)), "bit {bit}");
        round.assert_mean();
    });
}

#[test]
fn a_flipped_bit_in_what_a_client_of_an_active_round_reads_is_always_seen() {
    always_refused::<ShareKeysRequest>(0..0);
    always_refused::<ConfirmRequest>(0..0);
    // Behind four survivors and client 1's confirmation comes client 2's own, which does not count.
    let own = wire::HEADER_LEN + 4 + 4 * 8 + 4 + 72 + 8;
    always_refused::<UnmaskRequest>(own..own + 64);
}

#[test]
fn a_flipped_bit_in_a_signed_answer_is_always_seen() {
    let rejected = |bit: usize, round: &Round<f64>| {
        assert_eq!(round.rejected().len(), 1, "bit {bit}");
        round.assert_mean();
    };
    let (len, cohort) = tampered::<AdvertisedKeys>(active);
    each_bit_flipped(len, cohort, rejected);
    let (len, cohort) = tampered::<Confirmation>(active);
    each_bit_flipped(len, cohort, rejected);
}

#[test]
fn a_flipped_bit_in_the_peers_keys_never_gives_a_wrong_model() {
    let (len, cohort) = forged::<ShareKeysRequest>(four);
    each_bit_flipped(len, cohort, right_or_none);
}

#[test]
fn a_flipped_bit_in_sealed_shares_never_gives_a_wrong_model() {
    let (len, cohort) = tampered::<SealedShares>(four);
    each_bit_flipped(len, cohort, right_or_none);
}

#[test]
fn a_flipped_bit_in_forwarded_shares_never_gives_a_wrong_model() {
    let (len, cohort) = forged::<CollectRequest>(four);
    each_bit_flipped(len, cohort, right_or_none);
}

#[test]
fn a_flipped_bit_in_revealed_shares_never_gives_a_wrong_model() {
    let (len, cohort) = tampered::<RevealedShares>(four);
    each_bit_flipped(len, cohort, right_or_none);
}

/// The lanes of a vector are not authenticated, but its header is checked.
#[test]
fn a_flipped_bit_in_the_header_of_a_vector_loses_that_client_alone() {
    let (_, cohort) = tampered::<MaskedVector>(four);
    each_bit_flipped(wire::HEADER_LEN, cohort, |_, round| _ = round.assert_mean_of([1, 3, 4]));
}

/// Lengths far beyond the message: 2^32 - 1 elements would take up to 350 GiB.
#[test]
fn a_length_that_the_message_cannot_hold_is_refused() {
    let round = active().run::<f64>();
    impossible::<ShareKeysRequest>(&round, wire::ROSTER.end);
    impossible::<SealedShares>(&round, wire::COMMITMENT.end);
    impossible::<CollectRequest>(&round, wire::HEADER_LEN);
    impossible::<ConfirmRequest>(&round, wire::HEADER_LEN);
    impossible::<UnmaskRequest>(&round, wire::HEADER_LEN);
    let survivors = 4 + 4 * 8;
    impossible::<UnmaskRequest>(&round, wire::HEADER_LEN + survivors);
    impossible::<RevealedShares>(&round, wire::HEADER_LEN);
}

/// The same in a process that may not have more than a gigabyte of addresses.
#[cfg(target_os = "linux")]
#[test]
fn a_length_that_the_message_cannot_hold_takes_no_memory() {
    let tests = std::env::current_exe().expect("this program");
    let limited =
        "ulimit -v 1048576 && exec \"$0\" --exact a_length_that_the_message_cannot_hold_is_refused";
    let mut shell = std::process::Command::new("sh");
    let shell = shell.arg("-c").arg(limited).arg(tests).env("RAYON_NUM_THREADS", "1");
    let output = shell.env("MALLOC_ARENA_MAX", "1").output().expect("a shell");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

fn impossible<M: Message>(round: &Round<f64>, count: usize) {
    let honest = round.log.bytes::<M>(2).expect("it was sent");
    // As many as wrap the length in bytes to something small, and the most.
    for length in [u32::MAX, u32::MAX / 8 + 1, u32::MAX / 72 + 1, u32::MAX / 80 + 1] {
        let mut bytes = honest.to_vec();
        bytes[count..count + 4].copy_from_slice(&length.to_le_bytes());
        assert_eq!(M::decode(&bytes).err(), Some(Malformed::Truncated));
    }
}
