//! The MOCK integration: the rendered request template says which status is "answered", and nothing else.
//!
//! API Gateway reads that template leniently (recorded from the service): keys may lack quotes, commas may trail, other pairs may be
//! anything. Only the braces, the quotes around keys and an integer `statusCode` matter.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::Backend;
use crate::exchange::{EndpointRequest, EndpointResponse, Failure, Fields};

/// The backend without a network.
#[derive(Debug)]
pub struct Mock;

#[async_trait]
impl Backend for Mock {
    async fn call(&self, request: EndpointRequest) -> Result<(EndpointResponse, Option<Duration>), Failure> {
        let text = String::from_utf8_lossy(&request.content);
        let status = status_code(&text).ok_or_else(|| {
            Failure::configuration("Unable to parse statusCode. It should be an integer that is defined in the request template.")
        })?;
        // A selection pattern sees the number as it stands; as a status code, what HTTP cannot carry is no answer of a mock's either.
        let status_on_the_wire = u16::try_from(status).unwrap_or(500);
        let response = EndpointResponse {
            status: status_on_the_wire,
            selector: Some(status.to_string().into()),
            fields: Fields::default(),
            content: Bytes::new(),
        };
        Ok((response, None))
    }
}

/// The integer that `statusCode` has in almost-JSON.
fn status_code(text: &str) -> Option<i64> {
    let inside = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    // What most templates say; the reader of JSON would find the same.
    if let Some(status) = inside.trim().strip_prefix("\"statusCode\"").and_then(|rest| rest.trim().strip_prefix(':')?.trim().parse().ok()) {
        return Some(status);
    }
    if let Ok(serde_json::Value::Object(object)) = serde_json::from_str(text) {
        return object.get("statusCode")?.as_i64();
    }
    let mut found = None;
    for pair in inside.split(',') {
        let Some((key, value)) = pair.split_once(':') else { continue };
        if unquoted(key.trim())? == "statusCode" && found.is_none() {
            found = Some(value.trim().parse().ok()?);
        }
    }
    found
}

/// A key without its quotes; nothing where they do not match or a structure begins.
fn unquoted(key: &str) -> Option<&str> {
    let quote = |c: char| c == '"' || c == '\'';
    match key.chars().next() {
        Some('{' | '[') => None,
        Some(first) if quote(first) => key.get(1..)?.strip_suffix(first),
        _ => (!key.ends_with(quote)).then_some(key),
    }
}

#[cfg(test)]
mod tests {
    use super::status_code;

    #[test]
    fn reads_what_is_almost_json() {
        let valid = [
            r#"{"statusCode": 200}"#,
            "{ statusCode: 200 }",
            r#"{statusCode: 200, "value": 'goog'}"#,
            "{'statusCode': 200, '': ''}",
            r#"{"statusCode": 200 , }"#,
            r#"{"statusCode": 200 ,, }"#,
            r#"{"statusCode": 200 , null: null }"#,
            "{statusCode: 200, foo}: [ba r]}",
            "  {\n \"statusCode\" : 200,\n \"a\": [{\"b\": 1}, {\"c\": 2}] }\n",
            r#"{statusCode: 200, "message": "it's, fine"}"#,
        ];
        for text in valid {
            assert_eq!(status_code(text), Some(200), "{text}");
        }
    }

    #[test]
    fn refuses_what_gives_no_status_code() {
        let invalid = [
            "",
            "{}",
            r#"{"statusCode': 200 }"#,
            r#"{'statusCode": 200 }"#,
            "{'statusCode: 200 }",
            "statusCode: 200",
            "{statusCode: 200, {foo: [ba r]}",
            r#"{"statusCode": 200"#,
            r#"{"statusCode": "200"}"#,
            r#"{statusCode: "200"}"#,
            "{statusCode: }",
            "[200]",
            "{statusCode: 20x}",
        ];
        for text in invalid {
            assert_eq!(status_code(text), None, "{text}");
        }
    }
}
