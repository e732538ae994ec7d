//! One side of a stage into a release: the deployment with everything that the stage decides already decided.

use std::sync::Arc;

use http::HeaderValue;
use indexmap::IndexMap;

use super::authorizers::{self, Access};
use super::aws_call::{self, AwsCall, AwsCallKind};
use super::compile::{Means, Shared};
use super::endpoint_uri::{CallOptions, EndpointUri};
use super::gateway_responses::GatewayResponses;
use super::release::{Operation, Release};
use super::response_cache::{ResponseCache, method_cache};
use super::routes::Routes;
use super::subscriptions::{StagePlans, method_throttle, unknown_methods};
use crate::apigateway::account::{Account, ApiWithStages};
use crate::apigateway::api::{Api, Method, Resource};
use crate::apigateway::arn::{IntegrationArn, is_role};
use crate::apigateway::gateway_response::GatewayResponse;
use crate::apigateway::integration::{Integration, IntegrationType};
use crate::apigateway::stage;
use crate::backend::Backend;
use crate::document::{Problems, Severity, Spanned};
use crate::exchange::{ResourceFacts, StageFacts};
use crate::functions::name_of;
use crate::mapping::content_handling::BinaryMediaTypes;
use crate::mapping::validation::BodyValidator;
use crate::observe::SideMetrics;
use crate::openapi::models;
use crate::vtl::Limits;

/// The largest content that API Gateway takes, in bytes.
const AWS_CONTENT: u64 = 10_485_760;
/// The largest content that is completed in memory where no ceiling of API Gateway's holds.
const OWN_CONTENT: u64 = 64 << 20;

pub(super) type Models = IndexMap<String, Arc<BodyValidator>>;

/// Compiles the models that some method checks bodies with.
pub(super) fn body_models(api: &Api, problems: &mut Problems) -> Models {
    let mut compiled = Models::new();
    let checked = api.resources.iter().flat_map(|resource| &resource.methods).filter(|method| method.request_validator.body);
    for name in checked.flat_map(|method| method.request_models.values()) {
        if compiled.contains_key(name) {
            continue;
        }
        match (BodyValidator::compile(&models::document(api, name)), api.models.get(name)) {
            (Ok(validator), _) => drop(compiled.insert(name.clone(), Arc::new(validator))),
            (Err(error), Some(schema)) => {
                problems.spanned(Severity::Error, schema, format!("the model cannot be used: {error}"));
            }
            (Err(error), None) => drop(problems.general(format!("the model `{name}` cannot be used: {error}"))),
        }
    }
    compiled
}

/// One side of a stage: the stage itself, or its canary.
pub(super) struct Side<'a> {
    pub(super) account: &'a Account,
    pub(super) api: &'a ApiWithStages,
    pub(super) stage: &'a stage::Stage,
    /// The deployment's id, and what it defines.
    pub(super) deployed: (&'a str, &'a Api),
    pub(super) variables: IndexMap<String, String>,
    /// Nothing on a stage without a canary.
    pub(super) is_canary: Option<bool>,
    pub(super) cache: Option<Arc<ResponseCache>>,
    pub(super) metrics: Option<SideMetrics>,
}

