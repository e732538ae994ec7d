//! Heads of requests as they are written, and of responses as they are taken.

use bytes::Bytes;
use http::Method;
use pingora::http::{RequestHeader, ResponseHeader};

use super::error::{Error, ErrorKind};
use crate::exchange::{EndpointRequest, EndpointResponse, FieldName, Fields};

/// Of a response's head: bytes and field lines.
const HEAD: (usize, usize) = (64 << 10, 200);

/// A head within limits, without its framing.
pub(super) fn accept(header: &ResponseHeader) -> Result<EndpointResponse, &'static str> {
    let size: usize = header.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if size > HEAD.0 || header.headers.len() > HEAD.1 {
        return Err("the response's head is larger than is read");
    }
    let lengths = header.headers.get_all("content-length");
    if lengths.iter().count() > 1 {
        return Err("the response has more than one Content-Length");
    }
    let mut fields = Fields::with_capacity(header.headers.len());
    for (name, value) in header.case_header_iter() {
        if let Some(name) = FieldName::parse(name.as_slice()) {
            fields.append(name, value.clone());
        }
    }
    Ok(EndpointResponse { status: header.status.as_u16(), selector: None, fields, content: Bytes::new() })
}

/// The head of a request: how much content follows, nothing for an unknown length.
pub(super) fn head(request: &EndpointRequest, content_length: Option<u64>) -> Result<RequestHeader, Error> {
    let refused = |_| Error::new(ErrorKind::Refused, request.endpoint.authority(), "the request cannot be written");
    let path = if request.path_and_query.is_empty() { "/" } else { &request.path_and_query };
    let mut head = RequestHeader::build(request.http_method.clone(), path.as_bytes(), Some(request.fields.len() + 2)).map_err(refused)?;
    for field in &request.fields {
        head.append_header(field.name.to_bytes(), field.value.clone()).map_err(refused)?;
    }
    match content_length {
        Some(0) if matches!(request.http_method, Method::GET | Method::HEAD | Method::OPTIONS | Method::DELETE) => {}
        Some(length) => head.insert_header("Content-Length", length.to_string()).map_err(refused)?,
        None => head.insert_header("Transfer-Encoding", "chunked").map_err(refused)?,
    }
    Ok(head)
}
