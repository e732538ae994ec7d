//! Where a request stands in a trace: W3C Trace Context (`traceparent`, `tracestate`) and X-Ray's `X-Amzn-Trace-Id`.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::Method;

use super::{Endpoint, EndpointRequest, Fields};

/// Of `tracestate`, in bytes; the recommendation's own figure.
const STATE: usize = 512;

/// What a caller says of the trace that its request belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The trace.
    pub trace_id: u128,
    /// The caller's span.
    pub span_id: Option<u64>,
    /// Whether the caller records it; nothing where it leaves that open.
    pub sampled: Option<bool>,
    /// `tracestate`, which passes as it is.
    pub state: Option<Box<str>>,
}

impl Caller {
    /// Reads `traceparent`, and where there is none `X-Amzn-Trace-Id`. What is malformed is as good as nothing (W3C, section 3.2).
    #[must_use]
    pub fn of(fields: &Fields) -> Option<Self> {
        let states: Vec<&str> = fields.all("tracestate").filter_map(|value| value.to_str().ok()).collect();
        let state = Some(states.join(",")).filter(|state| !state.is_empty() && state.len() <= STATE).map(Into::into);
        let parent = fields.text("traceparent").filter(|_| fields.all("traceparent").count() == 1).and_then(Self::w3c);
        match parent {
            Some(parent) => Some(Self { state, ..parent }),
            None => fields.text("x-amzn-trace-id").and_then(Self::x_ray),
        }
    }

    /// `00-{32 hexadecimal digits}-{16}-{2}`; a later version may have more behind it.
    fn w3c(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let is_first = version == "00";
        if version.len() != 2 || hex(version)? == 0xff || (is_first && parts.next().is_some()) {
            return None;
        }
        let (trace_id, span_id) = (hex(trace).filter(|_| trace.len() == 32)?, hex(span).filter(|_| span.len() == 16)?);
        let flags = hex(flags).filter(|_| flags.len() == 2)?;
        let span_id = u64::try_from(span_id).ok().filter(|id| *id != 0)?;
        (trace_id != 0).then_some(Self { trace_id, span_id: Some(span_id), sampled: Some(flags & 1 == 1), state: None })
    }

    /// `Root=1-{8 hexadecimal digits}-{24};Parent={16};Sampled={0, 1 or ?}` in any order.
    fn x_ray(text: &str) -> Option<Self> {
        let part = |name: &str| text.split(';').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='));
        let (time, rest) = part("Root")?.strip_prefix("1-")?.split_once('-')?;
        if time.len() != 8 || rest.len() != 24 {
            return None;
        }
        let trace_id = hex(time)? << 96 | hex(rest)?;
        let span_id = part("Parent").filter(|parent| parent.len() == 16).and_then(hex).and_then(|id| u64::try_from(id).ok());
        let sampled = part("Sampled").and_then(|sampled| match sampled {
            "0" => Some(false),
            "1" => Some(true),
            _ => None,
        });
        (trace_id != 0).then_some(Self { trace_id, span_id: span_id.filter(|id| *id != 0), sampled, state: None })
    }
}

/// Lower case alone, as both forms are written.
fn hex(text: &str) -> Option<u128> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    u128::from_str_radix(text, 16).ok().filter(|_| digits)
}

/// A request's place in its trace, and what is told of it.
#[derive(Debug)]
pub struct Trace {
    /// The trace.
    pub trace_id: u128,
    /// The caller's span.
    pub parent: Option<u64>,
    /// The span of the request.
    pub span_id: u64,
    /// The span of the call of its endpoint.
    pub call_span_id: u64,
    /// Whether it is recorded.
    pub sampled: bool,
    /// `tracestate`.
    pub state: Option<Box<str>>,
    /// Whether the client speaks TLS.
    pub secure: bool,
    /// The listener's port.
    pub local_port: u16,
    /// When it began, on a clock that never goes back.
    pub began: Duration,
    /// The call of its endpoint.
    pub call: OnceLock<TracedCall>,
}

/// The call of an endpoint.
#[derive(Debug)]
pub struct TracedCall {
    /// Who was called.
    pub endpoint: std::sync::Arc<Endpoint>,
    /// The method sent.
    pub http_method: Method,
    /// The path sent, without its query.
    pub path: Box<str>,
    /// From the request's beginning to the call's.
    pub after: Duration,
    /// From the call's beginning until it was answered, in nanoseconds.
    took: AtomicU64,
}

