//! What an HTTP API's service integration asks: its parameters as the service's own JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Map, Value};

use super::sources::Sources;
use crate::apigateway::service_action::{Kind, ServiceAction};
use crate::exchange::Failure;
use crate::mapping::expression::Piece;

/// Only so much of the content is read by mappings (API Gateway's guide).
const READ: usize = 100 << 10;

/// The content of the service's request.
pub(super) fn content(action: &ServiceAction, sources: Sources<'_>, body: &str) -> Result<Bytes, Failure> {
    let mut end = body.len().min(READ);
    while !body.is_char_boundary(end) {
        end -= 1;
    }
    let cut = sources.with_body(body.get(..end).unwrap_or_default());
    let whole = sources.with_body(body);
    let mut members = Map::new();
    for (member, parameter) in &action.parameters {
        let mut text = String::new();
        let mut found = false;
        for piece in &parameter.0 {
            match piece {
                Piece::Text(literal) => {
                    found = true;
                    text.push_str(literal);
                }
                Piece::Value(expression) => {
                    // The whole content passes as it is; a path into it sees its beginning only.
                    let sources = if expression.reads_whole_body() { whole } else { cut };
                    if let Some(value) = sources.find(expression)? {
                        found = true;
                        text.push_str(&value.into_text());
                    }
                }
            }
        }
        if !found {
            continue;
        }
        let value = match member.kind {
            Kind::Text => Value::String(text),
            Kind::Blob => Value::String(STANDARD.encode(text)),
            Kind::Json => serde_json::from_str(&text).unwrap_or(Value::String(text)),
        };
        members.insert(member.member.to_owned(), value);
    }
    let request = match action.subtype.list {
        Some(list) => Value::Object(Map::from_iter([(list.to_owned(), Value::Array(vec![Value::Object(members)]))])),
        None => Value::Object(members),
    };
    Ok(request.to_string().into())
}