impl Side<'_> {
    /// The side's release: the deployment with everything that the stage decides already decided.
    pub(super) fn release(&self, models: &Models, shared: &Shared<'_>, problems: &mut Problems) -> Release {
        let Side { account, stage, deployed: (_, api), .. } = *self;
        let mut release = self.empty_release(shared);
        let arn_prefix = release.arn_prefix.clone();
        let place = authorizers::Place {
            account,
            api,
            authorizers: shared.means.authorizers,
            arn_prefix: &arn_prefix,
            stage: &release.facts.stage,
        };
        let known = place.compile(&|text, problems| with_variables(text, &release, problems), problems);
        let all = stage.method_settings.get("*/*");
        for resource in &api.resources {
            let facts = Arc::new(ResourceFacts { id: resource.id.clone(), path: resource.path.clone() });
            for method in &resource.methods {
                let Some(integration) = &method.integration else { continue };
                let place = Place { api, resource, method, account };
                let mut operation = operation(&place, integration, &facts, &release, models, shared.means, problems);
                operation.access = authorizers::access(method, &known);
                let own = stage.method_settings.get(&settings_path(&resource.path, method.name()));
                operation.throttle = method_throttle(own, all).map(|limit| {
                    let StageFacts { api_id, stage, .. } = &*release.facts;
                    shared.means.rates.limit(&format!("stage {api_id}/{stage} {}/{}", resource.path, method.name()), limit, false)
                });
                operation.circuit = integration.value.circuit_breaker.map(|settings| {
                    let StageFacts { api_id, stage, .. } = &*release.facts;
                    let side = if self.is_canary == Some(true) { " canary" } else { "" };
                    shared.means.circuits.circuit(&format!("{api_id}/{stage}{side} {}/{}", resource.path, method.name()), settings)
                });
                operation.cache =
                    method_cache(self.cache.as_ref(), own, all, method.http_method.as_ref(), &integration.value, &resource.id);
                if integration.value.streams_response {
                    // API Gateway keeps no answer that it has not seen whole.
                    operation.cache = None;
                }
                operation.streams &= operation.cache.is_none();
                let index = release.operations.len();
                match release.routes.insert(&resource.path, method.http_method.as_ref(), index) {
                    Ok(()) => release.operations.push(operation),
                    // What a definition's own paths have wrong was told when they were read.
                    Err(error) if !problems.has_errors() => drop(problems.spanned(Severity::Error, integration, error.to_string())),
                    Err(_) => {}
                }
            }
        }
        let method_path = |operation: &Operation| format!("{}/{}", operation.resource.path, operation.method_name);
        let methods: Vec<String> = release.operations.iter().map(method_path).collect();
        if self.is_canary != Some(true) {
            unknown_methods(account, self.api, &stage.stage_name.value, &methods, problems);
        }
        release.plans = StagePlans::new(account, self.api, &stage.stage_name.value, &methods, shared.means.rates);
        release
    }

    /// Everything but the methods.
    fn empty_release(&self, shared: &Shared<'_>) -> Release {
        let Side { account, stage, deployed: (deployment_id, api), .. } = *self;
        let arn_prefix = authorizers::arn_prefix(account, self.api);
        let facts = StageFacts {
            account_id: account.account_id.as_str().into(),
            api_id: self.api.id.value.as_str().into(),
            stage: stage.stage_name.value.as_str().into(),
            deployment_id: deployment_id.into(),
            is_canary_request: self.is_canary,
        };
        // An id that no field can hold names no API that could be deployed; the check of names refuses it.
        let value = |text: &str| HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("unknown"));
        Release {
            api_id: value(&facts.api_id),
            user_agent: value(&format!("AmazonAPIGateway_{}", facts.api_id)),
            facts: Arc::new(facts),
            routes: Routes::default(),
            operations: Vec::new(),
            gateway_responses: GatewayResponses::new(
                api.gateway_responses.iter().map(|(kind, response): &(_, GatewayResponse)| (*kind, response.clone())),
            ),
            variables_fingerprint: fingerprint(&self.variables),
            variables: self.variables.clone(),
            metrics: self.metrics.clone(),
            tracer: shared.means.tracer.cloned(),
            tracing_enabled: stage.tracing_enabled,
            resource_policy: authorizers::resource_policy(api, &arn_prefix),
            arn_prefix: arn_prefix.into(),
            principals: Arc::clone(&shared.principals),
            api_keys: Arc::clone(&shared.api_keys),
            api_key_source: api.api_key_source,
            plans: StagePlans::default(),
            account_throttle: shared.account_throttle.clone(),
            binary_media_types: BinaryMediaTypes::new(&api.binary_media_types),
            minimum_compression_size: api.minimum_compression_size,
            template_limits: Limits { rounds: account.aws_limits.then_some(1000), ..Limits::default() },
            clock: shared.means.clock.clone(),
            content_limit: if account.aws_limits { AWS_CONTENT } else { OWN_CONTENT },
            streamed_content_limit: account.aws_limits.then_some(AWS_CONTENT),
        }
    }
}

/// All variables as one text in which none can be taken for another.
fn fingerprint(variables: &IndexMap<String, String>) -> Box<str> {
    let mut sorted: Vec<_> = variables.iter().collect();
    sorted.sort();
    serde_json::to_string(&sorted).unwrap_or_default().into()
}

/// A method as method settings name it: `/pets/GET`; the root's is `/GET`.
fn settings_path(resource: &str, method: &str) -> String {
    format!("{}/{method}", if resource == "/" { "" } else { resource })
}

/// Where a method stands.
struct Place<'a> {
    api: &'a Api,
    resource: &'a Resource,
    method: &'a Method,
    account: &'a Account,
}

