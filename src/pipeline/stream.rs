//! Responses that the client gets as they come (`responseTransferMode: STREAM`).

use bytes::{Bytes, BytesMut};
use tokio::time::Instant;

use super::endpoint::{Seen, Watch};
use super::integration_request::{self, Asked};
use super::{Exchange, Pipeline, admitted_content, circuit, integration_response, lambda_proxy, standard_headers, trace};
use crate::apigateway::integration::IntegrationType;
use crate::backend::Begun;
use crate::exchange::{EndpointResponse, Failure, Pieces, Response, ResponseType};
use crate::mapping::lambda_proxy::Prelude;

/// What a request is answered with.
#[derive(Debug)]
pub enum Reply {
    /// A whole response.
    Whole(Response),
    /// A response whose content follows; it may take until then.
    Streamed(Response, Pieces, Instant),
}

/// Of a stream that somebody wants whole, in bytes.
const WHOLE: usize = 64 << 20;

impl Pipeline {
    /// From the whole content to the whole response, or to the beginning of one that is streamed.
    pub async fn reply(&self, exchange: &mut Exchange, content: Bytes) -> Reply {
        self.reply_watched(exchange, content, &|_| {}).await
    }

    async fn reply_watched(&self, exchange: &mut Exchange, content: Bytes, watch: Watch<'_>) -> Reply {
        let streams = exchange.operation().is_some_and(|operation| operation.integration.streams_response);
        if !streams {
            return Reply::Whole(self.complete_whole(exchange, content, watch).await);
        }
        let begun = match self.admit_content(exchange, content).await {
            Ok(content) => begin(exchange, content, watch).await,
            Err(failure) => Err(failure),
        };
        match begun {
            Ok((mut response, rest, deadline)) => {
                standard_headers::identify(&mut response.fields, &exchange.context);
                let response = self.answered(exchange, response);
                match rest {
                    Some(rest) => Reply::Streamed(response, rest, deadline),
                    None => Reply::Whole(response),
                }
            }
            Err(failure) => Reply::Whole(self.fail(exchange, failure)),
        }
    }

    /// From the whole content to the whole response, whether or not it is streamed.
    pub(super) async fn complete_watched(&self, exchange: &mut Exchange, content: Bytes, watch: Watch<'_>) -> Response {
        match self.reply_watched(exchange, content, watch).await {
            Reply::Whole(response) => response,
            Reply::Streamed(response, mut rest, _) => match collect(&mut rest).await {
                Ok(content) => self.answered(exchange, Response { content, ..response }),
                Err(failure) => self.fail(exchange, failure),
            },
        }
    }
}

async fn collect(rest: &mut Pieces) -> Result<Bytes, Failure> {
    let mut whole = BytesMut::new();
    while let Some(piece) = rest.next().await.map_err(|broken| broken_off(&broken.to_string()))? {
        if whole.len() + piece.len() > WHOLE {
            return Err(broken_off("the response is larger than is kept in memory"));
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole.freeze())
}

fn broken_off(detail: &str) -> Failure {
    Failure::internal(ResponseType::Default5xx, format!("Lambda execution failed: {detail}")).with_status(502)
}

/// Asks the endpoint, and waits until the client's response can begin.
async fn begin(exchange: &mut Exchange, content: Bytes, watch: Watch<'_>) -> Result<(Response, Option<Pieces>, Instant), Failure> {
    let asked = exchange.asked()?;
    let content = admitted_content(asked, content)?;
    let (request, _) = integration_request::build(asked, &content)?;
    watch(Seen::Request(&request));
    let deadline = Instant::now() + asked.operation.integration.timeout;
    let pass = circuit::enter(asked.release, asked.operation)?;
    trace::call_begins(asked, &request);
    let begun = asked.operation.backend.stream(request).await;
    trace::call_ends(asked);
    circuit::left(asked.release, asked.operation, pass, circuit::failed(begun.as_ref().map(|begun| &begun.response)));
    let Begun { response, rest, latency } = begun?;
    watch(Seen::Response(&response, latency));
    let status = response.status;
    let begun = match asked.operation.integration.integration_type {
        IntegrationType::AwsProxy => tokio::time::timeout_at(deadline, function(asked, response, rest)).await.unwrap_or_else(|_| {
            let detail = "Execution failed due to a timeout error: the function's response did not begin in time";
            Err(Failure::new(ResponseType::IntegrationTimeout, "Endpoint request timed out").with_detail(detail))
        }),
        _ => {
            let EndpointResponse { status, fields, content, .. } = response;
            Ok((Response { status, fields: integration_response::proxied_fields(fields), content }, rest))
        }
    };
    exchange.context.integration.status = Some(status);
    exchange.context.integration.integration_status = Some(status);
    exchange.context.integration.latency = latency;
    let (response, rest) = begun?;
    Ok((response, rest, deadline))
}

/// The client's response once the function has told its head.
async fn function(asked: Asked<'_>, response: EndpointResponse, rest: Option<Pieces>) -> Result<(Response, Option<Pieces>), Failure> {
    if let Some(message) = response.selector {
        return Err(broken_off(&format!("the function returned an error: {message}")));
    }
    let mut prelude = Prelude::default();
    let Some(mut rest) = rest else {
        let (head, content) = prelude.take(&response.content)?.ok_or_else(Prelude::missing)?;
        return Ok((lambda_proxy::streamed_response(asked, head, content), None));
    };
    loop {
        let piece = rest.next().await.map_err(|broken| broken_off(&broken.to_string()))?.ok_or_else(Prelude::missing)?;
        if let Some((head, content)) = prelude.take(&piece)? {
            rest.unread(content);
            return Ok((lambda_proxy::streamed_response(asked, head, Bytes::new()), Some(rest)));
        }
    }
}
