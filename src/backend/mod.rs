//! Who answers an integration request. A backend carries; it never maps: what it is given is complete, what it returns is raw.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::apigateway::integration::IntegrationType;
use crate::exchange::{EndpointRequest, EndpointResponse, Failure};
use crate::outbound::Client;
use crate::outbound::aws::{Aws, Scope};

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

    /// The backend for a service of AWS's.
    #[must_use]
    pub fn aws_service(&self, scope: Scope) -> Arc<dyn Backend> {
        Arc::new(AwsService::new(Arc::clone(&self.aws), scope))
    }

    /// The backend for a Lambda function.
    #[must_use]
    pub fn lambda(&self, scope: Scope, function: Box<str>, is_proxy: bool) -> Arc<dyn Backend> {
        Arc::new(Lambda::new(Arc::clone(&self.aws), scope, function, is_proxy))
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
