//! The life of a request: what is asked, in which order, and nothing but the order.
//!
//! A step is a function in a file of its own; it takes what it needs and returns what it found. This file and `admission` alone write the
//! `Context`, and this one turns the first failure of a step into the one gateway response that the client gets.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;

use crate::apigateway::integration::IntegrationType;
use crate::authorizer::sigv4;
use crate::exchange::{
    Answer, Context, EndpointResponse, Failure, FieldName, Forward, MethodRequest, PathParameters, Request, Response, ResponseType,
};
use crate::mapping::coding;
use crate::observe::{SideMetrics, Tracer};
use crate::snapshot::{AwsCallKind, Current, Operation, Release};
use crate::store::{Found, Pass};

mod address;
mod admission;
mod api_key;
mod arrival;
mod aside;
mod authorize;
mod cache;
mod circuit;
mod compress;
mod endpoint;
mod explain;
mod gateway_response;
mod integration_request;
mod integration_response;
mod lambda_proxy;
mod quota;
mod reading;
mod release;
mod route;
mod service_action;
mod sources;
mod standard_headers;
mod stream;
mod throttle;
mod trace;
mod validate;

use admission::Entry;
pub use arrival::Arrival;
pub use endpoint::response_too_large;
use endpoint::{Watch, ask};
pub use gateway_response::default_content;
use integration_request::Asked;
pub use stream::Reply;

/// Runs requests through the snapshot that is current when they begin.
#[derive(Debug)]
pub struct Pipeline {
    current: Arc<Current>,
}

/// One request on its way, and all that is known of it.
#[derive(Debug)]
pub struct Exchange {
    /// What logs, templates and gateway responses may read.
    pub context: Context,
    request: MethodRequest,
    release: Option<Arc<Release>>,
    stage: Option<Arc<crate::snapshot::Stage>>,
    operation: Option<usize>,
    refused: Option<Failure>,
    /// Whether admission waits for the content that a signature covers.
    waits_for_content: bool,
    /// What the method's circuit gave a request whose content passes by.
    pass: Option<Pass>,
}

/// What the server is to do after admission.
#[derive(Debug)]
pub enum Next {
    /// Send this; the request's content is not needed.
    Respond(Response),
    /// Pass both contents on as they arrive.
    Forward(Forward),
    /// Read the content, at most so many bytes of it, and call [`Pipeline::reply`].
    Content {
        /// In bytes.
        limit: u64,
    },
}

impl Exchange {
    /// The stage that serves this request, once one was found.
    #[must_use]
    pub const fn stage(&self) -> Option<&Arc<crate::snapshot::Stage>> {
        self.stage.as_ref()
    }

    /// The method that serves this request, once one was found.
    #[must_use]
    pub fn operation(&self) -> Option<&Operation> {
        self.release.as_ref()?.operation(self.operation?)
    }

    /// Where this request's side of a canary is counted.
    #[must_use]
    pub fn side(&self) -> Option<&SideMetrics> {
        self.release.as_ref()?.metrics.as_ref()
    }

    /// Where its trace goes.
    #[must_use]
    pub fn tracer(&self) -> Option<&Tracer> {
        self.release.as_ref()?.tracer.as_deref()
    }

    /// The request as its method sees it.
    #[must_use]
    pub const fn request(&self) -> &MethodRequest {
        &self.request
    }

    /// Tells the method's circuit how the call went, and the trace that it has ended.
    fn left(&mut self, failed: bool) {
        if let Ok(asked) = self.asked() {
            trace::call_ends(asked);
        }
        let pass = self.pass.take();
        if let Some((release, operation)) = self.release.as_deref().zip(self.operation()).filter(|_| pass.is_some()) {
            circuit::left(release, operation, pass, failed);
        }
    }

    fn asked(&self) -> Result<Asked<'_>, Failure> {
        let release = self.release.as_deref();
        let operation = release.zip(self.operation).and_then(|(release, index)| release.operation(index));
        let (release, operation) =
            release.zip(operation).ok_or_else(|| Failure::configuration("a request without a method was continued"))?;
        Ok(Asked { release, operation, request: &self.request, context: &self.context })
    }
}

impl Pipeline {
    /// A pipeline over what is current.
    #[must_use]
    pub const fn new(current: Arc<Current>) -> Self {
        Self { current }
    }

    /// What is current.
    #[must_use]
    pub const fn current(&self) -> &Arc<Current> {
        &self.current
    }

