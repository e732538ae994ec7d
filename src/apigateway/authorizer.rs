//! Authorizers: who decides whether a caller may call.

use regex::Regex;

use super::policy::Policy;
use super::usage_plan::Secret;
use crate::document::Spanned;
use crate::mapping::expression::Expression;
use crate::mapping::lambda_proxy::AuthorizerFormat;

/// `x-amazon-apigateway-authorizer`.
#[derive(Debug)]
pub struct Authorizer {
    /// The security scheme's name.
    pub name: String,
    /// What kind it is, with what only that kind has.
    pub kind: AuthorizerKind,
    /// Where a caller's identity is read from, in order.
    pub identity_sources: Vec<Expression>,
    /// What a token must match whole before anybody is asked; a Cognito token's audience.
    pub identity_validation: Option<Regex>,
    /// How long a decision is kept, in seconds; 0: not at all.
    pub result_ttl_seconds: u32,
    /// `authorizerCredentials`: the role that signs for its function, where roles are assumed.
    pub credentials: Option<Spanned<String>>,
}

/// The kinds of authorizers.
#[derive(Debug)]
pub enum AuthorizerKind {
    /// `token`: a function that gets one token.
    Token {
        /// `authorizerUri`.
        uri: Spanned<String>,
    },
    /// `request`: a function that gets the request.
    Request {
        /// `authorizerUri`.
        uri: Spanned<String>,
        /// `authorizerPayloadFormatVersion`.
        format: AuthorizerFormat,
        /// `enableSimpleResponses`.
        simple_responses: bool,
    },
    /// `cognito_user_pools`.
    CognitoUserPools {
        /// `providerARNs`.
        provider_arns: Vec<Spanned<String>>,
        /// The text of the key set that `x-headgate.jwksFile` names.
        jwks_file: Option<Spanned<String>>,
    },
    /// `jwt`.
    Jwt {
        /// `jwtConfiguration.issuer`.
        issuer: Spanned<String>,
        /// `jwtConfiguration.audience`.
        audience: Vec<String>,
        /// The text of the key set that `x-headgate.jwksFile` names.
        jwks_file: Option<Spanned<String>>,
    },
}

/// Somebody who may sign requests.
#[derive(Debug, Clone)]
pub struct IamPrincipal {
    /// The user's or role's ARN.
    pub arn: String,
    /// The access key's id, which is not secret.
    pub access_key_id: String,
    /// The key.
    pub secret_access_key: Secret,
    /// What it must send as `X-Amz-Security-Token`, if anything.
    pub session_token: Option<Secret>,
    /// What it may call.
    pub policies: Vec<Policy>,
}
