//! `$util`.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};

use super::json;
use super::scan::unescaped;
use crate::exchange::decode_form;
use crate::vtl::{Meter, Text, Value};

/// Java's decoder, which misses no padding.
const LENIENT: GeneralPurpose =
    GeneralPurpose::new(&alphabet::STANDARD, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent));

/// Calls one of the functions that API Gateway gives to templates.
pub(super) fn call<'r>(name: &str, arguments: &[Value<'r>], meter: &Meter<'_>) -> Result<Option<Value<'r>>, String> {
    let [argument] = arguments else { return Ok(None) };
    if let Value::String(text) = argument {
        meter.spend(text.len() / 64);
    }
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
            let bytes = LENIENT.decode(text.trim()).map_err(|_| "this is no base64".to_owned())?;
            out.push_str(&String::from_utf8_lossy(&bytes));
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// Commons Lang's escaping: quotes, slashes, controls, and everything beyond ASCII by its UTF-16 units.
fn escape_java_script(text: &str, out: &mut String) {
    out.reserve(text.len() + text.len() / 4);
    let mut rest = text;
    while let Some((plain, special)) = rest.split_at_checked(unescaped(rest.as_bytes())) {
        out.push_str(plain);
        let mut special = special.chars();
        let Some(c) = special.next() else { return };
        rest = special.as_str();
        let escape = match c {
            '"' => "\\\"",
            '\'' => "\\'",
            '\\' => "\\\\",
            '/' => "\\/",
            '\n' => "\\n",
            '\r' => "\\r",
            '\t' => "\\t",
            '\u{8}' => "\\b",
            '\u{c}' => "\\f",
            other => {
                for unit in other.encode_utf16(&mut [0; 2]) {
                    // Writing to a string cannot fail.
                    let _ = write!(out, "\\u{unit:04X}");
                }
                continue;
            }
        };
        out.push_str(escape);
    }
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
