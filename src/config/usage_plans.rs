//! Usage plans, checked against the APIs and stages that exist.

use indexmap::IndexMap;

use super::account::Known;
use crate::apigateway::usage_plan::{ApiStage, QuotaPeriod, QuotaSettings, ThrottleSettings, UsagePlan};
use crate::document::{Fields, Node, Problems, Severity, Spanned};

const PERIODS: [(&str, QuotaPeriod); 3] = [("DAY", QuotaPeriod::Day), ("WEEK", QuotaPeriod::Week), ("MONTH", QuotaPeriod::Month)];

/// Reads `usagePlans`.
pub(super) fn usage_plans(fields: &mut Fields<'_>, known: &Known, problems: &mut Problems) -> Vec<UsagePlan> {
    let mut plans: Vec<UsagePlan> = Vec::new();
    for node in fields.list("usagePlans", problems) {
        let Some(plan) = usage_plan(node, known, problems) else { continue };
        if plans.iter().any(|other| other.id.value == plan.id.value) {
            problems.spanned(Severity::Error, &plan.id, format!("two usage plans have the id `{}`", plan.id.value));
        }
        plans.push(plan);
    }
    plans
}

fn usage_plan(node: &Node, known: &Known, problems: &mut Problems) -> Option<UsagePlan> {
    let mut fields = Fields::of(node, "a usage plan", problems)?;
    let id = fields.required("id", problems).map(|node| Spanned::at(node, node.scalar().unwrap_or_default().to_owned()));
    let name = fields.string("name", problems);
    let throttle = fields.take("throttle").and_then(|node| throttle(node, problems));
    let quota = fields.take("quota").and_then(|node| quota(node, problems));
    let plan = id.as_ref().map_or("", |id| id.value.as_str());
    let api_stages = fields.list("apiStages", problems).iter().filter_map(|node| api_stage(node, plan, known, problems)).collect();
    fields.ignore(&["description", "productCode", "tags"]);
    fields.finish(problems);
    Some(UsagePlan { id: id?, name, throttle, quota, api_stages })
}

fn api_stage(node: &Node, plan: &str, known: &Known, problems: &mut Problems) -> Option<ApiStage> {
    let mut fields = Fields::of(node, "an API stage", problems)?;
    let api_id = fields.required("apiId", problems);
    let stage = fields.required("stage", problems);
    let throttle = methods(fields.take("throttle"), problems);
    fields.finish(problems);
    let (api_id, stage) = (api_id?, stage?);
    let text = |node: &Node| node.scalar().unwrap_or_default().to_owned();
    if let Some((at, why)) = known.missing(api_id, Some(stage)) {
        let message = format!("Invalid API Stage {{api: {}, stage: {}}} specified for usageplan {plan}: {why}", text(api_id), text(stage));
        problems.error(at, message);
    }
    Some(ApiStage { api_id: Spanned::at(api_id, text(api_id)), stage: Spanned::at(stage, text(stage)), throttle })
}

/// Limits by `/resource/path/METHOD`; the root's GET is `//GET`.
fn methods(node: Option<&Node>, problems: &mut Problems) -> IndexMap<String, ThrottleSettings> {
    let mut limits = IndexMap::new();
    let Some(node) = node else { return limits };
    if !node.is_object() {
        problems.error(node, format!("`throttle` is a mapping from `/resource/path/METHOD` to limits, not {}", node.kind()));
    }
    for entry in node.entries() {
        let Some(limit) = throttle(&entry.node, problems) else { continue };
        limits.insert(entry.key.clone(), limit);
    }
    limits
}

/// Reads a rate and a burst.
pub(super) fn throttle(node: &Node, problems: &mut Problems) -> Option<ThrottleSettings> {
    let mut fields = Fields::of(node, "a throttle", problems)?;
    let settings = ThrottleSettings {
        rate_limit: fields.number("rateLimit", 0.0..=1e12, problems),
        burst_limit: fields.number("burstLimit", 0..=u32::MAX, problems),
    };
    fields.finish(problems);
    Some(settings)
}

fn quota(node: &Node, problems: &mut Problems) -> Option<QuotaSettings> {
    let mut fields = Fields::of(node, "a quota", problems)?;
    let written = fields.required("limit", problems).is_some();
    let limit = fields.number("limit", 0..=u64::from(u32::MAX), problems);
    let offset = fields.number("offset", 0..=u64::from(u32::MAX), problems).unwrap_or(0);
    if fields.take("period").is_none() && written {
        problems.error(node, "`period` is missing: DAY, WEEK or MONTH");
    }
    let period = fields.choice("period", &PERIODS, problems);
    fields.finish(problems);
    if limit.is_some_and(|limit| offset > limit) {
        problems.error(node, format!("`offset` ({offset}) is taken from the first period's `limit`, so it cannot be larger"));
    }
    Some(QuotaSettings { limit: limit?, offset, period: period? })
}
