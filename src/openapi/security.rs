//! Security requirements become the method's authorization.

use super::Reader;
use crate::apigateway::api::Authorization;
use crate::document::{Node, Problems};

/// What the requirements of an operation come to.
#[derive(Debug, Default)]
pub(super) struct Security {
    pub(super) authorization: Authorization,
    pub(super) api_key_required: bool,
}

impl Reader<'_> {
    /// An operation's own requirements, or else the document's (recorded: the root's are the default).
    pub(super) fn security(&mut self, operation: &Node, problems: &mut Problems) -> Security {
        let mut security = Security::default();
        if let Some(auth) = operation.get("x-amazon-apigateway-auth").and_then(|auth| auth.get("type")) {
            match auth.scalar().unwrap_or_default().to_ascii_uppercase().as_str() {
                "NONE" => {}
                "AWS_IAM" => security.authorization = Authorization::AwsIam,
                other => {
                    problems.error(auth, format!("`type` is NONE or AWS_IAM, not `{other}`"));
                }
            }
        }
        let requirements = operation.get("security").or_else(|| self.root.get("security"));
        for requirement in requirements.map(Node::items).unwrap_or_default().iter().flat_map(Node::entries) {
            let scopes = requirement.node.items().iter().filter_map(Node::scalar).map(str::to_owned).collect();
            self.requirement(&requirement.key, scopes, &requirement.node, &mut security, problems);
        }
        security
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
