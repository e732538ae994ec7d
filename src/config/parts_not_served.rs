//! What is read and checked but not served by this build: said so, never silently left out.

use crate::apigateway::account::Account;
use crate::document::{Fields, Node, Problems, nearest};

/// Notes that a part is read but has no effect yet.
pub(super) fn not_served(node: &Node, what: &str, problems: &mut Problems) {
    problems.note(node, format!("not enforced yet: {what}"));
}

/// Reads the parts of `gateway.yaml` that this build does not serve, so that their mistakes are found all the same.
pub(super) fn check(fields: &mut Fields<'_>, served: &Account, problems: &mut Problems) {
    if let Some(node) = fields.take("account") {
        account(node, problems);
    }
    let plans = fields.list("usagePlans", problems);
    for node in plans {
        usage_plan(node, served, problems);
    }
    let plan_ids: Vec<&str> = plans.iter().filter_map(|plan| plan.get("id")?.scalar()).collect();
    unique(plans, "id", "usage plans", problems);
    // API Gateway's own key file stands for a list, or for one of its entries.
    if fields.take("apiKeys").is_some_and(|keys| keys.get("file").is_none()) {
        let keys = fields.list("apiKeys", problems);
        for node in keys {
            api_key(node, &plan_ids, problems);
        }
        unique(keys, "id", "API keys", problems);
        unique(keys, "value", "API keys", problems);
    } else if let Some(node) = fields.take("apiKeys") {
        not_served(node, "API keys", problems);
    }
    for node in fields.list("functions", problems) {
        function(node, problems);
    }
    for node in fields.list("iamPrincipals", problems) {
        iam_principal(node, problems);
    }
    if let Some(node) = fields.take("fleet") {
        not_served(node, "fleet", problems);
    }
    if let Some(mut aws) = fields.take("aws").and_then(|node| Fields::of(node, "`aws`", problems)) {
        aws.ignore(&["region", "accountId", "endpoints"]);
        aws.finish(problems);
    }
}

/// Reports the second of two entries with one id; a key's value is never shown.
fn unique(nodes: &[Node], name: &str, what: &str, problems: &mut Problems) {
    let mut seen = std::collections::HashSet::new();
    for value in nodes.iter().filter_map(|node| node.get(name)) {
        if value.scalar().is_some_and(|text| !seen.insert(text)) {
            problems.error(value, format!("two {what} have the same `{name}`"));
        }
    }
}

fn account(node: &Node, problems: &mut Problems) {
    let Some(mut fields) = Fields::of(node, "`account`", problems) else { return };
    if let Some(settings) = fields.take("throttleSettings") {
        throttle(settings, problems);
        not_served(settings, "throttling", problems);
    }
    fields.ignore(&["accountId", "cloudwatchRoleArn", "features", "apiKeyVersion"]);
    fields.finish(problems);
}

fn throttle(node: &Node, problems: &mut Problems) {
    let Some(mut fields) = Fields::of(node, "a throttle", problems) else { return };
    fields.number("rateLimit", 0.0..=1e12, problems);
    fields.number("burstLimit", 0..=u64::from(u32::MAX), problems);
    fields.finish(problems);
}

fn usage_plan(node: &Node, served: &Account, problems: &mut Problems) {
    let Some(mut fields) = Fields::of(node, "a usage plan", problems) else { return };
    fields.required_string("id", problems);
    if let Some(node) = fields.take("throttle") {
        throttle(node, problems);
    }
    if let Some(mut quota) = fields.take("quota").and_then(|node| Fields::of(node, "a quota", problems)) {
        quota.number("limit", 0..=u64::from(u32::MAX), problems);
        quota.number("offset", 0..=u64::from(u32::MAX), problems);
        quota.choice("period", &[("DAY", ()), ("WEEK", ()), ("MONTH", ())], problems);
        quota.finish(problems);
    }
    for stage in fields.list("apiStages", problems) {
        let Some(mut fields) = Fields::of(stage, "an API stage", problems) else { continue };
        let api = fields.required("apiId", problems);
        let name = fields.required("stage", problems);
        api_stage(api, name, served, problems);
        for entry in fields.take("throttle").map(Node::entries).unwrap_or_default() {
            throttle(&entry.node, problems);
        }
        fields.finish(problems);
    }
    fields.ignore(&["name", "description", "productCode", "tags"]);
    fields.finish(problems);
    not_served(node, "usage plans", problems);
}

/// The control plane refuses a plan for a stage that is not there.
fn api_stage(api: Option<&Node>, name: Option<&Node>, served: &Account, problems: &mut Problems) {
    let (Some(api), Some(name)) = (api, name) else { return };
    let id = api.scalar().unwrap_or_default();
    let Some(known) = served.apis.iter().find(|known| known.id.value == id) else {
        problems.error(api, format!("Invalid API Stage specified: there is no API with the id `{id}`"));
        return;
    };
    let stage = name.scalar().unwrap_or_default();
    if !known.stages.iter().any(|known| known.stage_name.value == stage) {
        problems.error(name, format!("Invalid API Stage specified: the API `{id}` has no stage `{stage}`"));
    }
}

fn api_key(node: &Node, plan_ids: &[&str], problems: &mut Problems) {
    let Some(mut fields) = Fields::of(node, "an API key", problems) else { return };
    if fields.take("file").is_none() {
        if let Some(value) = fields.required("value", problems) {
            // The value itself is never shown.
            match value.scalar().map_or(0, str::len) {
                0..20 => drop(problems.error(value, "API Key value should be at least 20 characters")),
                129.. => drop(problems.error(value, "API Key value exceeds maximum size of 128 characters")),
                _ => {}
            }
        }
        fields.boolean("enabled", problems);
        for plan in fields.list("usagePlanIds", problems) {
            let id = plan.scalar().unwrap_or_default();
            if !plan_ids.contains(&id) {
                problems.error(plan, format!("Invalid Usage Plan ID specified: `{id}`"));
                if let Some(near) = nearest(id, plan_ids.iter().copied()) {
                    problems.help(format!("did you mean `{near}`?"));
                }
            }
        }
    }
    fields.ignore(&["id", "name", "description", "createdDate", "lastUpdatedDate", "stageKeys", "customerId", "tags"]);
    fields.finish(problems);
    not_served(node, "API keys", problems);
}

fn function(node: &Node, problems: &mut Problems) {
    let Some(mut fields) = Fields::of(node, "a function", problems) else { return };
    fields.required_string("functionName", problems);
    fields.number("timeout", 1..=900, problems);
    fields.ignore(&[
        "runtime",
        "handler",
        "codeUri",
        "environment",
        "memorySize",
        "reservedConcurrentExecutions",
        "versions",
        "aliases",
        "description",
    ]);
    fields.finish(problems);
    not_served(node, "functions that run here", problems);
}

fn iam_principal(node: &Node, problems: &mut Problems) {
    let Some(mut fields) = Fields::of(node, "an IAM principal", problems) else { return };
    fields.required_string("arn", problems);
    fields.required_string("accessKeyId", problems);
    fields.required_string("secretAccessKey", problems);
    fields.ignore(&["policies", "sessionToken"]);
    fields.finish(problems);
    not_served(node, "IAM principals", problems);
}
