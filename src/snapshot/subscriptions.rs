//! API keys and usage plans: what a key's value opens on a stage, and which of its limits are asked.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use crate::apigateway::account::{Account, ApiWithStages};
use crate::apigateway::stage::MethodSettings;
use crate::apigateway::usage_plan::{KeyHash, QuotaPeriod, QuotaSettings, ThrottleSettings, UsagePlan};
use crate::document::{Problems, Severity, nearest};
use crate::store::{Bucket, Meter, Period, Quota, QuotaStore, RateLimit, RateStore};

/// API Gateway's own figures where only one half of a limit is written.
const DEFAULT: RateLimit = RateLimit { rate: 10_000.0, burst: 5_000 };
/// A plan may limit so many keys; the index of a plan fits.
type PlanIndex = u32;

/// No key's value has more bytes: 128 characters, of four bytes each.
const LONGEST: usize = 512;

/// Every API key, found by the hash of its value: the values themselves are not kept.
#[derive(Debug, Default)]
pub struct ApiKeys {
    plans: Vec<Arc<str>>,
    keys: HashMap<KeyHash, ApiKey, BuildHasherDefault<FirstBytes>>,
}

/// A key that is enabled and in some plan.
#[derive(Debug)]
pub struct ApiKey {
    /// Its id, which is not secret.
    pub id: Arc<str>,
    /// The plans that it is in, with what it used of each.
    plans: Box<[(PlanIndex, Arc<dyn Meter>)]>,
}

/// The plans as one stage sees them.
#[derive(Debug, Default)]
pub struct StagePlans(Vec<(PlanIndex, StagePlan)>);

/// A plan on a stage.
#[derive(Debug)]
pub struct StagePlan {
    /// The plan's id.
    pub id: Arc<str>,
    /// The limit of each key, over all stages of the plan.
    pub throttle: Option<Arc<dyn Bucket>>,
    /// How much each key has in a period.
    pub quota: Option<Quota>,
    /// The limits of each key for methods, by the index of the operation.
    methods: HashMap<usize, Arc<dyn Bucket>>,
}

/// A key's place in a plan on a stage.
#[derive(Debug, Clone, Copy)]
pub struct Subscription<'s> {
    /// The key.
    pub key: &'s ApiKey,
    /// The plan.
    pub plan: &'s StagePlan,
    /// What the key has used of the plan.
    pub meter: &'s dyn Meter,
}

impl ApiKeys {
    /// Indexes the keys of an account.
    #[must_use]
    pub fn new(account: &Account, quotas: &dyn QuotaStore) -> Self {
        let plans: Vec<Arc<str>> = account.usage_plans.iter().map(|plan| plan.id.value.as_str().into()).collect();
        let mut keys = HashMap::with_capacity_and_hasher(account.api_keys.len(), BuildHasherDefault::default());
        for key in account.api_keys.iter().filter(|key| key.enabled) {
            let id: Arc<str> = key.id.as_str().into();
            let of_key = key.usage_plans.iter().filter_map(|place| Some((*place, quotas.meter(plans.get(*place as usize)?, &id))));
            let plans: Box<[_]> = of_key.collect();
            if !plans.is_empty() {
                keys.insert(key.value, ApiKey { id, plans });
            }
        }
        Self { plans, keys }
    }

    /// The meter of a key under a plan, by their ids.
    #[must_use]
    pub fn meter(&self, plan: &str, key: &str) -> Option<&dyn Meter> {
        let place = self.plans.iter().position(|known| **known == *plan)?;
        let of_key = self.keys.values().filter(|known| *known.id == *key).flat_map(|known| &known.plans);
        of_key.filter(|(index, _)| *index as usize == place).map(|(_, meter)| &**meter).next()
    }

    /// What a value opens on a stage. The time that it takes tells nothing of how much of a value was right: hashes are compared.
    #[must_use]
    pub fn find<'s>(&'s self, value: &str, stage: &'s StagePlans) -> Option<Subscription<'s>> {
        if value.len() > LONGEST {
            return None;
        }
        let key = self.keys.get(&KeyHash::of(value))?;
        key.plans.iter().find_map(|(index, meter)| {
            let place = stage.0.binary_search_by_key(index, |(known, _)| *known).ok()?;
            stage.0.get(place).map(|(_, plan)| Subscription { key, plan, meter: &**meter })
        })
    }
}

impl StagePlan {
    /// The limit of each key for an operation.
    #[must_use]
    pub fn method_throttle(&self, operation: usize) -> Option<&Arc<dyn Bucket>> {
        self.methods.get(&operation)
    }
}

