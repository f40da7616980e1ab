//! How two roles prove to each other who they are (K5, K7).
//!
//! Central holds one secret, the master key. A spawner's or a chat's key is derived from it and its name; a
//! game server's key is derived from its spawner's key and its id, so that the spawner can hand it out
//! without asking. A key never travels over a link: each side proves that it has it over the nonces of
//! both. Form of the derivation: HMAC-SHA256 (RFC 2104) over a labelled, length-free text.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;

/// A 256-bit secret shared by a role and central.
#[derive(Clone, PartialEq, Eq)]
pub struct RoleKey([u8; 32]);

impl std::fmt::Debug for RoleKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RoleKey(…)")
    }
}

/// Which side of the handshake makes a proof; keeps one side's proof from serving as the other's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The role that opened the link.
    Opener,
    /// The role that was called.
    Answerer,
}

impl RoleKey {
    /// A key of these bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads the text form: 43 characters of URL-safe base64, white space around it ignored.
    pub fn parse(text: &str) -> Option<Self> {
        Some(Self(URL_SAFE_NO_PAD.decode(text.trim()).ok()?.try_into().ok()?))
    }

    /// The text form; for a file that only its owner can read.
    pub fn to_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// The key of a role below this one; `role` and `name` are e.g. `spawner` and its name.
    pub fn derive(&self, role: &str, name: &str) -> RoleKey {
        RoleKey(self.mac(&["key", role, name], &[]))
    }

    /// What two roles share when one of them shows central's word for the pair: who has the text has the key.
    pub fn of_credential(credential: &str) -> RoleKey {
        RoleKey([0; 32]).derive("credential", credential)
    }

    /// The proof that one has the key, over what both sides said first.
    pub fn prove(&self, side: Side, role: &str, name: &str, nonces: [&[u8]; 2]) -> [u8; 32] {
        let side = if side == Side::Opener { "opener" } else { "answerer" };
        self.mac(&["proof", side, role, name], &nonces)
    }

    /// Checks a proof in constant time.
    pub fn verify(&self, proof: &[u8], side: Side, role: &str, name: &str, nonces: [&[u8]; 2]) -> bool {
        let expected = self.prove(side, role, name, nonces);
        proof.len() == expected.len() && proof.iter().zip(expected).fold(0, |acc, (a, b)| acc | (a ^ b)) == 0
    }

    fn mac(&self, words: &[&str], blobs: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &self.0));
        for part in words.iter().map(|w| w.as_bytes()).chain(blobs.iter().copied()) {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut out = [0; 32];
        out.copy_from_slice(context.sign().as_ref());
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_fits_one_side_one_name_and_one_pair_of_nonces() {
        let master = RoleKey::new([7; 32]);
        let key = master.derive("spawner", "one");
        let nonces: [&[u8]; 2] = [b"a", b"b"];
        let proof = key.prove(Side::Opener, "spawner", "one", nonces);
        assert!(key.verify(&proof, Side::Opener, "spawner", "one", nonces));
        assert!(!key.verify(&proof, Side::Answerer, "spawner", "one", nonces));
        assert!(!key.verify(&proof, Side::Opener, "spawner", "two", nonces));
        assert!(!key.verify(&proof, Side::Opener, "spawner", "one", [b"b", b"a"]));
        assert!(!master.derive("spawner", "two").verify(&proof, Side::Opener, "spawner", "one", nonces));
        assert_eq!(RoleKey::parse(&key.to_text()), Some(key));
    }
}
