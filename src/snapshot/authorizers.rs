//! Who may call, as one stage has it: authorizers with the stage's variables in them, the resource policy, the principals.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use regex::Regex;

use super::aws_call;
use super::compile_release::{assumable, is_here};
use crate::apigateway::account::{Account, ApiWithStages};
use crate::apigateway::api::{Api, Authorization, Method};
use crate::apigateway::authorizer::{Authorizer, AuthorizerKind, IamPrincipal};
use crate::apigateway::policy::Policy;
use crate::authorizer::{Answers, Audience, Authorize, Function, Jwt, KeySet, Lambda};
use crate::document::{Problems, Severity, Spanned};
use crate::mapping::expression::Expression;
use crate::mapping::lambda_proxy::AuthorizerFormat;
use crate::outbound::Client;
use crate::outbound::aws::Aws;

/// Who may call an operation.
#[derive(Debug, Clone)]
pub enum Access {
    /// Anybody.
    Open,
    /// Callers who sign.
    Iam,
    /// Callers whom an authorizer lets in; with scopes, if they have one of them.
    Authorizer(Arc<StageAuthorizer>, Vec<String>),
    /// Nobody: the authorizer cannot be asked, which `check` has told.
    Nobody,
}

/// An authorizer on a stage.
#[derive(Debug)]
pub struct StageAuthorizer {
    /// What decides.
    pub decides: Arc<dyn Authorize>,
    /// Where the identity is read from.
    pub identity_sources: Vec<Expression>,
    /// What the first of them must match.
    pub identity_validation: Option<Regex>,
    /// What it is asked with.
    pub event: AuthorizerEvent,
    /// Whether nobody is called for its decision: no function decides, or one that runs here.
    pub decides_here: bool,
}

/// What an authorizer is asked with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthorizerEvent {
    /// A function's token.
    Token,
    /// A function's request.
    Request(AuthorizerFormat),
    /// A Cognito token, ID or access by the method's scopes.
    CognitoToken,
    /// Any other token.
    Jwt,
}

impl AuthorizerEvent {
    /// Whether a function decides.
    #[must_use]
    pub const fn is_function(self) -> bool {
        matches!(self, Self::Token | Self::Request(_))
    }

    /// Whether it decides by the whole request.
    #[must_use]
    pub const fn is_request(self) -> bool {
        matches!(self, Self::Request(_))
    }
}

/// What authorizers are made with. Keys that were fetched stay through reloads, and so do decisions of authorizers that stay what they were.
#[derive(Debug)]
pub struct Authorizers {
    aws: Arc<Aws>,
    client: Arc<Client>,
    keys: Mutex<HashMap<String, Arc<KeySet>>>,
    /// By everything that makes them.
    made: Mutex<HashMap<String, Weak<dyn Authorize>>>,
}

impl Authorizers {
    /// Authorizers that ask through these.
    #[must_use]
    pub fn new(aws: Arc<Aws>, client: Arc<Client>) -> Self {
        Self { aws, client, keys: Mutex::default(), made: Mutex::default() }
    }

    fn keys(&self, address: &str, make: impl FnOnce() -> KeySet) -> Arc<KeySet> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(keys.entry(address.to_owned()).or_insert_with(|| Arc::new(make())))
    }

    /// The authorizer that a release in use was made with, or a new one.
    fn made(&self, of: String, make: impl FnOnce() -> Arc<dyn Authorize>) -> Arc<dyn Authorize> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = made.get(&of).and_then(Weak::upgrade) {
            return known;
        }
        made.retain(|_, known| known.strong_count() > 0);
        let new = make();
        made.insert(of, Arc::downgrade(&new));
        new
    }
}

/// What a stage's authorizers are compiled from.
pub(super) struct Place<'a> {
    pub(super) account: &'a Account,
    pub(super) api: &'a Api,
    pub(super) authorizers: &'a Authorizers,
    /// Up to the API's id and its slash.
    pub(super) arn_prefix: &'a str,
    /// The stage's name.
    pub(super) stage: &'a str,
}

