//! Who may sign requests for methods with `AWS_IAM`.

use crate::apigateway::authorizer::IamPrincipal;
use crate::apigateway::policy::Policy;
use crate::apigateway::usage_plan::Secret;
use crate::document::{Fields, Node, Problems};

/// Reads `iamPrincipals`. No message shows a line that may hold a secret key.
pub(super) fn iam_principals(fields: &mut Fields<'_>, problems: &mut Problems) -> Vec<IamPrincipal> {
    let mut principals: Vec<IamPrincipal> = Vec::new();
    for node in fields.list("iamPrincipals", problems) {
        let Some(principal) = problems.secretly(|problems| principal(node, problems)) else { continue };
        if principals.iter().any(|other| other.access_key_id == principal.access_key_id) {
            problems.secretly(|problems| {
                problems.error(node, "two IAM principals have the same access key id");
            });
        }
        principals.push(principal);
    }
    principals
}

fn principal(node: &Node, problems: &mut Problems) -> Option<IamPrincipal> {
    let mut fields = Fields::of(node, "an IAM principal", problems)?;
    let arn = fields.required_string("arn", problems);
    if let Some(arn) = arn.as_ref().filter(|arn| !is_principal(arn)) {
        problems.error(node, format!("`{arn}` is no ARN of a user or role")).help("such as arn:aws:iam::123456789012:user/ci");
    }
    let access_key_id = fields.required_string("accessKeyId", problems);
    let secret_access_key = fields.required_string("secretAccessKey", problems);
    let session_token = fields.string("sessionToken", problems).map(|token| Secret::new(&token));
    let policies = fields.list("policies", problems).iter().filter_map(|node| {
        Policy::parse(&node.to_json(), None).map_err(|error| problems.error(node, error).help("an IAM policy document")).ok()
    });
    let policies = policies.collect();
    fields.finish(problems);
    Some(IamPrincipal {
        arn: arn?,
        access_key_id: access_key_id?,
        secret_access_key: Secret::new(&secret_access_key?),
        session_token,
        policies,
    })
}

fn is_principal(arn: &str) -> bool {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    matches!(parts.as_slice(), ["arn", _, "iam" | "sts", "", account, name]
        if account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit()) && ["user/", "role/", "assumed-role/", "root"].iter().any(|kind| name.starts_with(kind)))
}
