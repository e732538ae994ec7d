//! A result's members as they stand in its JSON: the body is not taken out of it where it can stay.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::mapping::json;

/// The members of a result; null is said where it is there.
#[derive(Debug, Default)]
pub(super) struct Members<'r> {
    pub(super) status_code: Option<Value>,
    pub(super) headers: Option<Value>,
    pub(super) multi_value_headers: Option<Value>,
    /// Payload format 2.0 has it, and 1.0 does not.
    pub(super) cookies: Option<Value>,
    /// As it is written.
    pub(super) body: Option<&'r RawValue>,
    pub(super) is_base64: Option<Value>,
    /// The first member that neither format has.
    pub(super) unknown: Option<String>,
}

/// A text that stands in a payload as JSON: a part of the payload where nothing in it is escaped, else copied once. Nothing where it is no text.
pub(super) fn text(json: &str, payload: &Bytes) -> Option<Bytes> {
    let inside = json.strip_prefix('"')?.strip_suffix('"')?;
    if memchr::memchr(b'\\', inside.as_bytes()).is_some() {
        json::unescaped(inside).map(Bytes::from)
    } else {
        Some(payload.slice_ref(inside.as_bytes()))
    }
}

impl Members<'_> {
    /// The content; nothing where it is no text.
    pub(super) fn content(&self, payload: &Bytes) -> Option<Bytes> {
        match self.body.map(RawValue::get) {
            None | Some("null") => Some(Bytes::new()),
            Some(body) => text(body, payload),
        }
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a proxy result")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Members::default();
                while let Some(name) = map.next_key::<Cow<'de, str>>()? {
                    match &*name {
                        "statusCode" => members.status_code = Some(map.next_value()?),
                        "headers" => members.headers = Some(map.next_value()?),
                        "multiValueHeaders" => members.multi_value_headers = Some(map.next_value()?),
                        "cookies" => members.cookies = Some(map.next_value()?),
                        "body" => members.body = Some(map.next_value()?),
                        "isBase64Encoded" => members.is_base64 = Some(map.next_value()?),
                        other => {
                            members.unknown.get_or_insert_with(|| other.chars().take(80).collect());
                            map.next_value::<serde::de::IgnoredAny>()?;
                        }
                    }
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Read)
    }
}
