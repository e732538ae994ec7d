//! `aws`, with the SDK's own environment variables behind it.

use std::path::Path;

use super::load::variable;
use crate::apigateway::aws::{AwsSettings, endpoint_variables};
use crate::document::{Fields, Problems};

/// Reads the endpoints; what the file says wins over the environment. Region and account are read with the account.
pub(super) fn aws(fields: &mut Fields<'_>, problems: &mut Problems) -> AwsSettings {
    let mut settings = AwsSettings { endpoint: variable("AWS_ENDPOINT_URL"), has_credentials: has_credentials(), ..AwsSettings::default() };
    let from_environment = endpoint_variables().filter_map(|(name, service)| Some((service.to_owned(), variable(&name)?)));
    settings.endpoints.extend(from_environment);
    let Some(mut aws) = fields.take("aws").and_then(|node| Fields::of(node, "`aws`", problems)) else { return settings };
    for name in ["region", "accountId"] {
        aws.scalar(name, problems);
    }
    settings.assume_roles = aws.boolean("assumeRoles", problems).unwrap_or(false);
    for entry in aws.entries("endpoints", problems) {
        let url = entry.node.scalar().unwrap_or_default();
        if url.starts_with("http://") || url.starts_with("https://") {
            settings.endpoints.insert(entry.key.clone(), url.to_owned());
        } else {
            problems.error(&entry.node, "an endpoint is a URL").help("such as http://127.0.0.1:9001");
        }
    }
    aws.finish(problems);
    settings
}

/// Where the SDK's standard chain looks before it asks the network.
const CREDENTIALS: [&str; 5] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
];

fn has_credentials() -> bool {
    let files = ["AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"].map(variable);
    let home = variable("HOME").unwrap_or_default();
    let usual = [format!("{home}/.aws/credentials"), format!("{home}/.aws/config")];
    CREDENTIALS.iter().any(|name| variable(name).is_some())
        || files.iter().zip(usual).any(|(named, usual)| Path::new(named.as_ref().unwrap_or(&usual)).is_file())
}
