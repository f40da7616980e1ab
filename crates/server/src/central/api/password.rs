//! Passwords: which are allowed, and their hashes, made by a bounded number of threads.

use std::collections::HashSet;
use std::sync::{Arc, LazyLock};

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as B64;
use pangea_world::name::Name;
use pangea_world::{Code, Refusal};
use tokio::sync::Semaphore;
use unicode_normalization::UnicodeNormalization;

use crate::config::Accounts;
use crate::random;

/// Most characters of a password.
pub const PASSWORD_MAX: usize = 128;

/// Most hashes that wait, for each that runs.
const LINE_PER_WORKER: usize = 32;

static COMMON: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    include_str!("common_passwords.txt").lines().filter(|line| !line.starts_with('#')).collect()
});

/// Makes and checks password hashes; argon2id, cost from the configuration.
#[derive(Debug)]
pub struct Passwords {
    argon2: Argon2<'static>,
    /// A hash that no password has: checking an unknown name costs as much as a known one.
    nobody: String,
    workers: Arc<Semaphore>,
    line: Arc<Semaphore>,
    shortest: usize,
    refuse_common: bool,
}

impl Passwords {
    /// With the configured cost.
    ///
    /// # Errors
    /// If argon2 does not take the cost.
    pub fn new(config: &Accounts) -> anyhow::Result<Self> {
        let params =
            Params::new(config.argon2_memory_kib, config.argon2_passes, 1, Some(32)).map_err(|error| {
                anyhow::anyhow!("accounts.argon2_memory_kib, accounts.argon2_passes: {error}")
            })?;
        let nobody = format!(
            "$argon2id$v=19$m={},t={},p=1${}${}",
            config.argon2_memory_kib,
            config.argon2_passes,
            B64.encode(random::bytes::<16>()),
            B64.encode(random::bytes::<32>())
        );
        let at_once = config.argon2_at_once.max(1);
        Ok(Self {
            argon2: Argon2::new(Algorithm::Argon2id, Version::V0x13, params),
            nobody,
            workers: Arc::new(Semaphore::new(at_once)),
            line: Arc::new(Semaphore::new(at_once * (1 + LINE_PER_WORKER))),
            shortest: config.password_min,
            refuse_common: config.refuse_common_passwords,
        })
    }

    /// Whether a new password for this name is allowed; gives its normal form (NFC), which is hashed.
    ///
    /// # Errors
    /// `password_length`, `password_common`.
    pub fn check(&self, password: &str, name: &Name) -> Result<String, Refusal> {
        let length = format!("a password has {} to {PASSWORD_MAX} characters", self.shortest);
        let Some(normal) = normal(password) else { return Refusal::err(Code::PasswordLength, length) };
        if normal.chars().count() < self.shortest {
            return Refusal::err(Code::PasswordLength, length);
        }
        let lower = normal.to_lowercase();
        if self.refuse_common && (COMMON.contains(lower.as_str()) || monotonous(&lower)) {
            return Refusal::err(
                Code::PasswordCommon,
                "that password is among the first that anybody guesses",
            );
        }
        if self.refuse_common && (lower == name.shown.to_lowercase() || lower == name.key) {
            return Refusal::err(Code::PasswordCommon, "the password must not be the name");
        }
        Ok(normal)
    }

    /// The hash of a password that [`Passwords::check`] gave.
    ///
    /// # Errors
    /// `too_many_requests` if too many wait already.
    pub async fn hash(&self, normal: String) -> Result<String, Refusal> {
        let argon2 = self.argon2.clone();
        let salt = random::bytes::<16>();
        self.work(move || {
            let hash: Result<PasswordHash, _> = argon2.hash_password_with_salt(normal.as_bytes(), &salt);
            hash.map(|hash| hash.to_string()).map_err(|error| {
                Refusal::new(Code::Internal, format!("the password was not hashed: {error}"))
            })
        })
        .await?
    }

