//! What an HTTP API's service integration asks: its parameters as the service's own request.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Method;
use serde_json::{Map, Value};

use super::sources::Sources;
use crate::apigateway::service_action::{Kind, ServiceAction};
use crate::exchange::Failure;
use crate::mapping::expression::{Parameter, Piece};

/// Only so much of the content is read by mappings (API Gateway's guide).
const READ: usize = 100 << 10;

/// The service's request, as far as the action decides it.
pub(super) struct Asks {
    pub(super) http_method: Method,
    pub(super) path: Vec<(Box<str>, String)>,
    pub(super) query: Vec<(String, Vec<String>)>,
    pub(super) content: Bytes,
}

/// Makes the service's request.
pub(super) fn request(action: &ServiceAction, sources: Sources<'_>, body: &str) -> Result<Asks, Failure> {
    let mut end = body.len().min(READ);
    while !body.is_char_boundary(end) {
        end -= 1;
    }
    let cut = sources.with_body(body.get(..end).unwrap_or_default());
    let whole = sources.with_body(body);
    let mut members = Map::new();
    let mut asks = Asks { http_method: Method::POST, path: Vec::new(), query: Vec::new(), content: Bytes::new() };
    for (member, parameter) in &action.parameters {
        let Some(text) = text(parameter, whole, cut)? else { continue };
        let value = match member.kind {
            Kind::Path => {
                asks.path.push((member.member.into(), text));
                continue;
            }
            Kind::Query => {
                asks.query.push((member.member.to_owned(), vec![text]));
                continue;
            }
            Kind::Text => Value::String(text),
            Kind::Blob => Value::String(STANDARD.encode(text)),
            Kind::Json => serde_json::from_str(&text).unwrap_or(Value::String(text)),
        };
        members.insert(member.member.to_owned(), value);
    }
    if action.subtype.protocol.is_rest() {
        return Ok(Asks { http_method: Method::GET, ..asks });
    }
    let request = match action.subtype.list {
        Some(list) => Value::Object(Map::from_iter([(list.to_owned(), Value::Array(vec![Value::Object(members)]))])),
        None => Value::Object(members),
    };
    Ok(Asks { content: request.to_string().into(), ..asks })
}

/// A parameter's text; nothing where nothing of it was found. The whole content passes as it is; a path into it sees its beginning only.
fn text(parameter: &Parameter, whole: Sources<'_>, cut: Sources<'_>) -> Result<Option<String>, Failure> {
    let mut text = String::new();
    let mut found = false;
    for piece in &parameter.0 {
        match piece {
            Piece::Text(literal) => {
                found = true;
                text.push_str(literal);
            }
            Piece::Value(expression) => {
                let sources = if expression.reads_whole_body() { whole } else { cut };
                if let Some(value) = sources.find(expression)? {
                    found = true;
                    text.push_str(&value.into_text());
                }
            }
        }
    }
    Ok(found.then_some(text))
}
