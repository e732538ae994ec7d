//! What an API answers where API Gateway would answer for it.

use crate::exchange::FieldName;
use crate::mapping::expression::Expression;
use crate::mapping::substitution::Substitution;

/// `x-amazon-apigateway-gateway-responses`, one entry.
#[derive(Debug, Clone, Default)]
pub struct GatewayResponse {
    /// Instead of the type's own status.
    pub status_code: Option<u16>,
    /// Header fields.
    pub response_parameters: Vec<(FieldName, Expression)>,
    /// Templates by media type, in order.
    pub response_templates: Vec<(Box<str>, Substitution)>,
}
