//! `x-amazon-apigateway-authorizer` of a security scheme.

use regex::Regex;

use super::Reader;
use crate::apigateway::authorizer::{Authorizer, AuthorizerKind};
use crate::document::{Fields, Node, Problems, Spanned};
use crate::mapping::expression::{Expression, Parameter, Piece, Scope};
use crate::mapping::lambda_proxy::AuthorizerFormat;

/// Kept so long where nothing is written, and at most (API Gateway's guide).
const TTL: (u32, u32) = (300, 3600);

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Token,
    Request,
    Cognito,
    Jwt,
}

const KINDS: [(&str, Kind); 4] =
    [("token", Kind::Token), ("request", Kind::Request), ("cognito_user_pools", Kind::Cognito), ("jwt", Kind::Jwt)];

const FORMATS: [(&str, AuthorizerFormat); 2] = [("1.0", AuthorizerFormat::V1), ("2.0", AuthorizerFormat::V2)];

impl Reader<'_> {
    /// Reads the authorizer that a security scheme brings.
    pub(super) fn authorizer(&mut self, name: &str, scheme: &Node, problems: &mut Problems) -> Option<Authorizer> {
        let node = scheme.get("x-amazon-apigateway-authorizer")?;
        let mut fields = Fields::of(node, "an authorizer", problems)?;
        fields.required("type", problems)?;
        let kind = fields.choice("type", &KINDS, problems)?;
        let ttl = ttl(&mut fields, kind, problems);
        let header = header(scheme);
        let sources = fields.take("identitySource");
        let identity_sources = match (kind, sources) {
            (Kind::Token | Kind::Cognito, None) => header.into_iter().collect(),
            (_, None) => Vec::new(),
            (_, Some(node)) => identity_sources(node, problems),
        };
        if kind != Kind::Request && identity_sources.len() > 1 {
            problems.error(node, "a token comes from one `identitySource`").help("several are for `type: request`");
        }
        if kind == Kind::Request && ttl > 0 && identity_sources.is_empty() {
            problems
                .error(node, "a REQUEST authorizer whose results are kept needs an `identitySource`")
                .help("or `authorizerResultTtlInSeconds: 0`");
        }
        let identity_validation = identity_validation(&mut fields, problems);
        let jwks_file = self.jwks_file(&mut fields, problems);
        let kind = match kind {
            Kind::Token => AuthorizerKind::Token { uri: authorizer_uri(&mut fields, problems)? },
            Kind::Request => {
                let format = fields.choice("authorizerPayloadFormatVersion", &FORMATS, problems).unwrap_or(AuthorizerFormat::Rest);
                let simple_responses = fields.boolean("enableSimpleResponses", problems).unwrap_or(false);
                if simple_responses && format != AuthorizerFormat::V2 {
                    problems
                        .error(node, "`enableSimpleResponses` needs `authorizerPayloadFormatVersion: \"2.0\"`")
                        .help("a policy is expected without it");
                }
                AuthorizerKind::Request { uri: authorizer_uri(&mut fields, problems)?, format, simple_responses }
            }
            Kind::Cognito => {
                let arns = fields.list("providerARNs", problems).iter();
                let provider_arns: Vec<_> = arns.map(|node| Spanned::at(node, node.scalar().unwrap_or_default().to_owned())).collect();
                if provider_arns.is_empty() {
                    problems.error(node, "`providerARNs` is missing: the user pools whose tokens are accepted");
                }
                AuthorizerKind::CognitoUserPools { provider_arns, jwks_file }
            }
            Kind::Jwt => jwt(&mut fields, jwks_file, problems)?,
        };
        let credentials = fields.take("authorizerCredentials");
        let credentials = credentials.map(|node| Spanned::at(node, node.scalar().unwrap_or_default().to_owned()));
        fields.ignore(&["authorizerPayloadFormatVersion", "providerARNs", "authorizerUri", "enableSimpleResponses"]);
        fields.finish(problems);
        Some(Authorizer { name: name.to_owned(), kind, identity_sources, identity_validation, result_ttl_seconds: ttl, credentials })
    }

    /// The text of the key set that `x-headgate.jwksFile` names.
    fn jwks_file(&mut self, fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Spanned<String>> {
        let mut own = fields.take("x-headgate").and_then(|node| Fields::of(node, "`x-headgate`", problems))?;
        let file = own.take("jwksFile");
        own.finish(problems);
        let file = file?;
        let set = self.files.load(file, file.scalar().unwrap_or_default(), problems)?;
        Some(Spanned::at(file, set.to_json().to_string()))
    }
}

