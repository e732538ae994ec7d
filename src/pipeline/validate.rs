//! The request validator: parameters before the content is read, the content once it is there.

use crate::apigateway::api::ParameterLocation;
use crate::exchange::{Failure, MethodRequest, ResponseType};
use crate::snapshot::Operation;

/// Required parameters are there and not blank. All that are missing are listed; a header's name matches in any case, since HTTP/2
/// writes names in lower case.
pub(super) fn parameters(operation: &Operation, request: &MethodRequest) -> Result<(), Failure> {
    let missing: Vec<&str> = operation
        .required_parameters
        .iter()
        .filter(|parameter| {
            let value = match parameter.location {
                ParameterLocation::Header => request.request.fields.text(&parameter.name),
                ParameterLocation::Path => request.path_parameters.get(&parameter.name),
                ParameterLocation::QueryString => request.query().last(&parameter.name),
            };
            value.is_none_or(|value| value.trim().is_empty())
        })
        .map(|parameter| &*parameter.name)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let message = format!("Missing required request parameters: [{}]", missing.join(", "));
    Err(Failure { validation_errors: Some(message.clone()), ..Failure::new(ResponseType::BadRequestParameters, message) })
}

/// The content fits the model for its media type, or the one under `$default`; without either it is not checked.
pub(super) fn content(operation: &Operation, request: &MethodRequest, content: &[u8]) -> Result<(), Failure> {
    if operation.body_validators.is_empty() {
        return Ok(());
    }
    let media_type = request.media_type();
    let named = |name: &str| operation.body_validators.iter().find(|(known, _)| **known == *name).map(|(_, validator)| validator);
    let Some(validator) = named(&media_type).or_else(|| named("$default")) else { return Ok(()) };
    validator.validate(content).map_err(|messages| {
        let detail = format!("Request body does not match model schema for content type {media_type}: {messages}");
        Failure {
            validation_errors: Some(messages),
            ..Failure::new(ResponseType::BadRequestBody, "Invalid request body").with_detail(detail)
        }
    })
}