    /// Whether a password fits to a hash; `None`: there is no such account, which takes as long and is `false`.
    ///
    /// # Errors
    /// `too_many_requests` if too many wait already.
    pub async fn fits(&self, password: &str, hash: Option<String>) -> Result<bool, Refusal> {
        let Some(normal) = normal(password) else { return Ok(false) };
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.nobody.clone());
        let argon2 = self.argon2.clone();
        self.work(move || {
            let parsed = PasswordHash::new(&hash);
            known & parsed.is_ok_and(|hash| argon2.verify_password(normal.as_bytes(), &hash).is_ok())
        })
        .await
    }

    async fn work<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Refusal> {
        let busy =
            || Refusal::new(Code::TooManyRequests, "too many people log in just now; try again in a moment");
        let place = self.line.clone().try_acquire_owned().map_err(|_| busy())?;
        let worker = self.workers.clone().acquire_owned().await.map_err(|_| busy())?;
        let done = crate::task::blocking(move || {
            // Held until the thread is done, also if the caller went away.
            let _held = (place, worker);
            work()
        });
        done.await.map_err(|_| Refusal::new(Code::Internal, "the password could not be worked on"))
    }
}

/// NFC, if it is not too long; looks at no more than it must.
fn normal(password: &str) -> Option<String> {
    if password.len() > PASSWORD_MAX * 16 {
        return None;
    }
    let normal: String = password.nfc().collect();
    (normal.chars().count() <= PASSWORD_MAX).then_some(normal)
}

/// One character again and again, or each the next of the one before.
fn monotonous(text: &str) -> bool {
    let steps = || text.chars().zip(text.chars().skip(1)).map(|(a, b)| b as i64 - a as i64);
    [0, 1, -1].iter().any(|step| steps().all(|s| s == *step))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cheap(at_once: usize) -> Passwords {
        let config = Accounts {
            argon2_memory_kib: 64,
            argon2_passes: 1,
            argon2_at_once: at_once,
            ..Accounts::default()
        };
        Passwords::new(&config).expect("argon2 takes it")
    }

    fn code(password: &str) -> Option<Code> {
        let name = pangea_world::name::check("Ada Lovelace").expect("a name");
        cheap(1).check(password, &name).err().map(|refusal| refusal.code)
    }

    #[test]
    fn lengths_count_characters_after_normalisation() {
        assert_eq!(code("1x5%k0q"), Some(Code::PasswordLength));
        assert_eq!(code("1x5%k0q8"), None);
        assert_eq!(code(&"aé7".repeat(42)), None);
        assert_eq!(code(&"ab7".repeat(43)), Some(Code::PasswordLength));
        assert_eq!(code(&"x".repeat(1 << 20)), Some(Code::PasswordLength));
        // Eight characters only before they are composed.
        assert_eq!(code("e\u{301}e\u{301}e\u{301}e\u{301}"), Some(Code::PasswordLength));
    }

    #[test]
    fn what_everybody_guesses_is_refused() {
        for password in [
            "password",
            "PassWord1",
            "12345678",
            "aaaaaaaaaaaa",
            "abcdefgh",
            "87654321",
            "ada lovelace",
            "AdaLovelace",
        ] {
            assert_eq!(code(password), Some(Code::PasswordCommon), "{password}");
        }
        assert!(COMMON.len() >= 150 && COMMON.iter().all(|line| *line == line.to_lowercase().trim()));
    }

    #[tokio::test]
    async fn composed_and_decomposed_are_one_password() {
        let passwords = cheap(1);
        let name = pangea_world::name::check("Ada").expect("a name");
        let hash = passwords
            .hash(passwords.check("caf\u{e9} au lait", &name).expect("allowed"))
            .await
            .expect("a hash");
        assert!(hash.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{hash}");
        assert!(passwords.fits("cafe\u{301} au lait", Some(hash.clone())).await.expect("no line"));
        assert!(!passwords.fits("cafe au lait", Some(hash)).await.expect("no line"));
        assert!(!passwords.fits("cafe au lait", None).await.expect("no line"));
    }

    #[tokio::test]
    async fn a_full_line_refuses() {
        let passwords = Arc::new(cheap(1));
        let held = passwords.workers.clone().acquire_owned().await.expect("a worker");
        let tries: Vec<_> = (0..LINE_PER_WORKER + 10).map(|_| passwords.fits("something", None)).collect();
        let all = futures_util::future::join_all(tries);
        let free = async {
            tokio::task::yield_now().await;
            drop(held);
        };
        let (answers, ()) = tokio::join!(all, free);
        let refused =
            answers.iter().filter(|a| a.as_ref().is_err_and(|r| r.code == Code::TooManyRequests)).count();
        assert_eq!(refused, 9);
    }
}