impl StagePlans {
    /// The plans that hold a stage. `operations` are its methods as `/resource/path/METHOD`.
    #[must_use]
    pub fn new(account: &Account, api: &ApiWithStages, stage: &str, operations: &[String], rates: &dyn RateStore) -> Self {
        let mut plans = Vec::new();
        for (index, plan) in (0..).zip(&account.usage_plans) {
            let holds = |held: &&crate::apigateway::usage_plan::ApiStage| held.api_id.value == api.id.value && held.stage.value == stage;
            let Some(held) = plan.api_stages.iter().find(holds) else { continue };
            let methods = held.throttle.iter().filter_map(|(method, settings)| {
                let operation = position(method, operations)?;
                let name = format!("plan {} {}/{stage} {method}", plan.id.value, api.id.value);
                Some((operation, rates.limit(&name, limit(settings)?, true)))
            });
            plans.push((index, stage_plan(plan, methods.collect(), rates)));
        }
        Self(plans)
    }
}

/// The operation that a plan's limit names. The root's GET is `//GET`; a slash more or less at the beginning means nothing else.
fn position(method: &str, operations: &[String]) -> Option<usize> {
    let named = |operation: &String| operation.trim_start_matches('/') == method.trim_start_matches('/');
    operations.iter().position(named)
}

/// A plan's limit for a method that a stage does not have limits nothing.
pub(super) fn unknown_methods(account: &Account, api: &ApiWithStages, stage: &str, operations: &[String], problems: &mut Problems) {
    for plan in &account.usage_plans {
        let of_stage = plan.api_stages.iter().filter(|held| held.api_id.value == api.id.value && held.stage.value == stage);
        for (held, method) in of_stage.flat_map(|held| held.throttle.keys().map(move |method| (held, method))) {
            if position(method, operations).is_none() {
                let message = format!("the usage plan `{}` limits `{method}`, which {}/{stage} does not have", plan.id.value, api.id.value);
                problems.spanned(Severity::Warning, &held.stage, message);
                if let Some(near) = nearest(method, operations.iter().map(String::as_str)) {
                    problems.help(format!("did you mean `{near}`?"));
                }
            }
        }
    }
}

fn stage_plan(plan: &UsagePlan, methods: HashMap<usize, Arc<dyn Bucket>>, rates: &dyn RateStore) -> StagePlan {
    let id = plan.id.value.as_str();
    StagePlan {
        throttle: plan.throttle.as_ref().and_then(limit).map(|limit| rates.limit(&format!("plan {id}"), limit, true)),
        quota: plan.quota.map(quota),
        id: id.into(),
        methods,
    }
}

/// Every plan with what its quota is.
#[must_use]
pub fn usage_plans(account: &Account) -> Vec<(Box<str>, Option<Quota>)> {
    account.usage_plans.iter().map(|plan| (plan.id.value.as_str().into(), plan.quota.map(quota))).collect()
}

fn quota(settings: QuotaSettings) -> Quota {
    Quota { limit: settings.limit, offset: settings.offset, period: period(settings.period) }
}

/// A quota's period as the store counts it.
const fn period(period: QuotaPeriod) -> Period {
    match period {
        QuotaPeriod::Day => Period::Day,
        QuotaPeriod::Week => Period::Week,
        QuotaPeriod::Month => Period::Month,
    }
}

fn limit(settings: &ThrottleSettings) -> Option<RateLimit> {
    if settings.rate_limit.is_none() && settings.burst_limit.is_none() {
        return None;
    }
    Some(RateLimit { rate: settings.rate_limit.unwrap_or(DEFAULT.rate), burst: settings.burst_limit.unwrap_or(DEFAULT.burst) })
}

/// The account's own bucket.
pub(super) fn account_throttle(account: &Account, rates: &dyn RateStore) -> Option<Arc<dyn Bucket>> {
    limit(&account.throttle_settings).map(|limit| rates.limit("account", limit, false))
}

/// The limit that a stage sets for a method: its own entry, else that of `*/*`, value by value. A negative value is no limit.
pub(super) fn method_throttle(own: Option<&MethodSettings>, all: Option<&MethodSettings>) -> Option<RateLimit> {
    let settings = || [own, all].into_iter().flatten();
    let rate = settings().find_map(|settings| settings.throttling_rate_limit);
    let burst = settings().find_map(|settings| settings.throttling_burst_limit);
    let throttle = ThrottleSettings { rate_limit: rate.filter(|rate| *rate >= 0.0), burst_limit: burst };
    limit(&throttle)
}

/// A hash needs no hashing.
#[derive(Debug, Default)]
pub(super) struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_ne_bytes(*first);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
