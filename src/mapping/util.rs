//! `$util`.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::json;
use crate::exchange::decode_form;
use crate::vtl::{Text, Value};

/// Calls one of the functions that API Gateway gives to templates.
pub(super) fn call<'r>(name: &str, arguments: &[Value<'r>]) -> Result<Option<Value<'r>>, String> {
    let [argument] = arguments else { return Ok(None) };
    if name == "parseJson" {
        let parsed = match argument {
            Value::String(Text::Borrowed(text)) => json::parse(text),
            other => json::parse_owned(&other.as_text()),
        };
        return Ok(parsed.filter(|value| matches!(value, Value::Map(_) | Value::List(_) | Value::String(_))).or(Some(Value::Null)));
    }
    let mut text = String::new();
    Ok(print(name, arguments, &mut text)?.then(|| Value::text(text)))
}

/// Appends what a function gives, where that is text; false for the rest.
pub(super) fn print(name: &str, arguments: &[Value<'_>], out: &mut String) -> Result<bool, String> {
    let [argument] = arguments else { return Ok(false) };
    let text = argument.as_text();
    match name {
        "escapeJavaScript" => escape_java_script(&text, out),
        "urlEncode" => url_encode(&text, out),
        "urlDecode" => out.push_str(&decode_form(&text)),
        "base64Encode" => STANDARD.encode_string(&*text, out),
        "base64Decode" => {
            let bytes = STANDARD.decode(text.trim()).map_err(|_| "this is no base64".to_owned())?;
            out.push_str(&String::from_utf8_lossy(&bytes));
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// The bytes that Commons Lang leaves as they are.
const IS_PLAIN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0x20;
    while byte < 0x80 {
        #[expect(clippy::indexing_slicing, reason = "in bounds, or this does not compile")]
        {
            table[byte] = !matches!(byte as u8, b'"' | b'\'' | b'\\' | b'/');
        }
        byte += 1;
    }
    table
};

/// Commons Lang's escaping: quotes, slashes, controls, and everything beyond ASCII by its UTF-16 units.
fn escape_java_script(text: &str, out: &mut String) {
    out.reserve(text.len() + text.len() / 8);
    let mut plain = 0;
    for (at, byte) in text.bytes().enumerate() {
        if IS_PLAIN.get(usize::from(byte)).copied().unwrap_or_default() || (0x80..0xc0).contains(&byte) {
            continue;
        }
        let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) else { continue };
        out.push_str(text.get(plain..at).unwrap_or_default());
        plain = at + c.len_utf8();
        match c {
            '"' | '\'' | '\\' | '/' => {
                out.push('\\');
                out.push(c);
            }
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            other => {
                for unit in other.encode_utf16(&mut [0; 2]) {
                    // Writing to a string cannot fail.
                    let _ = write!(out, "\\u{unit:04X}");
                }
            }
        }
    }
    out.push_str(text.get(plain..).unwrap_or_default());
}

/// `URLEncoder`: letters, digits and `.-*_` stay, a blank is `+`.
fn url_encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'*' | b'_' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            other => drop(write!(out, "%{other:02X}")),
        }
    }
}
