//! A request on its way: as the client sent it, once it has a method, and as the endpoint will see it.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::Method;

use super::{ClientCertificate, Fields, Query};

/// Where a request came from.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The address that counts as the caller's: the connection's, or what a trusted proxy says.
    pub source_ip: IpAddr,
    /// The connection's own address, which `X-Forwarded-For` is extended by.
    pub address: IpAddr,
    /// The port of the listener.
    pub local_port: u16,
    /// Whether the client speaks TLS to this listener.
    pub secure: bool,
    /// What the client proved of itself by mutual TLS.
    pub client_certificate: Option<Arc<ClientCertificate>>,
}

/// A client's request after the front door accepted it; content follows separately.
#[derive(Debug, Clone)]
pub struct Request {
    /// One of the seven methods that API Gateway knows.
    pub http_method: Method,
    /// The host without its port, in lower case.
    pub host: Box<str>,
    /// The path as sent, still encoded, beginning with `/`.
    pub path: Box<str>,
    /// The query string as sent, without `?`.
    pub query: Option<Box<str>>,
    /// All header fields as received.
    pub fields: Fields,
    /// Where it came from.
    pub peer: Peer,
}

/// Path parameters in the order of the path, still encoded.
#[derive(Debug, Clone, Default)]
pub struct PathParameters(pub Vec<(Arc<str>, Box<str>)>);

impl PathParameters {
    /// The value of `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| &**key == name).map(|(_, value)| &**value)
    }

    /// All parameters in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }
}

/// A request that has found its method. Its fields lack those that API Gateway drops on arrival.
#[derive(Debug)]
pub struct MethodRequest {
    /// What the client sent.
    pub request: Request,
    /// The path below the stage, still encoded: the proxy event's `path`.
    pub resource_path: Box<str>,
    /// What the resource's variables stand for.
    pub path_parameters: PathParameters,
    /// The request to the letter, where a signature covers it.
    pub as_sent: Option<Box<Request>>,
    query: OnceLock<Query>,
}

impl MethodRequest {
    /// A request with what routing found out.
    #[must_use]
    pub fn new(request: Request, resource_path: Box<str>, path_parameters: PathParameters) -> Self {
        Self { request, resource_path, path_parameters, as_sent: None, query: OnceLock::new() }
    }

    /// Puts another query string in the place of the one that was sent.
    pub fn set_query(&mut self, query: Option<Box<str>>) {
        self.request.query = query;
        self.query = OnceLock::new();
    }

    /// The query's arguments, decoded when first asked for.
    pub fn query(&self) -> &Query {
        self.query.get_or_init(|| self.request.query.as_deref().map(Query::parse).unwrap_or_default())
    }

    /// The media type of `Content-Type` without parameters, in lower case; `application/json` where there is none.
    #[must_use]
    pub fn media_type(&self) -> Cow<'_, str> {
        media_type(self.request.fields.text("content-type"))
    }

    /// The first media type of `Accept`, likewise.
    #[must_use]
    pub fn accepted_media_type(&self) -> Cow<'_, str> {
        media_type(self.request.fields.text("accept").and_then(|value| value.split(',').next()))
    }
}

fn media_type(value: Option<&str>) -> Cow<'_, str> {
    let name = value.and_then(|value| value.split(';').next()).map(str::trim).filter(|name| !name.is_empty());
    match name {
        None => "application/json".into(),
        Some(name) if name.bytes().any(|byte| byte.is_ascii_uppercase()) => name.to_ascii_lowercase().into(),
        Some(name) => name.into(),
    }
}

/// How an endpoint is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// In the clear.
    Http,
    /// Over TLS.
    Https,
}

/// Who is called and how: what identifies a pool of connections.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// With or without TLS.
    pub scheme: Scheme,
    /// A host name or an address, without brackets.
    pub host: Box<str>,
    /// The port.
    pub port: u16,
    /// The VPC link whose targets are called in the place of `host`, which then names only `Host` and SNI.
    pub vpc_link: Option<Arc<str>>,
    /// `tlsConfig.insecureSkipVerification`: any certificate will do.
    pub insecure_skip_verification: bool,
    /// `x-headgate.allowLinkLocal`: addresses such as a cloud's metadata service may be called.
    pub allow_link_local: bool,
}

impl Endpoint {
    /// The value of `Host`: the port only where it is not the scheme's own.
    #[must_use]
    pub fn authority(&self) -> String {
        let host: Cow<'_, str> = if self.host.contains(':') { format!("[{}]", self.host).into() } else { (&*self.host).into() };
        match (self.scheme, self.port) {
            (Scheme::Http, 80) | (Scheme::Https, 443) => host.into_owned(),
            (_, port) => format!("{host}:{port}"),
        }
    }
}

/// What an endpoint is asked: API Gateway's integration request, complete.
#[derive(Debug, Clone)]
pub struct EndpointRequest {
    /// Who is called.
    pub endpoint: Arc<Endpoint>,
    /// The method sent.
    pub http_method: Method,
    /// Path and query as they go on the wire.
    pub path_and_query: String,
    /// All fields but the framing's; `Host` is among them.
    pub fields: Fields,
    /// The content; empty means none.
    pub content: Bytes,
    /// From the first byte sent until the response is complete.
    pub timeout: Duration,
}

/// A request whose content the server passes on as it arrives; `timeout` is what the endpoint may take for a piece, and for the response's
/// head once it has them all.
#[derive(Debug, Clone)]
pub struct Forward {
    /// The request's head; its content is empty.
    pub request: EndpointRequest,
    /// The largest content that may pass, either way, in bytes.
    pub content_limit: Option<u64>,
}
