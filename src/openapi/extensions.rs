//! The extensions at a definition's root.

use super::Reader;
use super::integration_response::response_parameters;
use super::operation::{known_extensions, media_type};
use crate::apigateway::api::{Api, ApiKeySource, RequestValidator};
use crate::apigateway::gateway_response::GatewayResponse;
use crate::apigateway::policy::Policy;
use crate::document::{Entry, Fields, Node, Problems, Severity, Spanned, entries, flag, items, nearest, text};
use crate::exchange::ResponseType;
use crate::mapping::expression::Scope;
use crate::mapping::substitution::Substitution;

/// All extensions that may stand at the root.
const ROOT: [&str; 13] = [
    "x-amazon-apigateway-api-key-source",
    "x-amazon-apigateway-binary-media-types",
    "x-amazon-apigateway-cors",
    "x-amazon-apigateway-documentation",
    "x-amazon-apigateway-endpoint-configuration",
    "x-amazon-apigateway-gateway-responses",
    "x-amazon-apigateway-importexport-version",
    "x-amazon-apigateway-minimum-compression-size",
    "x-amazon-apigateway-policy",
    "x-amazon-apigateway-request-validator",
    "x-amazon-apigateway-request-validators",
    "x-amazon-apigateway-security-policy",
    "x-amazon-apigateway-tag-value",
];

/// What `minimumCompressionSize` may be.
const COMPRESSION_SIZES: std::ops::RangeInclusive<u32> = 0..=10_485_760;

