//! `application/vnd.amazon.eventstream`: the framing in which Lambda streams a function's response.

use aws_smithy_eventstream::frame::{read_message_from, write_message_to};
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use bytes::{Bytes, BytesMut};
use serde_json::{Value, json};

/// The media type.
pub const EVENT_STREAM: &str = "application/vnd.amazon.eventstream";

/// Of one message, in bytes: what the encoding allows (24 MiB of payload, 128 KiB of headers), and what frames it.
const MESSAGE: std::ops::RangeInclusive<usize> = 16..=(24 << 20) + (128 << 10) + 16;

/// What Lambda says while a function writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A piece of the response.
    PayloadChunk(Bytes),
    /// The end, and why it is one where the function failed.
    InvokeComplete(Option<String>),
}

/// Reads events from bytes as they come.
#[derive(Debug, Default)]
pub(super) struct Events {
    buffer: BytesMut,
}

impl Events {
    /// Takes the next bytes.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next event; nothing where more bytes are needed.
    ///
    /// # Errors
    /// When the bytes are no messages, or tell of an error.
    pub(super) fn next(&mut self) -> Result<Option<Event>, String> {
        loop {
            let Some(length) = self.buffer.first_chunk::<4>().map(|bytes| u32::from_be_bytes(*bytes) as usize) else { return Ok(None) };
            if !MESSAGE.contains(&length) {
                return Err(format!("a message of {length} bytes"));
            }
            if self.buffer.len() < length {
                return Ok(None);
            }
            let message = read_message_from(self.buffer.split_to(length).freeze()).map_err(|error| error.to_string())?;
            if text(&message, ":message-type") != Some("event") {
                let kind = text(&message, ":exception-type").or_else(|| text(&message, ":error-code")).unwrap_or("an exception");
                return Err(format!("{kind}: {}", String::from_utf8_lossy(message.payload())));
            }
            match text(&message, ":event-type") {
                Some("PayloadChunk") => return Ok(Some(Event::PayloadChunk(message.payload().clone()))),
                Some("InvokeComplete") => return Ok(Some(Event::InvokeComplete(failure(message.payload())))),
                // What is not known yet is no reason to break off.
                _ => {}
            }
        }
    }
}

fn text<'m>(message: &'m Message, name: &str) -> Option<&'m str> {
    let header = message.headers().iter().find(|header| header.name().as_str() == name)?;
    header.value().as_string().ok().map(aws_smithy_types::str_bytes::StrBytes::as_str)
}

/// The function's failure, where the end tells of one.
fn failure(payload: &[u8]) -> Option<String> {
    let complete: Value = serde_json::from_slice(payload).unwrap_or_default();
    let member = |name: &str| complete.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let code = member("ErrorCode")?;
    Some(member("ErrorDetails").map_or_else(|| code.to_owned(), |details| format!("{code}: {details}")))
}

/// An event as it goes on the wire.
#[must_use]
pub fn message(event: &Event) -> Vec<u8> {
    let (kind, content_type, payload) = match event {
        Event::PayloadChunk(bytes) => ("PayloadChunk", "application/octet-stream", bytes.clone()),
        Event::InvokeComplete(failure) => {
            let code = failure.as_ref().map(|_| "Unhandled");
            let complete = json!({ "ErrorCode": code, "ErrorDetails": failure, "LogResult": null });
            ("InvokeComplete", "application/json", complete.to_string().into())
        }
    };
    let header = |name: &'static str, value: &'static str| Header::new(name, HeaderValue::String(value.into()));
    let message = Message::new(payload)
        .add_header(header(":message-type", "event"))
        .add_header(header(":event-type", kind))
        .add_header(header(":content-type", content_type));
    let mut out = Vec::new();
    // Names and values are short and fixed, and a payload is far below what the encoding allows: nothing of it can fail.
    let _ = write_message_to(&message, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_however_their_bytes_are_cut() {
        let events = [
            Event::PayloadChunk(Bytes::from_static(b"one")),
            Event::PayloadChunk(Bytes::from(vec![0; 70_000])),
            Event::InvokeComplete(Some("Unhandled".to_owned())),
            Event::InvokeComplete(None),
        ];
        let wire: Vec<u8> = events.iter().flat_map(message).collect();
        for size in [1, 7, 4096, wire.len()] {
            let mut reader = Events::default();
            let mut read = Vec::new();
            for part in wire.chunks(size) {
                reader.take(part);
                while let Some(event) = reader.next().unwrap() {
                    read.push(event);
                }
            }
            let failed = Event::InvokeComplete(Some("Unhandled: Unhandled".to_owned()));
            assert_eq!((&read[..2], &read[2], &read[3]), (&events[..2], &failed, &events[3]), "in pieces of {size}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..80), length in 16_u8..64) {
            for start in [vec![], vec![0, 0, 0, length]] {
                let mut reader = Events::default();
                reader.take(&start);
                reader.take(&bytes);
                while let Ok(Some(_)) = reader.next() {}
            }
        }
    }

    #[test]
    fn what_is_no_message_is_refused() {
        let mut reader = Events::default();
        reader.take(&u32::MAX.to_be_bytes());
        assert!(reader.next().is_err(), "a length beyond what the encoding allows is not waited for");
        let mut broken = message(&Event::InvokeComplete(None));
        let last = broken.len() - 1;
        broken[last] ^= 1;
        let mut reader = Events::default();
        reader.take(&broken);
        assert!(reader.next().is_err(), "a wrong checksum");
    }
}
