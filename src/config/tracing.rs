//! `tracing`, with OpenTelemetry's own environment variables behind it.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use percent_encoding::percent_decode_str;

use crate::apigateway::tracing::TracingSettings;
use crate::document::{Fields, Node, Problems};
use crate::exchange::{Endpoint, FieldName, Scheme};

/// What a receiver's traces have for a path where only its base is written.
const PATH: &str = "/v1/traces";

/// Reads where traces go; what the file says wins over the environment. Nothing: they go nowhere.
pub(super) fn tracing(
    fields: &mut Fields<'_>,
    variable: &dyn Fn(&str) -> Option<String>,
    problems: &mut Problems,
) -> Option<TracingSettings> {
    let root = fields.node();
    let written = fields.take("tracing");
    let node = written.unwrap_or(root);
    let environment = Environment(variable);
    let mut settings = TracingSettings {
        endpoint: Arc::new(nowhere()),
        path: PATH.into(),
        headers: environment.headers(node, problems),
        timeout: environment.timeout(),
        sampling_rate: environment.sampling_rate(),
        resource: environment.resource(),
    };
    let mut endpoint = environment.endpoint();
    let own = written.and_then(|node| Fields::of(node, "`tracing`", problems));
    if let Some(mut own) = own {
        if let Some(text) = own.string("endpoint", problems) {
            endpoint = Some((text, true));
        } else if endpoint.is_none() {
            problems.error(own.node(), "`tracing` needs an `endpoint`").help("such as http://127.0.0.1:4318, an OTLP receiver over HTTP");
        }
        for entry in own.take("headers").map(Node::entries).unwrap_or_default() {
            add_header(&mut settings.headers, &entry.key, entry.node.scalar().unwrap_or_default(), &entry.node, problems);
        }
        if let Some(name) = own.string("serviceName", problems) {
            set(&mut settings.resource, "service.name", name);
        }
        settings.sampling_rate = own.number("samplingRate", 0.0..=1.0, problems).unwrap_or(settings.sampling_rate);
        own.finish(problems);
    }
    let (text, may_be_base) = endpoint.filter(|_| !environment.is_disabled())?;
    if let Some(protocol) = environment.protocol().filter(|protocol| protocol != "http/protobuf") {
        problems.warning(node, format!("traces are sent as http/protobuf, not as {protocol} (OTEL_EXPORTER_OTLP_PROTOCOL)"));
    }
    let Some((found, path)) = receiver(&text) else {
        problems.error(node, format!("an endpoint of traces is a URL such as http://127.0.0.1:4318, not `{text}`"));
        return None;
    };
    settings.endpoint = Arc::new(found);
    settings.path = if may_be_base && path == "/" { PATH.into() } else { path.into() };
    Some(settings)
}

fn nowhere() -> Endpoint {
    Endpoint { scheme: Scheme::Http, host: "".into(), port: 0, vpc_link: None, insecure_skip_verification: false, allow_link_local: false }
}

fn receiver(text: &str) -> Option<(Endpoint, String)> {
    let url = url::Url::parse(text).ok()?;
    let scheme = match url.scheme() {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        _ => return None,
    };
    let host = url.host_str()?.trim_matches(['[', ']']).into();
    let port = url.port_or_known_default()?;
    let path = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
    Some((Endpoint { scheme, host, port, ..nowhere() }, path))
}

fn set(pairs: &mut Vec<(String, String)>, name: &str, value: String) {
    pairs.retain(|(known, _)| known != name);
    pairs.push((name.to_owned(), value));
}

fn add_header(headers: &mut Vec<(FieldName, HeaderValue)>, name: &str, value: &str, node: &Node, problems: &mut Problems) {
    match FieldName::parse(name.as_bytes()).zip(HeaderValue::from_str(value).ok()) {
        Some((name, value)) => {
            headers.retain(|(known, _)| *known != name);
            headers.push((name, value));
        }
        None => drop(problems.error(node, format!("the header `{name}` cannot be sent"))),
    }
}

/// OpenTelemetry's variables (its specification, "OpenTelemetry Protocol Exporter" and "Environment Variable Specification").
struct Environment<'v>(&'v dyn Fn(&str) -> Option<String>);

