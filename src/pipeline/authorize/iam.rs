//! Callers who sign (`AWS_IAM`).

use bytes::Bytes;
use serde_json::{Map, Value};

use super::super::integration_request::Asked;
use super::place::{INVOKE, Place};
use super::{Caller, Decision, both, checked, together};
use crate::apigateway::authorizer::IamPrincipal;
use crate::apigateway::policy::Effect;
use crate::apigateway::usage_plan::Secret;
use crate::authorizer::sigv4::{self, Payload, Refused};
use crate::exchange::{AccessFacts, Failure, MethodRequest, ResponseType};
use crate::snapshot::Access;

/// Fields that prove who calls, and are nobody's business behind the gateway.
const PROOF: [&str; 4] = ["authorization", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256"];

/// Decides about a caller who signs.
pub(super) fn decide(asked: Asked<'_>, place: &Place<'_>, content: Option<&Bytes>, facts: &mut AccessFacts) -> Result<Decision, Failure> {
    let authenticated = checked(asked, &mut facts.authenticate, || authenticate(asked, place, content))?;
    let Some((principal, decoded)) = authenticated else { return Ok(Decision::NeedsContent) };
    let account = account(principal);
    checked(asked, &mut facts.authorize, || {
        let own = effect(place, principal, INVOKE);
        let resource = place.resource_policy(Some(&principal.arn));
        let effect = if account == &*asked.release.facts.account_id { together(own, resource) } else { both(own, resource) };
        if effect == Effect::Allow { Ok(()) } else { Err(place.not_authorized(&principal.arn, effect)) }
    })?;
    Ok(Decision::Allowed(Caller { identity: identity(principal, account), is_signed: true, content: decoded, ..Caller::default() }))
}

/// Who signed, and the content where it came in signed pieces; nothing: the signature covers content that is not there yet.
fn authenticate<'a>(
    asked: Asked<'a>,
    place: &Place<'_>,
    content: Option<&Bytes>,
) -> Result<Option<(&'a IamPrincipal, Option<Bytes>)>, Failure> {
    let missing =
        || Failure::new(ResponseType::MissingAuthenticationToken, "Missing Authentication Token").with_detail("the request is not signed");
    let request = asked.request.as_sent.as_deref().ok_or_else(missing)?;
    let signature = sigv4::read(request).ok_or_else(missing)?.map_err(unsigned)?;
    // It chose the method, so it must be part of what was signed.
    if request.fields.contains(METHOD_OVERRIDE) && !signature.covers(METHOD_OVERRIDE) {
        return Err(unsigned(Refused::Incomplete));
    }
    signature.check_scope(place.region(), asked.context.request_time_ms / 1000).map_err(unsigned)?;
    let unknown = || {
        Failure::new(ResponseType::AccessDenied, "The security token included in the request is invalid.")
            .with_error_type("UnrecognizedClientException")
            .with_detail("the access key is not known")
    };
    let principal = asked.release.principals.get(signature.access_key_id).ok_or_else(unknown)?;
    let held = principal.session_token.as_ref().map_or("", Secret::reveal);
    if !same(held, signature.session_token.as_ref().map_or("", Secret::reveal)) {
        return Err(unknown());
    }
    let content = match (signature.payload, content) {
        (Payload::Whole | Payload::Chunks, None) => return Ok(None),
        (_, content) => content.map_or(&[][..], |content| content),
    };
    let decoded = signature.verify(request, content, principal.secret_access_key.reveal()).map_err(unsigned)?;
    Ok(Some((principal, decoded)))
}

const METHOD_OVERRIDE: &str = "x-http-method-override";

fn account(principal: &IamPrincipal) -> &str {
    principal.arn.split(':').nth(4).unwrap_or_default()
}

fn effect(place: &Place<'_>, principal: &IamPrincipal, action: &str) -> Effect {
    let evaluate = |policy| Some(place.evaluate(policy, Some(&principal.arn), action));
    principal.policies.iter().fold(Effect::Neither, |effect, policy| together(effect, evaluate(policy)))
}

/// Whether the caller of an admitted request may make the cache forget: a signed caller whose policies allow `execute-api:InvalidateCache`.
pub(in super::super) fn may_invalidate(asked: Asked<'_>) -> bool {
    let Access::Iam = asked.operation.access else { return false };
    let Some(Ok(signature)) = asked.request.as_sent.as_deref().and_then(sigv4::read) else { return false };
    let (Some(principal), Ok(place)) = (asked.release.principals.get(signature.access_key_id), Place::of(asked)) else { return false };
    effect(&place, principal, "execute-api:InvalidateCache") == Effect::Allow
}

fn identity(principal: &IamPrincipal, account: &str) -> Map<String, Value> {
    let name = principal.arn.rsplit('/').next().unwrap_or_default();
    let members = [
        ("accessKey", principal.access_key_id.as_str()),
        ("accountId", account),
        ("caller", name),
        ("user", name),
        ("userArn", &principal.arn),
    ];
    members.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
}

/// Takes a signature away that has done its work: what proves a caller here would prove it elsewhere too.
pub(in super::super) fn without_signature(request: &mut MethodRequest, content_is_decoded: bool) {
    request.request.fields.retain(|field| !PROOF.iter().any(|name| field.name.is(name)));
    if content_is_decoded {
        let framing = |value: &[u8]| value.eq_ignore_ascii_case(b"aws-chunked");
        request.request.fields.retain(|field| {
            !(field.name.is("x-amz-decoded-content-length") || (field.name.is("content-encoding") && framing(field.value.as_bytes())))
        });
    }
    let Some(query) = request.request.query.as_deref().filter(|query| query.contains("X-Amz-Signature")) else { return };
    let kept = query.split('&').filter(|part| !sigv4::is_argument(part.split_once('=').map_or(part, |(name, _)| name)));
    let kept = kept.collect::<Vec<_>>().join("&");
    request.set_query((!kept.is_empty()).then(|| kept.into()));
}

fn unsigned(refused: Refused) -> Failure {
    match refused {
        Refused::Incomplete => Failure::new(ResponseType::InvalidSignature, "The request signature is incomplete or cannot be read."),
        Refused::Expired => Failure::new(ResponseType::ExpiredToken, "Signature expired: the request's date is too far from now."),
        Refused::Elsewhere => {
            Failure::new(ResponseType::InvalidSignature, "Credential should be scoped to this API's region and to execute-api.")
        }
        Refused::Mismatch => Failure::new(
            ResponseType::InvalidSignature,
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method.",
        ),
    }
}

/// As long for a wrong text as for a right one of its length.
fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |differences, (a, b)| differences | (a ^ b)) == 0
}
