//! An HTTP integration's `uri`, taken apart once: what is fixed is parsed when files are loaded, `{name}` is filled by each request.

use std::borrow::Cow;
use std::sync::Arc;

use http::HeaderValue;

use crate::exchange::{Endpoint, Query, Scheme, encode_path_segment};

/// A URI whose stage variables are in and whose `{name}` places wait for the request.
#[derive(Debug, Clone)]
pub struct EndpointUri {
    target: Target,
    path: Vec<Part>,
    /// The arguments that the URI itself writes.
    query: Vec<(Vec<Part>, Vec<Part>)>,
}

#[derive(Debug, Clone)]
enum Target {
    Fixed(Arc<Endpoint>, HeaderValue),
    Variable { scheme: Scheme, authority: Vec<Part>, like: Arc<Endpoint> },
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(Box<str>),
    Name(Box<str>),
}

/// How the endpoint is called, beyond what its URI says.
#[derive(Debug, Clone, Default)]
pub struct CallOptions {
    /// The VPC link whose targets take the connection.
    pub vpc_link: Option<Arc<str>>,
    /// `tlsConfig.insecureSkipVerification`.
    pub insecure_skip_verification: bool,
    /// `x-headgate.allowLinkLocal`.
    pub allow_link_local: bool,
    /// Whether a function is called so that it streams its response.
    pub streams_response: bool,
}

/// Why there is no address; the words of the service's own log.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("Invalid endpoint address")]
pub struct InvalidEndpoint;

impl EndpointUri {
    /// Takes `scheme://authority/path?query` apart.
    ///
    /// # Errors
    /// When there is no scheme that is spoken, no host, or no port that API Gateway calls.
    pub fn parse(uri: &str, options: &CallOptions) -> Result<Self, InvalidEndpoint> {
        let (scheme, rest) = uri.split_once("://").ok_or(InvalidEndpoint)?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return Err(InvalidEndpoint),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let (before, query) = rest.split_once('?').map_or((rest, None), |(before, query)| (before, Some(query)));
        let (authority, path) = before.find('/').map_or((before, "/"), |at| before.split_at(at));
        let authority = parts(authority);
        let target = match authority.as_slice() {
            [Part::Text(text)] => fixed(endpoint(scheme, text, options)?)?,
            [] => return Err(InvalidEndpoint),
            _ => Target::Variable { scheme, authority, like: Arc::new(bare(scheme, options)) },
        };
        let arguments = query.unwrap_or_default().split('&').filter(|argument| !argument.is_empty());
        let query = arguments
            .map(|argument| argument.split_once('=').unwrap_or((argument, "")))
            .map(|(name, value)| (parts(name), parts(value)))
            .collect();
        Ok(Self { target, path: parts(path), query })
    }

    /// Who is called and the value of `Host`, with `value` giving what `{name}` stands for.
    ///
    /// # Errors
    /// When what the request fills in makes no address.
    pub fn endpoint<'v>(&self, value: impl Fn(&str) -> Option<Cow<'v, str>>) -> Result<(Arc<Endpoint>, HeaderValue), InvalidEndpoint> {
        match &self.target {
            Target::Fixed(endpoint, host) => Ok((Arc::clone(endpoint), host.clone())),
            Target::Variable { scheme, authority, like } => {
                let mut text = String::new();
                fill(authority, &value, &mut text, |value, out| out.push_str(value));
                let options = CallOptions {
                    vpc_link: like.vpc_link.clone(),
                    insecure_skip_verification: like.insecure_skip_verification,
                    allow_link_local: like.allow_link_local,
                    streams_response: false,
                };
                match fixed(endpoint(*scheme, &text, &options)?)? {
                    Target::Fixed(endpoint, host) => Ok((endpoint, host)),
                    Target::Variable { .. } => Err(InvalidEndpoint),
                }
            }
        }
    }

    /// Appends the path to `out`; values travel encoded as the client sent them.
    pub fn write_path<'v>(&self, value: impl Fn(&str) -> Option<Cow<'v, str>>, out: &mut String) {
        fill(&self.path, &value, out, |value, out| out.extend(encode_path_segment(value)));
    }

    /// The arguments that the URI itself writes, decoded.
    pub fn query<'v>(&self, value: impl Fn(&str) -> Option<Cow<'v, str>>) -> Query {
        let mut query = Query::default();
        for (name, argument) in &self.query {
            let text = |parts: &[Part]| {
                let mut text = String::new();
                fill(parts, &value, &mut text, |value, out| out.push_str(value));
                crate::exchange::decode_form(&text).into_owned()
            };
            query.append(text(name), text(argument));
        }
        query
    }

    /// Whether the URI writes arguments of its own.
    #[must_use]
    pub fn has_query(&self) -> bool {
        !self.query.is_empty()
    }

    /// Who is called, where that is known before any request.
    #[must_use]
    pub const fn fixed(&self) -> Option<&Arc<Endpoint>> {
        match &self.target {
            Target::Fixed(endpoint, _) => Some(endpoint),
            Target::Variable { .. } => None,
        }
    }
}

