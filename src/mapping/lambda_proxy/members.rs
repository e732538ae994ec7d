//! A result's members as they stand in its JSON: the body is not taken out of it where it can stay.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// The members of payload format 1.0; there are no others.
#[derive(Debug, Default)]
pub(super) struct Members<'r> {
    pub(super) status_code: Option<Value>,
    pub(super) headers: Option<Value>,
    pub(super) multi_value_headers: Option<Value>,
    pub(super) body: Body<'r>,
    pub(super) is_base64: Option<Value>,
}

/// `body`.
#[derive(Debug, Default)]
pub(super) enum Body<'r> {
    /// Null, or not there.
    #[default]
    None,
    Text(Cow<'r, str>),
    /// No string.
    Other,
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
                        "statusCode" => members.status_code = map.next_value()?,
                        "headers" => members.headers = map.next_value()?,
                        "multiValueHeaders" => members.multi_value_headers = map.next_value()?,
                        "body" => members.body = map.next_value()?,
                        "isBase64Encoded" => members.is_base64 = map.next_value()?,
                        other => {
                            return Err(A::Error::custom(format_args!(
                                "the key `{}` is not known",
                                other.chars().take(80).collect::<String>()
                            )));
                        }
                    }
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Read)
    }
}

impl<'de> Deserialize<'de> for Body<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Body<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a body")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Body::Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Body::Text(Cow::Owned(text.to_owned())))
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Body::None)
            }

            fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
                Ok(Body::Other)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
                Ok(Body::Other)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
                Ok(Body::Other)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
                Ok(Body::Other)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Body::Other)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Body::Other)
            }
        }
        deserializer.deserialize_any(Read)
    }
}
