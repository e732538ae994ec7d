//! Amazon Resource Names, as integrations write them.

/// The service part of `arn:aws:apigateway:{region}:{service}:{path|action}/{…}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntegrationArn<'a> {
    /// The region whose endpoint is called.
    pub region: &'a str,
    /// The service, its subdomain included (`lambda`, `states`, `bucket.s3`).
    pub service: &'a str,
    /// What stands behind `path/` or `action/`.
    pub target: &'a str,
    /// Whether it is an action rather than a path.
    pub is_action: bool,
}

/// Why an ARN is none that an integration may call, in the control plane's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ArnError {
    /// Not an ARN of API Gateway's at all.
    #[error("Invalid ARN specified in the request")]
    Invalid,
    /// Nothing to call.
    #[error("AWS ARN for integration must contain path or action")]
    NoPathOrAction,
}

impl<'a> IntegrationArn<'a> {
    /// Reads an integration's `uri`.
    ///
    /// # Errors
    /// As the control plane words them.
    pub fn parse(uri: &'a str) -> Result<Self, ArnError> {
        let parts: Vec<&str> = uri.splitn(6, ':').collect();
        let [scheme, _partition, apigateway, region, service, rest] = parts.as_slice() else { return Err(ArnError::Invalid) };
        if *scheme != "arn" || service.is_empty() {
            return Err(ArnError::Invalid);
        }
        if *apigateway != "apigateway" {
            return Err(ArnError::NoPathOrAction);
        }
        let (kind, target) = rest.split_once('/').ok_or(ArnError::NoPathOrAction)?;
        let is_action = match kind {
            "action" => true,
            "path" => false,
            _ => return Err(ArnError::NoPathOrAction),
        };
        Ok(Self { region, service, target, is_action })
    }
}

/// Whether a text names a Lambda function as `Invoke` takes it: a name, a partial or a whole ARN, each with a qualifier or without
/// (the service's model: `FunctionName`).
#[must_use]
pub fn is_function(text: &str) -> bool {
    let is_name = |text: &str, more: &str| {
        !text.is_empty() && text.len() <= 128 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || more.as_bytes().contains(&byte))
    };
    let (function, account) = match text.split(':').collect::<Vec<_>>().as_slice() {
        ["arn", partition, "lambda", region, account, "function", rest @ ..] if partition.starts_with("aws") && !region.is_empty() => {
            (rest.to_vec(), Some(*account))
        }
        [account, "function", rest @ ..] => (rest.to_vec(), Some(*account)),
        rest => (rest.to_vec(), None),
    };
    let whole_account = account.is_none_or(|account| account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit()));
    whole_account
        && match function.as_slice() {
            [name] => is_name(name, "-_"),
            [name, qualifier] => is_name(name, "-_") && is_name(qualifier, "-_$."),
            _ => false,
        }
}

/// Whether a text is the ARN of a role.
#[must_use]
pub fn is_role(text: &str) -> bool {
    match text.splitn(6, ':').collect::<Vec<_>>().as_slice() {
        ["arn", partition, "iam", "", account, resource] => {
            partition.starts_with("aws")
                && account.len() == 12
                && account.bytes().all(|byte| byte.is_ascii_digit())
                && resource.strip_prefix("role/").is_some_and(|name| !name.is_empty() && !name.contains([':', ' ']))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_what_names_a_function() {
        for right in ["f", "f:prod", "123456789012:function:f", "arn:aws:lambda:eu-west-1:123456789012:function:f:$LATEST"] {
            assert!(is_function(right), "{right}");
        }
        for wrong in
            ["", ":", "f:", "a b", "arn:aws:lambda:eu-west-1:123456789012:function:", "arn:aws:lambda:eu-west-1:12:function:f", "f:a:b"]
        {
            assert!(!is_function(wrong), "{wrong}");
        }
    }

    #[test]
    fn knows_roles() {
        assert!(is_role("arn:aws:iam::123456789012:role/service/api"));
        for wrong in ["", "arn:aws:iam::123456789012:user/x", "arn:aws:iam::12:role/x", "arn:aws:iam::123456789012:role/", "role/x"] {
            assert!(!is_role(wrong), "{wrong}");
        }
    }

    #[test]
    fn reads_path_and_action() {
        let arn = IntegrationArn::parse("arn:aws:apigateway:eu-west-1:states:action/StartExecution").unwrap();
        assert_eq!((arn.region, arn.service, arn.target, arn.is_action), ("eu-west-1", "states", "StartExecution", true));
        assert_eq!(IntegrationArn::parse("arn:aws:lambda:eu-west-1:123456789012:function:f"), Err(ArnError::NoPathOrAction));
        assert_eq!(IntegrationArn::parse("http://x"), Err(ArnError::Invalid));
    }
}
