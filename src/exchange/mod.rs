//! The nouns of one request, from the client's bytes to its answer; leaves, with no behaviour beyond themselves.

mod client_certificate;
mod context;
mod failure;
mod fields;
mod pieces;
mod query;
mod request;
mod response;
mod trace;
mod vpc_link;

pub use client_certificate::ClientCertificate;
pub use context::{
    AccessFacts, Authorizer, Checked, Context, Identity, IntegrationFacts, ResourceFacts, StageFacts, format_request_id, hexadecimal,
    push_address,
};
pub use failure::{Failure, ResponseType};
pub use fields::{Field, FieldName, Fields};
pub use pieces::{BrokenOff, PieceSender, Pieces};
pub use query::{Query, decode_form, encode_form, encode_path_segment};
pub use request::{Endpoint, EndpointRequest, Forward, MethodRequest, PathParameters, Peer, Request, Scheme};
pub use response::{Answer, EndpointResponse, Overrides, RequestOverride, Response, ResponseOverride};
pub use trace::{Caller, Trace, TracedCall};
pub use vpc_link::{HealthCheck, OutlierDetection, VpcLink};
