//! The running gateway's control operations, at AWS's own paths.

use serde_json::{Value, json};

use super::clock;
use super::stages::{self, Serve};
use crate::admin::Operation;
use crate::control::{Gateway, UsageQuery, grant, usage};
use crate::exchange::Query;
use crate::observe::{SideMetrics, SideSummary};
use crate::snapshot::{Access, Release, Stage};

/// Answers an operation; nothing where there is none such.
pub(super) fn answer(gateway: &Gateway, serve: Serve<'_>, operation: Operation<'_>) -> Option<(u16, Value)> {
    let path: Vec<&str> = operation.path.iter().map(String::as_str).collect();
    match (operation.method, path.as_slice()) {
        ("GET", ["usageplans", plan, "usage"]) => Some(plan_usage(gateway, plan, operation.query)),
        ("PATCH", ["usageplans", plan, "keys", key, "usage"]) => Some(update_usage(gateway, plan, key, operation.content)),
        ("DELETE", ["restapis", api, "stages", stage, "cache", "data"]) => Some(with_stage(gateway, api, stage, |stage| {
            if let Some(cache) = &stage.cache {
                cache.flush();
            }
            (200, json!({}))
        })),
        ("DELETE", ["restapis", api, "stages", stage, "cache", "authorizers"]) => Some(with_stage(gateway, api, stage, |stage| {
            let releases = std::iter::once(&stage.release).chain(stage.canary.as_ref().map(|canary| &canary.release));
            for operation in releases.flat_map(|release| &release.operations) {
                if let Access::Authorizer(authorizer, _) = &operation.access {
                    authorizer.decides.forget();
                }
            }
            (200, json!({}))
        })),
        ("GET", ["restapis", api, "stages", stage, "canary"]) => Some(with_stage(gateway, api, stage, canary_status)),
        (method, path) => stages::answer(gateway, serve, method, path, operation.content),
    }
}

fn with_stage(gateway: &Gateway, api: &str, name: &str, answer: impl FnOnce(&Stage) -> (u16, Value)) -> (u16, Value) {
    let snapshot = gateway.current().load();
    let found = snapshot.stages.iter().find(|stage| *stage.release.facts.api_id == *api && *stage.release.facts.stage == *name);
    found.map_or_else(|| refused(404, "Invalid stage identifier specified"), |stage| answer(stage))
}

/// Both sides of a stage: how many requests, how many of them failed, how long they took, since the canary is what it is.
fn canary_status(stage: &Stage) -> (u16, Value) {
    let Some(canary) = &stage.canary else { return refused(404, "the stage has no canary") };
    let side = |release: &Release| {
        let told = release.metrics.as_ref().map(SideMetrics::summary);
        let percent = |of: fn(&SideSummary) -> u64| {
            told.as_ref().filter(|told| told.requests > 0).map_or(0.0, |told| of(told) as f64 / told.requests as f64 * 100.0)
        };
        let milliseconds = |of: fn(&SideSummary) -> Option<f64>| told.as_ref().and_then(of).map(|seconds| seconds * 1000.0);
        json!({
            "deploymentId": &*release.facts.deployment_id,
            "requests": told.as_ref().map_or(0, |told| told.requests),
            "clientErrorPercent": percent(|told| told.client_errors),
            "serverErrorPercent": percent(|told| told.server_errors),
            "meanLatencyMilliseconds": milliseconds(|told| told.mean_latency),
            "p99LatencyMilliseconds": milliseconds(|told| told.p99_latency),
        })
    };
    (200, json!({ "percentTraffic": canary.percent_traffic, "base": side(&stage.release), "canary": side(&canary.release) }))
}

fn refused(status: u16, message: impl Into<String>) -> (u16, Value) {
    (status, json!({ "message": message.into() }))
}

fn now() -> u64 {
    clock::now().duration_since(std::time::SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn plan_usage(gateway: &Gateway, plan: &str, query: &str) -> (u16, Value) {
    let snapshot = gateway.current().load();
    let Some((_, quota)) = snapshot.usage_plans.iter().find(|(id, _)| **id == *plan) else {
        return refused(404, "Invalid Usage Plan ID specified");
    };
    let Some(store) = gateway.durable() else { return refused(404, "no usage is counted") };
    let query = Query::parse(query);
    let text = |name: &str| query.last(name).map(str::to_owned);
    let query = UsageQuery { key: text("keyId"), from: text("startDate"), to: text("endDate") };
    usage(&*store, plan, quota.as_ref(), &query, now()).map_or_else(|message| refused(400, message), |told| (200, told))
}

/// `UpdateUsage`: `replace /remaining`.
fn update_usage(gateway: &Gateway, plan: &str, key: &str, content: &[u8]) -> (u16, Value) {
    let snapshot = gateway.current().load();
    let Some((_, quota)) = snapshot.usage_plans.iter().find(|(id, _)| **id == *plan) else {
        return refused(404, "Invalid Usage Plan ID specified");
    };
    let patch: Value = serde_json::from_slice(content).unwrap_or_default();
    let operation = patch.pointer("/patchOperations/0").cloned().unwrap_or_default();
    let text = |name: &str| operation.get(name).and_then(Value::as_str);
    let remaining = match (text("op"), text("path"), operation.get("value")) {
        (Some("replace"), Some("/remaining"), Some(Value::String(text))) => text.parse().ok(),
        (Some("replace"), Some("/remaining"), Some(Value::Number(number))) => number.as_u64(),
        _ => None,
    };
    let Some(remaining) = remaining else { return refused(400, "Invalid patch path: only /remaining can be replaced, by a number") };
    let Some(meter) = snapshot.api_keys.meter(plan, key) else { return refused(404, "Invalid API Key identifier specified") };
    match grant(meter, quota.as_ref(), remaining, now()) {
        Ok(()) => {
            plan_usage(gateway, plan, &format!("keyId={}", percent_encoding::utf8_percent_encode(key, percent_encoding::NON_ALPHANUMERIC)))
        }
        Err(message) => refused(400, message),
    }
}
