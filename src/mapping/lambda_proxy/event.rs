//! The event of a Lambda proxy integration, payload formats 1.0 and 2.0, field for field as recorded.
//!
//! It is written straight into bytes: no tree is built of it.

use std::borrow::Cow;
use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use indexmap::IndexMap;
use serde::Serialize;
use serde_json::Value;

use crate::exchange::{Context, Fields, Identity, MethodRequest};
use crate::mapping::context;

/// What an event is made of.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    /// The client's request.
    pub request: &'a MethodRequest,
    /// Its fields as the function sees them.
    pub fields: &'a Fields,
    /// What is known of the request.
    pub context: &'a Context,
    /// The stage's variables.
    pub stage_variables: &'a IndexMap<String, String>,
    /// The content.
    pub payload: Payload<'a>,
}

/// Content as an event carries it.
#[derive(Debug, Clone, Copy)]
pub struct Payload<'a> {
    /// The bytes.
    pub content: &'a [u8],
    /// Whether they travel in base64.
    pub is_binary: bool,
}

/// What the event of a REQUEST authorizer looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthorizerFormat {
    /// As REST APIs send it.
    Rest,
    /// `authorizerPayloadFormatVersion: "1.0"`, as HTTP APIs send it.
    V1,
    /// `authorizerPayloadFormatVersion: "2.0"`.
    V2,
}

/// Payload format 1.0 as REST APIs send it, without `version`.
#[must_use]
pub fn payload_1(event: &Event<'_>) -> Vec<u8> {
    let mut out = Writer::new(1024 + event.payload.content.len() + event.payload.content.len() / 2);
    request_members(event, &mut out);
    match event.payload {
        Payload { content: [], .. } => out.member("body", &Value::Null),
        payload => out.body(payload),
    }
    out.member("isBase64Encoded", &(event.payload.is_binary && !event.payload.content.is_empty()));
    out.finish()
}

/// The event of a REQUEST authorizer: the same without content. `identity`: the values of its identity sources.
#[must_use]
pub fn authorizer_request(event: &Event<'_>, method_arn: &str, identity: &[String], format: AuthorizerFormat) -> Vec<u8> {
    let mut out = Writer::new(1024);
    match format {
        AuthorizerFormat::Rest => {
            out.member("type", "REQUEST");
            out.member("methodArn", method_arn);
            request_members(event, &mut out);
        }
        AuthorizerFormat::V1 => {
            let joined = identity.join(",");
            out.member("version", "1.0");
            out.member("type", "REQUEST");
            out.member("methodArn", method_arn);
            out.member("identitySource", &joined);
            out.member("authorizationToken", &joined);
            request_members(event, &mut out);
        }
        AuthorizerFormat::V2 => {
            out.member("version", "2.0");
            out.member("type", "REQUEST");
            out.member("routeArn", method_arn);
            out.member("identitySource", identity);
            request_members_2(event, &mut out);
        }
    }
    out.finish()
}

fn request_members(event: &Event<'_>, out: &mut Writer) {
    let Event { request, context, .. } = event;
    out.member("resource", context.resource.as_deref().map_or("", |resource| &*resource.path));
    out.member("path", &*request.resource_path);
    out.member("httpMethod", request.request.http_method.as_str());
    headers(event.fields, out);
    let mut query = IndexMap::<&str, Vec<&str>>::new();
    for (name, value) in request.query().iter() {
        query.entry(name).or_default().push(value);
    }
    out.map_or_null("queryStringParameters", query.iter().filter_map(|(name, values)| Some((*name, *values.last()?))));
    out.map_or_null("multiValueQueryStringParameters", query.iter().map(|(name, values)| (*name, values)));
    out.map_or_null("pathParameters", request.path_parameters.iter());
    out.map_or_null("stageVariables", event.stage_variables.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    out.name("requestContext");
    out.object(|out| {
        for name in context::MEMBERS {
            match name {
                "identity" => identity(&context.identity, out),
                "requestTimeEpoch" => out.member(name, &context.request_time_ms),
                _ => out.member(name, &context::text(context, name)),
            }
        }
        if let Some(authorizer) = &context.authorizer {
            out.name("authorizer");
            out.object(|out| {
                authorizer.members.iter().for_each(|(name, value)| out.member(name, value));
                if let Some(latency) = authorizer.integration_latency {
                    out.member("integrationLatency", &u64::try_from(latency.as_millis()).unwrap_or(u64::MAX));
                }
            });
        }
    });
}

/// Both maps of the fields: a name is spelled as where it first came. The front door lets no more than some hundred fields in, so a walk for
/// each of them costs less than a map.
fn headers(fields: &Fields, out: &mut Writer) {
    let first = |at: usize| {
        let field = fields.get(at)?;
        (!fields.iter().take(at).any(|before| before.name == field.name)).then_some(field)
    };
    let names = || (0..fields.len()).filter_map(first).map(|field| field.name.as_str());
    out.map_or_null("headers", names().filter_map(|name| Some((name, fields.last(name).map(text_of)?))));
    out.map_or_null("multiValueHeaders", names().map(|name| (name, fields.all(name).map(text_of).collect::<Vec<_>>())));
}

fn text_of(value: &http::HeaderValue) -> Cow<'_, str> {
    String::from_utf8_lossy(value.as_bytes())
}

