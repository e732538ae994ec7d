//! Sends spans in batches: OTLP over HTTP, in protobuf (OpenTelemetry Protocol Specification 1.x), through the gateway's own client.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message as _;
use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, sleep, timeout_at};

use super::span::{attribute, spans};
use super::{Ended, Message};
use crate::apigateway::tracing::TracingSettings;
use crate::exchange::{EndpointRequest, FieldName, Fields};
use crate::observe::metrics::Shared;
use crate::outbound::Client;

/// Requests that are sent together.
const BATCH: usize = 512;
/// How long one may wait for others.
const DELAY: Duration = Duration::from_secs(1);
/// Waits between tries; the last one gives the batch up.
const TRIES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(2), Duration::ZERO];
/// A receiver that is away is told of no more often.
const QUIET: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Exporter {
    settings: TracingSettings,
    client: Arc<Client>,
    metrics: Shared,
    told: Option<Instant>,
}

impl Exporter {
    pub(super) const fn new(settings: TracingSettings, client: Arc<Client>, metrics: Shared) -> Self {
        Self { settings, client, metrics, told: None }
    }

    /// Sends what comes until nobody can send any more.
    pub(super) async fn run(mut self, mut waiting: Receiver<Message>) {
        let mut batch: Vec<Ended> = Vec::new();
        while let Some(first) = waiting.recv().await {
            let deadline = Instant::now() + DELAY;
            let mut flushed = None;
            let mut next = Some(first);
            while let Some(message) = next {
                match message {
                    Message::Ended(ended) => batch.push(ended),
                    Message::Flush(done) => flushed = Some(done),
                }
                let is_full = batch.len() >= BATCH || flushed.is_some();
                next = if is_full { None } else { timeout_at(deadline, waiting.recv()).await.ok().flatten() };
            }
            if !batch.is_empty() {
                self.send(std::mem::take(&mut batch)).await;
            }
            if let Some(done) = flushed {
                let _ = done.send(());
            }
        }
    }

    async fn send(&mut self, batch: Vec<Ended>) {
        let spans: Vec<Span> = batch.iter().flat_map(|(context, latency)| spans(context, *latency)).collect();
        let count = spans.len() as u64;
        let content = Bytes::from(self.request(spans).encode_to_vec());
        let mut reason = String::new();
        for wait in TRIES {
            match self.post(content.clone()).await {
                Ok(()) => return self.metrics.exported_spans.inc_by(count),
                Err((again, why)) => {
                    reason = why;
                    if !again || wait.is_zero() {
                        break;
                    }
                    sleep(wait).await;
                }
            }
        }
        self.metrics.dropped_spans.inc_by(count);
        if self.told.is_none_or(|told| told.elapsed() >= QUIET) {
            self.told = Some(Instant::now());
            tracing::warn!("{count} spans were not taken: {reason}");
        }
    }

    fn request(&self, spans: Vec<Span>) -> ExportTraceServiceRequest {
        let version = env!("CARGO_PKG_VERSION");
        let mut attributes: Vec<_> = self.settings.resource.iter().map(|(name, value)| attribute(name, value.as_str())).collect();
        if !self.settings.resource.iter().any(|(name, _)| name == "service.version") {
            attributes.push(attribute("service.version", version));
        }
        let scope = InstrumentationScope { name: "headgate".to_owned(), version: version.to_owned(), ..Default::default() };
        let scope_spans = vec![ScopeSpans { scope: Some(scope), spans, ..Default::default() }];
        let resource = Some(Resource { attributes, ..Default::default() });
        ExportTraceServiceRequest { resource_spans: vec![ResourceSpans { resource, scope_spans, ..Default::default() }] }
    }

    /// Whether another try may help, and why this one did not.
    async fn post(&self, content: Bytes) -> Result<(), (bool, String)> {
        let mut fields = Fields::with_capacity(self.settings.headers.len() + 3);
        fields.append_text(FieldName::from_static("Host"), &self.settings.endpoint.authority());
        fields.append(FieldName::from_static("Content-Type"), HeaderValue::from_static("application/x-protobuf"));
        fields.append(
            FieldName::from_static("User-Agent"),
            HeaderValue::from_static(concat!("headgate/", env!("CARGO_PKG_VERSION"), " OTLP")),
        );
        for (name, value) in &self.settings.headers {
            fields.append(name.clone(), value.clone());
        }
        let request = EndpointRequest {
            endpoint: Arc::clone(&self.settings.endpoint),
            http_method: Method::POST,
            path_and_query: self.settings.path.to_string(),
            fields,
            content,
            timeout: self.settings.timeout,
        };
        match self.client.call(&request).await {
            Ok((response, _)) if (200..300).contains(&response.status) => Ok(()),
            // What a receiver that is busy answers (the specification's own list).
            Ok((response, _)) => {
                let again = matches!(response.status, 429 | 502 | 503 | 504);
                Err((again, format!("{} answered {}", self.settings.endpoint.authority(), response.status)))
            }
            Err(error) => Err((true, error.to_string())),
        }
    }
}
