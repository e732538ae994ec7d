//! Pingora's messages and ours.

use bytes::Bytes;
use pingora::http::{RequestHeader, ResponseHeader};

use super::front_door::Target;
use crate::exchange::{FieldName, Fields, Peer, Request, Response};

/// A request as the pipeline knows it.
pub(super) fn request(head: &RequestHeader, target: &Target<'_>, peer: Peer) -> Request {
    let mut fields = Fields::with_capacity(head.headers.len());
    if head.has_case() {
        for (name, value) in head.case_header_iter() {
            if let Some(name) = FieldName::parse(name.as_slice()) {
                fields.append(name, value.clone());
            }
        }
    } else {
        for (name, value) in &head.headers {
            if let Some(name) = FieldName::parse(name.as_str().as_bytes()) {
                fields.append(name, value.clone());
            }
        }
    }
    if !fields.contains("host") && !target.host.is_empty() {
        fields.append_text(FieldName::from_static("Host"), &target.host);
    }
    Request {
        http_method: head.method.clone(),
        host: target.host.as_str().into(),
        path: target.path.into(),
        query: target.query.map(Into::into),
        fields,
        peer,
    }
}

/// How the content of a response ends.
#[derive(Debug, Clone, Copy)]
pub(super) enum Framing {
    /// After so many bytes.
    Length(u64),
    /// With the last chunk, or the stream.
    Chunked,
    /// There is none by definition (1xx, 204, 304), or it is told elsewhere.
    None,
}

/// A response's head as Pingora writes it.
pub(super) fn response(response: &Response, framing: Framing) -> pingora::Result<ResponseHeader> {
    let mut head = ResponseHeader::build(response.status, Some(response.fields.len() + 3))?;
    for field in &response.fields {
        head.append_header(field.name.to_bytes(), field.value.clone())?;
    }
    match framing {
        Framing::Length(length) => head.insert_header("Content-Length", length.to_string())?,
        Framing::Chunked => head.insert_header("Transfer-Encoding", "chunked")?,
        Framing::None => {}
    }
    Ok(head)
}

/// A plain refusal, for what never became a request.
pub(super) fn refusal(status: u16, message: &str) -> Response {
    let mut fields = Fields::with_capacity(1);
    fields.append_text(FieldName::from_static("Content-Type"), "application/json");
    let content = Bytes::from(serde_json::json!({ "message": message }).to_string());
    Response { status, fields, content }
}
