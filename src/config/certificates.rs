//! Certificates, keys and truststores: read and checked once, where they are named, so that `check` finds what a handshake would.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::load::Files;
use crate::document::{Fields, Node, Problems};

/// What a TLS listener presents, and whom it lets in.
#[derive(Debug, Clone)]
pub struct Tls {
    /// Its certificate chain and key.
    pub certificate: Arc<CertifiedKey>,
    /// Who may vouch for its clients; nothing: they need no certificate.
    pub truststore: Option<Arc<RootCertStore>>,
}

/// Reads a listener's `tls`.
pub(super) fn tls(node: &Node, files: &mut Files, problems: &mut Problems) -> Option<Tls> {
    let mut fields = Fields::of(node, "`tls`", problems)?;
    let chain = fields.required("certificate", problems).and_then(|node| chain(node, files, problems));
    let key = fields.required("privateKey", problems);
    let certificate = key.and_then(|key| certified(chain, key, files, problems));
    let truststore = fields.take("truststore").map(|node| truststore(node, files, problems));
    fields.finish(problems);
    // One that cannot be read is a problem, never none.
    Some(Tls { certificate: certificate?, truststore: truststore.map_or(Some(None), |store| store.map(Some))? })
}

/// Reads `certificate` and `privateKey`, which come together or not at all.
pub(super) fn certificate(fields: &mut Fields<'_>, files: &mut Files, problems: &mut Problems) -> Option<Arc<CertifiedKey>> {
    match (fields.take("certificate"), fields.take("privateKey")) {
        (Some(certificate), Some(key)) => {
            let chain = chain(certificate, files, problems);
            certified(chain, key, files, problems)
        }
        (Some(alone), None) => {
            problems.error(alone, "`certificate` needs `privateKey` beside it");
            None
        }
        (None, Some(alone)) => {
            problems.error(alone, "`privateKey` needs `certificate` beside it");
            None
        }
        (None, None) => None,
    }
}

/// A chain with its key; the key is read also where there is no chain, so that all problems are told at once.
fn certified(
    chain: Option<Vec<CertificateDer<'static>>>,
    private_key: &Node,
    files: &mut Files,
    problems: &mut Problems,
) -> Option<Arc<CertifiedKey>> {
    let (path, bytes) = file(private_key, files, problems)?;
    let key = PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| error.to_string());
    let key = key.and_then(|key| rustls::crypto::ring::sign::any_supported_type(&key).map_err(|error| error.to_string()));
    let key = match key {
        Ok(key) => key,
        Err(error) => {
            problems.error(private_key, format!("{path} has no private key that can be used: {error}"));
            return None;
        }
    };
    let certified = CertifiedKey::new(chain?, key);
    if let Err(error) = certified.keys_match() {
        problems.error(private_key, format!("{path} is not the key of the certificate: {error}"));
        return None;
    }
    Some(Arc::new(certified))
}

/// The authorities, and those between, that may vouch for clients.
pub(super) fn truststore(node: &Node, files: &mut Files, problems: &mut Problems) -> Option<Arc<RootCertStore>> {
    if node.scalar().is_some_and(|uri| uri.contains("://")) {
        problems.error(node, "a truststore is a file of certificates (PEM) beside this one, not an address").help("download it first");
        return None;
    }
    let mut store = RootCertStore::empty();
    for certificate in chain(node, files, problems)? {
        if let Err(error) = store.add(certificate) {
            problems.error(node, format!("a certificate of the truststore cannot be used: {error}"));
            return None;
        }
    }
    Some(Arc::new(store))
}

/// At least one certificate.
fn chain(node: &Node, files: &mut Files, problems: &mut Problems) -> Option<Vec<CertificateDer<'static>>> {
    let (path, bytes) = file(node, files, problems)?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).map(|item| item.map(CertificateDer::into_owned)).collect();
    let problem = match read {
        Ok(chain) if chain.is_empty() => format!("{path} has no certificate (PEM)"),
        Ok(chain) => match chain.iter().find_map(|certificate| x509_parser::parse_x509_certificate(certificate).err()) {
            None => return Some(chain),
            Some(error) => format!("{path} has a certificate that cannot be read: {error}"),
        },
        Err(error) => format!("{path} has no certificates that can be read: {error}"),
    };
    problems.error(node, problem);
    None
}

fn file(node: &Node, files: &mut Files, problems: &mut Problems) -> Option<(String, Vec<u8>)> {
    let Some(written) = node.scalar() else {
        problems.error(node, format!("a file is named here, not {}", node.kind()));
        return None;
    };
    let path = files.beside(node, written);
    if !path.exists() {
        problems.error(node, format!("there is no file {}", path.display()));
        files.watch(path);
        return None;
    }
    Some((path.display().to_string(), files.current(&path, node, problems)?))
}
