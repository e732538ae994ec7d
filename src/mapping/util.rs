//! `$util`.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};

use super::json;
use crate::exchange::decode_form;
use crate::vtl::{Text, Value};

/// Java's decoder, which misses no padding.
const LENIENT: GeneralPurpose =
    GeneralPurpose::new(&alphabet::STANDARD, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent));

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
            let bytes = LENIENT.decode(text.trim()).map_err(|_| "this is no base64".to_owned())?;
            out.push_str(&String::from_utf8_lossy(&bytes));
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// What Commons Lang writes behind a backslash for a byte; `PLAIN` where it leaves the byte as it is, `OTHER` where it writes its code.
const ESCAPES: [u8; 256] = {
    let mut table = [OTHER; 256];
    let mut byte = 0;
    while byte < 0x80 {
        let escape = match byte as u8 {
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x08 => b'b',
            0x0c => b'f',
            sign @ (b'"' | b'\'' | b'\\' | b'/') => sign,
            0..0x20 => OTHER,
            _ => PLAIN,
        };
        #[expect(clippy::indexing_slicing, reason = "in bounds, or this does not compile")]
        {
            table[byte] = escape;
        }
        byte += 1;
    }
    table
};
const PLAIN: u8 = 0;
const OTHER: u8 = 1;

/// Commons Lang's escaping: quotes, slashes, controls, and everything beyond ASCII by its UTF-16 units.
///
/// Payloads have a quote every few bytes, so ASCII goes byte by byte through a buffer: copying each run between them costs more.
fn escape_java_script(text: &str, out: &mut String) {
    out.reserve(text.len() + text.len() / 4);
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let mut buffer = [0; 256];
        let mut length = 0_u8;
        // Two bytes for each of these fit into the buffer.
        let part = bytes.get(at..bytes.len().min(at + 120)).unwrap_or_default();
        let mut read = 0;
        for &byte in part {
            let escape = ESCAPES.get(usize::from(byte)).copied().unwrap_or(OTHER);
            if escape == OTHER {
                break;
            }
            put(&mut buffer, length, if escape == PLAIN { byte } else { b'\\' });
            put(&mut buffer, length + 1, escape);
            length += 1 + u8::from(escape != PLAIN);
            read += 1;
        }
        // What is in the buffer is ASCII.
        out.push_str(buffer.get(..usize::from(length)).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default());
        at += read;
        if read == part.len() {
            continue;
        }
        let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) else { return };
        for unit in c.encode_utf16(&mut [0; 2]) {
            // Writing to a string cannot fail.
            let _ = write!(out, "\\u{unit:04X}");
        }
        at += c.len_utf8();
    }
}

/// A byte at a place of a buffer that has all of them.
fn put(buffer: &mut [u8; 256], at: u8, byte: u8) {
    if let Some(place) = buffer.get_mut(usize::from(at)) {
        *place = byte;
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
