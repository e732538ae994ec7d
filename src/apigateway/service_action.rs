//! HTTP APIs' first-class service integrations: `integrationSubtype` and its request parameters.

use super::aws::Protocol;
use crate::mapping::expression::Parameter;

/// An action of a service with what it is called with.
#[derive(Debug)]
pub struct ServiceAction {
    /// Which one.
    pub subtype: &'static Subtype,
    /// Its parameters.
    pub parameters: Vec<(&'static Member, Parameter)>,
    /// `Region`; nothing: the gateway's own.
    pub region: Option<String>,
}

/// A kind of integration.
#[derive(Debug)]
pub struct Subtype {
    /// As definitions write it.
    pub name: &'static str,
    /// The service's host prefix.
    pub service: &'static str,
    /// The action and how it is asked for.
    pub action: &'static str,
    /// The protocol.
    pub protocol: Protocol,
    /// Whether the members stand in the one element of this list.
    pub list: Option<&'static str>,
    /// What may be set.
    pub members: &'static [Member],
}

/// A request parameter and the member of the service's request that it becomes.
#[derive(Debug, PartialEq, Eq)]
pub struct Member {
    /// As definitions write it.
    pub parameter: &'static str,
    /// In the service's JSON.
    pub member: &'static str,
    /// What its text becomes.
    pub kind: Kind,
    /// Whether a definition must set it.
    pub required: bool,
}

/// What becomes of a parameter's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A string.
    Text,
    /// Bytes, which JSON carries in base64.
    Blob,
    /// The JSON that the text is; text that is none stays a string.
    Json,
    /// A place in the path.
    Path,
    /// An argument.
    Query,
}

const fn member(parameter: &'static str, member: &'static str, kind: Kind, required: bool) -> Member {
    Member { parameter, member, kind, required }
}

const SQS: Protocol = Protocol::Json { target: "AmazonSQS", version: "1.0" };
const STATES: Protocol = Protocol::Json { target: "AWSStepFunctions", version: "1.0" };

/// From API Gateway's guide, `http-api-develop-integrations-aws-services-reference`.
const SUBTYPES: [Subtype; 10] = [
    Subtype {
        name: "AppConfig-GetConfiguration",
        service: "appconfig",
        action: "GetConfiguration",
        protocol: Protocol::Rest("/applications/{Application}/environments/{Environment}/configurations/{Configuration}"),
        list: None,
        members: &[
            member("Application", "Application", Kind::Path, true),
            member("Environment", "Environment", Kind::Path, true),
            member("Configuration", "Configuration", Kind::Path, true),
            member("ClientId", "client_id", Kind::Query, true),
            member("ClientConfigurationVersion", "client_configuration_version", Kind::Query, false),
        ],
    },
    Subtype {
        name: "EventBridge-PutEvents",
        service: "events",
        action: "PutEvents",
        protocol: Protocol::Json { target: "AWSEvents", version: "1.1" },
        list: Some("Entries"),
        members: &[
            member("Detail", "Detail", Kind::Text, true),
            member("DetailType", "DetailType", Kind::Text, true),
            member("Source", "Source", Kind::Text, true),
            member("Time", "Time", Kind::Json, false),
            member("EventBusName", "EventBusName", Kind::Text, false),
            member("Resources", "Resources", Kind::Json, false),
            member("TraceHeader", "TraceHeader", Kind::Text, false),
        ],
    },
    Subtype {
        name: "SQS-SendMessage",
        service: "sqs",
        action: "SendMessage",
        protocol: SQS,
        list: None,
        members: &[
            member("QueueUrl", "QueueUrl", Kind::Text, true),
            member("MessageBody", "MessageBody", Kind::Text, true),
            member("DelaySeconds", "DelaySeconds", Kind::Json, false),
            member("MessageAttributes", "MessageAttributes", Kind::Json, false),
            member("MessageDeduplicationId", "MessageDeduplicationId", Kind::Text, false),
            member("MessageGroupId", "MessageGroupId", Kind::Text, false),
            member("MessageSystemAttributes", "MessageSystemAttributes", Kind::Json, false),
        ],
    },
    Subtype {
        name: "SQS-ReceiveMessage",
        service: "sqs",
        action: "ReceiveMessage",
        protocol: SQS,
        list: None,
        members: &[
            member("QueueUrl", "QueueUrl", Kind::Text, true),
            member("AttributeNames", "AttributeNames", Kind::Json, false),
            member("MaxNumberOfMessages", "MaxNumberOfMessages", Kind::Json, false),
            member("MessageAttributeNames", "MessageAttributeNames", Kind::Json, false),
            member("ReceiveRequestAttemptId", "ReceiveRequestAttemptId", Kind::Text, false),
            member("VisibilityTimeout", "VisibilityTimeout", Kind::Json, false),
            member("WaitTimeSeconds", "WaitTimeSeconds", Kind::Json, false),
        ],
    },
    Subtype {
        name: "SQS-DeleteMessage",
        service: "sqs",
        action: "DeleteMessage",
        protocol: SQS,
        list: None,
        members: &[member("QueueUrl", "QueueUrl", Kind::Text, true), member("ReceiptHandle", "ReceiptHandle", Kind::Text, true)],
    },
    Subtype {
        name: "SQS-PurgeQueue",
        service: "sqs",
        action: "PurgeQueue",
        protocol: SQS,
        list: None,
        members: &[member("QueueUrl", "QueueUrl", Kind::Text, true)],
    },
    Subtype {
        name: "Kinesis-PutRecord",
        service: "kinesis",
        action: "PutRecord",
        protocol: Protocol::Json { target: "Kinesis_20131202", version: "1.1" },
        list: None,
        members: &[
            member("StreamName", "StreamName", Kind::Text, true),
            member("Data", "Data", Kind::Blob, true),
            member("PartitionKey", "PartitionKey", Kind::Text, true),
            member("SequenceNumberForOrdering", "SequenceNumberForOrdering", Kind::Text, false),
            member("ExplicitHashKey", "ExplicitHashKey", Kind::Text, false),
        ],
    },
    Subtype {
        name: "StepFunctions-StartExecution",
        service: "states",
        action: "StartExecution",
        protocol: STATES,
        list: None,
        members: &[
            member("StateMachineArn", "stateMachineArn", Kind::Text, true),
            member("Name", "name", Kind::Text, false),
            member("Input", "input", Kind::Text, false),
        ],
    },
    Subtype {
        name: "StepFunctions-StartSyncExecution",
        service: "states",
        action: "StartSyncExecution",
        protocol: STATES,
        list: None,
        members: &[
            member("StateMachineArn", "stateMachineArn", Kind::Text, true),
            member("Name", "name", Kind::Text, false),
            member("Input", "input", Kind::Text, false),
            member("TraceHeader", "traceHeader", Kind::Text, false),
        ],
    },
    Subtype {
        name: "StepFunctions-StopExecution",
        service: "states",
        action: "StopExecution",
        protocol: STATES,
        list: None,
        members: &[
            member("ExecutionArn", "executionArn", Kind::Text, true),
            member("Cause", "cause", Kind::Text, false),
            member("Error", "error", Kind::Text, false),
        ],
    },
];

impl Subtype {
    /// The kind that a definition names.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        SUBTYPES.iter().find(|subtype| subtype.name == name)
    }

    /// What definitions may write.
    pub fn names() -> impl Iterator<Item = &'static str> {
        SUBTYPES.iter().map(|subtype| subtype.name)
    }
}
