//! Why an endpoint gave no response.

use std::net::SocketAddr;
use std::time::Duration;

/// Of what a library or an origin says of its failure, in characters: the rest would be the origin's bytes in our log.
const CAUSE: usize = 200;

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The deadline passed.
    Timeout,
    /// No name server knew the host, or no connection was made.
    Connect,
    /// The connection broke, or what came was no HTTP.
    Protocol,
    /// The response is larger than is kept in memory.
    TooLarge,
    /// The address may not be called.
    Refused,
    /// The client went away or sent too much while its content was passed on.
    Client,
}

/// An endpoint that gave no response.
#[derive(Debug, thiserror::Error)]
#[error("{}: {detail}{}", place(.endpoint, *.address), ending(*.after))]
pub struct Error {
    /// What went wrong.
    pub kind: ErrorKind,
    /// Who was called, as the request names it.
    pub endpoint: String,
    /// Who answered for it, where that was found out.
    pub address: Option<SocketAddr>,
    /// The cause, for the log.
    pub detail: String,
    /// From the call's beginning to its failure.
    pub after: Option<Duration>,
}

impl Error {
    /// A failure of which nothing but this is known yet.
    #[must_use]
    pub fn new(kind: ErrorKind, endpoint: String, detail: impl Into<String>) -> Self {
        Self { kind, endpoint, address: None, detail: detail.into(), after: None }
    }

    /// The same with the origin's address.
    #[must_use]
    pub const fn at(mut self, address: Option<SocketAddr>) -> Self {
        self.address = address;
        self
    }

    /// The same with the time that the call took.
    #[must_use]
    pub const fn after(mut self, elapsed: Duration) -> Self {
        self.after = Some(elapsed);
        self
    }
}

fn place(endpoint: &str, address: Option<SocketAddr>) -> String {
    match address.map(|address| address.to_string()) {
        Some(address) if address != endpoint => format!("{endpoint} at {address}"),
        _ => endpoint.to_owned(),
    }
}

fn ending(after: Option<Duration>) -> String {
    after.map_or_else(String::new, |after| format!(", after {} ms", after.as_millis()))
}

/// What the framework says of a failure, in one bounded line.
pub(super) fn cause(error: &pingora::Error) -> String {
    let context = error.context.as_ref().map_or("", |context| context.as_str());
    let mut text: String = format!("{} {context}", error.etype().as_str()).chars().take(CAUSE).collect();
    let deepest = std::iter::successors(std::error::Error::source(error), |inner| inner.source()).last();
    if let Some(deepest) = deepest {
        text.extend(format!(": {deepest}").chars().take(CAUSE));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_tells_the_origin_and_the_time() {
        let error = Error::new(ErrorKind::Timeout, "api.example.com".into(), "no response within 50 ms (timeoutInMillis)");
        let error = error.at(Some(([10, 0, 0, 5], 8080).into())).after(Duration::from_millis(51));
        let text = "api.example.com at 10.0.0.5:8080: no response within 50 ms (timeoutInMillis), after 51 ms";
        assert_eq!(error.to_string(), text);
        let same = Error::new(ErrorKind::Connect, "10.0.0.5:8080".into(), "refused").at(Some(([10, 0, 0, 5], 8080).into()));
        assert_eq!(same.to_string(), "10.0.0.5:8080: refused");
    }

    #[test]
    fn what_an_origin_sent_is_cut() {
        let context = "x".repeat(1 << 20);
        let error = pingora::Error::explain(pingora::ErrorType::InvalidHTTPHeader, context);
        assert!(cause(&error).len() <= CAUSE);
    }
}
