//! Password hashes, and the threads that compute them.

use std::sync::{
    LazyLock,
    atomic::{AtomicUsize, Ordering},
};

use argon2::{Argon2, PasswordHash, PasswordVerifier as _};
use tokio::{sync::Semaphore, task::spawn_blocking};

use super::AuthError;

/// Passwords waiting to be checked at once; further ones are turned away.
const WAITING_MAX: usize = 256;

/// Passwords checked at once: each takes a core for as long as it lasts.
static CORES: LazyLock<Semaphore> =
    LazyLock::new(|| Semaphore::new(std::thread::available_parallelism().map_or(1, std::num::NonZero::get)));
static WAITING: AtomicUsize = AtomicUsize::new(0);

/// The hash of a password.
#[derive(Clone)]
pub(super) enum Hash {
    /// `$argon2id$…` and its sisters (RFC 9106).
    Argon2(String),
    /// `$2b$…` and its elders.
    Bcrypt(String),
}

impl Hash {
    /// Reads a hash; `None` if it is none of those known.
    pub fn parse(text: &str) -> Option<Self> {
        if text.starts_with("$argon2") {
            let hash = PasswordHash::new(text).ok()?;
            return (hash.hash.is_some() && hash.salt.is_some()).then(|| Self::Argon2(text.to_owned()));
        }
        let parts: Option<bcrypt::HashParts> = text.parse().ok();
        parts.map(|_| Self::Bcrypt(text.to_owned()))
    }

    fn is_of(&self, password: &[u8]) -> bool {
        match self {
            Self::Argon2(text) => PasswordHash::new(text)
                .is_ok_and(|hash| Argon2::default().verify_password(password, &hash).is_ok()),
            Self::Bcrypt(text) => bcrypt::verify(password, text).unwrap_or(false),
        }
    }

    /// Whether this is the hash of a password, computed where it holds up no request.
    ///
    /// # Errors
    /// [`AuthError::Unavailable`] if too many wait already.
    pub async fn check(&self, password: Vec<u8>) -> Result<bool, AuthError> {
        let _place = Place::take()?;
        let permit = CORES.acquire().await.map_err(|_| AuthError::Unavailable)?;
        let hash = self.clone();
        let checked = spawn_blocking(move || {
            // Held to the end, though the request may be gone by then.
            let _permit = permit;
            hash.is_of(&password)
        });
        checked.await.map_err(|_| AuthError::Unavailable)
    }
}

/// A place among those who wait.
struct Place;

impl Place {
    fn take() -> Result<Self, AuthError> {
        if WAITING.fetch_add(1, Ordering::Relaxed) >= WAITING_MAX {
            WAITING.fetch_sub(1, Ordering::Relaxed);
            return Err(AuthError::Unavailable);
        }
        Ok(Self)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        WAITING.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn both_kinds_are_checked() {
        // Cheap on purpose: m=8 KiB, t=1; cost 4.
        let argon2 = Argon2::new(
            argon2::Algorithm::Argon2id,
            argon2::Version::V0x13,
            argon2::Params::new(8, 1, 1, None).unwrap(),
        );
        let salt = *b"0123456789abcdef";
        let argon2 = argon2::PasswordHasher::hash_password_with_salt(&argon2, b"sesame", &salt).unwrap();
        let bcrypt = bcrypt::hash_with_salt("sesame", 4, salt).unwrap().to_string();
        for text in [argon2.to_string(), bcrypt] {
            let hash = Hash::parse(&text).unwrap();
            assert_eq!(hash.check(b"sesame".to_vec()).await, Ok(true), "{text}");
            assert_eq!(hash.check(b"Sesame".to_vec()).await, Ok(false), "{text}");
        }
        for bad in ["", "sesame", "$argon2id$", "$argon2id$v=19$m=8,t=1,p=1$c2FsdA", "$2b$04$short", "$1$x$y"]
        {
            assert!(Hash::parse(bad).is_none(), "{bad}");
        }
    }
}