fn fixed(endpoint: Endpoint) -> Result<Target, InvalidEndpoint> {
    let host = HeaderValue::from_str(&endpoint.authority()).map_err(|_| InvalidEndpoint)?;
    Ok(Target::Fixed(Arc::new(endpoint), host))
}

fn bare(scheme: Scheme, options: &CallOptions) -> Endpoint {
    Endpoint {
        scheme,
        host: "".into(),
        port: 0,
        vpc_link: options.vpc_link.clone(),
        insecure_skip_verification: options.insecure_skip_verification,
        allow_link_local: options.allow_link_local,
    }
}

/// Reads `host`, `host:port`, `[v6]:port`. Ports below 1024 other than 80 and 443 are not called (API Gateway's guide).
fn endpoint(scheme: Scheme, authority: &str, options: &CallOptions) -> Result<Endpoint, InvalidEndpoint> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map(|(host, port)| (host, port.strip_prefix(':'))).ok_or(InvalidEndpoint)?,
        None => authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))),
    };
    let port = match (port, scheme) {
        (Some(text), _) => text.parse().map_err(|_| InvalidEndpoint)?,
        (None, Scheme::Http) => 80,
        (None, Scheme::Https) => 443,
    };
    let is_host_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
    let callable = matches!(port, 80 | 443 | 1024..);
    if host.is_empty() || host.starts_with('.') || !host.bytes().all(is_host_byte) || !callable {
        return Err(InvalidEndpoint);
    }
    Ok(Endpoint { host: host.to_ascii_lowercase().into(), port, ..bare(scheme, options) })
}

fn parts(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, name, after)) = next_name(rest) {
        if !before.is_empty() {
            parts.push(Part::Text(before.into()));
        }
        parts.push(Part::Name(name.into()));
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest.into()));
    }
    parts
}

fn next_name(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once('{')?;
    let (name, after) = rest.split_once('}')?;
    Some((before, name, after))
}

/// A name that the request does not fill stays literally in the URL, as at API Gateway.
fn fill<'v>(parts: &[Part], value: &impl Fn(&str) -> Option<Cow<'v, str>>, out: &mut String, write: impl Fn(&str, &mut String)) {
    for part in parts {
        match part {
            Part::Text(text) => out.push_str(text),
            Part::Name(name) => match value(name) {
                Some(value) => write(&value, out),
                None => out.extend(["%7B", &**name, "%7D"]),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(uri: &str) -> Result<EndpointUri, InvalidEndpoint> {
        EndpointUri::parse(uri, &CallOptions::default())
    }

    fn value(name: &str) -> Option<Cow<'static, str>> {
        match name {
            "id" => Some("a%2Bb/c d".into()),
            "host" => Some("example.com:8080".into()),
            _ => None,
        }
    }

    #[test]
    fn fills_path_and_query() {
        let uri = parse("http://h/x/{id}/{other}?q={id}&r=1").unwrap();
        let mut path = String::new();
        uri.write_path(value, &mut path);
        assert_eq!(path, "/x/a%2Bb/c%20d/%7Bother%7D");
        let query = uri.query(value);
        assert_eq!((query.last("q"), query.last("r")), (Some("a+b/c d"), Some("1")));
    }

    #[test]
    fn knows_fixed_hosts_when_files_are_loaded() {
        let uri = parse("https://Example.com").unwrap();
        assert!(uri.fixed().is_some());
        let (endpoint, host) = uri.endpoint(value).unwrap();
        assert_eq!((&*endpoint.host, endpoint.port, host.as_bytes()), ("example.com", 443, &b"example.com"[..]));
        let (endpoint, host) = parse("http://{host}/").unwrap().endpoint(value).unwrap();
        assert_eq!((&*endpoint.host, endpoint.port, host.as_bytes()), ("example.com", 8080, &b"example.com:8080"[..]));
        assert_eq!(parse("http://[::1]:9000/").unwrap().endpoint(value).unwrap().1.as_bytes(), b"[::1]:9000");
    }

    #[test]
    fn refuses_what_is_no_address() {
        for uri in [
            "",
            "http://",
            "http:///x",
            "ftp://h/",
            "http://:80/",
            "http://h:22/",
            "http://h:x/",
            "h/x",
            "http://a b/",
            "http://.h/",
            "http://u@h/",
        ] {
            assert!(parse(uri).is_err(), "{uri}");
        }
        assert!(parse("http://{none}/").unwrap().endpoint(value).is_err());
    }
}
