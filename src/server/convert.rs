//! Pingora's messages, which are HTTP/2's, and ours.

use bytes::Bytes;
use http::Version;
use pingora::http::{RequestHeader, ResponseHeader};

use super::front_door::{Head, Target};
use crate::exchange::{FieldName, Fields, Peer, Request, Response};
use crate::http1::{Framing, RequestHead};

/// A head of HTTP/1.
pub(super) fn http1_head(head: RequestHead) -> Head {
    let version = if head.minor_version == 0 { Version::HTTP_10 } else { Version::HTTP_11 };
    Head { http_method: head.http_method, target: head.target, authority: None, version, fields: head.fields }
}

/// A head of HTTP/2.
pub(super) fn http2_head(head: &RequestHeader) -> Head {
    let mut fields = Fields::with_capacity(head.headers.len() + 1);
    for (name, value) in &head.headers {
        if let Some(name) = FieldName::parse(name.as_str().as_bytes()) {
            fields.append(name, value.clone());
        }
    }
    let target = head.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    Head {
        http_method: head.method.clone(),
        target: Bytes::copy_from_slice(target.as_bytes()),
        authority: head.uri.authority().map(|authority| authority.as_str().into()),
        version: Version::HTTP_2,
        fields,
    }
}

/// A request as the pipeline knows it.
pub(super) fn request(head: Head, target: Target, peer: Peer) -> Request {
    let Head { http_method, mut fields, authority, .. } = head;
    if !fields.contains("host") && !target.host.is_empty() {
        // HTTP/2 names it elsewhere; a signature covers it as it was named, port included.
        fields.append_text(FieldName::from_static("Host"), authority.as_deref().unwrap_or(&target.host));
    }
    Request { http_method, host: target.host, path: target.path, query: target.query, fields, peer }
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
