//! The same steps with a log of each, in the words of the service's execution logs; every operation is completed in memory.

use bytes::Bytes;

use super::integration_request;
use super::{Exchange, Next, Pipeline};
use crate::exchange::{EndpointRequest, Field, Fields, Response};

impl Pipeline {
    /// Runs a request that has begun to its end, telling `log` each step.
    pub async fn explain(&self, exchange: &mut Exchange, content: Bytes, log: &mut (dyn FnMut(String) + Send)) -> Response {
        log(format!("Execution log for request {}", exchange.context.request_id));
        log(format!("Starting execution for request: {}", exchange.context.request_id));
        let next = self.admit(exchange).await;
        log(format!("HTTP Method: {}, Resource Path: {}", exchange.request.request.http_method, exchange.request.resource_path));
        log(format!("Method request path: {}", pairs(exchange.request.path_parameters.iter())));
        log(format!("Method request query string: {}", pairs(exchange.request.query().iter())));
        log(format!("Method request headers: {}", fields(&exchange.request.request.fields)));
        log(format!("Method request body before transformations: {}", String::from_utf8_lossy(&content)));
        let response = match next {
            Next::Respond(response) => response,
            Next::Forward(_) | Next::Content { .. } => {
                if let Ok(asked) = exchange.asked()
                    && let Ok((request, _)) = integration_request::build(asked, &content)
                {
                    endpoint(asked.operation.endpoint.is_some(), &request, log);
                }
                self.complete(exchange, content).await
            }
        };
        if let Some(status) = exchange.context.integration.status {
            let latency = exchange.context.integration.latency.map_or(0, |latency| latency.as_millis());
            log(format!("Received response. Status: {status}, Integration latency: {latency} ms"));
        }
        log(format!("Method response body after transformations: {}", String::from_utf8_lossy(&response.content)));
        log(format!("Method response headers: {}", fields(&response.fields)));
        match &exchange.context.error {
            Some(failure) => log(failure.detail.to_string()),
            None => log("Successfully completed execution".to_owned()),
        }
        log(format!("Method completed with status: {}", response.status));
        response
    }
}

fn endpoint(has_endpoint: bool, request: &EndpointRequest, log: &mut (dyn FnMut(String) + Send)) {
    let body = String::from_utf8_lossy(&request.content);
    if !has_endpoint {
        log(format!("Endpoint request body after transformations: {body}"));
        return;
    }
    let uri = format!("{} {}{}", request.http_method, request.endpoint.authority(), request.path_and_query);
    log(format!("Endpoint request URI: {uri}"));
    log(format!("Endpoint request headers: {}", fields(&request.fields)));
    log(format!("Endpoint request body after transformations: {body}"));
    log(format!("Sending request to {uri}"));
}

fn pairs<'p>(pairs: impl Iterator<Item = (&'p str, &'p str)>) -> String {
    let members: Vec<String> = pairs.map(|(name, value)| format!("{name}={value}")).collect();
    format!("{{{}}}", members.join(", "))
}

/// Credentials are shown by their last six characters, as the service's own log shows keys.
const SECRET: [&str; 5] = ["authorization", "proxy-authorization", "cookie", "x-api-key", "x-amz-security-token"];

fn fields(fields: &Fields) -> String {
    let shown = |field: &Field| {
        let text = field.text();
        if !SECRET.iter().any(|name| field.name.is(name)) {
            return text.into_owned();
        }
        let hidden = text.chars().count().saturating_sub(6);
        // A short value would be shown whole.
        format!("****{}", text.chars().skip(hidden).filter(|_| hidden >= 6).collect::<String>())
    };
    let members: Vec<String> = fields.iter().map(|field| format!("{}={}", field.name.as_str(), shown(field))).collect();
    format!("{{{}}}", members.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::FieldName;

    #[test]
    fn credentials_are_masked() {
        let mut given = Fields::default();
        given.append_text(FieldName::from_static("X-Api-Key"), "0123456789abcdefghij");
        given.append_text(FieldName::from_static("Authorization"), "short");
        given.append_text(FieldName::from_static("Accept"), "*/*");
        assert_eq!(fields(&given), "{X-Api-Key=****efghij, Authorization=****, Accept=*/*}");
    }
}