/// `identity`, every member there, most of them null.
fn identity(identity: &Identity, out: &mut Writer) {
    out.name("identity");
    out.object(|out| {
        for name in context::IDENTITY {
            match (name, identity.other.get(name)) {
                (_, Some(value)) => out.member(name, value),
                ("sourceIp", None) => out.member(name, &identity.source_ip),
                ("userAgent", None) => out.member(name, &identity.user_agent),
                _ => out.member(name, &Value::Null),
            }
        }
        for (name, value) in [("apiKey", &identity.api_key), ("apiKeyId", &identity.api_key_id)] {
            if let Some(value) = value {
                out.member(name, &**value);
            }
        }
        for (name, value) in identity.other.iter().filter(|(name, _)| !context::IDENTITY.contains(&name.as_str())) {
            out.member(name, value);
        }
    });
}

/// Payload format 2.0 (API Gateway's guide, `http-api-develop-integrations-lambda`): what is absent is left out.
#[must_use]
pub fn payload_2(event: &Event<'_>) -> Vec<u8> {
    let mut out = Writer::new(1024 + event.payload.content.len() + event.payload.content.len() / 2);
    out.member("version", "2.0");
    request_members_2(event, &mut out);
    if !event.payload.content.is_empty() {
        out.body(event.payload);
    }
    out.member("isBase64Encoded", &(event.payload.is_binary && !event.payload.content.is_empty()));
    out.finish()
}

fn request_members_2(event: &Event<'_>, out: &mut Writer) {
    let Event { request, context, .. } = event;
    let route = context.resource.as_deref().map_or("", |resource| &*resource.path);
    let route_key = format!("{} {route}", request.request.http_method);
    out.member("routeKey", &route_key);
    out.member("rawPath", &*request.request.path);
    out.member("rawQueryString", request.request.query.as_deref().unwrap_or_default());
    let cookies: Vec<String> = event
        .fields
        .all("cookie")
        .flat_map(|value| String::from_utf8_lossy(value.as_bytes()).split(';').map(|cookie| cookie.trim().to_owned()).collect::<Vec<_>>())
        .collect();
    if !cookies.is_empty() {
        out.member("cookies", &cookies);
    }
    let fields = event.fields.iter().filter(|field| !field.name.is("cookie"));
    out.joined("headers", &grouped_lower(fields.map(|field| (field.name.as_str().to_ascii_lowercase(), field.text().into_owned()))));
    let query = grouped_lower(request.query().iter().map(|(name, value)| (name.to_owned(), value.to_owned())));
    if !query.is_empty() {
        out.joined("queryStringParameters", &query);
    }
    out.name("requestContext");
    out.object(|out| request_context_2(event, &route_key, out));
    if request.path_parameters.iter().next().is_some() {
        out.map_or_null("pathParameters", request.path_parameters.iter());
    }
    if !event.stage_variables.is_empty() {
        out.member("stageVariables", event.stage_variables);
    }
}

fn request_context_2(event: &Event<'_>, route_key: &str, out: &mut Writer) {
    let Event { request, context, .. } = event;
    for name in ["accountId", "apiId", "domainName", "domainPrefix"] {
        out.member(name, &context::member(context, name));
    }
    if let Some(authorizer) = &context.authorizer {
        // A token's claims and a function's context have places of their own.
        out.name("authorizer");
        out.object(|out| {
            if authorizer.is_token {
                out.name("jwt");
                out.object(|out| {
                    out.member("claims", &authorizer.members.get("claims"));
                    out.member("scopes", &authorizer.members.get("scopes"));
                });
            } else {
                out.member("lambda", &*authorizer.members);
            }
        });
    }
    out.name("http");
    out.object(|out| {
        out.member("method", request.request.http_method.as_str());
        out.member("path", &*request.request.path);
        out.member("protocol", "HTTP/1.1");
        out.member("sourceIp", &context.identity.source_ip.map(|address| address.to_string()));
        out.member("userAgent", context.identity.user_agent.as_deref().unwrap_or_default());
    });
    out.member("requestId", &*context.request_id);
    out.member("routeKey", route_key);
    out.member("stage", &context::member(context, "stage"));
    out.member("time", &context::member(context, "requestTime"));
    out.member("timeEpoch", &context.request_time_ms);
}

