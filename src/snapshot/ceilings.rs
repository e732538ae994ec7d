//! API Gateway's quotas (its guide: limits), which `limits: aws` holds a configuration to, so that it can be deployed there.

use std::collections::HashSet;

use crate::apigateway::account::{Account, ApiWithStages};
use crate::document::{Problems, Severity, Spanned};

/// Of a definition, in bytes.
const DEFINITION: usize = 6 << 20;
/// Of an API, the root among them.
const RESOURCES: usize = 300;
/// Of an API.
const STAGES: usize = 10;
/// Of an API.
const AUTHORIZERS: usize = 10;
/// Of a resource policy, in characters.
const POLICY: usize = 8192;
/// Of a mapping template, in bytes.
const TEMPLATE: usize = 300 << 10;
/// Of a stage variable's value, in characters.
const VARIABLE: usize = 512;
/// Methods with a throttle of their own on one stage of a plan.
const METHOD_THROTTLES: usize = 20;
/// Of an account.
const USAGE_PLANS: usize = 300;
/// Of an account.
const API_KEYS: usize = 10_000;
/// Of a key.
const PLANS_OF_A_KEY: usize = 10;

/// Says what API Gateway would not take.
pub(super) fn check(account: &Account, problems: &mut Problems) {
    for api in &account.apis {
        let at = &api.id;
        let definition = api.sources.first().map_or(0, |source| source.text.len());
        at_most(DEFINITION, definition, "the definition has", "bytes", at, problems);
        at_most(RESOURCES, resources(api), "the API has", "resources", at, problems);
        at_most(STAGES, api.stages.len(), "the API has", "stages", at, problems);
        at_most(AUTHORIZERS, api.api.authorizers.len(), "the API has", "authorizers", at, problems);
        if let Some(policy) = &api.api.policy {
            at_most(POLICY, policy.value.to_string().chars().count(), "the resource policy has", "characters", policy, problems);
        }
        templates(api, problems);
        for stage in &api.stages {
            for (name, value) in &stage.variables {
                let sound = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~:/?#&=,".contains(&byte));
                if !sound || value.len() > VARIABLE {
                    let message = format!("the value of the stage variable `{name}` is none that API Gateway takes");
                    problems.spanned(Severity::Error, &stage.stage_name, message);
                    problems.help(format!("at most {VARIABLE} letters, digits and -._~:/?#&=,"));
                }
            }
        }
    }
    for plan in &account.usage_plans {
        for stage in &plan.api_stages {
            at_most(METHOD_THROTTLES, stage.throttle.len(), "a stage of the usage plan has", "methods with a throttle", &plan.id, problems);
        }
    }
    for key in account.api_keys.iter().filter(|key| key.usage_plans.len() > PLANS_OF_A_KEY) {
        problems.general(format!(
            "the API key `{}` is in {} usage plans; API Gateway takes {PLANS_OF_A_KEY}",
            key.id,
            key.usage_plans.len()
        ));
    }
    if let Some(plan) = account.usage_plans.get(USAGE_PLANS) {
        at_most(USAGE_PLANS, account.usage_plans.len(), "the account has", "usage plans", &plan.id, problems);
    }
    if account.api_keys.len() > API_KEYS {
        problems.general(format!("the account has {} API keys; API Gateway takes {API_KEYS}", account.api_keys.len()));
    }
}

fn at_most<T>(limit: usize, found: usize, what: &str, unit: &str, place: &Spanned<T>, problems: &mut Problems) {
    if found > limit {
        problems.spanned(Severity::Error, place, format!("{what} {found} {unit}; API Gateway takes {limit}"));
    }
}

/// Every path is a resource, and so is every path above it.
fn resources(api: &ApiWithStages) -> usize {
    let mut paths = HashSet::from([""]);
    for resource in &api.api.resources {
        let path = resource.path.trim_end_matches('/');
        paths.extend(path.match_indices('/').skip(1).filter_map(|(end, _)| path.get(..end)));
        paths.insert(path);
    }
    paths.len()
}

fn templates(api: &ApiWithStages, problems: &mut Problems) {
    let methods = api.api.resources.iter().flat_map(|resource| &resource.methods);
    for integration in methods.filter_map(|method| method.integration.as_ref()) {
        let responses = integration.value.responses.iter().flat_map(|response| &response.response_templates);
        for (name, template) in integration.value.request_templates.iter().chain(responses) {
            at_most(TEMPLATE, template.size(), &format!("the mapping template `{name}` has"), "bytes", integration, problems);
        }
    }
}
