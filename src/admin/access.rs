//! Who may use the admin address: what a request must bring along, and over what it must come.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use sha2::{Digest as _, Sha256};

use crate::config;
use crate::server::ServerNames;

/// How the admin address is guarded; replaceable while it serves.
#[derive(Debug)]
pub struct Access(RwLock<Arc<Guard>>);

/// How it is guarded now.
#[derive(Debug)]
pub(super) struct Guard {
    token_file: Option<PathBuf>,
    pub(super) tls: Option<ServerNames>,
}

impl Access {
    /// As it is configured.
    ///
    /// # Errors
    /// Where its certificates cannot be served.
    pub fn new(admin: &config::Admin) -> Result<Self, String> {
        Ok(Self(RwLock::new(Arc::new(Guard::new(admin)?))))
    }

    /// Is guarded as another is, from the next request on.
    pub fn take_over(&self, other: Self) {
        let guard = other.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = guard;
    }

    pub(super) fn guard(&self) -> Arc<Guard> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Guard {
    fn new(admin: &config::Admin) -> Result<Self, String> {
        let tls = admin.tls.as_ref().map(ServerNames::admin).transpose()?;
        Ok(Self { token_file: admin.token_file.clone(), tls })
    }

    /// With a token file, its content is what a caller must send; one that cannot be read lets nobody in.
    pub(super) async fn allows(&self, authorization: Option<&str>) -> bool {
        let Some(path) = &self.token_file else { return true };
        let Ok(token) = tokio::fs::read_to_string(path).await else { return false };
        let given = authorization.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
        let token = token.trim();
        !token.is_empty() && is_same(given, token)
    }
}

/// Compares hashes, so that the time it takes tells neither how much was right nor how long the token is.
fn is_same(given: &str, token: &str) -> bool {
    let (given, token) = (Sha256::digest(given), Sha256::digest(token));
    given.iter().zip(&token).fold(0, |differences, (a, b)| differences | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_token_is_the_same() {
        assert!(is_same("secret", "secret"));
        for wrong in ["", "secre", "secret2", "Secret"] {
            assert!(!is_same(wrong, "secret"), "{wrong}");
        }
    }

    #[tokio::test]
    async fn a_token_that_is_missing_or_empty_lets_nobody_in() {
        let guard = |path: &str| Guard { token_file: Some(path.into()), tls: None };
        assert!(!guard("/nowhere/at/all").allows(Some("Bearer ")).await);
        assert!(!guard("/dev/null").allows(Some("Bearer ")).await);
        assert!(Guard { token_file: None, tls: None }.allows(None).await);
    }
}
