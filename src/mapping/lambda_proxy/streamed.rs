//! What a proxied function streams: JSON with status and headers, eight NUL bytes, then the content as it is.

use bytes::{Bytes, BytesMut};
use serde_json::Value;

use super::result::{fields_1, malformed, status};
use crate::exchange::{Failure, FieldName, Fields};

/// Within so many bytes the delimiter must have come (API Gateway's guide, `response-transfer-mode-lambda`).
const PRELUDE: usize = 16 << 10;
const DELIMITER: [u8; 8] = [0; 8];

/// What comes before the content.
#[derive(Debug, Clone)]
pub struct StreamedHead {
    /// `statusCode`.
    pub status: u16,
    /// `multiValueHeaders`, then `headers`, then cookies.
    pub fields: Fields,
}

/// Reads what comes before the content, however it is cut.
#[derive(Debug, Default)]
pub struct Prelude(BytesMut);

impl Prelude {
    /// Takes a piece; the head and the content's beginning once the delimiter has come.
    ///
    /// # Errors
    /// 502 where no delimiter came in time, or what came before it is no head.
    pub fn take(&mut self, piece: &[u8]) -> Result<Option<(StreamedHead, Bytes)>, Failure> {
        let searched = self.0.len().saturating_sub(DELIMITER.len() - 1);
        self.0.extend_from_slice(piece);
        let found = self.0.get(searched..).and_then(|rest| rest.windows(DELIMITER.len()).position(|window| window == DELIMITER));
        let Some(at) = found.map(|at| searched + at).filter(|at| *at <= PRELUDE) else {
            return if self.0.len() > PRELUDE + DELIMITER.len() { Err(Self::missing()) } else { Ok(None) };
        };
        let metadata = self.0.split_to(at);
        let content = self.0.split_off(DELIMITER.len());
        Ok(Some((head(&metadata)?, content.freeze())))
    }

    /// The failure of a stream that has no such beginning.
    #[must_use]
    pub fn missing() -> Failure {
        malformed("no delimiter within the first 16 KB of what the function streams")
    }
}

fn head(metadata: &[u8]) -> Result<StreamedHead, Failure> {
    let value: Value = serde_json::from_slice(metadata).map_err(|error| malformed(&format!("no JSON before the delimiter: {error}")))?;
    let Value::Object(members) = value else { return Err(malformed("no object before the delimiter")) };
    let mut fields = fields_1(&members)?;
    for cookie in members.get("cookies").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        fields.append_text(FieldName::from_static("Set-Cookie"), cookie);
    }
    Ok(StreamedHead { status: status(members.get("statusCode"))?, fields })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_is_found_however_it_is_cut() {
        let wire = [&br#"{"statusCode":201,"headers":{"X-A":"1"},"cookies":["a=1","b=2"]}"#[..], &[0; 8], b"\0content"].concat();
        for size in 1..wire.len() {
            let mut prelude = Prelude::default();
            let mut content = BytesMut::new();
            let mut found = None;
            for part in wire.chunks(size) {
                match &found {
                    Some(_) => content.extend_from_slice(part),
                    None => {
                        if let Some((head, rest)) = prelude.take(part).unwrap() {
                            content.extend_from_slice(&rest);
                            found = Some(head);
                        }
                    }
                }
            }
            let head = found.unwrap();
            let lines: Vec<String> = head.fields.iter().map(|field| format!("{}: {}", field.name.as_str(), field.text())).collect();
            assert_eq!(
                (head.status, lines, &*content),
                (201, ["X-A: 1", "Set-Cookie: a=1", "Set-Cookie: b=2"].map(str::to_owned).into(), &b"\0content"[..])
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(metadata in "[{}\\[\\]\":,a-z0-9 ]{0,40}", rest in proptest::collection::vec(0_u8..3, 0..40)) {
            let mut prelude = Prelude::default();
            let _ = (prelude.take(metadata.as_bytes()), prelude.take(&rest));
        }
    }

    #[test]
    fn what_has_no_head_is_502() {
        let status = |wire: &[u8]| Prelude::default().take(wire).unwrap_err().status();
        assert_eq!(status(b"[]\0\0\0\0\0\0\0\0"), 502);
        assert_eq!(status(b"{\0\0\0\0\0\0\0\0"), 502);
        assert_eq!(status(&vec![b' '; PRELUDE + 9]), 502);
        assert_eq!(status(&[vec![b' '; PRELUDE + 1], vec![0; 8]].concat()), 502);
        assert!(Prelude::default().take(b"{}").unwrap().is_none());
    }
}