fn operation(
    place: &Place<'_>,
    integration: &Spanned<Arc<Integration>>,
    facts: &Arc<ResourceFacts>,
    release: &Release,
    models: &Models,
    means: &Means<'_>,
    problems: &mut Problems,
) -> Operation {
    let method = place.method;
    let (endpoint, aws) = endpoint(place, &integration.value, release, problems);
    let body_validators: Vec<_> = if method.request_validator.body {
        method
            .request_models
            .iter()
            .filter_map(|(media_type, name)| Some((media_type.as_str().into(), Arc::clone(models.get(name)?))))
            .collect()
    } else {
        Vec::new()
    };
    Operation {
        resource: Arc::clone(facts),
        method_name: method.name().into(),
        access: Access::Nobody,
        api_key_required: method.api_key_required,
        throttle: None,
        circuit: None,
        cache: None,
        request_validator: method.request_validator,
        required_parameters: if method.request_validator.parameters { method.required_parameters.clone() } else { Vec::new() },
        streams: streams(&integration.value, place.api, &body_validators, endpoint.as_ref()),
        body_validators,
        metrics: means.metrics.operation(&release.facts.api_id, &release.facts.stage, &place.resource.path, method.name()),
        response_statuses: method.response_statuses.iter().filter_map(|status| status.parse().ok()).collect(),
        backend: backend(&integration.value, aws.as_ref(), means),
        integration: Arc::clone(&integration.value),
        endpoint,
        aws,
    }
}

type Endpoint = Option<Result<EndpointUri, super::endpoint_uri::InvalidEndpoint>>;

fn backend(integration: &Integration, aws: Option<&AwsCall>, means: &Means<'_>) -> Arc<dyn Backend> {
    match aws {
        None => means.backends.of(integration.integration_type),
        Some(call) if call.kind == AwsCallKind::Lambda => means.backends.lambda(
            call.scope.clone(),
            call.role.as_deref(),
            call.function.clone().unwrap_or_default(),
            integration.integration_type == IntegrationType::AwsProxy,
            call.runs_here,
        ),
        Some(call) => means.backends.aws_service(call.scope.clone(), call.role.as_deref()),
    }
}

/// The address with the stage's variables in it. One that is left without a host answers 500, as at API Gateway, and `check` says so.
fn endpoint(place: &Place<'_>, integration: &Integration, release: &Release, problems: &mut Problems) -> (Endpoint, Option<AwsCall>) {
    if let Some(action) = &integration.service_action {
        return match aws_call::service_action(action, place.account) {
            Ok((endpoint, mut call)) => {
                call.role = role(place, integration, release, problems);
                (Some(Ok(endpoint)), Some(call))
            }
            Err(error) => (Some(Err(error)), None),
        };
    }
    let Some(uri) = integration.uri.as_ref().filter(|_| integration.integration_type != IntegrationType::Mock) else { return (None, None) };
    let text = with_variables(uri, release, problems);
    let vpc_link = integration.vpc_link.as_ref().map(|link| {
        let id = with_variables(link, release, problems);
        if !place.account.vpc_links.iter().any(|known| known.id == id) {
            problems.spanned(Severity::Error, link, format!("there is no VPC link with the id `{id}`"));
            problems.help("`vpcLinks` in gateway.yaml names the origins behind a link");
        }
        Arc::from(id)
    });
    let options = CallOptions {
        vpc_link,
        insecure_skip_verification: integration.insecure_skip_verification,
        allow_link_local: integration.allow_link_local,
        streams_response: integration.streams_response,
    };
    let (endpoint, aws) = match integration.integration_type {
        IntegrationType::Aws | IntegrationType::AwsProxy => match aws_call::parse(&text, &place.account.aws, &options) {
            Ok((endpoint, mut call)) => {
                call.role = role(place, integration, release, problems);
                let called = call.function.as_deref();
                call.runs_here = called.is_some_and(|called| is_here(place.account, called, uri, &release.facts.stage, problems));
                (Ok(endpoint), Some(call))
            }
            Err(error) => (Err(error), None),
        },
        _ => (EndpointUri::parse(&text, &options), None),
    };
    if endpoint.is_err() {
        invalid(place, (uri, &text), integration.integration_type, release, problems);
    }
    (Some(endpoint), aws)
}

