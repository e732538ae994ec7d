//! A release: one deployment of an API, ready to run with one set of stage variables.

use std::collections::HashMap;
use std::sync::Arc;

use http::HeaderValue;
use indexmap::IndexMap;

use super::authorizers::Access;
use super::aws_call::AwsCall;
use super::endpoint_uri::EndpointUri;
use super::gateway_responses::GatewayResponses;
use super::response_cache::MethodCache;
use super::routes::Routes;
use super::subscriptions::{ApiKeys, StagePlans};
use crate::apigateway::api::{ApiKeySource, RequestValidator, RequiredParameter};
use crate::apigateway::authorizer::IamPrincipal;
use crate::apigateway::integration::Integration;
use crate::apigateway::policy::Policy;
use crate::backend::Backend;
use crate::exchange::{ResourceFacts, StageFacts};
use crate::mapping::content_handling::BinaryMediaTypes;
use crate::mapping::validation::BodyValidator;
use crate::observe::{OperationMetrics, SideMetrics, Tracer};
use crate::store::{Bucket, Circuit};

/// One deployment with a stage's settings in it.
#[derive(Debug)]
pub struct Release {
    /// What `$context` knows of the stage.
    pub facts: Arc<StageFacts>,
    /// Resource path and method to an index of `operations`.
    pub routes: Routes<usize>,
    /// Its methods.
    pub operations: Vec<Operation>,
    /// Customised gateway responses.
    pub gateway_responses: GatewayResponses,
    /// Stage variables.
    pub variables: IndexMap<String, String>,
    /// The beginning of every method's ARN, up to the API's id and its slash.
    pub arn_prefix: Box<str>,
    /// `X-Amzn-Apigateway-Api-Id`, which endpoints get.
    pub api_id: HeaderValue,
    /// `User-Agent` of the gateway's own requests.
    pub user_agent: HeaderValue,
    /// What guards all methods.
    pub resource_policy: Option<Policy>,
    /// Who may sign, by access key id.
    pub principals: Arc<HashMap<Box<str>, Arc<IamPrincipal>>>,
    /// Every API key.
    pub api_keys: Arc<ApiKeys>,
    /// Where the API looks for a caller's key.
    pub api_key_source: ApiKeySource,
    /// The usage plans that hold this stage.
    pub plans: StagePlans,
    /// The limit over all APIs.
    pub account_throttle: Option<Arc<dyn Bucket>>,
    /// All stage variables as one text, for keys.
    pub variables_fingerprint: Box<str>,
    /// Where this side of a canary is counted; nothing on a stage without one.
    pub metrics: Option<SideMetrics>,
    /// Where traces go; nothing: nowhere.
    pub tracer: Option<Arc<Tracer>>,
    /// `tracingEnabled` of the stage.
    pub tracing_enabled: Option<bool>,
    /// What counts as binary.
    pub binary_media_types: BinaryMediaTypes,
    /// From which size on, in bytes, responses are compressed.
    pub minimum_compression_size: Option<u32>,
    /// What a template may cost.
    pub template_limits: crate::vtl::Limits,
    /// What ends a rendering that takes too long.
    pub clock: crate::store::Clock,
    /// The largest request content, in bytes, where it is completed in memory.
    pub content_limit: u64,
    /// API Gateway's ceiling for content either way, where it holds: of requests that are streamed, and of every response.
    pub streamed_content_limit: Option<u64>,
}

impl Release {
    /// The operation at an index.
    #[must_use]
    pub fn operation(&self, index: usize) -> Option<&Operation> {
        self.operations.get(index)
    }
}

/// A method of a release.
#[derive(Debug)]
pub struct Operation {
    /// What `$context` knows of the resource.
    pub resource: Arc<ResourceFacts>,
    /// `GET`, …, or `ANY`: for tables and metrics.
    pub method_name: Box<str>,
    /// Who may call it.
    pub access: Access,
    /// Whether callers need an API key.
    pub api_key_required: bool,
    /// The stage's limit of the method.
    pub throttle: Option<Arc<dyn Bucket>>,
    /// When its endpoint is left alone.
    pub circuit: Option<Arc<Circuit>>,
    /// Its response cache.
    pub cache: Option<MethodCache>,
    /// What is validated.
    pub request_validator: RequestValidator,
    /// Parameters that must be there, in the order in which they are listed.
    pub required_parameters: Vec<RequiredParameter>,
    /// Models by media type.
    pub body_validators: Vec<(Box<str>, Arc<BodyValidator>)>,
    /// Statuses that the method declares.
    pub response_statuses: Vec<u16>,
    /// What answers.
    pub integration: Arc<Integration>,
    /// Whom it asks; nothing for a mock.
    pub endpoint: Option<Result<EndpointUri, super::endpoint_uri::InvalidEndpoint>>,
    /// How one of AWS's services is called, where the endpoint is one.
    pub aws: Option<AwsCall>,
    /// What carries it.
    pub backend: Arc<dyn Backend>,
    /// Where its requests are counted.
    pub metrics: OperationMetrics,
    /// Whether no step needs the content, so that it passes as it arrives.
    pub streams: bool,
}

impl Operation {
    /// Whether serving it takes a signed call, of its endpoint or of a function that authorizes.
    #[must_use]
    pub fn calls_aws(&self) -> bool {
        let asks_function = |access: &Access| matches!(access, Access::Authorizer(authorizer, _) if !authorizer.decides_here);
        self.aws.as_ref().is_some_and(|call| !call.runs_here) || asks_function(&self.access)
    }
}
