//! What a proxied function returns, by the rules recorded from the service.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::members::{Members, text};
use crate::exchange::{Failure, FieldName, Fields, ResponseType};

/// A result that is well formed.
#[derive(Debug, Clone)]
pub struct ProxyResult {
    /// `statusCode`.
    pub status: u16,
    /// `multiValueHeaders`, then `headers`, then cookies.
    pub fields: Fields,
    /// `body` as text, not decoded yet.
    pub body: Bytes,
    /// `isBase64Encoded`.
    pub is_base64: bool,
}

/// Of a result's fields: lines, and bytes. What is longer no client reads.
const FIELDS: (usize, usize) = (200, 64 << 10);

pub(super) fn malformed(why: &str) -> Failure {
    let detail = format!("Execution failed due to configuration error: Malformed Lambda proxy response: {why}");
    Failure::internal(ResponseType::Default5xx, detail).with_status(502)
}

/// Reads a result of payload format 1.0.
///
/// # Errors
/// 502 where it is malformed.
pub fn result_1(payload: &Bytes) -> Result<ProxyResult, Failure> {
    let text = utf8(payload)?;
    let members: Members<'_> = serde_json::from_str(text).map_err(|error| malformed(&error.to_string()))?;
    let unknown = members.unknown.as_deref().or_else(|| members.cookies.as_ref().map(|_| "cookies"));
    if let Some(unknown) = unknown {
        return Err(malformed(&format!("the key `{unknown}` is not known")));
    }
    result(&members, payload)
}

/// Reads a result of payload format 2.0: anything without `statusCode` is the content itself.
///
/// # Errors
/// 500 where it is malformed.
pub fn result_2(payload: &Bytes) -> Result<ProxyResult, Failure> {
    let failed = |failure: Failure| Failure { status: Some(500), ..failure };
    let no_json = |error: serde_json::Error| failed(malformed(&format!("no JSON: {error}")));
    let json = utf8(payload).map_err(failed)?;
    let is_object = json.trim_ascii_start().starts_with('{');
    let members: Members<'_> = if is_object { serde_json::from_str(json).map_err(no_json)? } else { Members::default() };
    if members.status_code.is_none() {
        let mut fields = Fields::default();
        fields.append_text(FieldName::from_static("content-type"), "application/json");
        let text = if is_object { None } else { text(serde_json::from_str::<&RawValue>(json).map_err(no_json)?.get(), payload) };
        return Ok(ProxyResult { status: 200, fields, body: text.unwrap_or_else(|| payload.clone()), is_base64: false });
    }
    let mut result = result(&members, payload).map_err(failed)?;
    for cookie in members.cookies.as_ref().and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        result.fields.append_text(FieldName::from_static("set-cookie"), cookie);
    }
    Ok(result)
}

/// A result as text: what is skipped in it is not looked at again.
fn utf8(payload: &[u8]) -> Result<&str, Failure> {
    std::str::from_utf8(payload).map_err(|_| malformed("no UTF-8"))
}

fn result(members: &Members<'_>, payload: &Bytes) -> Result<ProxyResult, Failure> {
    let body = members.content(payload).ok_or_else(|| malformed("the body is no string"))?;
    let fields = fields_of(members.multi_value_headers.as_ref(), members.headers.as_ref())?;
    let status = status(members.status_code.as_ref())?;
    Ok(ProxyResult { status, fields, is_base64: is_base64(members.is_base64.as_ref())?, body })
}

impl ProxyResult {
    /// The content that is sent. `decodes`: the client's first accepted media type is a binary one.
    ///
    /// # Errors
    /// 500 where what is to be decoded is no base64.
    pub fn content(self, decodes: bool) -> Result<Bytes, Failure> {
        if !(self.is_base64 && decodes) {
            return Ok(self.body);
        }
        let decoded = STANDARD.decode(&self.body);
        decoded.map(Bytes::from).map_err(|_| Failure::configuration("the function's body is said to be base64, and is not"))
    }
}

/// A number, or a string that is one; 200 where there is none.
pub(super) fn status(value: Option<&Value>) -> Result<u16, Failure> {
    let code = match value {
        None | Some(Value::Null) => return Ok(200),
        Some(Value::Number(number)) => number.as_u64(),
        Some(Value::String(text)) => text.parse().ok(),
        Some(_) => None,
    };
    code.and_then(|code| u16::try_from(code).ok()).filter(|code| (200..=999).contains(code)).ok_or_else(|| malformed("the status is none"))
}

