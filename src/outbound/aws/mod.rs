//! AWS's services: credentials, signatures, calls. Calls go through the gateway's own pooled client, not through the services' SDKs.

mod credentials;
mod lambda;
mod sdk;
mod sign;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

pub use credentials::Credentials;
pub use lambda::{Invocation, InvocationType, Invoked, Local};

use super::{Client, Error, ErrorKind};
use crate::exchange::{Endpoint, EndpointRequest, EndpointResponse};
use crate::functions::Functions;

/// For whom a request is signed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Scope {
    /// The name in the signature, such as `lambda` or `states`.
    pub service: Box<str>,
    /// The region in the signature.
    pub region: Box<str>,
}

/// Signs requests and sends them.
#[derive(Debug)]
pub struct Aws {
    client: Arc<Client>,
    credentials: Credentials,
    functions: Arc<Functions>,
    clock: fn() -> SystemTime,
}

impl Aws {
    /// Calls through `client`; signatures carry the time of `clock`.
    #[must_use]
    pub fn new(client: Arc<Client>, functions: Arc<Functions>, clock: fn() -> SystemTime) -> Self {
        Self { credentials: Credentials::new(Arc::clone(&client)), client, functions, clock }
    }

    /// Where the credentials come from.
    #[must_use]
    pub const fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// The functions that run here rather than at AWS.
    #[must_use]
    pub const fn functions(&self) -> &Arc<Functions> {
        &self.functions
    }

    /// Signs and sends a request, and waits for the whole response; says how long it took.
    ///
    /// # Errors
    /// When there are no credentials, or no response within the request's time.
    pub async fn call(&self, mut request: EndpointRequest, scope: &Scope) -> Result<(EndpointResponse, Duration), Error> {
        let refused = |endpoint: &Endpoint, detail: &str| Error::new(ErrorKind::Refused, endpoint.authority(), detail);
        let credentials = self.credentials.current();
        let credentials = credentials.ok_or_else(|| refused(&request.endpoint, "there are no AWS credentials"))?;
        match sign::sign(&mut request, scope, &credentials, (self.clock)()) {
            Ok(()) => self.client.call(&request).await,
            Err(detail) => Err(refused(&request.endpoint, &detail)),
        }
    }
}