/// Whether a function runs here; says so where it lacks the version or alias that is called.
pub(super) fn is_here(account: &Account, called: &str, uri: &Spanned<String>, stage: &str, problems: &mut Problems) -> bool {
    let (name, qualifier) = name_of(called);
    let Some(function) = account.functions.iter().find(|known| known.function_name == name) else { return false };
    if let Some(qualifier) = qualifier.filter(|qualifier| !function.has_qualifier(qualifier)) {
        let what = format!("the function `{name}`, which runs here, has no version or alias `{qualifier}`");
        problems.spanned(Severity::Warning, uri, what);
        problems.help(format!("Lambda answers 404 to calls from stage `{stage}`; `versions` and `aliases` in gateway.yaml name them"));
    }
    true
}

/// Says that nothing can be called on this stage. An ARN is wrong or right, which the stage's variables have decided; a host may be meant to be
/// empty, and is answered as API Gateway does. What another program's `${…}` stands for is not known here.
fn invalid(place: &Place<'_>, (uri, text): (&Spanned<String>, &str), kind: IntegrationType, release: &Release, problems: &mut Problems) {
    let is_arn = matches!(kind, IntegrationType::Aws | IntegrationType::AwsProxy) && !text.contains("${");
    if is_arn && uri.value == text && IntegrationArn::parse(text).is_err() {
        // Said where the definition was read.
        return;
    }
    let (severity, what) = if is_arn { (Severity::Error, "Invalid ARN") } else { (Severity::Warning, "Invalid endpoint address") };
    problems.spanned(severity, uri, format!("{what} on stage `{}`: `{text}`", release.facts.stage));
    problems.help(if is_arn {
        "such as arn:aws:apigateway:{region}:lambda:path/2015-03-31/functions/{function ARN}/invocations".to_owned()
    } else {
        format!("{} {} answers 500 there, as it would at API Gateway", place.method.name(), place.resource.path)
    });
}

/// The role that signs, where roles are assumed.
fn role(place: &Place<'_>, integration: &Integration, release: &Release, problems: &mut Problems) -> Option<Box<str>> {
    let credentials = integration.credentials.as_ref().filter(|_| place.account.aws.assume_roles)?;
    let arn = with_variables(credentials, release, problems);
    assumable(credentials, arn, problems)
}

/// The role that `credentials` means once stage variables are in.
pub(super) fn assumable(credentials: &Spanned<String>, arn: String, problems: &mut Problems) -> Option<Box<str>> {
    if arn.contains(":iam::*:") {
        problems.spanned(
            Severity::Warning,
            credentials,
            "calls are signed with the gateway's own credentials: the caller's are not known here",
        );
        return None;
    }
    if !is_role(&arn) {
        problems.spanned(Severity::Error, credentials, format!("`{arn}` is no role's ARN"));
        problems
            .help("such as arn:aws:iam::123456789012:role/api-gateway; `aws.assumeRoles: false` signs with the gateway's own credentials");
        return None;
    }
    Some(arn.into())
}

/// Puts stage variables into a text; one that is not set is empty, as at API Gateway.
fn with_variables(text: &Spanned<String>, release: &Release, problems: &mut Problems) -> String {
    let mut out = String::new();
    let mut rest = text.value.as_str();
    while let Some((before, after)) = rest.split_once("${stageVariables.") {
        out.push_str(before);
        let Some((name, behind)) = after.split_once('}') else {
            rest = after;
            break;
        };
        match release.variables.get(name) {
            Some(value) => out.push_str(value),
            None => {
                problems.spanned(
                    Severity::Warning,
                    text,
                    format!("the stage `{}` has no variable `{name}`, so it is empty here", release.facts.stage),
                );
            }
        }
        rest = behind;
    }
    out.push_str(rest);
    out
}

/// Whether content may pass as it arrives: nothing reads, checks or changes it on either way.
fn streams(
    integration: &Integration,
    api: &Api,
    body_validators: &[(Box<str>, Arc<BodyValidator>)],
    endpoint: Option<&Result<EndpointUri, super::endpoint_uri::InvalidEndpoint>>,
) -> bool {
    integration.integration_type == IntegrationType::HttpProxy
        && body_validators.is_empty()
        && (api.minimum_compression_size.is_none() || integration.streams_response)
        && integration.content_handling.is_none()
        && !integration.request_parameters.iter().any(|parameter| parameter.source.reads_body())
        && matches!(endpoint, Some(Ok(_)))
}
