//! Our client as the SDK's, for what its credential chain asks over the network.

use std::sync::Arc;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http::HeaderValue;

use crate::exchange::{Endpoint, EndpointRequest, FieldName, Fields, Scheme};
use crate::outbound::Client;

/// A call that the chain makes may take this long.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Sends the SDK's requests.
#[derive(Debug, Clone)]
pub(super) struct SdkClient {
    client: Arc<Client>,
    timeout: Duration,
}

impl SdkClient {
    pub(super) const fn new(client: Arc<Client>) -> Self {
        Self { client, timeout: TIMEOUT }
    }

    async fn send(self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let refused = |reason: &str| ConnectorError::user(reason.to_owned().into());
        let uri: http::Uri = request.uri().parse().map_err(|_| refused("the URI cannot be read"))?;
        let scheme = if uri.scheme_str() == Some("https") { Scheme::Https } else { Scheme::Http };
        let host = uri.host().ok_or_else(|| refused("the URI has no host"))?.trim_matches(['[', ']']);
        let endpoint = Endpoint {
            scheme,
            host: host.into(),
            port: uri.port_u16().unwrap_or(if scheme == Scheme::Https { 443 } else { 80 }),
            vpc_link: None,
            insecure_skip_verification: false,
            // An instance's and a container's credentials come from link-local addresses.
            allow_link_local: true,
        };
        let mut fields = Fields::default();
        for (name, value) in request.headers() {
            if let (Some(name), Ok(value)) = (FieldName::parse(name.as_bytes()), HeaderValue::from_str(value)) {
                fields.append(name, value);
            }
        }
        fields.remove("content-length");
        if !fields.contains("host") {
            fields.append_text(FieldName::from_static("Host"), &endpoint.authority());
        }
        let request = EndpointRequest {
            endpoint: Arc::new(endpoint),
            http_method: request.method().parse().map_err(|_| refused("the method cannot be read"))?,
            path_and_query: uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
            fields,
            content: request.body().bytes().map(Bytes::copy_from_slice).unwrap_or_default(),
            timeout: self.timeout,
        };
        let (response, _) = self.client.call(&request).await.map_err(|error| ConnectorError::io(Box::new(error)))?;
        let status = response.status.try_into().map_err(|_| refused("the status cannot be read"))?;
        let mut answer = HttpResponse::new(status, SdkBody::from(response.content.to_vec()));
        for field in &response.fields {
            if let Ok(value) = field.value.to_str() {
                answer.headers_mut().append(field.name.as_str().to_ascii_lowercase(), value.to_owned());
            }
        }
        Ok(answer)
    }
}

impl HttpConnector for SdkClient {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(self.clone().send(request))
    }
}

impl HttpClient for SdkClient {
    fn http_connector(&self, settings: &HttpConnectorSettings, _components: &RuntimeComponents) -> SharedHttpConnector {
        let timeout = [settings.connect_timeout(), settings.read_timeout()].into_iter().flatten().max().unwrap_or(TIMEOUT);
        SharedHttpConnector::new(Self { client: Arc::clone(&self.client), timeout })
    }
}
