//! What an `AWS` or `AWS_PROXY` integration calls, once a stage's variables are in its ARN.

use std::sync::Arc;

use super::endpoint_uri::{CallOptions, EndpointUri, InvalidEndpoint};
use crate::apigateway::account::Account;
use crate::apigateway::arn::{IntegrationArn, is_function};
use crate::apigateway::aws::{AwsSettings, Protocol, protocol, signing_name};
use crate::apigateway::service_action::ServiceAction;
use crate::exchange::{Endpoint, encode_path_segment};
use crate::outbound::aws::Scope;

/// A call of one of AWS's services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsCall {
    /// For whom its requests are signed.
    pub scope: Scope,
    /// How it is made.
    pub kind: AwsCallKind,
    /// The function, where it is one's.
    pub function: Option<Box<str>>,
    /// Whether that function runs on this machine, so that nothing is signed.
    pub runs_here: bool,
    /// Whether somebody configured where the service answers, so that it need not be AWS.
    pub has_own_endpoint: bool,
    /// The role that signs; nothing: the gateway's own credentials.
    pub role: Option<Box<str>>,
}

/// The roads to AWS's services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AwsCallKind {
    /// Lambda's `Invoke`.
    Lambda,
    /// An action of AWS JSON.
    Json {
        /// The value of `X-Amz-Target`.
        target: Box<str>,
        /// The value of `Content-Type`.
        content_type: Box<str>,
    },
    /// A path, or an action in the query string: content and fields are the author's.
    Other,
}

/// Lambda's paths: the ordinary call, and the one whose response is streamed.
const LAMBDA: [(&str, &str); 2] = [("2015-03-31/functions/", "/invocations"), ("2021-11-15/functions/", "/response-streaming-invocations")];

/// Reads an integration's ARN.
///
/// # Errors
/// When it is none, or names nothing that can be called.
pub(super) fn parse(arn: &str, settings: &AwsSettings, options: &CallOptions) -> Result<(EndpointUri, AwsCall), InvalidEndpoint> {
    let arn = IntegrationArn::parse(arn).map_err(|_| InvalidEndpoint)?;
    let prefix = arn.service.rsplit('.').next().unwrap_or(arn.service);
    let (base, configured) = settings.endpoint(arn.service, arn.region);
    let scope = Scope { service: signing_name(prefix).into(), region: arn.region.into() };
    let (url, kind) = match (prefix, arn.is_action) {
        ("lambda", false) => (format!("{base}{}", lambda_path(arn.target, options.streams_response)?), AwsCallKind::Lambda),
        (_, false) => {
            // A bucket in the service's host name is the first part of the path where the host is somebody else's.
            let bucket = arn.service.strip_suffix(prefix).unwrap_or_default().trim_end_matches('.');
            let bucket = if configured && !bucket.is_empty() { format!("/{bucket}") } else { String::new() };
            (format!("{base}{bucket}/{}", arn.target.trim_start_matches('/')), AwsCallKind::Other)
        }
        (_, true) => action(&base, configured, prefix, arn.target)?,
    };
    let function = (kind == AwsCallKind::Lambda).then(|| function_of(arn.target)).flatten().map(Into::into);
    Ok((EndpointUri::parse(&url, options)?, AwsCall { scope, kind, function, runs_here: false, has_own_endpoint: configured, role: None }))
}

/// The function that a path of Lambda's names.
fn function_of(target: &str) -> Option<&str> {
    let target = target.trim_start_matches('/');
    LAMBDA.iter().find_map(|(before, after)| target.strip_prefix(before)?.strip_suffix(after))
}

fn lambda_path(target: &str, streams: bool) -> Result<String, InvalidEndpoint> {
    let function = function_of(target).filter(|function| is_function(function)).ok_or(InvalidEndpoint)?;
    // A response that Lambda streams and this gateway does not is completed by the ordinary call.
    let [buffered, streamed] = LAMBDA;
    let (before, after) = if streams { streamed } else { buffered };
    Ok(format!("/{before}{}{after}", encode_function(function)))
}

/// A function's name or ARN as one segment of a path.
fn encode_function(function: &str) -> String {
    encode_path_segment(function).collect::<String>().replace(':', "%3A")
}

