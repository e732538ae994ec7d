//! HTTP and HTTP_PROXY endpoints that are asked in one piece.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Backend, Begun};
use crate::exchange::{EndpointRequest, EndpointResponse, Failure, Pieces, ResponseType};
use crate::outbound::{Client, Error, ErrorKind};

/// An endpoint over HTTP.
#[derive(Debug)]
pub struct Http {
    client: Arc<Client>,
}

impl Http {
    /// A backend that calls through `client`.
    #[must_use]
    pub const fn new(client: Arc<Client>) -> Self {
        Self { client }
    }
}

#[async_trait]
impl Backend for Http {
    async fn call(&self, request: EndpointRequest) -> Result<(EndpointResponse, Option<Duration>), Failure> {
        let (mut response, latency) = self.client.call(&request).await.map_err(|error| failure_of(&error))?;
        response.selector = Some(response.status.to_string().into());
        Ok((response, Some(latency)))
    }

    async fn stream(&self, request: EndpointRequest) -> Result<Begun, Failure> {
        let started = tokio::time::Instant::now();
        let (mut stream, response) = self.client.begin(&request).await.map_err(|error| failure_of(&error))?;
        let latency = Some(started.elapsed());
        let (sender, pieces) = Pieces::channel();
        let client = Arc::clone(&self.client);
        tokio::spawn(async move {
            loop {
                let next = tokio::select! {
                    biased;
                    next = stream.next() => next,
                    () = sender.closed() => return,
                };
                match next {
                    Ok(Some(piece)) => {
                        if !sender.send(piece).await {
                            return;
                        }
                    }
                    Ok(None) => break,
                    Err(error) => return sender.break_off(error.to_string()).await,
                }
            }
            sender.end().await;
            client.release(stream);
        });
        Ok(Begun { response, rest: Some(pieces), latency })
    }
}

/// What the client is told when its endpoint gave no response.
#[must_use]
pub fn failure_of(error: &Error) -> Failure {
    let failure = match error.kind {
        ErrorKind::Timeout => Failure::new(ResponseType::IntegrationTimeout, "Endpoint request timed out")
            .with_detail(format!("Execution failed due to a timeout error: {error}")),
        ErrorKind::Refused => {
            Failure::configuration(format!("Execution failed due to configuration error: Invalid endpoint address: {error}"))
        }
        _ => Failure::internal(ResponseType::IntegrationFailure, format!("Network error communicating with endpoint: {error}")),
    };
    let milliseconds = |time: Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
    Failure { integration_latency_ms: error.after.map(milliseconds), ..failure }
}
