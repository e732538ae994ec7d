//! An account's nouns into a snapshot: the only way to make one.

use std::collections::HashMap;
use std::sync::Arc;

use indexmap::IndexMap;

use super::authorizers::{self, Access, Authorizers};
use super::aws_call::{self, AwsCall, AwsCallKind};
use super::endpoint_uri::{CallOptions, EndpointUri};
use super::gateway_responses::GatewayResponses;
use super::release::{Operation, Release};
use super::routes::Routes;
use super::subscriptions::{ApiKeys, StagePlans, account_throttle, method_throttle, usage_plans};
use super::{Snapshot, Stage};
use crate::apigateway::account::{Account, ApiWithStages};
use crate::apigateway::api::{Api, Method, Resource};
use crate::apigateway::authorizer::IamPrincipal;
use crate::apigateway::gateway_response::GatewayResponse;
use crate::apigateway::integration::{Integration, IntegrationType};
use crate::apigateway::stage;
use crate::backend::{Backend, Backends};
use crate::document::{Problems, Severity, Spanned};
use crate::exchange::{ResourceFacts, StageFacts};
use crate::mapping::content_handling::BinaryMediaTypes;
use crate::mapping::validation::BodyValidator;
use crate::observe::Metrics;
use crate::openapi::models;
use crate::store::{Bucket, QuotaStore, RateStore};
use crate::vtl::Limits;

/// The largest content that API Gateway takes, in bytes.
const AWS_CONTENT: u64 = 10_485_760;
/// The largest content that is completed in memory where no ceiling of API Gateway's holds.
const OWN_CONTENT: u64 = 64 << 20;

/// Compiles everything, or says what stands in the way. Opens nothing and reads no clock.
pub fn compile(account: &Account, means: &Means<'_>, problems: &mut Problems) -> Snapshot {
    let mut snapshot = Snapshot { usage_plans: usage_plans(account), ..Snapshot::default() };
    let shared = Shared {
        api_keys: Arc::new(ApiKeys::new(account, means.quotas)),
        account_throttle: account_throttle(account, means.rates),
        principals: Arc::new(authorizers::principals(account)),
        means,
    };
    for api in &account.apis {
        let models = body_models(&api.api, problems, api);
        let stages: Vec<Arc<Stage>> =
            api.stages.iter().map(|stage| Arc::new(compile_stage(account, api, stage, &models, &shared, problems))).collect();
        never_valid(&stages, problems);
        without_credentials(account, api, &stages, problems);
        snapshot.stages.extend(stages.iter().cloned());
        let named = stages.into_iter().map(|stage| (stage.release.facts.stage.clone(), stage));
        snapshot.addresses.add_api(&api.id.value, !api.api.disable_execute_api_endpoint, named);
    }
    for domain in &account.domain_names {
        snapshot.addresses.add_domain_name(&domain.domain_name);
        for mapping in &domain.base_path_mappings {
            let found = mapping.stage.as_ref().map(|stage| find(&snapshot.stages, &mapping.rest_api_id.value, &stage.value));
            match found {
                None => snapshot.addresses.add_api_mapping(&domain.domain_name, &mapping.base_path, &mapping.rest_api_id.value),
                Some(Some(stage)) => snapshot.addresses.add_mapping(&domain.domain_name, &mapping.base_path, stage),
                Some(None) => {}
            }
        }
    }
    snapshot
}

fn find(stages: &[Arc<Stage>], api_id: &str, name: &str) -> Option<Arc<Stage>> {
    stages.iter().find(|stage| &*stage.release.facts.api_id == api_id && &*stage.release.facts.stage == name).cloned()
}

/// An address that is invalid on one stage answers 500 there; one that is invalid on all of them is a mistake. What another program's
/// `${…}` stands for is not known here, so that is no more than a warning.
fn never_valid(stages: &[Arc<Stage>], problems: &mut Problems) {
    let Some(first) = stages.first() else { return };
    for (index, operation) in first.release.operations.iter().enumerate() {
        let invalid =
            |stage: &Arc<Stage>| stage.release.operation(index).is_some_and(|operation| matches!(operation.endpoint, Some(Err(_))));
        let is_known = |uri: &&Spanned<String>| !uri.value.starts_with("${") || uri.value.starts_with("${stageVariables.");
        if let Some(uri) = operation.integration.uri.as_ref().filter(is_known).filter(|_| stages.iter().all(invalid)) {
            problems.spanned(Severity::Error, uri, "Invalid endpoint address on every stage");
        }
    }
}

