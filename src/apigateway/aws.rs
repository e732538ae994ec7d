//! AWS's services as integrations name them, and where they answer.

use std::borrow::Cow;
use std::collections::BTreeMap;

/// `aws` of `gateway.yaml`, with what the environment adds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AwsSettings {
    /// Endpoints by the service's AWS CLI name.
    pub endpoints: BTreeMap<String, String>,
    /// The endpoint of every service that has none of its own (`AWS_ENDPOINT_URL`).
    pub endpoint: Option<String>,
    /// Whether the environment or the SDK's files say anything of credentials. An instance's or a container's own may be there all the same.
    pub has_credentials: bool,
    /// `aws.assumeRoles`: roles of `credentials` are assumed; otherwise the gateway's own credentials sign.
    pub assume_roles: bool,
}

/// How an action is asked for where an integration says `action/NAME`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// AWS JSON: the action in `X-Amz-Target` behind this prefix, the content as `application/x-amz-json-{version}`.
    Json {
        /// Before the action, without its dot.
        target: &'static str,
        /// `1.0` or `1.1`.
        version: &'static str,
    },
    /// AWS query: the action as the argument `Action`.
    Query,
    /// REST: a GET of this path, whose `{name}` places are filled by parameters.
    Rest(&'static str),
}

impl Protocol {
    /// Whether the action is asked for by a path of its own.
    #[must_use]
    pub const fn is_rest(self) -> bool {
        matches!(self, Self::Rest(_))
    }
}

/// What there is to know of a service.
#[derive(Debug, Clone, Copy)]
struct Service {
    /// The first label of its hosts: what an integration's ARN says.
    prefix: &'static str,
    /// What the AWS CLI calls it.
    cli: &'static str,
    /// Behind `AWS_ENDPOINT_URL_`.
    variable: &'static str,
    protocol: Protocol,
}

const fn json(prefix: &'static str, cli: &'static str, variable: &'static str, target: &'static str, version: &'static str) -> Service {
    Service { prefix, cli, variable, protocol: Protocol::Json { target, version } }
}

const fn query(prefix: &'static str, cli: &'static str, variable: &'static str) -> Service {
    Service { prefix, cli, variable, protocol: Protocol::Query }
}

/// From the services' own models. API Gateway speaks the query protocol where a service has both, as was recorded of SSM.
const SERVICES: [Service; 29] = [
    query("lambda", "lambda", "LAMBDA"),
    json("states", "sfn", "SFN", "AWSStepFunctions", "1.0"),
    json("dynamodb", "dynamodb", "DYNAMODB", "DynamoDB_20120810", "1.0"),
    json("kinesis", "kinesis", "KINESIS", "Kinesis_20131202", "1.1"),
    json("firehose", "firehose", "FIREHOSE", "Firehose_20150804", "1.1"),
    json("events", "events", "EVENTBRIDGE", "AWSEvents", "1.1"),
    json("translate", "translate", "TRANSLATE", "AWSShineFrontendService_20170701", "1.1"),
    json("comprehend", "comprehend", "COMPREHEND", "Comprehend_20171127", "1.1"),
    json("rekognition", "rekognition", "REKOGNITION", "RekognitionService", "1.1"),
    json("textract", "textract", "TEXTRACT", "Textract", "1.1"),
    json("transcribe", "transcribe", "TRANSCRIBE", "Transcribe", "1.1"),
    json("secretsmanager", "secretsmanager", "SECRETS_MANAGER", "secretsmanager", "1.1"),
    json("kms", "kms", "KMS", "TrentService", "1.1"),
    json("logs", "logs", "CLOUDWATCH_LOGS", "Logs_20140328", "1.1"),
    json("cognito-idp", "cognito-idp", "COGNITO_IDENTITY_PROVIDER", "AWSCognitoIdentityProviderService", "1.1"),
    json("cognito-identity", "cognito-identity", "COGNITO_IDENTITY", "AWSCognitoIdentityService", "1.1"),
    json("codebuild", "codebuild", "CODEBUILD", "CodeBuild_20161006", "1.1"),
    json("codepipeline", "codepipeline", "CODEPIPELINE", "CodePipeline_20150709", "1.1"),
    json("glue", "glue", "GLUE", "AWSGlue", "1.1"),
    json("athena", "athena", "ATHENA", "AmazonAthena", "1.1"),
    json("ecs", "ecs", "ECS", "AmazonEC2ContainerServiceV20141113", "1.1"),
    query("sqs", "sqs", "SQS"),
    query("sns", "sns", "SNS"),
    query("ssm", "ssm", "SSM"),
    query("email", "ses", "SES"),
    query("sts", "sts", "STS"),
    query("monitoring", "cloudwatch", "CLOUDWATCH"),
    query("s3", "s3", "S3"),
    query("appconfig", "appconfig", "APPCONFIG"),
];

fn service(prefix: &str) -> Option<&'static Service> {
    SERVICES.iter().find(|service| service.prefix == prefix)
}

/// How the service behind a host prefix is asked for an action; services that are not known speak the query protocol.
#[must_use]
pub fn protocol(prefix: &str) -> Protocol {
    service(prefix).map_or(Protocol::Query, |service| service.protocol)
}

/// The name that a service's signatures carry.
#[must_use]
pub fn signing_name(prefix: &str) -> &str {
    if prefix == "email" { "ses" } else { prefix }
}

/// The variables that name endpoints, with the AWS CLI's name of the service that each is for.
pub fn endpoint_variables() -> impl Iterator<Item = (String, &'static str)> {
    SERVICES.iter().map(|service| (format!("AWS_ENDPOINT_URL_{}", service.variable), service.cli))
}

impl AwsSettings {
    /// The base URL of a service in a region, and whether it was configured rather than AWS's own. `bucket` of `bucket.s3` becomes part of
    /// the path at a configured endpoint.
    #[must_use]
    pub fn endpoint(&self, service_name: &str, region: &str) -> (Cow<'_, str>, bool) {
        let prefix = service_name.rsplit('.').next().unwrap_or(service_name);
        let known = service(prefix);
        let names = [known.map_or(prefix, |service| service.cli), prefix];
        if let Some(url) = names.iter().find_map(|name| self.endpoints.get(*name)).or(self.endpoint.as_ref()) {
            return (url.trim_end_matches('/').into(), true);
        }
        let suffix = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        (format!("https://{service_name}.{region}.{suffix}").into(), false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_the_services_own_unless_configured() {
        let mut settings = AwsSettings::default();
        assert_eq!(settings.endpoint("states", "eu-west-1"), ("https://states.eu-west-1.amazonaws.com".into(), false));
        assert_eq!(settings.endpoint("b.s3", "cn-north-1"), ("https://b.s3.cn-north-1.amazonaws.com.cn".into(), false));
        settings.endpoint = Some("http://127.0.0.1:4566/".into());
        settings.endpoints.insert("sfn".into(), "http://127.0.0.1:8083".into());
        assert_eq!(settings.endpoint("states", "eu-west-1"), ("http://127.0.0.1:8083".into(), true));
        assert_eq!(settings.endpoint("events", "eu-west-1"), ("http://127.0.0.1:4566".into(), true));
    }

    #[test]
    fn actions_are_asked_for_in_the_services_own_protocol() {
        assert_eq!(protocol("dynamodb"), Protocol::Json { target: "DynamoDB_20120810", version: "1.0" });
        assert_eq!((protocol("ssm"), protocol("new-one")), (Protocol::Query, Protocol::Query));
    }
}
