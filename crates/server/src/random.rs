//! Randomness from the operating system; the pure crates take it as an argument.

use ring::rand::{SecureRandom, SystemRandom};

/// `N` random bytes, fit for keys and ids.
///
/// # Panics
/// If the operating system has no randomness: nothing safe can be done without it.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut out = [0; N];
    #[cfg(feature = "simulation")]
    if crate::simulation::fill(&mut out) {
        return out;
    }
    #[allow(clippy::expect_used)]
    SystemRandom::new().fill(&mut out).expect("the operating system has randomness");
    out
}