fn action(base: &str, configured: bool, prefix: &str, name: &str) -> Result<(String, AwsCallKind), InvalidEndpoint> {
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(InvalidEndpoint);
    }
    Ok(asked_in(protocol(prefix), base, configured, name))
}

fn asked_in(protocol: Protocol, base: &str, configured: bool, name: &str) -> (String, AwsCallKind) {
    match protocol {
        Protocol::Json { target, version } => {
            // Synchronous executions have hosts of their own (the service's model).
            let base = if name == "StartSyncExecution" && !configured { base.replacen("://", "://sync-", 1) } else { base.to_owned() };
            let target = format!("{target}.{name}").into();
            (format!("{base}/"), AwsCallKind::Json { target, content_type: format!("application/x-amz-json-{version}").into() })
        }
        Protocol::Query => (format!("{base}/?Action={name}"), AwsCallKind::Other),
        Protocol::Rest(path) => (format!("{base}{path}"), AwsCallKind::Other),
    }
}

/// Where Lambda answers, its region, and the function.
type NamedFunction = (Arc<Endpoint>, Box<str>, Arc<str>);

/// A function that an authorizer names: where Lambda answers, its region, and the function as one encoded segment.
///
/// # Errors
/// When the ARN names none.
pub(super) fn function(arn: &str, settings: &AwsSettings) -> Result<NamedFunction, InvalidEndpoint> {
    let (uri, call) = parse(arn, settings, &CallOptions::default())?;
    let (endpoint, _) = uri.endpoint(|_| None)?;
    let function = call.function.ok_or(InvalidEndpoint)?;
    Ok((endpoint, call.scope.region, encode_function(&function).into()))
}

/// The call behind an HTTP API's service action.
///
/// # Errors
/// When the configured endpoint is none.
pub(super) fn service_action(action: &ServiceAction, account: &Account) -> Result<(EndpointUri, AwsCall), InvalidEndpoint> {
    let subtype = action.subtype;
    let region = action.region.as_deref().unwrap_or(&account.region);
    let (base, configured) = account.aws.endpoint(subtype.service, region);
    let (url, kind) = asked_in(subtype.protocol, &base, configured, subtype.action);
    let scope = Scope { service: signing_name(subtype.service).into(), region: region.into() };
    let call = AwsCall { scope, kind, function: None, runs_here: false, has_own_endpoint: configured, role: None };
    Ok((EndpointUri::parse(&url, &CallOptions::default())?, call))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arn: &str) -> Result<(String, String, AwsCall), InvalidEndpoint> {
        let (uri, call) = super::parse(arn, &AwsSettings::default(), &CallOptions::default())?;
        let mut path = String::new();
        uri.write_path(|_| None, &mut path);
        Ok((uri.endpoint(|_| None)?.0.authority(), path, call))
    }

    #[test]
    fn functions_are_called_by_their_arn() {
        let (host, path, call) = parse(
            "arn:aws:apigateway:eu-west-1:lambda:path//2015-03-31/functions/arn:aws:lambda:eu-west-1:123456789012:function:f:prod/invocations",
        )
        .unwrap();
        assert_eq!((host.as_str(), call.kind), ("lambda.eu-west-1.amazonaws.com", AwsCallKind::Lambda));
        assert_eq!(path, "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-west-1%3A123456789012%3Afunction%3Af%3Aprod/invocations");
        for wrong in ["arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions//invocations", "arn:aws:apigateway:r:lambda:path/x"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn actions_and_paths_are_told_apart() {
        let (host, path, call) = parse("arn:aws:apigateway:eu-west-1:states:action/StartSyncExecution").unwrap();
        assert_eq!((host.as_str(), path.as_str()), ("sync-states.eu-west-1.amazonaws.com", "/"));
        let kind =
            AwsCallKind::Json { target: "AWSStepFunctions.StartSyncExecution".into(), content_type: "application/x-amz-json-1.0".into() };
        assert_eq!(call.kind, kind);
        let (host, path, _) = parse("arn:aws:apigateway:us-east-1:b.s3:path/folder/key").unwrap();
        assert_eq!((host.as_str(), path.as_str()), ("b.s3.us-east-1.amazonaws.com", "/folder/key"));
        assert!(parse("arn:aws:apigateway:us-east-1:states:action/").is_err());
    }
}
