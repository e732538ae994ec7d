//! Who comes in: caller, key, throttles, quota, parameters, in API Gateway's order.

use bytes::Bytes;

use super::integration_request::Asked;
use super::{Exchange, Pipeline, api_key, authorize, quota, throttle, validate};
use crate::exchange::{AccessFacts, Failure};

/// Whether a request has come in.
pub(super) enum Entry {
    /// A signature covers content that is not there yet.
    Waits,
    /// It has; `content`: what its signed pieces held.
    In { content: Option<Bytes> },
}

impl Pipeline {
    /// Who may call, how much, and with which parameters.
    pub(super) async fn let_in(&self, exchange: &mut Exchange, content: Option<&Bytes>) -> Result<Entry, Failure> {
        let mut access = AccessFacts::default();
        let decision = authorize::decide(exchange.asked()?, content, &mut access).await;
        exchange.context.access = access;
        let authorize::Decision::Allowed(caller) = decision? else { return Ok(Entry::Waits) };
        exchange.context.authorizer = caller.authorizer;
        exchange.context.identity.other.extend(caller.identity);
        if caller.is_signed {
            authorize::without_signature(&mut exchange.request, caller.content.is_some());
        }
        self.limit(exchange, caller.usage_identifier_key.as_deref())?;
        let asked = exchange.asked()?;
        validate::parameters(asked.operation, asked.request)?;
        Ok(Entry::In { content: caller.content })
    }

    /// Key, throttles, quota: who may call how much.
    #[expect(clippy::unused_self, reason = "a step of the pipeline like the others")]
    fn limit(&self, exchange: &mut Exchange, usage_identifier_key: Option<&str>) -> Result<(), Failure> {
        let Asked { release, operation, request, context } = exchange.asked()?;
        let subscription = api_key::find(release, operation, request, usage_identifier_key)?;
        let identity = subscription.map(|subscription| {
            let value = api_key::value(release, request, usage_identifier_key).unwrap_or_default();
            (Box::<str>::from(value), Box::<str>::from(&*subscription.key.id))
        });
        let limited = throttle::take(release, operation, exchange.operation.unwrap_or_default(), subscription)
            .and_then(|()| subscription.map_or(Ok(()), |subscription| quota::spend(subscription, context.request_time_ms)));
        if let Some((value, id)) = identity {
            exchange.context.identity.api_key = Some(value);
            exchange.context.identity.api_key_id = Some(id);
        }
        limited
    }

    /// Admission that had to wait for the content; gives the content that counts from there on.
    pub(super) async fn admit_content(&self, exchange: &mut Exchange, content: Bytes) -> Result<Bytes, Failure> {
        if !std::mem::take(&mut exchange.waits_for_content) {
            return Ok(content);
        }
        match self.let_in(exchange, Some(&content)).await? {
            Entry::In { content: decoded } => Ok(decoded.unwrap_or(content)),
            Entry::Waits => Err(Failure::configuration("a signature was to be checked with content that is not there")),
        }
    }
}
