//! An API's gateway responses with inheritance settled: each type has its own entry, or its class's default, or none.

use std::sync::Arc;

use crate::apigateway::gateway_response::GatewayResponse;
use crate::exchange::ResponseType;

/// What each response type is answered with; nothing means API Gateway's own default.
#[derive(Debug, Default, Clone)]
pub struct GatewayResponses([Option<Arc<GatewayResponse>>; ResponseType::ALL.len()]);

impl GatewayResponses {
    /// Settles inheritance: a type that is set ignores its class's default altogether (recorded from the service).
    #[must_use]
    pub fn new(set: impl IntoIterator<Item = (ResponseType, GatewayResponse)>) -> Self {
        let mut responses = Self::default();
        for (response_type, response) in set {
            responses.put(response_type, &Arc::new(response));
        }
        for response_type in ResponseType::ALL {
            let class = if response_type.default_status() < 500 { ResponseType::Default4xx } else { ResponseType::Default5xx };
            // API Gateway does not let this one be customised.
            if response_type == ResponseType::RequestTooLarge || responses.get(response_type).is_some() {
                continue;
            }
            if let Some(inherited) = responses.get(class).cloned() {
                responses.put(response_type, &inherited);
            }
        }
        responses
    }

    /// What a type is answered with.
    #[must_use]
    pub fn get(&self, response_type: ResponseType) -> Option<&Arc<GatewayResponse>> {
        self.0.get(response_type as usize).and_then(Option::as_ref)
    }

    fn put(&mut self, response_type: ResponseType, response: &Arc<GatewayResponse>) {
        if let Some(place) = self.0.get_mut(response_type as usize) {
            *place = Some(Arc::clone(response));
        }
    }
}
