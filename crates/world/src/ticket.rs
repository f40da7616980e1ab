//! The signed, single-use permit for one character to enter one game server.
//!
//! A ticket is a JSON Web Token (RFC 7519) signed with Ed25519 (`alg` EdDSA, RFC 8037) and nothing else, so
//! that a third-party server checks it with its language's stock library and central's public keys, and can
//! forge none. It lives at most [`LIFE_S`]. That it is used once is the game server's to keep: by the list
//! of announced characters, or by remembering `jti` until `exp`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use ring::digest::SHA256;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

use crate::id::{AccountId, CharacterId, EnterId, ServerId, SessionId};
use crate::refusal::{Code, Refusal};

/// Longest life of a ticket, seconds.
pub const LIFE_S: u64 = 30;

/// How far two clocks may differ, seconds.
pub const SKEW_S: u64 = 2;

/// Longest ticket that is looked at, bytes.
pub const MAX_BYTES: usize = 1_024;

/// What a ticket says. Times are seconds since 1970 (RFC 7519 §2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Always `pangea`.
    pub iss: String,
    /// The only server that may take it: see [`audience`].
    pub aud: String,
    /// The character.
    pub sub: CharacterId,
    /// The ticket itself; one enter has one.
    pub jti: EnterId,
    /// When it was made.
    pub iat: u64,
    /// When it ends.
    pub exp: u64,
    /// Whose the character is.
    pub acc: AccountId,
    /// The login that asked.
    pub ses: SessionId,
    /// The character's epoch under which the server will own it.
    pub epoch: u64,
    /// The character's name, for a server that knows nothing else.
    pub name: String,
}

/// What one role shows another: central vouches for the pair. Never good as a ticket, nor a ticket as this,
/// by the type in the header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// Who shows it: `central`, `operator`, or a server id.
    pub sub: String,
    /// To whom: a server id.
    pub aud: String,
    /// When it ends, seconds since 1970.
    pub exp: u64,
}

const TICKET_TYPE: &str = "JWT";
const CREDENTIAL_TYPE: &str = "pangea-role+jwt";

/// The `aud` of a server in one life: `<server id>/<incarnation>`.
pub fn audience(server: ServerId, incarnation: u64) -> String {
    format!("{server}/{incarnation}")
}

#[derive(Serialize, Deserialize)]
struct Header {
    alg: String,
    kid: String,
    typ: String,
}

/// Central's signing key.
pub struct Signer {
    kid: String,
    pair: Ed25519KeyPair,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signer({})", self.kid)
    }
}

impl Signer {
    /// A signer from its 32-byte seed.
    ///
    /// # Panics
    /// Never: every 32 bytes are a seed.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        #[allow(clippy::unwrap_used)]
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).unwrap();
        let kid = crate::id::hex(&pair.public_key().as_ref()[..8]);
        Self { kid, pair }
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey { kid: self.kid.clone(), bytes: self.pair.public_key().as_ref().to_vec() }
    }

    /// Signs a ticket; the text form is `header.claims.signature`, each URL-safe base64.
    pub fn sign(&self, claims: &Claims) -> String {
        self.sign_as(TICKET_TYPE, claims)
    }

    /// Signs a credential, in the same form under another type.
    pub fn sign_credential(&self, credential: &Credential) -> String {
        self.sign_as(CREDENTIAL_TYPE, credential)
    }

    fn sign_as(&self, typ: &str, claims: &impl Serialize) -> String {
        let header = Header { alg: "EdDSA".into(), kid: self.kid.clone(), typ: typ.into() };
        let part = |value: Result<Vec<u8>, _>| B64.encode(value.unwrap_or_default());
        let signed = format!("{}.{}", part(serde_json::to_vec(&header)), part(serde_json::to_vec(claims)));
        let signature = self.pair.sign(signed.as_bytes());
        format!("{signed}.{}", B64.encode(signature))
    }
}

/// A public key by its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// First 8 bytes of the key, hex.
    pub kid: String,
    /// 32 bytes.
    pub bytes: Vec<u8>,
}

