//! Certificates by the name that the client asks for, replaceable while connections are open.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use pingora::listeners::tls::Acceptor;
use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// The certificates of one listener: its own, and those of custom domains.
#[derive(Debug, Default)]
pub struct Certificates {
    by_name: RwLock<HashMap<String, Arc<CertifiedKey>>>,
    default: RwLock<Option<Arc<CertifiedKey>>>,
}

/// Reads a chain and its key.
///
/// # Errors
/// With the file and what is wrong with it.
pub(super) fn certified_key(certificate: &Path, private_key: &Path) -> Result<Arc<CertifiedKey>, String> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(|error| format!("{}: {error}", certificate.display()))?;
    if chain.is_empty() {
        return Err(format!("{}: there is no certificate in it", certificate.display()));
    }
    let key = PrivateKeyDer::from_pem_file(private_key).map_err(|error| format!("{}: {error}", private_key.display()))?;
    let key = rustls::crypto::ring::sign::any_supported_type(&key).map_err(|error| format!("{}: {error}", private_key.display()))?;
    let certified = CertifiedKey::new(chain, key);
    certified.keys_match().map_err(|error| format!("{} does not belong to {}: {error}", private_key.display(), certificate.display()))?;
    Ok(Arc::new(certified))
}

impl Certificates {
    /// Replaces all of them.
    pub(super) fn replace(&self, default: Arc<CertifiedKey>, by_name: HashMap<String, Arc<CertifiedKey>>) {
        *self.by_name.write().unwrap_or_else(PoisonError::into_inner) = by_name;
        *self.default.write().unwrap_or_else(PoisonError::into_inner) = Some(default);
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if let Some(name) = hello.server_name() {
            let by_name = self.by_name.read().unwrap_or_else(PoisonError::into_inner);
            let wildcard = || by_name.get(&format!("*.{}", name.split_once('.')?.1));
            if let Some(key) = by_name.get(name).or_else(wildcard) {
                return Some(Arc::clone(key));
            }
        }
        self.default.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// TLS 1.2 and 1.3, HTTP/2 where the client can.
pub(super) fn acceptor(certificates: Arc<Certificates>) -> Result<Acceptor, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
    let mut config = builder.with_no_client_auth().with_cert_resolver(certificates);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Acceptor::from_server_config(Arc::new(config)))
}