    /// Select: finds the stage, and with it the release that the request keeps to its end.
    #[must_use]
    pub fn begin(&self, mut request: Request, arrival: Arrival) -> Exchange {
        let mut context = arrival::context(&request, arrival);
        let selected = address::select(&self.current.load(), &request);
        let as_sent = sigv4::is_signed(&request).then(|| Box::new(request.clone()));
        standard_headers::arrive(&mut request.fields);
        let (stage, release, resource_path, refused) = match selected {
            Ok(selected) => {
                let release = release::choose(&selected.stage, &request, arrival.random);
                context.stage = Some(Arc::clone(&release.facts));
                trace::begin(&mut context, &request, &release, arrival);
                context.base_path_matched = selected.base_path;
                (Some(selected.stage), Some(release), selected.resource_path, None)
            }
            Err(failure) => (None, None, request.path.clone(), Some(failure)),
        };
        let mut request = MethodRequest::new(request, resource_path, PathParameters::default());
        request.as_sent = as_sent;
        Exchange { context, request, release, stage, operation: None, refused, waits_for_content: false, pass: None }
    }

    /// Admit: finds the method and lets the request through, or answers it.
    pub async fn admit(&self, exchange: &mut Exchange) -> Next {
        match self.try_admit(exchange).await {
            Ok(next) => next,
            Err(failure) => Next::Respond(self.fail(exchange, failure)),
        }
    }

    async fn try_admit(&self, exchange: &mut Exchange) -> Result<Next, Failure> {
        if let Some(failure) = exchange.refused.take() {
            return Err(failure);
        }
        route::find(exchange)?;
        if let Entry::Waits = self.let_in(exchange, None).await? {
            exchange.waits_for_content = true;
            return Ok(Next::Content { limit: exchange.asked()?.release.content_limit });
        }
        let asked = exchange.asked()?;
        // Content in a coding is decoded on its way, so it cannot pass as it arrives.
        let coded = asked.request.request.fields.contains("content-encoding");
        if asked.operation.streams && !coded {
            let request = integration_request::head(asked)?;
            let content_limit = asked.release.streamed_content_limit;
            let pass = circuit::enter(asked.release, asked.operation)?;
            trace::call_begins(asked, &request);
            exchange.pass = pass;
            return Ok(Next::Forward(Forward { request, content_limit }));
        }
        Ok(Next::Content { limit: asked.release.content_limit })
    }

    /// Complete: from the whole content to the whole response.
    async fn complete_whole(&self, exchange: &mut Exchange, content: Bytes, watch: Watch<'_>) -> Response {
        let content = match self.admit_content(exchange, content).await {
            Ok(content) => content,
            Err(failure) => return self.fail(exchange, failure),
        };
        let response = match answer(exchange, content, watch).await {
            Ok(answered) => self.built(exchange, answered),
            Err(failure) => Err(failure),
        };
        match response {
            Ok(response) => self.answered(exchange, response),
            Err(failure) => self.fail(exchange, failure),
        }
    }

    /// The client's response from the endpoint's answer, or from one that was kept.
    #[expect(clippy::unused_self, reason = "a step of the pipeline like the others")]
    fn built(&self, exchange: &mut Exchange, answered: Answered) -> Result<Response, Failure> {
        let of_aws = exchange.operation().is_some_and(|operation| operation.aws.is_some());
        let facts = &mut exchange.context.integration;
        facts.status = Some(answered.answer.response.status);
        facts.integration_status = facts.status;
        facts.latency = answered.latency;
        facts.request_id = answered.answer.response.fields.text("x-amzn-requestid").filter(|_| of_aws).map(Into::into);
        let mut response = integration_response::build(exchange.asked()?, answered.answer)?;
        if exchange.operation().is_some_and(|operation| operation.integration.integration_type == IntegrationType::AwsProxy) {
            exchange.context.integration.status = Some(response.status);
        }
        if answered.warns {
            response.fields.append(WARNING, HeaderValue::from_static(IGNORED));
        }
        standard_headers::identify(&mut response.fields, &exchange.context);
        compress::compress(exchange.release.as_deref(), &exchange.request.request.fields, &mut response);
        Ok(response)
    }

    /// The head of a streamed response as the client sees it.
    pub fn forwarded(&self, exchange: &mut Exchange, head: EndpointResponse) -> Response {
        exchange.left(circuit::failed(Ok(&head)));
        exchange.context.integration.status = Some(head.status);
        exchange.context.integration.integration_status = Some(head.status);
        let mut fields = integration_response::proxied_fields(head.fields);
        standard_headers::identify(&mut fields, &exchange.context);
        self.answered(exchange, Response { status: head.status, fields, content: Bytes::new() })
    }