impl Reader<'_> {
    pub(super) fn extensions(&mut self, api: &mut Api, problems: &mut Problems) {
        known_extensions(self.root, &ROOT, problems);
        let field = |name: &str| self.root.get(name).filter(|node| !node.is_null());
        if let Some(node) = field("x-amazon-apigateway-binary-media-types") {
            for item in items(Some(node), "`x-amazon-apigateway-binary-media-types`", problems) {
                let Some(name) = text(item, "a media type", problems).map(media_type) else { continue };
                if !name.split_once('/').is_some_and(|(kind, subtype)| !kind.is_empty() && (kind != "*" || subtype == "*")) {
                    problems.warning(item, format!("`{name}` matches no content")).help("written image/png, image/* or */*");
                }
                api.binary_media_types.push(name);
            }
        }
        if let Some(node) = field("x-amazon-apigateway-minimum-compression-size") {
            api.minimum_compression_size = node.scalar().and_then(|text| text.parse().ok()).filter(|size| COMPRESSION_SIZES.contains(size));
            if api.minimum_compression_size.is_none() {
                problems.error(node, "Invalid minimum compression size, must be between 0 and 10485760");
            }
        }
        if let Some(node) = field("x-amazon-apigateway-api-key-source") {
            match node.scalar().unwrap_or_default().to_ascii_uppercase().as_str() {
                "HEADER" => {}
                "AUTHORIZER" => api.api_key_source = ApiKeySource::Authorizer,
                other => {
                    problems.error(node, format!("the API key source is HEADER or AUTHORIZER, not `{other}`"));
                }
            }
        }
        if let Some(node) = field("x-amazon-apigateway-cors") {
            problems
                .warning(node, "`x-amazon-apigateway-cors` is for HTTP APIs and has no effect on a REST API")
                .help("CORS for REST APIs: an OPTIONS method with a mock integration");
        }
        api.policy = field("x-amazon-apigateway-policy").map(|node| policy(node, problems));
        api.disable_execute_api_endpoint = self.disabled_endpoint(problems);
        self.request_validators(problems);
        let schemes: Vec<_> =
            entries(self.schemes(), "security schemes", problems).iter().map(|entry| (entry.key.clone(), entry.node.clone())).collect();
        for (name, scheme) in schemes {
            let Some(scheme) = self.resolve(&scheme, problems) else { continue };
            entries(Some(&scheme), "a security scheme", problems);
            api.authorizers.extend(self.authorizer(&name, &scheme, problems));
        }
        self.root_security(problems);
        self.gateway_responses(api, problems);
    }

    /// At the root in Swagger, within a server in OpenAPI 3.
    fn disabled_endpoint(&self, problems: &mut Problems) -> bool {
        // Real definitions write one server as a mapping, which API Gateway lets pass.
        let servers = self.root.get("servers").map(Node::items).unwrap_or_default();
        let mut disabled = false;
        for place in std::iter::once(self.root).chain(servers) {
            let settings = place.get("x-amazon-apigateway-endpoint-configuration");
            disabled |= flag(settings.and_then(|node| node.get("disableExecuteApiEndpoint")), "`disableExecuteApiEndpoint`", problems);
        }
        disabled
    }

    /// The validators that operations name, and the one of those that name none.
    fn request_validators(&mut self, problems: &mut Problems) {
        for entry in entries(self.root.get("x-amazon-apigateway-request-validators"), "`x-amazon-apigateway-request-validators`", problems)
        {
            let Some(mut fields) = Fields::of(&entry.node, "a request validator", problems) else { continue };
            let body = fields.boolean("validateRequestBody", problems).unwrap_or(false);
            let parameters = fields.boolean("validateRequestParameters", problems).unwrap_or(false);
            fields.finish(problems);
            self.validators.push((entry.key.clone(), RequestValidator { body, parameters }));
        }
        if let Some(node) = self.root.get("x-amazon-apigateway-request-validator").filter(|node| !node.is_null()) {
            self.default_validator = self.validator_named(node, problems);
        }
    }

    /// The validator that a name stands for. A wrong name validates everything: nobody is let through by a misspelling.
    pub(super) fn validator_named(&self, node: &Node, problems: &mut Problems) -> RequestValidator {
        let name = text(node, "`x-amazon-apigateway-request-validator`", problems).unwrap_or_default();
        if let Some((_, validator)) = self.validators.iter().find(|(known, _)| known == name) {
            return *validator;
        }
        if node.scalar().is_some() {
            problems.error(node, format!("Invalid Request Validator identifier specified: `{name}`"));
            if let Some(near) = nearest(name, self.validators.iter().map(|(known, _)| known.as_str())) {
                problems.help(format!("did you mean `{near}`?"));
            }
        }
        RequestValidator { body: true, parameters: true }
    }

    fn gateway_responses(&mut self, api: &mut Api, problems: &mut Problems) {
        let responses = self.root.get("x-amazon-apigateway-gateway-responses");
        for entry in entries(responses, "`x-amazon-apigateway-gateway-responses`", problems) {
            let Some(response_type) = ResponseType::parse(&entry.key) else {
                problems.at(Severity::Error, &entry.node.source, entry.key_span, format!("unknown gateway response type `{}`", entry.key));
                let near = nearest(&entry.key, ResponseType::ALL.iter().map(|kind| kind.name()));
                problems.help(
                    near.map_or_else(|| "the types are listed in API Gateway's guide".to_owned(), |near| format!("did you mean `{near}`?")),
                );
                continue;
            };
            api.gateway_responses.extend(gateway_response(entry, problems).map(|response| (response_type, response)));
        }
    }
}

fn gateway_response(entry: &Entry, problems: &mut Problems) -> Option<GatewayResponse> {
    let mut fields = Fields::of(&entry.node, "a gateway response", problems)?;
    let response = GatewayResponse {
        status_code: fields.number("statusCode", 100..=599, problems),
        response_parameters: response_parameters(
            fields.entries("responseParameters", problems),
            "gatewayresponse.header.",
            Scope::Request,
            problems,
        ),
        response_templates: fields
            .entries("responseTemplates", problems)
            .iter()
            .filter_map(|entry| Some((media_type(&entry.key).into(), Substitution::parse(text(&entry.node, "a template", problems)?))))
            .collect(),
    };
    fields.finish(problems);
    Some(response)
}

/// Reads a resource policy, so that its mistakes are told with the definition. A policy may be written as text that holds JSON.
fn policy(node: &Node, problems: &mut Problems) -> Spanned<serde_json::Value> {
    let document = match node.as_str() {
        Some(text) => serde_json::from_str(text).unwrap_or_default(),
        None => node.to_json(),
    };
    if let Err(error) = Policy::parse(&document, Some("")) {
        problems.error(node, format!("Invalid policy document: {error}"));
    }
    Spanned::at(node, document)
}
