//! An account's nouns into a snapshot: the only way to make one.

use std::collections::HashMap;
use std::sync::Arc;

use super::authorizers::{self, Authorizers};
use super::aws_call::AwsCall;
use super::ceilings;
use super::compile_release::{Models, Side, body_models};
use super::response_cache::ResponseCaches;
use super::subscriptions::{ApiKeys, account_throttle, usage_plans};
use super::{Canary, Snapshot, Stage};
use crate::apigateway::account::{Account, ApiWithStages};
use crate::apigateway::authorizer::IamPrincipal;
use crate::apigateway::integration::IntegrationType;
use crate::apigateway::stage;
use crate::backend::Backends;
use crate::document::{Problems, Severity, Spanned};
use crate::functions::name_of;
use crate::observe::{Metrics, Tracer};
use crate::store::{Bucket, Circuits, Clock, QuotaStore, RateStore};

/// Compiles everything, or says what stands in the way. Opens nothing and reads no clock.
pub fn compile(account: &Account, means: &Means<'_>, problems: &mut Problems) -> Snapshot {
    if account.aws_limits {
        ceilings::check(account, problems);
    }
    means.metrics.compiling();
    let mut snapshot = Snapshot { usage_plans: usage_plans(account), ..Snapshot::default() };
    let shared = Shared {
        api_keys: means.api_keys.map_or_else(|| Arc::new(ApiKeys::new(account, means.quotas)), Arc::clone),
        account_throttle: account_throttle(account, means.rates),
        principals: Arc::new(authorizers::principals(account)),
        means,
    };
    snapshot.api_keys = Arc::clone(&shared.api_keys);
    for api in &account.apis {
        let models = body_models(&api.api, problems);
        let stages: Vec<Arc<Stage>> =
            api.stages.iter().map(|stage| Arc::new(compile_stage(account, api, stage, &models, &shared, problems))).collect();
        never_valid(&stages, problems);
        without_credentials(account, api, &stages, problems);
        snapshot.stages.extend(stages.iter().cloned());
        let named = stages.into_iter().map(|stage| (stage.release.facts.stage.clone(), stage));
        snapshot.addresses.add_api(&api.id.value, !api.api.disable_execute_api_endpoint, named);
    }
    for domain in &account.domain_names {
        snapshot.addresses.add_domain_name(&domain.domain_name, domain.truststore.is_some());
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
        let is_http = matches!(operation.integration.integration_type, IntegrationType::Http | IntegrationType::HttpProxy);
        if let Some(uri) = operation.integration.uri.as_ref().filter(|_| is_http).filter(is_known).filter(|_| stages.iter().all(invalid)) {
            problems.withdraw_warnings(uri, "Invalid endpoint address on stage");
            if !problems.has_error_at(uri) {
                problems.spanned(Severity::Error, uri, "Invalid endpoint address on every stage");
            }
        }
    }
}

/// Calls of AWS's services are signed, so what is called there needs credentials from somewhere.
fn without_credentials(account: &Account, api: &ApiWithStages, stages: &[Arc<Stage>], problems: &mut Problems) {
    if account.aws.has_credentials {
        return;
    }
    const WHENCE: &str =
        "AWS_ACCESS_KEY_ID, AWS_PROFILE and their like give credentials; without, only an instance's or a container's own can be used";
    let operations = stages.iter().flat_map(|stage| &stage.release.operations);
    let mut named = Vec::new();
    let mut calls_others = false;
    for operation in operations.filter(|operation| operation.calls_aws()) {
        match (&operation.aws, &operation.integration.uri) {
            (Some(AwsCall { runs_here: true, .. } | AwsCall { has_own_endpoint: true, .. }), _) => {}
            (Some(AwsCall { function: Some(function), .. }), Some(uri)) => {
                let name = name_of(function).0;
                if !named.contains(&name) {
                    named.push(name);
                    let message = format!("the function `{name}` is none of `functions`, and there are no credentials to call it at AWS");
                    problems.spanned(Severity::Warning, uri, message);
                    problems.help(format!("`aws.endpoints.lambda` names another place; {WHENCE}"));
                }
            }
            _ => calls_others = true,
        }
    }
    if calls_others {
        problems.spanned(Severity::Warning, &api.id, format!("`{}` calls AWS services, and no credentials are configured", api.id.value));
        problems.help(WHENCE);
    }
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
    /// What ends a rendering that takes too long.
    pub clock: &'m Clock,
    /// Where answers are kept.
    pub caches: &'m ResponseCaches,
    /// The API keys that are known already, where they are not read anew.
    pub api_keys: Option<&'m Arc<ApiKeys>>,
    /// Where traces go.
    pub tracer: Option<&'m Arc<Tracer>>,
    /// When endpoints are left alone.
    pub circuits: &'m Circuits,
}

/// What all stages of one snapshot share.
pub(super) struct Shared<'s> {
    pub(super) api_keys: Arc<ApiKeys>,
    pub(super) account_throttle: Option<Arc<dyn Bucket>>,
    pub(super) principals: Arc<HashMap<Box<str>, Arc<IamPrincipal>>>,
    pub(super) means: &'s Means<'s>,
}

/// A stage with its release, and with its canary's where it has one.
fn compile_stage(
    account: &Account,
    api: &ApiWithStages,
    stage: &stage::Stage,
    models: &Models,
    shared: &Shared<'_>,
    problems: &mut Problems,
) -> Stage {
    let name = stage.stage_name.value.as_str();
    let cache = stage.cache_capacity.map(|capacity| shared.means.caches.cache(&format!("{}/{name}", api.id.value), capacity));
    let of_files = (api.deployment_id.as_str(), &api.api);
    let deployed = stage.deployment.as_ref().map_or(of_files, |deployment| (deployment.id.as_str(), &deployment.api));
    let of_canary = stage.canary.as_ref().map(|canary| {
        let canary_deployed = canary.deployment.as_ref().map_or(deployed.0, |deployment| deployment.id.as_str());
        let what = format!("{:?}", (deployed.0, canary_deployed, &stage.variables, &canary.stage_variable_overrides));
        shared.means.metrics.sides(&api.id.value, name, &what)
    });
    let [base_metrics, canary_metrics] = of_canary.map_or([None, None], |sides| sides.map(Some));
    let base = Side {
        account,
        api,
        stage,
        deployed,
        variables: stage.variables.clone(),
        is_canary: stage.canary.as_ref().map(|_| false),
        cache: cache.clone(),
        metrics: base_metrics,
    };
    let release = Arc::new(base.release(models, shared, problems));
    let canary = stage.canary.as_ref().map(|settings| {
        let mut variables = stage.variables.clone();
        variables.extend(settings.stage_variable_overrides.clone());
        let own = Side {
            deployed: settings.deployment.as_ref().map_or(deployed, |deployment| (deployment.id.as_str(), &deployment.api)),
            variables,
            is_canary: Some(true),
            cache: cache.clone().filter(|_| settings.use_stage_cache),
            metrics: canary_metrics,
            ..base
        };
        let own_models = settings.deployment.as_ref().map(|deployment| body_models(&deployment.api, problems));
        Canary {
            percent_traffic: settings.percent_traffic,
            sticky_by: settings.sticky_by.clone(),
            release: Arc::new(own.release(own_models.as_ref().unwrap_or(models), shared, problems)),
        }
    });
    Stage { release, canary, cache, access_log: stage.access_log.clone(), set_at_run_time: stage.set_at_run_time.clone() }
}
