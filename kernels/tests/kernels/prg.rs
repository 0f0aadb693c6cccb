//! Keystreams against published vectors and against the standard crates.

use aegis::aegis128x4::Aegis128X4;
use aes::Aes128;
use aes::cipher::{BlockCipherEncrypt, KeyInit, KeyIvInit, StreamCipher, StreamCipherSeek};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use secagg_kernels::{Backend, KeystreamLimit, Prg, Seed};

use crate::support::{all_agree, hex, seed};

fn expand(prg: Prg, seed: &Seed, first_byte: u64, len: usize) -> Vec<u8> {
    all_agree(|backend| {
        let mut out = vec![0xa5; len];
        prg.expand(backend, seed, first_byte, &mut out).unwrap();
        out
    })
}

/// NIST SP 800-38A, F.5.1. Its first counter block ends in fcfdfeff, so it is block 0xfcfdfeff of our keystream.
#[test]
fn aes_gives_the_output_blocks_of_sp_800_38a() {
    let bytes = hex("2b7e151628aed2a6abf7158809cf4f3c f0f1f2f3f4f5f6f7f8f9fafb 00000000");
    let seed = Seed::from_bytes(bytes.try_into().unwrap());
    let expected = hex("ec8cdf7398607cb0f2d21675ea9ea1e4 362b7c3c6773516318a077d7fc5073ae
        6a2cc3787889374fbeb4c81b17ba6c44 e89c399ff0f198c6d40a31db156cabfe");
    assert_eq!(expand(Prg::Aes128Ctr, &seed, 0xfcfd_feff * 16, 64), expected);
}

/// RFC 8439, appendix A.1, the vectors with a zero nonce: key and block counter.
#[test]
fn chacha20_gives_the_blocks_of_rfc_8439() {
    let (mut last_is_one, mut second_is_ff) = ([0; 32], [0; 32]);
    (last_is_one[31], second_is_ff[1]) = (1, 0xff);
    let vectors = [
        (
            [0; 32],
            0,
            "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7
            da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586",
        ),
        (
            [0; 32],
            1,
            "9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed
            29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f",
        ),
        (
            last_is_one,
            1,
            "3aeb5224ecf849929b9d828db1ced4dd832025e8018b8160b82284f3c949aa5a
            8eca00bbb4a73bdad192b5c42f73f2fd4e273644c8b36125a64addeb006c13a0",
        ),
        (
            second_is_ff,
            2,
            "72d54dfbf12ec44b362692df94137f328fea8da73990265ec1bbbea1ae9af0ca
            13b25aa26cb4a648cb9b9d1be65b2c0924a66c54d545ec1b7374f4872e99f096",
        ),
    ];
    for (key, block, expected) in vectors {
        assert_eq!(expand(Prg::ChaCha20, &Seed::from_bytes(key), block * 64, 64), hex(expected));
    }
}

/// AES by the `ctr` crate, except in the last block, which that crate does not reach.
fn aes_oracle(seed: &Seed, first_byte: u64, len: usize) -> Vec<u8> {
    let (key, rest) = seed.as_bytes().split_at(16);
    let mut iv = [0; 16];
    iv[..12].copy_from_slice(&rest[..12]);
    let mut cipher = ctr::Ctr32BE::<Aes128>::new_from_slices(key, &iv).unwrap();
    cipher.seek(first_byte);
    let mut out = vec![0; len];
    cipher.apply_keystream(&mut out);
    out
}

fn chacha_oracle(seed: &Seed, first_byte: u64, len: usize) -> Vec<u8> {
    let mut rng = ChaCha20Rng::from_seed(*seed.as_bytes());
    rng.set_word_pos(u128::from(first_byte / 4));
    let mut out = vec![0; first_byte as usize % 4 + len];
    rng.fill_bytes(&mut out);
    out.split_off(first_byte as usize % 4)
}

/// RFC 10032's vector of an initialised AEGIS-128X4 state: blocks 1, 2, 3, 5, 6 and 7 of its four lanes, of which the
/// first step's keystream is made. The nonce ends in 1c1d1e1f, so it is that tile of our keystream.
#[test]
fn aegis_gives_the_keystream_of_the_state_in_rfc_10032() {
    let seed = hex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b 00000000");
    let blocks = |digits: &str| {
        let bytes = hex(digits);
        [0, 1, 2, 3].map(|lane| u128::from_be_bytes(bytes[16 * lane..][..16].try_into().unwrap()))
    };
    let one = blocks(
        "1a1f60c4fab64e5471dc72edfcf6fe6b c1e525ebea2d6375a9edd045dce96381
        97a3e25abd228a44d4a14a6d3fe9185c c2d4cf7f4287a98744645674265d4ca8",
    );
    let two = blocks(
        "7bb50c534f6ec4780530ff1cce8a16e8 7b08d57557da0b5ef7b5f7d98b0ba189
        6bfcac34ddb68404821a4d665303cb0f d95626f6dfad1aed7467622c38529932",
    );
    let three = blocks(
        "af339fd2d50ee45fc47665c647cf6586 d0669b39d140f0e118a4a511efe2f95a
        7a94330f35c194fadda2a87e42cdeccc 233b640d1f4d56e2757e72c1a9d8ecb1",
    );
    let five = blocks(
        "7a5aca78d636c05bbc702b2980196ab6 915d868408495d07eb527789f282c575
        d0947bfbc1d3309cdffc9be1503aea62 8834ea57a15b9fbdc0245464a4b8cbef",
    );
    let six = blocks(
        "e46f4cf71a95ac45b6f0823e3aba1a86 8c4ecef682fc44a8eba911b3fc7d99f9
        a4fb61e2c928a2ca760b8772f2ea5f2e 3d34ea89da73caa3016c280500a155a3",
    );
    let seven = blocks(
        "85075f0080e9d618e7eb40f57c32d9f7 d2ab2b320c6e93b155a3787cb83e5281
        0b3af0250ae36831a1b072e499929bcb 5cce4d00329d69f1aae36aa541347512",
    );
    let first = [0, 1, 2, 3].map(|i| six[i] ^ one[i] ^ (two[i] & three[i]));
    let second = [0, 1, 2, 3].map(|i| two[i] ^ five[i] ^ (six[i] & seven[i]));
    let expected: Vec<u8> = first.into_iter().chain(second).flat_map(u128::to_be_bytes).collect();
    let start = 0x1c1d_1e1f << 14;
    let seed = Seed::from_bytes(seed.try_into().unwrap());
    assert_eq!(expand(Prg::Aegis128X4, &seed, start, 128), expected);
}

/// AEGIS by the `aegis` crate, tile by tile.
fn aegis_oracle(seed: &Seed, first_byte: u64, len: usize) -> Vec<u8> {
    let (key, rest) = seed.as_bytes().split_first_chunk::<16>().unwrap();
    let (first_tile, skip) = (first_byte >> 14, first_byte as usize % (1 << 14));
    let mut out = Vec::new();
    for tile in first_tile..first_tile + (skip + len).div_ceil(1 << 14) as u64 {
        let nonce = [&rest[..12], &(tile as u32).to_be_bytes()].concat().try_into().unwrap();
        let mut keystream = vec![0; 1 << 14];
        Aegis128X4::<16>::new(key, &nonce).stream(&mut keystream);
        out.extend(keystream);
    }
    out[skip..skip + len].to_vec()
}

/// Around a step (128 bytes) and a tile, from the first tiles and to the last.
#[test]
fn aegis_equals_the_standard_crate() {
    let around = [0, 1, 15, 16, 17, 63, 64, 127, 128, 129, 1000, 16_383, 16_384, 16_385, 40_000];
    let limit = Prg::Aegis128X4.keystream_limit();
    for len in around.map(|len| len as usize) {
        let to_the_end = limit - len as u64;
        for start in around.into_iter().chain([(1 << 40) - 100, to_the_end]) {
            let (seed, case) = (seed(start as u8), format!("{start} {len}"));
            let expected = aegis_oracle(&seed, start, len);
            assert_eq!(expand(Prg::Aegis128X4, &seed, start, len), expected, "{case}");
        }
    }
}

/// Starts: around a block of either cipher and around what a backend makes at once, each from inside a block too; where
/// 8, 16 and 31 bits of the block counter carry. Lengths: the same, and none.
#[test]
fn every_range_equals_the_standard_crates() {
    let around = [0, 1, 3, 15, 16, 17, 63, 64, 65, 255, 256, 1000, 1023, 1024, 1025, 4099];
    let carries = [1 << 8, 1 << 16, 1 << 31];
    for len in around.map(|len| len as usize) {
        for start in around.into_iter().chain(carries.map(|block| block * 16 - 40)) {
            let (seed, case) = (seed(start as u8), format!("{start} {len}"));
            assert_eq!(
                expand(Prg::Aes128Ctr, &seed, start, len),
                aes_oracle(&seed, start, len),
                "{case}"
            );
        }
        for start in around.into_iter().chain(carries.map(|block| block * 64 - 100)) {
            let (seed, case) = (seed(start as u8), format!("{start} {len}"));
            assert_eq!(
                expand(Prg::ChaCha20, &seed, start, len),
                chacha_oracle(&seed, start, len),
                "{case}"
            );
        }
    }
}

#[test]
fn the_end_of_the_keystream_equals_the_standard_crates() {
    let seed = seed(9);
    for back in [17, 100, 1024, 5000] {
        let start = Prg::Aes128Ctr.keystream_limit() - back as u64;
        let blocks = aes_oracle(&seed, start, back - 16);
        assert_eq!(expand(Prg::Aes128Ctr, &seed, start, back - 16), blocks);
        let start = Prg::ChaCha20.keystream_limit() - back as u64;
        assert_eq!(expand(Prg::ChaCha20, &seed, start, back), chacha_oracle(&seed, start, back));
    }
    let mut last = [0xff; 16];
    last[..12].copy_from_slice(&seed.as_bytes()[16..28]);
    let mut last = last.into();
    Aes128::new_from_slice(&seed.as_bytes()[..16]).unwrap().encrypt_block(&mut last);
    assert_eq!(expand(Prg::Aes128Ctr, &seed, Prg::Aes128Ctr.keystream_limit() - 16, 16), last[..]);
}

#[test]
fn beyond_the_limit_nothing_is_written() {
    for prg in Prg::ALL {
        for (start, len) in
            [(prg.keystream_limit(), 1), (prg.keystream_limit() - 99, 100), (u64::MAX, 2)]
        {
            let mut out = vec![0xa5; len];
            assert_eq!(
                prg.expand(Backend::detect(), &seed(1), start, &mut out),
                Err(KeystreamLimit { prg })
            );
            assert_eq!(out, vec![0xa5; len]);
        }
        assert!(expand(prg, &seed(1), prg.keystream_limit(), 0).is_empty());
    }
}

/// The last four bytes of the seed are not part of AES-128-CTR and AEGIS; all others are.
#[test]
fn aes_and_aegis_use_28_bytes_of_the_seed() {
    for prg in [Prg::Aes128Ctr, Prg::Aegis128X4] {
        let plain = expand(prg, &seed(3), 0, 16);
        for changed in 0..32 {
            let mut bytes = *seed(3).as_bytes();
            bytes[changed] ^= 1;
            let same = expand(prg, &Seed::from_bytes(bytes), 0, 16) == plain;
            assert_eq!(same, changed >= 28, "{prg} byte {changed}");
        }
    }
}
