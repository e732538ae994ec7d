//! Who answers an integration request. A backend carries; it never maps: what it is given is complete, what it returns is raw.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::apigateway::integration::IntegrationType;
use crate::exchange::{EndpointRequest, EndpointResponse, Failure, Pieces};
use crate::outbound::Client;
use crate::outbound::aws::{Aws, Scope, Signer};

mod aws;
mod http;
mod mock;

pub use aws::{AwsService, Lambda};
pub use http::{Http, failure_of};
pub use mock::Mock;

/// Carries one request to an endpoint and its response back.
#[async_trait]
pub trait Backend: Send + Sync + std::fmt::Debug {
    /// Asks the endpoint; how long it took is told where there is one.
    ///
    /// # Errors
    /// When there is no response, in API Gateway's terms.
    async fn call(&self, request: EndpointRequest) -> Result<(EndpointResponse, Option<Duration>), Failure>;

    /// Asks the endpoint, and returns once its response begins; the content follows piece by piece where the backend can have it so.
    ///
    /// # Errors
    /// As [`Self::call`].
    async fn stream(&self, request: EndpointRequest) -> Result<Begun, Failure> {
        let (response, latency) = self.call(request).await?;
        Ok(Begun { response, rest: None, latency })
    }
}

/// A response that has begun.
#[derive(Debug)]
pub struct Begun {
    /// What is there of it; all of it where nothing follows.
    pub response: EndpointResponse,
    /// Its content, as it comes.
    pub rest: Option<Pieces>,
    /// How long it took to begin.
    pub latency: Option<Duration>,
}

/// The backends that there are.
#[derive(Debug)]
pub struct Backends {
    http: Arc<dyn Backend>,
    mock: Arc<dyn Backend>,
    aws: Arc<Aws>,
}

impl Backends {
    /// Backends that share one client.
    #[must_use]
    pub fn new(client: Arc<Client>, aws: Arc<Aws>) -> Self {
        Self { http: Arc::new(Http::new(client)), mock: Arc::new(Mock), aws }
    }

    /// The backend for a service of AWS's; `role` signs where there is one.
    #[must_use]
    pub fn aws_service(&self, scope: Scope, role: Option<&str>) -> Arc<dyn Backend> {
        Arc::new(AwsService::new(Arc::clone(&self.aws), self.signer(scope, role)))
    }

    /// The backend for a Lambda function, likewise, or for one that runs on this machine.
    #[must_use]
    pub fn lambda(&self, scope: Scope, role: Option<&str>, function: Box<str>, is_proxy: bool, runs_here: bool) -> Arc<dyn Backend> {
        Arc::new(Lambda::new(Arc::clone(&self.aws), self.signer(scope, role), function, is_proxy, runs_here))
    }

    fn signer(&self, scope: Scope, role: Option<&str>) -> Signer {
        Signer { scope, role: role.map(|arn| self.aws.roles().role(arn)) }
    }

    /// The backend for a type of integration; AWS's types have backends of their own.
    #[must_use]
    pub fn of(&self, integration_type: IntegrationType) -> Arc<dyn Backend> {
        match integration_type {
            IntegrationType::Http | IntegrationType::HttpProxy => Arc::clone(&self.http),
            _ => Arc::clone(&self.mock),
        }
    }
}