/// Calls of AWS's services are signed, so an API that makes them needs credentials from somewhere.
fn without_credentials(account: &Account, api: &ApiWithStages, stages: &[Arc<Stage>], problems: &mut Problems) {
    let calls_aws = |stage: &Arc<Stage>| stage.release.operations.iter().any(Operation::calls_aws);
    if account.aws.has_credentials || !stages.iter().any(calls_aws) {
        return;
    }
    problems.spanned(Severity::Warning, &api.id, format!("`{}` calls AWS services, and no credentials are configured", api.id.value));
    problems.help("AWS_ACCESS_KEY_ID, AWS_PROFILE and their like give them; without, only an instance's or a container's own can be used");
}

/// What operations are built with.
#[derive(Debug, Clone, Copy)]
pub struct Means<'m> {
    /// Who answers.
    pub backends: &'m Backends,
    /// Where requests are counted.
    pub metrics: &'m Metrics,
    /// What decides about callers.
    pub authorizers: &'m Authorizers,
    /// Where token buckets are.
    pub rates: &'m dyn RateStore,
    /// Where quotas are counted.
    pub quotas: &'m dyn QuotaStore,
}

type Models = IndexMap<String, Arc<BodyValidator>>;

/// Compiles the models that some method checks bodies with.
fn body_models(api: &Api, problems: &mut Problems, place: &ApiWithStages) -> Models {
    let mut compiled = Models::new();
    let checked = api.resources.iter().flat_map(|resource| &resource.methods).filter(|method| method.request_validator.body);
    for name in checked.flat_map(|method| method.request_models.values()) {
        if compiled.contains_key(name) {
            continue;
        }
        match BodyValidator::compile(&models::document(api, name)) {
            Ok(validator) => drop(compiled.insert(name.clone(), Arc::new(validator))),
            Err(error) => {
                problems.spanned(Severity::Error, &place.id, format!("the model `{name}` cannot be used: {error}"));
            }
        }
    }
    compiled
}

fn compile_stage(
    account: &Account,
    api: &ApiWithStages,
    stage: &stage::Stage,
    models: &Models,
    shared: &Shared<'_>,
    problems: &mut Problems,
) -> Stage {
    let facts = StageFacts {
        account_id: account.account_id.as_str().into(),
        api_id: api.id.value.as_str().into(),
        stage: stage.stage_name.value.as_str().into(),
        deployment_id: api.deployment_id.as_str().into(),
        is_canary_request: None,
    };
    let arn_prefix = authorizers::arn_prefix(account, api);
    let mut release = Release {
        facts: Arc::new(facts),
        routes: Routes::default(),
        operations: Vec::new(),
        gateway_responses: GatewayResponses::new(
            api.api.gateway_responses.iter().map(|(kind, response): &(_, GatewayResponse)| (*kind, response.clone())),
        ),
        variables: stage.variables.clone(),
        resource_policy: authorizers::resource_policy(api, &arn_prefix),
        arn_prefix: arn_prefix.as_str().into(),
        principals: Arc::clone(&shared.principals),
        api_keys: Arc::clone(&shared.api_keys),
        api_key_source: api.api.api_key_source,
        plans: StagePlans::default(),
        account_throttle: shared.account_throttle.clone(),
        binary_media_types: BinaryMediaTypes::new(&api.api.binary_media_types),
        minimum_compression_size: api.api.minimum_compression_size,
        template_limits: Limits { rounds: account.aws_limits.then_some(1000), ..Limits::default() },
        content_limit: if account.aws_limits { AWS_CONTENT } else { OWN_CONTENT },
        streamed_content_limit: account.aws_limits.then_some(AWS_CONTENT),
    };
    let place = authorizers::Place { account, api, authorizers: shared.means.authorizers, arn_prefix: &arn_prefix };
    let known = place.compile(&|text, problems| with_variables(text, &release, problems), problems);
    for resource in &api.api.resources {
        let facts = Arc::new(ResourceFacts { id: resource.id.clone(), path: resource.path.clone() });
        for method in &resource.methods {
            let Some(integration) = &method.integration else { continue };
            let place = Place { api: &api.api, resource, method, account };
            let mut operation = operation(&place, integration, &facts, &release, models, shared.means, problems);
            operation.access = authorizers::access(method, &known);
            operation.throttle = stage_throttle(stage, &release, &resource.path, method.name(), shared.means);
            let index = release.operations.len();
            match release.routes.insert(&resource.path, method.http_method.as_ref(), index) {
                Ok(()) => release.operations.push(operation),
                Err(error) => drop(problems.spanned(Severity::Error, integration, error.to_string())),
            }
        }
    }
    let methods: Vec<String> =
        release.operations.iter().map(|operation| method_path(&operation.resource.path, &operation.method_name)).collect();
    release.plans = StagePlans::new(account, api, &stage.stage_name.value, &methods, shared.means.rates);
    Stage { release: Arc::new(release), access_log: stage.access_log.clone() }
}