fn authorizer_uri(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Spanned<String>> {
    let node = fields.required("authorizerUri", problems)?;
    Some(Spanned::at(node, node.scalar().unwrap_or_default().to_owned()))
}

/// What a token, or a Cognito token's audience, must match whole.
fn identity_validation(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Regex> {
    let node = fields.scalar("identityValidationExpression", problems)?;
    let text = node.scalar().unwrap_or_default();
    let pattern = Regex::new(&format!("^(?:{text})$"));
    pattern
        .map_err(|_| {
            problems.error(node, format!("`{text}` is no pattern that can be run")).help("linear time: no look-around, no back-references")
        })
        .ok()
}

fn ttl(fields: &mut Fields<'_>, kind: Kind, problems: &mut Problems) -> u32 {
    // A token that was verified is remembered until it expires, unless it is to be verified each time.
    let default = if matches!(kind, Kind::Jwt | Kind::Cognito) { TTL.1 } else { TTL.0 };
    fields.number("authorizerResultTtlInSeconds", 0..=TTL.1, problems).unwrap_or(default)
}

/// The scheme's own header field.
fn header(scheme: &Node) -> Option<Expression> {
    let name = scheme.get("name").and_then(Node::scalar).unwrap_or("Authorization");
    Expression::parse(&format!("method.request.header.{name}"), Scope::Request)
}

/// A list, or one text with commas; REST APIs' words or HTTP APIs'.
fn identity_sources(node: &Node, problems: &mut Problems) -> Vec<Expression> {
    let written = if node.items().is_empty() { vec![node] } else { node.items().iter().collect() };
    let texts = written.iter().flat_map(|node| node.scalar().unwrap_or_default().split(','));
    let mut sources = Vec::new();
    for text in texts.map(str::trim).filter(|text| !text.is_empty()) {
        let source = match text.strip_prefix('$') {
            Some(_) => match Parameter::parse(text).map(|parameter| parameter.0) {
                Some(pieces) => pieces.into_iter().find_map(|piece| if let Piece::Value(value) = piece { Some(value) } else { None }),
                None => None,
            },
            None => Expression::parse(text, Scope::Request),
        };
        match source {
            Some(source) if !matches!(source, Expression::Path(_) | Expression::Body(..) | Expression::Literal(_)) => sources.push(source),
            _ => {
                problems
                    .error(node, format!("`{text}` is no identity source"))
                    .help("method.request.header.X, method.request.querystring.X, stageVariables.X or context.X");
            }
        }
    }
    sources
}

fn jwt(fields: &mut Fields<'_>, jwks_file: Option<Spanned<String>>, problems: &mut Problems) -> Option<AuthorizerKind> {
    let node = fields.required("jwtConfiguration", problems)?;
    let mut own = Fields::of(node, "`jwtConfiguration`", problems)?;
    let issuer = own.required("issuer", problems);
    let audience = own.strings("audience", problems);
    own.finish(problems);
    if audience.is_empty() {
        problems.warning(node, "`audience` is missing: no token is meant for this API").help("what tokens say as `aud`, or as `client_id`");
    }
    let issuer = issuer.map(|node| Spanned::at(node, node.scalar().unwrap_or_default().to_owned()))?;
    let loopback = ["http://127.0.0.1", "http://localhost", "http://[::1]"]
        .iter()
        .any(|start| issuer.value.strip_prefix(start).is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/'])));
    if !issuer.value.starts_with("https://") && !loopback {
        problems.error(node, format!("`{}` is no issuer: HTTPS, or a loopback address", issuer.value));
    }
    Some(AuthorizerKind::Jwt { issuer, audience, jwks_file })
}
