//! AWS's services: credentials, signatures, calls. Calls go through the gateway's own pooled client, not through the services' SDKs.

mod credentials;
mod event_stream;
mod lambda;
mod roles;
mod sdk;
mod sign;
mod stream;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

pub use credentials::Credentials;
pub use event_stream::{EVENT_STREAM, Event, message};
pub use lambda::{Invocation, InvocationType, Invoked, Local};
pub use roles::{Role, Roles, Sts};

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

fn is_aws(host: &str) -> bool {
    [".amazonaws.com", ".amazonaws.com.cn", ".api.aws"].iter().any(|domain| host.ends_with(domain))
}

/// How requests are signed.
#[derive(Debug, Clone)]
pub struct Signer {
    /// For whom.
    pub scope: Scope,
    /// The role whose credentials sign; nothing: the gateway's own.
    pub role: Option<Arc<Role>>,
}

/// Signs requests and sends them.
#[derive(Debug)]
pub struct Aws {
    client: Arc<Client>,
    credentials: Credentials,
    roles: Roles,
    functions: Arc<Functions>,
    clock: fn() -> SystemTime,
}

impl Aws {
    /// Calls through `client`; signatures carry the time of `clock`.
    #[must_use]
    pub fn new(client: Arc<Client>, functions: Arc<Functions>, clock: fn() -> SystemTime) -> Self {
        let (credentials, roles) = (Credentials::new(Arc::clone(&client)), Roles::new(Arc::clone(&client)));
        Self { client, credentials, roles, functions, clock }
    }

    /// Where the credentials come from.
    #[must_use]
    pub const fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// The roles that are assumed with them.
    #[must_use]
    pub const fn roles(&self) -> &Roles {
        &self.roles
    }

    /// Asks for what is needed to sign: the chain's credentials, then every role that is due.
    ///
    /// # Errors
    /// With the chain's reason.
    pub async fn load_credentials(&self) -> Result<(), String> {
        let loaded = if self.credentials.current().is_some() { Ok(()) } else { self.credentials.load((self.clock)()).await.map(drop) };
        self.roles.load(&self.credentials, (self.clock)()).await;
        loaded
    }

    /// Keeps roles' credentials fresh until the process ends.
    pub async fn keep_roles(&self) {
        loop {
            self.roles.wait().await;
            self.roles.load(&self.credentials, (self.clock)()).await;
        }
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
    pub async fn call(&self, mut request: EndpointRequest, signer: &Signer) -> Result<(EndpointResponse, Duration), Error> {
        self.sign(&mut request, signer)?;
        self.client.call(&request).await
    }

    fn sign(&self, request: &mut EndpointRequest, signer: &Signer) -> Result<(), Error> {
        let refused = |endpoint: &Endpoint, detail: &str| Error::new(ErrorKind::Refused, endpoint.authority(), detail);
        let credentials = match &signer.role {
            // Somebody else's endpoint may want no signature; AWS's own always do.
            None if self.credentials.current().is_none() && !is_aws(&request.endpoint.host) => return Ok(()),
            None => self.credentials.current().ok_or("there are no AWS credentials"),
            Some(role) => role.current().ok_or("the role of `credentials` is not assumed"),
        };
        let credentials = credentials.map_err(|detail| refused(&request.endpoint, detail))?;
        sign::sign(request, &signer.scope, &credentials, (self.clock)()).map_err(|detail| refused(&request.endpoint, &detail))
    }
}