fn is_base64(value: Option<&Value>) -> Result<bool, Failure> {
    match value {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(value)) => Ok(*value),
        Some(Value::String(text)) if text == "true" || text == "false" => Ok(text == "true"),
        Some(_) => Err(malformed("`isBase64Encoded` is no boolean")),
    }
}

/// The fields of an object that holds them under their usual names.
pub(super) fn fields_1(members: &Map<String, Value>) -> Result<Fields, Failure> {
    fields_of(members.get("multiValueHeaders"), members.get("headers"))
}

/// Multi-value fields come first and their spelling counts; a value that stands in both maps is sent once.
fn fields_of(multi_value_headers: Option<&Value>, headers: Option<&Value>) -> Result<Fields, Failure> {
    for (name, value) in [("multiValueHeaders", multi_value_headers), ("headers", headers)] {
        if value.is_some_and(|value| !value.is_null() && !value.is_object()) {
            return Err(malformed(&format!("`{name}` is no object")));
        }
    }
    let mut fields = Fields::default();
    for (name, values) in multi_value_headers.and_then(Value::as_object).into_iter().flatten() {
        let Value::Array(values) = values else { return Err(malformed("a value of `multiValueHeaders` is no list")) };
        for value in values {
            append(&mut fields, name, &field_text(value)?);
        }
    }
    let multi_values = fields.len();
    for (name, value) in headers.and_then(Value::as_object).into_iter().flatten() {
        if value.is_null() {
            continue;
        }
        let text = field_text(value)?;
        let mut known = fields.iter().take(multi_values).filter(|field| field.name.is(name)).peekable();
        let spelling = known.peek().map(|field| field.name.as_str().to_owned());
        if known.any(|field| field.value.as_bytes() == text.as_bytes()) {
            continue;
        }
        append(&mut fields, spelling.as_deref().unwrap_or(name), &text);
    }
    let size: usize = fields.iter().map(|field| field.name.as_str().len() + field.value.len() + 4).sum();
    if fields.len() > FIELDS.0 || size > FIELDS.1 {
        return Err(malformed(&format!("{} header fields of {size} bytes", fields.len())));
    }
    Ok(fields)
}

fn field_text(value: &Value) -> Result<String, Failure> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(_) | Value::Number(_) => Ok(value.to_string()),
        _ => Err(malformed("a header's value is neither text nor a number nor a boolean")),
    }
}