impl PublicKey {
    /// The JSON Web Key (RFC 8037 §2).
    pub fn to_jwk(&self) -> serde_json::Value {
        serde_json::json!({
            "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": self.kid, "x": B64.encode(&self.bytes)
        })
    }
}

/// Checks a ticket's form, signature, time and audience; `now_s` is seconds since 1970. Whether it was
/// announced and not used before is the caller's next question.
///
/// # Errors
/// `ticket_invalid`, `ticket_expired` (or not yet begun), `ticket_foreign`.
pub fn check(ticket: &str, keys: &[PublicKey], audience: &str, now_s: u64) -> Result<Claims, Refusal> {
    let claims = hold(read(ticket, keys, TICKET_TYPE)?, audience)?;
    if claims.exp + SKEW_S < now_s || claims.iat > now_s + SKEW_S {
        return Refusal::err(Code::TicketExpired, "this ticket's time is over");
    }
    Ok(claims)
}

/// The same of what a ticket says ([`claims`]) whose [`digest`] central itself has told: its signature need not be
/// looked at, and its time is counted from when that was heard, by a clock that need not agree with central's
/// ([`LIFE_S`]).
///
/// # Errors
/// As [`check`].
pub fn check_announced(claims: Claims, audience: &str) -> Result<Claims, Refusal> {
    hold(claims, audience)
}

/// What a ticket says of itself; nothing of it is proven.
///
/// # Errors
/// `ticket_invalid` if it cannot be read.
pub fn claims(ticket: &str) -> Result<Claims, Refusal> {
    let invalid = || Refusal::new(Code::TicketInvalid, "this ticket is not valid");
    let text = ticket.split('.').nth(1).filter(|_| ticket.len() <= MAX_BYTES).ok_or_else(invalid)?;
    let bytes = B64.decode(text).map_err(|_| invalid())?;
    serde_json::from_slice(&bytes).map_err(|_| invalid())
}

/// SHA-256 of a ticket's text.
pub fn digest(ticket: &str) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(ring::digest::digest(&SHA256, ticket.as_bytes()).as_ref());
    out
}

/// Audience, and a life that is not too long.
fn hold(claims: Claims, audience: &str) -> Result<Claims, Refusal> {
    if claims.iss != "pangea" {
        return Refusal::err(Code::TicketInvalid, "this ticket is not valid");
    }
    if claims.exp > claims.iat + LIFE_S {
        return Refusal::err(Code::TicketExpired, "this ticket's time is over");
    }
    if claims.aud != audience {
        return Refusal::err(Code::TicketForeign, "this ticket is for another server");
    }
    Ok(claims)
}

/// Checks a credential's form, signature, time and audience.
///
/// # Errors
/// `key_wrong`, whatever is wrong.
pub fn check_credential(
    text: &str,
    keys: &[PublicKey],
    audience: &str,
    now_s: u64,
) -> Result<Credential, Refusal> {
    let wrong = || Refusal::new(Code::KeyWrong, "this credential is not valid here");
    let credential: Credential = read(text, keys, CREDENTIAL_TYPE).map_err(|_| wrong())?;
    if credential.aud == audience && credential.exp + SKEW_S >= now_s { Ok(credential) } else { Err(wrong()) }
}