/// What all stages of one snapshot share.
struct Shared<'s> {
    api_keys: Arc<ApiKeys>,
    account_throttle: Option<Arc<dyn Bucket>>,
    principals: Arc<HashMap<Box<str>, Arc<IamPrincipal>>>,
    means: &'s Means<'s>,
}

/// A method as usage plans and method settings name it: `/pets/GET`; the root's is `//GET`.
fn method_path(resource: &str, method: &str) -> String {
    format!("{resource}/{method}")
}

/// The limit that the stage sets for a method, in a bucket of the method's own.
fn stage_throttle(stage: &stage::Stage, release: &Release, resource: &str, method: &str, means: &Means<'_>) -> Option<Arc<dyn Bucket>> {
    let own = stage.method_settings.get(&method_path(if resource == "/" { "" } else { resource }, method));
    let limit = method_throttle(own, stage.method_settings.get("*/*"))?;
    let StageFacts { api_id, stage, .. } = &*release.facts;
    Some(means.rates.limit(&format!("stage {api_id}/{stage} {resource}/{method}"), limit, false))
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
        Some(call) if call.kind == AwsCallKind::Lambda => {
            means.backends.lambda(call.scope.clone(), integration.integration_type == IntegrationType::AwsProxy)
        }
        Some(call) => means.backends.aws_service(call.scope.clone()),
    }
}

/// The address with the stage's variables in it. One that is left without a host answers 500, as at API Gateway, and `check` says so.
fn endpoint(place: &Place<'_>, integration: &Integration, release: &Release, problems: &mut Problems) -> (Endpoint, Option<AwsCall>) {
    if let Some(action) = &integration.service_action {
        return match aws_call::service_action(action, place.account) {
            Ok((endpoint, call)) => (Some(Ok(endpoint)), Some(call)),
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
    };
    let (endpoint, aws) = match integration.integration_type {
        IntegrationType::Aws | IntegrationType::AwsProxy => match aws_call::parse(&text, &place.account.aws, &options) {
            Ok((uri, call)) => (Ok(uri), Some(call)),
            Err(error) => (Err(error), None),
        },
        _ => (EndpointUri::parse(&text, &options), None),
    };
    if endpoint.is_err() {
        let stage = &release.facts.stage;
        problems.spanned(Severity::Warning, uri, format!("Invalid endpoint address on stage `{stage}`: `{text}`"));
        problems.help(format!("{} {} answers 500 there, as it would at API Gateway", place.method.name(), place.resource.path));
    }
    (Some(endpoint), aws)
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
        && api.minimum_compression_size.is_none()
        && integration.content_handling.is_none()
        && !integration.request_parameters.iter().any(|parameter| parameter.source.reads_body())
        && matches!(endpoint, Some(Ok(_)))
}