impl Environment<'_> {
    /// That of traces alone is taken as it is; the one for all signals is a base.
    fn endpoint(&self) -> Option<(String, bool)> {
        let of_traces = (self.0)("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").map(|text| (text, false));
        let base = || (self.0)("OTEL_EXPORTER_OTLP_ENDPOINT").map(|text| (format!("{}{PATH}", text.trim_end_matches('/')), false));
        of_traces.or_else(base)
    }

    fn is_disabled(&self) -> bool {
        (self.0)("OTEL_SDK_DISABLED").is_some_and(|text| text.eq_ignore_ascii_case("true"))
            || (self.0)("OTEL_TRACES_EXPORTER").is_some_and(|text| text == "none")
    }

    /// One variable of an exporter: that of traces, else the one for all signals.
    fn exporter(&self, name: &str) -> Option<String> {
        (self.0)(&format!("OTEL_EXPORTER_OTLP_TRACES_{name}")).or_else(|| (self.0)(&format!("OTEL_EXPORTER_OTLP_{name}")))
    }

    fn protocol(&self) -> Option<String> {
        self.exporter("PROTOCOL")
    }

    fn timeout(&self) -> Duration {
        let milliseconds = self.exporter("TIMEOUT").and_then(|text| text.parse().ok()).filter(|time| (1..=600_000).contains(time));
        Duration::from_millis(milliseconds.unwrap_or(10_000))
    }

    fn headers(&self, node: &Node, problems: &mut Problems) -> Vec<(FieldName, HeaderValue)> {
        let mut headers = Vec::new();
        for (name, value) in pairs(&self.exporter("HEADERS").unwrap_or_default()) {
            add_header(&mut headers, &name, &value, node, problems);
        }
        headers
    }

    /// A caller's own decision always counts, so each sampler is the parent-based one of its kind.
    fn sampling_rate(&self) -> f64 {
        let sampler = (self.0)("OTEL_TRACES_SAMPLER").unwrap_or_default();
        let argument =
            || (self.0)("OTEL_TRACES_SAMPLER_ARG").and_then(|text| text.parse::<f64>().ok()).filter(|rate| (0.0..=1.0).contains(rate));
        match sampler.trim_start_matches("parentbased_") {
            "always_off" => 0.0,
            "traceidratio" => argument().unwrap_or(1.0),
            _ => 1.0,
        }
    }

    fn resource(&self) -> Vec<(String, String)> {
        let mut resource = vec![("service.name".to_owned(), "headgate".to_owned())];
        for (name, value) in pairs(&(self.0)("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default()) {
            set(&mut resource, &name, value);
        }
        if let Some(name) = (self.0)("OTEL_SERVICE_NAME") {
            set(&mut resource, "service.name", name);
        }
        resource
    }
}

/// `name=value,name=value`, with values that are percent-encoded.
fn pairs(text: &str) -> Vec<(String, String)> {
    let decoded = |text: &str| percent_decode_str(text.trim()).decode_utf8_lossy().into_owned();
    text.split(',').filter_map(|pair| pair.split_once('=')).map(|(name, value)| (name.trim().to_owned(), decoded(value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{Limits, parse};

    fn read(text: &str, variables: &[(&str, &str)]) -> (Option<TracingSettings>, Vec<String>) {
        let mut problems = Problems::default();
        let node = parse("f", text.as_bytes(), Limits::default(), &mut problems).unwrap();
        let variable = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        let mut fields = Fields::of(&node, "a configuration", &mut problems).unwrap();
        (tracing(&mut fields, &variable, &mut problems), problems.to_lines())
    }

    fn place(settings: &TracingSettings) -> String {
        format!("{}{}", settings.endpoint.authority(), settings.path)
    }

    #[test]
    fn nothing_is_traced_unless_somebody_says_where_to() {
        assert_eq!(read("a: 1", &[]), (None, vec![]));
        assert_eq!(read("a: 1", &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318"), ("OTEL_SDK_DISABLED", "true")]).0, None);
    }

    #[test]
    fn the_environment_is_read_as_open_telemetry_says() {
        let variables = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://c.example/otlp/"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20b, x=y"),
            ("OTEL_SERVICE_NAME", "edge"),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=other,deployment.environment.name=prod"),
            ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
        ];
        let settings = read("a: 1", &variables).0.unwrap();
        assert_eq!(place(&settings), "c.example/otlp/v1/traces");
        assert_eq!(settings.headers.iter().map(|(_, value)| value.as_bytes()).collect::<Vec<_>>(), [b"a b".as_slice(), b"y"]);
        assert_eq!(settings.sampling_rate, 0.25);
        assert!(settings.resource.contains(&("service.name".to_owned(), "edge".to_owned())) && settings.resource.len() == 2);
        let variables = [("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://c:4318/"), ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://d")];
        assert_eq!(place(&read("a: 1", &variables).0.unwrap()), "c:4318/", "the one of traces is taken as it is");
    }

    #[test]
    fn the_file_wins() {
        let text = "tracing: {endpoint: 'http://c:4318', serviceName: edge, samplingRate: 0.5, headers: {authorization: Bearer x}}";
        let (settings, problems) = read(text, &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://d"), ("OTEL_SERVICE_NAME", "other")]);
        let settings = settings.unwrap();
        assert_eq!((place(&settings).as_str(), settings.sampling_rate, problems.len()), ("c:4318/v1/traces", 0.5, 0));
        assert!(!format!("{settings:?}").contains("Bearer"), "values of fields are secrets");
    }

    #[test]
    fn mistakes_are_told() {
        assert_eq!(read("tracing: {}", &[]).1.len(), 1);
        assert_eq!(read("tracing: {endpoint: 'c:4318'}", &[]).1.len(), 1);
        assert_eq!(read("tracing: {endpoint: 'http://c', samplingRate: 2, sampler: x}", &[]).1.len(), 2);
        assert_eq!(read("a: 1", &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]).1.len(), 1);
    }
}