fn read<T: serde::de::DeserializeOwned>(ticket: &str, keys: &[PublicKey], typ: &str) -> Result<T, Refusal> {
    let invalid = || Refusal::new(Code::TicketInvalid, "this ticket is not valid");
    if ticket.len() > MAX_BYTES {
        return Err(invalid());
    }
    let (signed, signature) = ticket.rsplit_once('.').ok_or_else(invalid)?;
    let (header, claims) = signed.split_once('.').ok_or_else(invalid)?;
    let decode = |text: &str| B64.decode(text).map_err(|_| invalid());
    let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| invalid())?;
    let fits = |key: &&PublicKey| key.kid == header.kid && header.alg == "EdDSA" && header.typ == typ;
    let key = keys.iter().find(fits).ok_or_else(invalid)?;
    UnparsedPublicKey::new(&ED25519, &key.bytes)
        .verify(signed.as_bytes(), &decode(signature)?)
        .map_err(|_| invalid())?;
    serde_json::from_slice(&decode(claims)?).map_err(|_| invalid())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims() -> Claims {
        Claims {
            iss: "pangea".into(),
            aud: audience(ServerId([1; 16]), 3),
            sub: CharacterId([2; 16]),
            jti: EnterId([3; 16]),
            iat: 1_000,
            exp: 1_030,
            acc: AccountId([4; 16]),
            ses: SessionId([5; 16]),
            epoch: 9,
            name: "Ada".into(),
        }
    }

    fn check_at(ticket: &str, now_s: u64) -> Result<Claims, Code> {
        let keys = [Signer::from_seed(&[9; 32]).public()];
        check(ticket, &keys, &audience(ServerId([1; 16]), 3), now_s).map_err(|refusal| refusal.code)
    }

    #[test]
    fn a_ticket_holds_for_its_server_and_its_time() {
        let ticket = Signer::from_seed(&[9; 32]).sign(&claims());
        assert!(ticket.len() < MAX_BYTES);
        assert_eq!(check_at(&ticket, 1_000), Ok(claims()));
        assert_eq!(check_at(&ticket, 1_032), Ok(claims()), "two seconds of skew");
        assert_eq!(check_at(&ticket, 1_033), Err(Code::TicketExpired));
        assert_eq!(check_at(&ticket, 997), Err(Code::TicketExpired));
        let elsewhere = Claims { aud: audience(ServerId([1; 16]), 2), ..claims() };
        let elsewhere = Signer::from_seed(&[9; 32]).sign(&elsewhere);
        assert_eq!(check_at(&elsewhere, 1_000), Err(Code::TicketForeign), "an earlier life of the server");
        let long = Claims { exp: 5_000, ..claims() };
        assert_eq!(check_at(&Signer::from_seed(&[9; 32]).sign(&long), 1_000), Err(Code::TicketExpired));
    }

    #[test]
    fn a_credential_is_no_ticket_and_a_ticket_no_credential() {
        let signer = Signer::from_seed(&[9; 32]);
        let keys = [signer.public()];
        let credential = Credential { sub: "central".into(), aud: "s".into(), exp: 1_000 };
        let text = signer.sign_credential(&credential);
        assert_eq!(check_credential(&text, &keys, "s", 1_002), Ok(credential));
        let code = |text: &str, aud: &str, now| check_credential(text, &keys, aud, now).map_err(|r| r.code);
        assert_eq!(code(&text, "t", 1_000), Err(Code::KeyWrong));
        assert_eq!(code(&text, "s", 1_003), Err(Code::KeyWrong));
        assert_eq!(code(&signer.sign(&claims()), &claims().aud, 1_000), Err(Code::KeyWrong));
        assert_eq!(check_at(&text, 1_000), Err(Code::TicketInvalid));
    }

    #[test]
    fn no_part_can_be_changed() {
        let ticket = Signer::from_seed(&[9; 32]).sign(&claims());
        for at in 0..ticket.len() {
            let mut bytes = ticket.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).expect("ascii");
            assert!(check_at(&changed, 1_000).is_err(), "byte {at} was changed and nobody saw it");
        }
        for cut in 0..ticket.len() {
            assert_eq!(check_at(&ticket[..cut], 1_000), Err(Code::TicketInvalid), "cut at {cut}");
        }
        assert_eq!(check_at(&Signer::from_seed(&[8; 32]).sign(&claims()), 1_000), Err(Code::TicketInvalid));
        let none = format!(
            "{}.{}.",
            B64.encode(r#"{"alg":"none","kid":"","typ":"JWT"}"#),
            ticket.split('.').nth(1).expect("claims")
        );
        assert_eq!(check_at(&none, 1_000), Err(Code::TicketInvalid));
    }
}
