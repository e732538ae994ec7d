//! TLS by the name that the client asks for: certificate, versions, and whose certificate it must show itself. Replaceable while
//! connections are open.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::server::{Acceptor, ClientHello, NoClientAuth, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::AsyncWriteExt as _;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use super::client_certificate;
use super::socket::Socket;
use crate::apigateway::account::{DomainName, SecurityPolicy};
use crate::config::Tls;
use crate::exchange::ClientCertificate;

/// A TLS handshake must be over by then.
const HANDSHAKE: Duration = Duration::from_secs(15);

/// The names that one listener answers to.
#[derive(Debug)]
pub(crate) struct ServerNames {
    default: Named,
    /// Custom domains; `*.` stands for one label.
    by_name: HashMap<Box<str>, Named>,
}

#[derive(Debug)]
struct Named {
    /// The custom domain in whose own truststore a client must be known.
    verifies_for: Option<Box<str>>,
    made_of: MadeOf,
    config: Arc<ServerConfig>,
}

/// What decides a configuration: as long as it stays the same, so does the configuration, and sessions can be resumed over a reload.
#[derive(Debug, Clone)]
struct MadeOf {
    certificate: Arc<CertifiedKey>,
    policy: SecurityPolicy,
    truststore: Option<Arc<RootCertStore>>,
    http2: bool,
}

impl PartialEq for MadeOf {
    fn eq(&self, other: &Self) -> bool {
        let roots = |made: &Self| made.truststore.as_ref().map(|store| store.roots.clone());
        // A chain whose key is another has another first certificate.
        self.certificate.cert == other.certificate.cert
            && self.policy == other.policy
            && self.http2 == other.http2
            && roots(self) == roots(other)
    }
}

impl ServerNames {
    /// What a listener answers to. Configurations of `previous` that would come out the same are kept.
    ///
    /// # Errors
    /// With the name whose certificates cannot be served.
    pub(crate) fn new(listener: &Tls, domains: &[DomainName], previous: Option<&Self>) -> Result<Self, String> {
        let own = |certificate: Option<&Arc<CertifiedKey>>, policy, truststore: Option<&Arc<RootCertStore>>| MadeOf {
            certificate: Arc::clone(certificate.unwrap_or(&listener.certificate)),
            policy,
            truststore: truststore.or(listener.truststore.as_ref()).map(Arc::clone),
            http2: true,
        };
        let default = Named::new(None, own(None, SecurityPolicy::Tls12, None), previous.map(|names| &names.default))?;
        let mut by_name = HashMap::new();
        for domain in domains {
            let name = domain.domain_name.to_ascii_lowercase();
            let made_of = own(domain.certificate.as_ref(), domain.security_policy, domain.truststore.as_ref());
            let verifies_for = domain.truststore.is_some().then(|| name.as_str().into());
            let known = previous.and_then(|names| names.by_name.get(name.as_str()));
            by_name.insert(name.clone().into(), Named::new(verifies_for, made_of, known).map_err(|error| format!("{name}: {error}"))?);
        }
        Ok(Self { default, by_name })
    }

    /// What the admin address answers to: one certificate, HTTP/1.1.
    ///
    /// # Errors
    /// Where its certificates cannot be served.
    pub(crate) fn admin(tls: &Tls) -> Result<Self, String> {
        let (certificate, truststore) = (Arc::clone(&tls.certificate), tls.truststore.clone());
        let made_of = MadeOf { certificate, policy: SecurityPolicy::Tls12, truststore, http2: false };
        Ok(Self { default: Named::new(None, made_of, None)?, by_name: HashMap::new() })
    }

    fn choose(&self, hello: &ClientHello<'_>) -> &Named {
        let Some(name) = hello.server_name().filter(|_| !self.by_name.is_empty()).map(str::to_ascii_lowercase) else {
            return &self.default;
        };
        let wildcard = || self.by_name.get(format!("*.{}", name.split_once('.')?.1).as_str());
        self.by_name.get(name.as_str()).or_else(wildcard).unwrap_or(&self.default)
    }

    /// Shakes hands, within bounds; with what the client proved of itself.
    ///
    /// # Errors
    /// Where client and server do not agree, or the client takes too long.
    pub(crate) async fn accept(&self, socket: Socket) -> io::Result<(TlsStream<Socket>, Option<Arc<ClientCertificate>>)> {
        let shake = async {
            let mut greeting = std::pin::pin!(LazyConfigAcceptor::new(Acceptor::default(), socket));
            let start = match greeting.as_mut().await {
                Ok(start) => start,
                Err(error) => return Err(refuse(error, greeting.take_io()).await),
            };
            let named = self.choose(&start.client_hello());
            let stream = match start.into_stream(Arc::clone(&named.config)).into_fallible().await {
                Ok(stream) => stream,
                Err((error, socket)) => return Err(refuse(error, Some(socket)).await),
            };
            let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
            let certificate = shown.map(|der| client_certificate::read(der, named.verifies_for.as_deref()).map(Arc::new));
            let certificate = certificate.transpose().map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            Ok((stream, certificate))
        };
        tokio::time::timeout(HANDSHAKE, shake).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }
}

/// Sends the alert that says why.
async fn refuse(error: io::Error, socket: Option<Socket>) -> io::Error {
    if let Some(mut socket) = socket {
        let _ = socket.shutdown().await;
    }
    error
}

impl Named {
    fn new(verifies_for: Option<Box<str>>, made_of: MadeOf, previous: Option<&Self>) -> Result<Self, String> {
        let config = match previous.filter(|previous| previous.made_of == made_of) {
            Some(previous) => Arc::clone(&previous.config),
            None => Arc::new(config(&made_of).map_err(|error| error.to_string())?),
        };
        Ok(Self { verifies_for, made_of, config })
    }
}

fn config(made_of: &MadeOf) -> Result<ServerConfig, Box<dyn std::error::Error>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions: &[_] = match made_of.policy {
        SecurityPolicy::Tls12 => &[&rustls::version::TLS13, &rustls::version::TLS12],
        SecurityPolicy::Tls13 => &[&rustls::version::TLS13],
    };
    let verifier = match &made_of.truststore {
        // Chain, time and usage; a client without a certificate is refused.
        Some(store) => WebPkiClientVerifier::builder_with_provider(Arc::clone(store), Arc::clone(&provider)).build()?,
        None => Arc::new(NoClientAuth),
    };
    let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(versions)?.with_client_cert_verifier(verifier);
    let mut config = builder.with_cert_resolver(Arc::new(Always(Arc::clone(&made_of.certificate))));
    // Tickets of one configuration open no session of another: each has keys of its own, which change every six hours.
    config.ticketer = rustls::crypto::ring::Ticketer::new()?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    if made_of.http2 {
        config.alpn_protocols.insert(0, b"h2".to_vec());
    }
    Ok(config)
}

/// The name was looked up already.
#[derive(Debug)]
struct Always(Arc<CertifiedKey>);

impl ResolvesServerCert for Always {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}