    /// The response where a request was to be passed on and its endpoint gave no answer.
    pub fn not_forwarded(&self, exchange: &mut Exchange, failure: Failure) -> Response {
        exchange.left(circuit::failed(Err(&failure)));
        self.fail(exchange, failure)
    }

    /// A response that had begun and cannot be completed: the client sees that it is cut, the operator why.
    pub fn broke_off(&self, exchange: &mut Exchange, detail: String) {
        tracing::warn!(request_id = &*exchange.context.request_id, path = &*exchange.context.path, "the response broke off: {detail}");
        exchange.context.integration.error = Some(detail.into());
    }

    /// The one place where a failure becomes a response.
    pub fn fail(&self, exchange: &mut Exchange, failure: Failure) -> Response {
        if failure.status() >= 500 {
            tracing::warn!(request_id = &*exchange.context.request_id, path = &*exchange.context.path, "{}", failure.detail);
        }
        if matches!(failure.response_type, ResponseType::IntegrationFailure | ResponseType::IntegrationTimeout) {
            exchange.context.integration.error = Some(failure.detail.as_ref().into());
        }
        if let Some(milliseconds) = failure.integration_latency_ms {
            exchange.context.integration.latency = Some(Duration::from_millis(milliseconds.into()));
        }
        exchange.context.error = Some(failure.clone());
        let response = gateway_response::render(&failure, exchange.release.as_deref(), &exchange.request, &exchange.context);
        self.answered(exchange, response)
    }

    #[expect(clippy::unused_self, reason = "a step of the pipeline like the others")]
    fn answered(&self, exchange: &mut Exchange, response: Response) -> Response {
        exchange.context.status = response.status;
        exchange.context.response_length = response.content.len() as u64;
        response
    }
}

/// What the endpoint or the cache answered.
struct Answered {
    answer: Answer,
    /// How long the endpoint took; nothing where it was not asked.
    latency: Option<Duration>,
    /// Whether the caller is told that its `Cache-Control` was ignored.
    warns: bool,
}

const WARNING: FieldName = FieldName::from_static("Warning");
/// The guide says that a header is added and not which words it has; 199 is HTTP's code for a miscellaneous warning.
const IGNORED: &str = "199 headgate \"Cache-control headers were ignored because the caller was unauthorized.\"";

/// Content checks, then the cache or the endpoint.
async fn answer(exchange: &Exchange, content: Bytes, watch: Watch<'_>) -> Result<Answered, Failure> {
    let asked = exchange.asked()?;
    let content = admitted_content(asked, content)?;
    let is_get = asked.request.request.http_method == http::Method::GET;
    let Some(cache) = asked.operation.cache.as_ref().filter(|cache| is_get || !cache.get_only) else {
        let (answer, latency) = ask(asked, &content, watch).await?;
        return Ok(Answered { answer, latency, warns: false });
    };
    let (wish, key) = (cache::wish(asked, cache)?, cache::key(asked, cache)?);
    let is_function = matches!(&asked.operation.aws, Some(call) if call.kind == AwsCallKind::Lambda);
    let now = u64::try_from(asked.release.clock.elapsed().as_millis()).unwrap_or(u64::MAX);
    let latency = std::sync::OnceLock::new();
    let compute = async {
        let (answer, took) = ask(asked, &content, watch).await?;
        let _ = latency.set(took);
        Ok(cache::computed(cache, answer, is_function))
    };
    let (kept, found) = match wish {
        cache::Wish::Anew => (cache.cache.refresh(key, now, compute).await?, Found::Miss),
        cache::Wish::Kept | cache::Wish::KeptWithWarning => cache.cache.find(key, now, compute).await?,
    };
    let metrics = &asked.operation.metrics;
    if found == Found::Miss {
        metrics.cache_misses.inc()
    } else {
        metrics.cache_hits.inc()
    }
    Ok(Answered { answer: kept.for_client(), latency: latency.into_inner().flatten(), warns: wish == cache::Wish::KeptWithWarning })
}

/// The content without its coding, checked.
fn admitted_content(asked: Asked<'_>, content: Bytes) -> Result<Bytes, Failure> {
    let coding = asked.request.request.fields.text("content-encoding");
    let content = coding::decode(content, coding, asked.release.content_limit)?;
    validate::content(asked.operation, asked.request, &content)?;
    Ok(content)
}
