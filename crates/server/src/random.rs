//! Randomness from the operating system; the pure crates take it as an argument.

use std::cell::RefCell;

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
    DRAWN.with_borrow_mut(|drawn| drawn.take(&mut out));
    out
}

/// How much is drawn at once: a join needs some ten ids, and each would be a call to the kernel.
const DRAW: usize = 512;

thread_local! {
    static DRAWN: RefCell<Drawn> = const { RefCell::new(Drawn { bytes: [0; DRAW], left: 0 }) };
}

/// What was drawn from the operating system and not given out; what was is overwritten.
struct Drawn {
    bytes: [u8; DRAW],
    left: usize,
}

impl Drawn {
    fn take(&mut self, out: &mut [u8]) {
        if out.len() > DRAW {
            return draw(out);
        }
        if out.len() > self.left {
            draw(&mut self.bytes);
            self.left = DRAW;
        }
        let given = &mut self.bytes[self.left - out.len()..self.left];
        out.copy_from_slice(given);
        given.fill(0);
        self.left -= out.len();
    }
}

fn draw(out: &mut [u8]) {
    #[allow(clippy::expect_used)]
    SystemRandom::new().fill(out).expect("the operating system has randomness");
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    /// Over many draws, and of every length, nothing comes twice.
    #[test]
    fn nothing_is_given_out_twice() {
        let mut seen = HashSet::new();
        for _ in 0..500 {
            assert!(seen.insert(super::bytes::<16>().to_vec()));
            assert!(seen.insert(super::bytes::<24>().to_vec()));
            assert!(seen.insert(super::bytes::<600>().to_vec()));
        }
    }
}
