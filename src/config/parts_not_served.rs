//! What is read and checked but not served by this build: said so, never silently left out.

use crate::document::{Fields, Node, Problems};

/// Notes that a part is read but has no effect yet.
pub(super) fn not_served(node: &Node, what: &str, problems: &mut Problems) {
    problems.note(node, format!("not enforced yet: {what}"));
}

/// Reads the parts of `gateway.yaml` that this build does not serve, so that their mistakes are found all the same.
pub(super) fn check(fields: &mut Fields<'_>, problems: &mut Problems) {
    if let Some(node) = fields.take("account") {
        account(node, problems);
    }
    for node in fields.list("usagePlans", problems) {
        usage_plan(node, problems);
    }
    for node in fields.list("apiKeys", problems) {
        api_key(node, problems);
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

fn usage_plan(node: &Node, problems: &mut Problems) {
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
        fields.required_string("apiId", problems);
        fields.required_string("stage", problems);
        for entry in fields.take("throttle").map(Node::entries).unwrap_or_default() {
            throttle(&entry.node, problems);
        }
        fields.finish(problems);
    }
    fields.ignore(&["name", "description", "productCode", "tags"]);
    fields.finish(problems);
    not_served(node, "usage plans", problems);
}

fn api_key(node: &Node, problems: &mut Problems) {
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
        fields.strings("usagePlanIds", problems);
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
