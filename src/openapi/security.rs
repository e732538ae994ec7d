//! Security requirements become the method's authorization.

use super::Reader;
use crate::apigateway::api::Authorization;
use crate::document::{Node, Problems, Severity, entries, items, text};

/// What the requirements of an operation come to.
#[derive(Debug, Default)]
pub(super) struct Security {
    pub(super) authorization: Authorization,
    pub(super) api_key_required: bool,
}

impl Reader<'_> {
    /// An operation's own requirements, or else the document's. Of those, authorizers are recorded to be the default of every operation;
    /// an API key alone is not, as the guide says of all root-level security.
    pub(super) fn security(&mut self, operation: &Node, problems: &mut Problems) -> Security {
        let mut security = Security::default();
        let auth = operation.get("x-amazon-apigateway-auth");
        entries(auth, "`x-amazon-apigateway-auth`", problems);
        if let Some(auth) = auth.and_then(|auth| auth.get("type")) {
            match auth.scalar().unwrap_or_default().to_ascii_uppercase().as_str() {
                "NONE" => {}
                "AWS_IAM" => security.authorization = Authorization::AwsIam,
                other => {
                    problems.error(auth, format!("`type` is NONE or AWS_IAM, not `{other}`"));
                }
            }
        }
        let own = operation.get("security");
        for alternative in items(own.or_else(|| self.root.get("security")), "`security`", problems) {
            for requirement in entries(Some(alternative), "a security requirement", problems) {
                if own.is_none() && self.is_plain_key(&requirement.key) {
                    continue;
                }
                let listed = items(Some(&requirement.node), "the scopes of a security requirement", problems).iter();
                let scopes = listed.filter_map(|scope| text(scope, "a scope", problems)).map(str::to_owned).collect();
                self.requirement(&requirement.key, scopes, &requirement.node, &mut security, problems);
            }
        }
        security
    }

    /// Says once what the document's own requirements do not do: API Gateway takes its authorizers for every operation, as recorded, but
    /// not an API key that stands there alone.
    pub(super) fn root_security(&self, problems: &mut Problems) {
        for requirement in self.root.get("security").map(Node::items).unwrap_or_default().iter().flat_map(Node::entries) {
            if self.is_plain_key(&requirement.key) {
                problems.at(
                    Severity::Warning,
                    &requirement.node.source,
                    requirement.key_span,
                    format!(
                        "API Gateway does not use `{}` at the root: operations without `security` of their own need no API key",
                        requirement.key
                    ),
                );
                problems.help("write it in each operation that needs a key");
            }
        }
    }

    /// Whether a scheme stands for an API key and brings no authorizer.
    fn is_plain_key(&self, name: &str) -> bool {
        let Some(scheme) = self.schemes().and_then(|schemes| schemes.get(name)) else { return false };
        let is = |key, wanted| scheme.get(key).and_then(Node::scalar).is_some_and(|text| text.eq_ignore_ascii_case(wanted));
        let brings = ["x-amazon-apigateway-authorizer", "x-amazon-apigateway-authtype"].iter().any(|key| scheme.get(key).is_some());
        is("type", "apiKey") && is("name", "x-api-key") && !brings
    }

    fn requirement(&mut self, name: &str, mut scopes: Vec<String>, at: &Node, security: &mut Security, problems: &mut Problems) {
        let Some(scheme) = self.schemes().and_then(|schemes| schemes.get(name)).cloned() else {
            problems.error(at, format!("Invalid authorizer ID specified. There is no security scheme called `{name}`"));
            return;
        };
        let Some(scheme) = self.resolve(&scheme, problems) else { return };
        let text = |key| scheme.get(key).and_then(Node::scalar).unwrap_or_default().to_ascii_lowercase();
        if scheme.get("x-amazon-apigateway-authorizer").is_some() {
            scopes.sort();
            security.authorization = Authorization::Authorizer { name: name.to_owned(), scopes };
        } else if text("x-amazon-apigateway-authtype") == "awssigv4" {
            security.authorization = Authorization::AwsIam;
        } else if text("type") == "apikey" && text("name") == "x-api-key" {
            security.api_key_required = true;
        } else if scheme.get("x-amazon-apigateway-authtype").is_some() {
            problems.error(at, "Invalid authorizer ID specified. Setting the authorization type to CUSTOM or COGNITO_USER_POOLS requires a valid authorizer.");
            // Read on as guarded: whatever comes of this, it is not served to anybody.
            security.authorization = Authorization::Authorizer { name: name.to_owned(), scopes };
        } else {
            problems.warning(at, format!("the security scheme `{name}` has no authorizer; API Gateway lets everybody call this method"));
            problems.help("add `x-amazon-apigateway-authorizer` to the scheme");
        }
    }

    pub(super) fn schemes(&self) -> Option<&Node> {
        if self.swagger {
            self.root.get("securityDefinitions")
        } else {
            self.root.get("components").and_then(|components| components.get("securitySchemes"))
        }
    }
}
