//! `$util`.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::json;
use crate::exchange::decode_form;
use crate::vtl::{Object, Value};

/// The functions that API Gateway gives to templates.
pub(super) struct Util;

impl Object for Util {
    fn get(&self, _name: &str) -> Option<Value> {
        None
    }

    fn call(&self, name: &str, arguments: &[Value]) -> Result<Option<Value>, String> {
        let [argument] = arguments else { return Ok(None) };
        let text = argument.to_text();
        Ok(match name {
            "escapeJavaScript" => Some(Value::text(&escape_java_script(&text))),
            "parseJson" => {
                json::parse(&text).filter(|value| matches!(value, Value::Map(_) | Value::List(_) | Value::String(_))).or(Some(Value::Null))
            }
            "urlEncode" => Some(Value::text(&url_encode(&text))),
            "urlDecode" => Some(Value::text(&decode_form(&text))),
            "base64Encode" => Some(Value::text(&STANDARD.encode(&text))),
            "base64Decode" => {
                let bytes = STANDARD.decode(text.trim()).map_err(|_| "this is no base64".to_owned())?;
                Some(Value::text(&String::from_utf8_lossy(&bytes)))
            }
            _ => None,
        })
    }
}

/// Commons Lang's escaping: quotes, slashes, controls, and everything beyond ASCII by its UTF-16 units.
fn escape_java_script(text: &str) -> Cow<'_, str> {
    let plain = |byte: u8| (0x20..0x7f).contains(&byte) && !matches!(byte, b'"' | b'\'' | b'\\' | b'/');
    if text.bytes().all(plain) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '"' | '\'' | '\\' | '/' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='\u{7f}' => out.push(c),
            other => {
                for unit in other.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04X}"));
                }
            }
        }
    }
    Cow::Owned(out)
}

/// `URLEncoder`: letters, digits and `.-*_` stay, a blank is `+`.
fn url_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'*' | b'_' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}