/// A name or value that no field can carry is left out rather than sent in pieces.
fn append(fields: &mut Fields, name: &str, value: &str) {
    if let Some(name) = FieldName::parse(name.as_bytes()) {
        fields.append_text(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result_1(payload: &[u8]) -> Result<ProxyResult, Failure> {
        super::result_1(&Bytes::copy_from_slice(payload))
    }

    fn result_2(payload: &[u8]) -> Result<ProxyResult, Failure> {
        super::result_2(&Bytes::copy_from_slice(payload))
    }

    fn lines(result: &ProxyResult) -> Vec<String> {
        result.fields.iter().map(|field| format!("{}: {}", field.name.as_str(), field.text())).collect()
    }

    #[test]
    fn what_is_not_said_has_a_default() {
        for payload in ["{}", r#"{"statusCode": 200}"#, r#"{"statusCode":200,"headers":null,"body":null}"#] {
            let result = result_1(payload.as_bytes()).unwrap();
            assert_eq!((result.status, result.fields.len(), result.body.len()), (200, 0, 0), "{payload}");
        }
        assert_eq!(result_1(br#"{"statusCode": "201"}"#).unwrap().status, 201);
    }

    #[test]
    fn what_is_malformed_is_502() {
        for payload in [
            "",
            "null",
            "[]",
            "\"text\"",
            "1",
            r#"{"statusCode":"test"}"#,
            r#"{"statusCode":99}"#,
            r#"{"other":1}"#,
            r#"{"cookies":[]}"#,
            r#"{"body":"a\q"}"#,
            "{\"body\":\"a\nb\"}",
            r#"{"body":{}}"#,
            r#"{"multiValueHeaders":{"x":"y"}}"#,
            r#"{"headers":{"x":[]}}"#,
        ] {
            assert_eq!(result_1(payload.as_bytes()).unwrap_err().status(), 502, "{payload}");
        }
    }

    #[test]
    fn a_body_that_needs_no_unescaping_is_not_copied() {
        let payload = Bytes::from_static(br#"{"statusCode":200,"body":"plain text"}"#);
        let body = super::result_1(&payload).unwrap().body;
        assert!(payload.as_ptr_range().contains(&body.as_ptr()));
        let payload = Bytes::from_static(br#"{"statusCode":200,"other":[1],"body":"plain text"}"#);
        assert!(payload.as_ptr_range().contains(&super::result_2(&payload).unwrap().body.as_ptr()));
        let payload = Bytes::from_static(br#" "plain text""#);
        assert!(payload.as_ptr_range().contains(&super::result_2(&payload).unwrap().body.as_ptr()));
        assert_eq!(&*result_1(b"{\"body\":\"a\\nb\"}").unwrap().body, b"a\nb");
        assert_eq!(result_1(br#"{"body":"\u00e9\ud83d\ude00\/\"\\\b"}"#).unwrap().body, "é😀/\"\\\u{8}");
        // Half a pair stands for no character, and JavaScript writes it nevertheless.
        assert_eq!(result_1(br#"{"body":"\ud800x"}"#).unwrap().body, "\u{fffd}x");
        assert_eq!(result_1(br#"{"body":"\ud800\ud83d\ude00"}"#).unwrap().body, "\u{fffd}😀");
        assert_eq!(result_1(br#"{"body":1,"body":"last"}"#).unwrap().body, "last");
    }

    #[test]
    fn more_fields_than_anybody_reads_are_malformed() {
        let many: Vec<String> = (0..201).map(|n| format!("\"x-{n}\":\"\"")).collect();
        assert_eq!(result_1(format!("{{\"headers\":{{{}}}}}", many.join(",")).as_bytes()).unwrap_err().status(), 502);
        let long = format!("{{\"headers\":{{\"x\":\"{}\"}}}}", "x".repeat(64 << 10));
        assert_eq!(result_1(long.as_bytes()).unwrap_err().status(), 502);
    }

    #[test]
    fn multi_values_come_first_and_give_the_spelling() {
        let result =
            result_1(br#"{"headers":{"test-multi":"solo","flag":true},"multiValueHeaders":{"tesT-Multi":["multi","solo2"]}}"#).unwrap();
        assert_eq!(lines(&result), ["tesT-Multi: multi", "tesT-Multi: solo2", "tesT-Multi: solo", "flag: true"]);
        let result = result_1(br#"{"headers":{"a":"1"},"multiValueHeaders":{"a":["1"]}}"#).unwrap();
        assert_eq!(lines(&result), ["a: 1"]);
    }

    #[test]
    fn format_2_takes_anything_as_content() {
        let result = result_2(br#"{"message":"hi"}"#).unwrap();
        assert_eq!(
            (result.status, &*result.body, lines(&result)),
            (200, &br#"{"message":"hi"}"#[..], vec!["content-type: application/json".to_owned()])
        );
        assert_eq!(&*result_2(b"\"text\"").unwrap().body, b"text");
        let result = result_2(br#"{"statusCode":201,"cookies":["a=1","b=2"]}"#).unwrap();
        assert_eq!(lines(&result), ["set-cookie: a=1", "set-cookie: b=2"]);
        assert_eq!(&*result_2(b" [1, 2]").unwrap().body, b" [1, 2]");
        assert_eq!(&*result_2(br#""a\"b""#).unwrap().body, b"a\"b");
        assert_eq!(result_2(br#"{"statusCode":null,"body":null}"#).unwrap().body, "");
        for payload in [&b"{\"message\":\"\xff\"}"[..], b"\"\xff\"", b"[\"\xff\"]"] {
            assert_eq!(result_2(payload).unwrap_err().status(), 500, "{payload:?}");
        }
        for payload in ["nonsense", "", "{", r#"{"statusCode":200,"body":1}"#, r#"{"statusCode":200} 1"#] {
            assert_eq!(result_2(payload.as_bytes()).unwrap_err().status(), 500, "{payload}");
        }
    }

    #[test]
    fn only_base64_that_the_client_takes_is_decoded() {
        let result = result_1(br#"{"body":"aGk=","isBase64Encoded":true}"#).unwrap();
        assert_eq!(&*result.clone().content(true).unwrap(), b"hi");
        assert_eq!(&*result.content(false).unwrap(), b"aGk=");
        assert_eq!(result_1(br#"{"body":"*","isBase64Encoded":true}"#).unwrap().content(true).unwrap_err().status(), 500);
    }

    proptest::proptest! {
        #[test]
        fn no_payload_makes_it_panic(payload in "[{}\\[\\]\":,a-z0-9 ]{0,60}|\\{\"(statusCode|headers|body|multiValueHeaders)\":.{0,20}\\}") {
            let _ = (result_1(payload.as_bytes()), result_2(payload.as_bytes()));
        }
    }
}
