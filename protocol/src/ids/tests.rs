use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use super::*;

#[test]
fn fresh_sessions_are_what_the_generator_gives() {
    let mut rng = ChaCha20Rng::seed_from_u64(8);
    let mut bytes = [0; 32];
    rng.clone().fill_bytes(&mut bytes);
    let drawn = [(); 2].map(|()| SessionId::random(&mut rng).0);
    assert_ne!(drawn[0], drawn[1]);
    assert_eq!(drawn.concat(), bytes);
}