impl TracedCall {
    /// How long the endpoint took.
    #[must_use]
    pub fn took(&self) -> Duration {
        Duration::from_nanos(self.took.load(Ordering::Relaxed))
    }
}

impl Trace {
    /// The endpoint is about to be asked.
    pub fn call_begins(&self, request: &EndpointRequest, now: Duration) {
        if self.sampled {
            let path = request.path_and_query.split('?').next().unwrap_or_default();
            let _ = self.call.set(TracedCall {
                endpoint: std::sync::Arc::clone(&request.endpoint),
                http_method: request.http_method.clone(),
                path: path.into(),
                after: now.saturating_sub(self.began),
                took: AtomicU64::new(0),
            });
        }
    }

    /// The endpoint has answered, or has not.
    pub fn call_ends(&self, now: Duration) {
        if let Some(call) = self.call.get() {
            let took = now.saturating_sub(self.began).saturating_sub(call.after);
            call.took.store(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
    }

    /// The value of `traceparent` for the endpoint.
    #[must_use]
    pub fn traceparent(&self) -> String {
        format!("00-{:032x}-{:016x}-{:02x}", self.trace_id, self.call_span_id, u8::from(self.sampled))
    }

    /// The value of `X-Amzn-Trace-Id` for the endpoint.
    #[must_use]
    pub fn x_ray(&self) -> String {
        let (time, rest) = (self.trace_id >> 96, self.trace_id & ((1 << 96) - 1));
        format!("Root=1-{time:08x}-{rest:024x};Parent={:016x};Sampled={}", self.call_span_id, u8::from(self.sampled))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::FieldName;

    fn caller(pairs: &[(&'static str, &str)]) -> Option<Caller> {
        let mut fields = Fields::default();
        for (name, value) in pairs {
            fields.append_text(FieldName::from_static(name), value);
        }
        Caller::of(&fields)
    }

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn reads_traceparent_with_its_state() {
        let found = caller(&[("traceparent", PARENT), ("tracestate", "a=1"), ("tracestate", "b=2")]).unwrap();
        assert_eq!(found.trace_id, 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c);
        assert_eq!((found.span_id, found.sampled), (Some(0xb7ad_6b71_6920_3331), Some(true)));
        assert_eq!(found.state.as_deref(), Some("a=1,b=2"));
        assert_eq!(caller(&[("traceparent", &PARENT.replace("-01", "-00"))]).unwrap().sampled, Some(false));
        assert!(caller(&[("traceparent", &format!("{}-more", PARENT.replacen("00", "01", 1)))]).is_some(), "a later version");
    }

    #[test]
    fn what_is_malformed_is_as_good_as_nothing() {
        for wrong in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01",
        ] {
            assert_eq!(caller(&[("traceparent", wrong)]), None, "{wrong}");
        }
        assert_eq!(caller(&[("traceparent", PARENT), ("traceparent", PARENT)]), None, "two of them");
        assert_eq!(caller(&[("x-amzn-trace-id", "Root=1-a-b;Parent=c;Sampled=1")]), None);
    }

    #[test]
    fn reads_x_ray_s_field_where_there_is_no_traceparent() {
        let text = "Self=1-x-y;Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
        let found = caller(&[("x-amzn-trace-id", text)]).unwrap();
        assert_eq!(found.trace_id, 0x5759_e988_bd86_2e3f_e1be_46a9_9427_2793);
        assert_eq!((found.span_id, found.sampled), (Some(0x5399_5c3f_42cd_8ad8), Some(true)));
        let root = caller(&[("x-amzn-trace-id", "Root=1-5759e988-bd862e3fe1be46a994272793")]).unwrap();
        assert_eq!((root.span_id, root.sampled), (None, None));
    }

    #[test]
    fn writes_both_forms() {
        let trace = Trace {
            trace_id: 0x5759_e988_bd86_2e3f_e1be_46a9_9427_2793,
            parent: None,
            span_id: 1,
            call_span_id: 2,
            sampled: true,
            state: None,
            secure: false,
            local_port: 80,
            began: Duration::ZERO,
            call: OnceLock::new(),
        };
        assert_eq!(trace.traceparent(), "00-5759e988bd862e3fe1be46a994272793-0000000000000002-01");
        assert_eq!(trace.x_ray(), "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=0000000000000002;Sampled=1");
    }
}
