//! What `Invoke` answers, in Lambda's own shapes.

use std::time::Duration;

use bytes::Bytes;
use serde_json::json;

use super::settings::LATEST;

/// What came of a call, as `Invoke` answers.
#[derive(Debug, Clone)]
pub struct Answer {
    /// 200 also when the function failed; 429 and its like when it did not run.
    pub status: u16,
    /// Whether the function failed.
    pub function_error: bool,
    /// What it returned, or how it failed.
    pub payload: Bytes,
    /// The version that ran.
    pub executed_version: Box<str>,
    /// The last of what it wrote to its log, where that was asked for.
    pub log_tail: String,
    /// `x-amzn-ErrorType` of a refusal.
    pub error_type: Option<&'static str>,
}

/// How a function's process did not answer, or what it answered.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The function returned.
    Returned(Bytes),
    /// It told how it failed; the process can be used again.
    Failed(Bytes),
    /// The process ended; how, in Lambda's words.
    Exited(String),
    /// The process ended before it had taken the event, which another one can have.
    NotTaken,
    /// It held more memory than the function has.
    OutOfMemory,
    /// It did not answer in time.
    TimedOut,
    /// It returned more than Lambda takes.
    TooLarge,
    /// There is no process: why.
    CannotStart(String),
}

/// Of an event, in bytes.
pub(super) const PAYLOAD: usize = 6 << 20;
/// Of an event whose caller does not wait, in bytes.
pub(super) const EVENT: usize = 1 << 20;

impl Outcome {
    /// Whether the process can be used again.
    pub(super) const fn leaves_process(&self) -> bool {
        matches!(self, Self::Returned(_) | Self::Failed(_))
    }

    /// What the caller is told.
    pub(super) fn answer(self, request_id: &str, timeout: Duration, executed_version: Box<str>) -> Answer {
        let failed = |kind: &str, what: &str| {
            (true, Bytes::from(json!({ "errorType": kind, "errorMessage": format!("RequestId: {request_id} Error: {what}") }).to_string()))
        };
        let (function_error, payload) = match self {
            Self::Returned(payload) => (false, payload),
            Self::Failed(payload) => (true, payload),
            Self::Exited(how) => failed("Runtime.ExitError", &how),
            Self::NotTaken => failed("Runtime.ExitError", "Runtime exited without providing a reason"),
            Self::OutOfMemory => failed("Runtime.OutOfMemory", "Runtime exited with error: signal: killed"),
            Self::TimedOut => failed("Sandbox.Timedout", &format!("Task timed out after {:.2} seconds", timeout.as_secs_f64())),
            Self::TooLarge => {
                let message = "Response payload size exceeded maximum allowed payload size (6291556 bytes).";
                (true, json!({ "errorType": "Function.ResponseSizeTooLarge", "errorMessage": message }).to_string().into())
            }
            Self::CannotStart(why) => return Answer::refused(502, "InvalidRuntimeException", &why),
        };
        Answer { status: 200, function_error, payload, executed_version, log_tail: String::new(), error_type: None }
    }
}

impl Answer {
    /// The function did not run, and why.
    pub(super) fn refused(status: u16, error_type: &'static str, message: &str) -> Self {
        Self::without_a_run(status, error_type, json!({ "Type": "User", "Message": message }).to_string().into())
    }

    fn without_a_run(status: u16, error_type: &'static str, payload: Bytes) -> Self {
        Self {
            status,
            function_error: false,
            payload,
            executed_version: LATEST.into(),
            log_tail: String::new(),
            error_type: Some(error_type),
        }
    }

    pub(super) fn not_found(arn: &str) -> Self {
        Self::refused(404, "ResourceNotFoundException", &format!("Function not found: {arn}"))
    }

    pub(super) fn too_large(length: usize, limit: usize) -> Self {
        let kind = if limit == EVENT { "Event" } else { "RequestResponse" };
        let message = format!("{length} byte payload is too large for the {kind} invocation type (limit {limit} bytes)");
        Self::refused(413, "RequestTooLargeException", &message)
    }

    pub(super) fn no_json(error: &serde_json::Error) -> Self {
        Self::refused(400, "InvalidRequestContentException", &format!("Could not parse request body into json: {error}"))
    }

    /// All that may run at one time do.
    pub(super) fn throttled(is_reserved: bool) -> Self {
        let reason = if is_reserved { "ReservedFunctionConcurrentInvocationLimitExceeded" } else { "ConcurrentInvocationLimitExceeded" };
        let payload = json!({ "Type": "User", "message": "Rate Exceeded.", "Reason": reason });
        Self::without_a_run(429, "TooManyRequestsException", payload.to_string().into())
    }

    /// The event of an asynchronous call was taken.
    pub(super) fn accepted() -> Self {
        Self { error_type: None, ..Self::without_a_run(202, "", Bytes::new()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_have_lambdas_own_shapes() {
        let text = |outcome: Outcome| {
            let answer = outcome.answer("id", Duration::from_millis(1500), "3".into());
            assert_eq!((answer.status, answer.function_error, &*answer.executed_version), (200, true, "3"));
            String::from_utf8(answer.payload.to_vec()).unwrap()
        };
        assert_eq!(
            text(Outcome::TimedOut),
            r#"{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: id Error: Task timed out after 1.50 seconds"}"#
        );
        assert!(text(Outcome::OutOfMemory).contains("Runtime.OutOfMemory"));
        assert!(text(Outcome::Exited("why".into())).contains("RequestId: id Error: why"));
        assert!(text(Outcome::TooLarge).contains("6291556"));
        assert_eq!(Outcome::CannotStart("x".into()).answer("id", Duration::ZERO, "1".into()).status, 502);
    }
}
