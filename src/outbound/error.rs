//! Why an endpoint gave no response.

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
#[error("{endpoint}: {detail}")]
pub struct Error {
    /// What went wrong.
    pub kind: ErrorKind,
    /// Who was called.
    pub endpoint: String,
    /// The cause, for the log.
    pub detail: String,
}
