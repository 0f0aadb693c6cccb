//! The key expansion of AES (FIPS 197, section 5.2), byte by byte: what a cipher keeps of its key.

/// The keys of all rounds, of 16 bytes each; the key itself comes first.
pub(crate) fn round_keys(key: &[u8]) -> Vec<u8> {
    let (words, len) = (key.len() / 4, 16 * (key.len() / 4 + 7));
    let (mut keys, mut constant) = (key.to_vec(), 1);
    for at in words..len / 4 {
        let mut word: [u8; 4] = *keys.last_chunk().expect("a key");
        if at % words == 0 {
            word.rotate_left(1);
            word = word.map(substituted);
            word[0] ^= constant;
            constant = product(constant, 2);
        } else if words > 6 && at % words == 4 {
            word = word.map(substituted);
        }
        let old = keys.len() - key.len();
        (0..4).for_each(|i| keys.push(keys[old + i] ^ word[i]));
    }
    keys
}

/// The S-box: an inverse, which is a power, and what is made of its bits.
fn substituted(byte: u8) -> u8 {
    let inverse = (0..254).fold(1, |power, _| product(power, byte));
    (1..5).fold(0x63 ^ inverse, |sum, bits| sum ^ inverse.rotate_left(bits))
}

/// In the field of FIPS 197, section 4.2.
fn product(a: u8, b: u8) -> u8 {
    let times_x = |a: u8| (a << 1) ^ if a > 127 { 0x1b } else { 0 };
    let (mut power, mut sum) = (a, 0);
    for bit in 0..8 {
        sum ^= if b >> bit & 1 == 1 { power } else { 0 };
        power = times_x(power);
    }
    sum
}

/// The last round keys of appendices A.1 and A.3.
#[test]
fn keys_are_expanded_as_in_fips_197() {
    let short = 0x2b7e_1516_28ae_d2a6_abf7_1588_09cf_4f3c_u128.to_be_bytes();
    let last = 0xd014_f9a8_c9ee_2589_e13f_0cc8_b663_0ca6_u128.to_be_bytes();
    assert_eq!(round_keys(&short).last_chunk(), Some(&last));
    let long =
        [0x603d_eb10_15ca_71be_2b73_aef0_857d_7781, 0x1f35_2c07_3b61_08d7_2d98_10a3_0914_dff4];
    let long = long.map(u128::to_be_bytes).concat();
    let last = 0xfe48_90d1_e618_8d0b_046d_f344_706c_631e_u128.to_be_bytes();
    assert_eq!(round_keys(&long).last_chunk(), Some(&last));
}