fn grouped_lower(pairs: impl Iterator<Item = (String, String)>) -> IndexMap<String, String> {
    let mut joined = IndexMap::<String, String>::new();
    for (name, value) in pairs {
        match joined.get_mut(&name) {
            Some(known) => {
                known.push(',');
                known.push_str(&value);
            }
            None => drop(joined.insert(name, value)),
        }
    }
    joined
}

/// What is looked at together, in bytes: the compiler makes a few vector instructions of it.
const RUN: usize = 64;

/// JSON, member by member.
struct Writer {
    out: Vec<u8>,
    first: bool,
}

impl Writer {
    fn new(capacity: usize) -> Self {
        let mut out = Vec::with_capacity(capacity);
        out.push(b'{');
        Self { out, first: true }
    }

    fn finish(mut self) -> Vec<u8> {
        self.out.push(b'}');
        self.out
    }

    /// Values of this program's own making, written into memory: nothing of it can fail.
    fn value(&mut self, value: &(impl Serialize + ?Sized)) {
        let _ = serde_json::to_writer(&mut self.out, value);
    }

    fn name(&mut self, name: &str) {
        if !std::mem::take(&mut self.first) {
            self.out.push(b',');
        }
        self.value(name);
        self.out.push(b':');
    }

    fn member(&mut self, name: &str, value: &(impl Serialize + ?Sized)) {
        self.name(name);
        self.value(value);
    }

    /// Content, copied once.
    fn body(&mut self, payload: Payload<'_>) {
        if !payload.is_binary {
            return self.text("body", &String::from_utf8_lossy(payload.content));
        }
        self.name("body");
        self.out.push(b'"');
        let start = self.out.len();
        // A length that does not fit into memory is none that content has.
        let length = base64::encoded_len(payload.content.len(), true).unwrap_or_default();
        self.out.resize(start + length, 0);
        if let Some(place) = self.out.get_mut(start..) {
            // The place is as long as what is written.
            let _ = STANDARD.encode_slice(payload.content, place);
        }
        self.out.push(b'"');
    }

    /// A text that may be long: what stands for itself goes over in runs.
    fn text(&mut self, name: &str, text: &str) {
        self.name(name);
        self.out.push(b'"');
        for part in text.as_bytes().chunks(RUN) {
            if part.iter().fold(false, |found, &byte| found | (byte < 0x20) | (byte == b'"') | (byte == b'\\')) {
                part.iter().for_each(|&byte| self.escaped(byte));
            } else {
                self.out.extend_from_slice(part);
            }
        }
        self.out.push(b'"');
    }

    fn escaped(&mut self, byte: u8) {
        let escape = match byte {
            b'"' | b'\\' => byte,
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x08 => b'b',
            0x0c => b'f',
            0..0x20 => {
                // Writing into memory cannot fail.
                let _ = write!(self.out, "\\u{byte:04x}");
                return;
            }
            _ => return self.out.push(byte),
        };
        self.out.extend_from_slice(&[b'\\', escape]);
    }

    fn object(&mut self, members: impl FnOnce(&mut Self)) {
        self.out.push(b'{');
        self.first = true;
        members(self);
        self.out.push(b'}');
        self.first = false;
    }

    fn map_or_null<'m>(&mut self, name: &str, members: impl Iterator<Item = (&'m str, impl Serialize)>) {
        let mut members = members.peekable();
        if members.peek().is_none() {
            return self.member(name, &Value::Null);
        }
        self.name(name);
        self.object(|out| members.for_each(|(name, value)| out.member(name, &value)));
    }

    fn joined(&mut self, name: &str, members: &IndexMap<String, String>) {
        self.member(name, members);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binary_content_is_written_as_the_library_writes_it() {
        for length in 0..70 {
            let content: Vec<u8> = (0..length).map(|at: u8| at.wrapping_mul(37)).collect();
            let mut out = Writer::new(0);
            out.body(Payload { content: &content, is_binary: true });
            assert_eq!(String::from_utf8(out.finish()).unwrap(), serde_json::json!({ "body": STANDARD.encode(&content) }).to_string());
        }
    }

    #[test]
    fn long_texts_are_written_as_the_library_writes_them() {
        let every: String = (0..0x250).filter_map(char::from_u32).collect();
        let plain = "x".repeat(RUN);
        for text in ["", &every, &plain, &format!("{plain}\"{plain}{plain}\n"), &format!("{}é{plain}", "x".repeat(RUN - 1))] {
            let mut out = Writer::new(0);
            out.text("body", text);
            assert_eq!(String::from_utf8(out.finish()).unwrap(), serde_json::json!({ "body": text }).to_string());
        }
    }
}