/// The beginning of the ARN of every method of an API.
pub(super) fn arn_prefix(account: &Account, api: &ApiWithStages) -> String {
    let partition = if account.region.starts_with("cn-") { "aws-cn" } else { "aws" };
    format!("arn:{partition}:execute-api:{}:{}:{}/", account.region, account.account_id, api.id.value)
}

/// The resource policy; what cannot be read was told with the definition, and guards as one that allows nothing.
pub(super) fn resource_policy(api: &Api, arn_prefix: &str) -> Option<Policy> {
    api.policy.as_ref().map(|policy| Policy::parse(&policy.value, Some(arn_prefix)).unwrap_or_default())
}

/// Principals by their access keys' ids.
pub(super) fn principals(account: &Account) -> HashMap<Box<str>, Arc<IamPrincipal>> {
    account.iam_principals.iter().map(|principal| (principal.access_key_id.as_str().into(), Arc::new(principal.clone()))).collect()
}

impl Place<'_> {
    /// Every authorizer of the API, by name. `with_variables` puts the stage's variables in.
    pub(super) fn compile(
        &self,
        with_variables: &dyn Fn(&Spanned<String>, &mut Problems) -> String,
        problems: &mut Problems,
    ) -> HashMap<String, Arc<StageAuthorizer>> {
        let mut compiled = HashMap::new();
        for authorizer in &self.api.authorizers {
            if let Some((decides, decides_here)) = self.decides(authorizer, with_variables, problems) {
                let event = match authorizer.kind {
                    AuthorizerKind::Token { .. } => AuthorizerEvent::Token,
                    AuthorizerKind::Request { format, .. } => AuthorizerEvent::Request(format),
                    AuthorizerKind::CognitoUserPools { .. } => AuthorizerEvent::CognitoToken,
                    AuthorizerKind::Jwt { .. } => AuthorizerEvent::Jwt,
                };
                let identity_validation = authorizer.identity_validation.clone().filter(|_| event == AuthorizerEvent::Token);
                let identity_sources = authorizer.identity_sources.clone();
                compiled.insert(
                    authorizer.name.clone(),
                    Arc::new(StageAuthorizer { decides, identity_sources, identity_validation, event, decides_here }),
                );
            }
        }
        compiled
    }

    /// Makes the authorizer, or takes one along that was made alike.
    fn made(&self, authorizer: &Authorizer, of: &str, make: impl FnOnce() -> Arc<dyn Authorize>) -> Arc<dyn Authorize> {
        let Authorizer { name, identity_sources, result_ttl_seconds, .. } = authorizer;
        let of = format!("{}{} {name} {identity_sources:?} {result_ttl_seconds} {of}", self.arn_prefix, self.stage);
        self.authorizers.made(of, make)
    }

    fn decides(
        &self,
        authorizer: &Authorizer,
        with_variables: &dyn Fn(&Spanned<String>, &mut Problems) -> String,
        problems: &mut Problems,
    ) -> Option<(Arc<dyn Authorize>, bool)> {
        let remembers = authorizer.result_ttl_seconds > 0;
        match &authorizer.kind {
            AuthorizerKind::Token { uri } => self.function(authorizer, (uri, Answers::Policy), with_variables, problems),
            AuthorizerKind::Request { uri, format, simple_responses } => {
                let answers = match (format, simple_responses) {
                    (AuthorizerFormat::V2, true) => Answers::Simple,
                    (AuthorizerFormat::V2, false) => Answers::PolicyAndValues,
                    _ => Answers::Policy,
                };
                self.function(authorizer, (uri, answers), with_variables, problems)
            }
            AuthorizerKind::CognitoUserPools { provider_arns, jwks_file } => {
                let mut issuers = Vec::new();
                for arn in provider_arns {
                    let text = with_variables(arn, problems);
                    let Some((issuer, keys)) = self.user_pool(&text) else {
                        problems.spanned(Severity::Error, arn, format!("`{text}` is no ARN of a user pool"));
                        problems.help("such as arn:aws:cognito-idp:{region}:{account}:userpool/{pool id}");
                        continue;
                    };
                    let keys = match jwks_file {
                        Some(file) => self.file(file, problems)?,
                        None => self.authorizers.keys(&keys, || KeySet::at(Arc::clone(&self.authorizers.client), &keys)),
                    };
                    issuers.push((issuer, keys));
                }
                let names: Vec<&str> = issuers.iter().map(|(issuer, _)| issuer.as_str()).collect();
                let of = format!("{names:?} {:?} {:?}", text_of(jwks_file), authorizer.identity_validation);
                let audience = Audience::Cognito(authorizer.identity_validation.clone());
                Some((self.made(authorizer, &of, || Arc::new(Jwt::new(issuers, audience, remembers))), true))
            }
            AuthorizerKind::Jwt { issuer, audience, jwks_file } => {
                let keys = match jwks_file {
                    Some(file) => self.file(file, problems)?,
                    None => self.authorizers.keys(&issuer.value, || KeySet::of_issuer(Arc::clone(&self.authorizers.client), &issuer.value)),
                };
                let of = format!("{} {audience:?} {:?}", issuer.value, text_of(jwks_file));
                let issuers = vec![(issuer.value.clone(), keys)];
                Some((self.made(authorizer, &of, || Arc::new(Jwt::new(issuers, Audience::OneOf(audience.clone()), remembers))), true))
            }
        }
    }

    fn function(
        &self,
        authorizer: &Authorizer,
        (uri, answers): (&Spanned<String>, Answers),
        with_variables: &dyn Fn(&Spanned<String>, &mut Problems) -> String,
        problems: &mut Problems,
    ) -> Option<(Arc<dyn Authorize>, bool)> {
        let text = with_variables(uri, problems);
        let Ok((endpoint, region, name)) = aws_call::function(&text, &self.account.aws) else {
            problems.spanned(Severity::Error, uri, format!("Invalid Authorizer URI: {text}"));
            problems.help("such as arn:aws:apigateway:{region}:lambda:path/2015-03-31/functions/{function ARN}/invocations");
            return None;
        };
        let decides_here =
            is_here(self.account, &percent_encoding::percent_decode_str(&name).decode_utf8_lossy(), uri, self.stage, problems);
        let credentials = authorizer.credentials.as_ref().filter(|_| self.account.aws.assume_roles);
        let role = credentials.and_then(|credentials| assumable(credentials, with_variables(credentials, problems), problems));
        let function = Function { endpoint, region, name, role, arn_prefix: self.arn_prefix.into(), answers };
        let aws = Arc::clone(&self.authorizers.aws);
        let of = format!("{function:?} {:?}", authorizer.identity_validation);
        Some((self.made(authorizer, &of, || Arc::new(Lambda::new(aws, function, authorizer.result_ttl_seconds))), decides_here))
    }

    /// A user pool's issuer, and where its keys are.
    fn user_pool(&self, arn: &str) -> Option<(String, String)> {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let ["arn", _, "cognito-idp", region, _, pool] = parts.as_slice() else { return None };
        let pool = pool.strip_prefix("userpool/").filter(|pool| !pool.is_empty() && !pool.contains('/'))?;
        let (endpoint, _) = self.account.aws.endpoint("cognito-idp", region);
        let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        Some((format!("https://cognito-idp.{region}.{domain}/{pool}"), format!("{endpoint}/{pool}/.well-known/jwks.json")))
    }

    fn file(&self, text: &Spanned<String>, problems: &mut Problems) -> Option<Arc<KeySet>> {
        match KeySet::from_text(Arc::clone(&self.authorizers.client), &text.value) {
            Ok(keys) => Some(Arc::new(keys)),
            Err(error) => {
                problems.spanned(Severity::Error, text, format!("`jwksFile` holds no key set: {error}"));
                None
            }
        }
    }
}

fn text_of(file: &Option<Spanned<String>>) -> Option<&str> {
    file.as_ref().map(|file| file.value.as_str())
}

/// Who may call a method.
pub(super) fn access(method: &Method, authorizers: &HashMap<String, Arc<StageAuthorizer>>) -> Access {
    match &method.authorization {
        Authorization::None => Access::Open,
        Authorization::AwsIam => Access::Iam,
        Authorization::Authorizer { name, scopes } => {
            authorizers.get(name).map_or(Access::Nobody, |authorizer| Access::Authorizer(Arc::clone(authorizer), scopes.clone()))
        }
    }
}
