//! Active health checks of VPC links' targets.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method};

use super::client::Client;
use super::origins::Target;
use crate::exchange::{Endpoint, EndpointRequest, FieldName, Fields, Scheme};

/// A check that takes longer has failed.
const CHECK_TIMEOUT: Duration = Duration::from_secs(5);

impl Client {
    /// Asks every target of every group that wants it, each group at its own interval, until the process ends.
    pub async fn check_health(self: Arc<Self>) {
        let mut second = 0_u64;
        loop {
            let mut due = HashMap::new();
            for link in self.origins().links() {
                if let Some(check) = link.health_check.as_ref().filter(|check| second.is_multiple_of(check.interval_seconds.max(1))) {
                    due.insert(Arc::as_ptr(&link) as usize, (Arc::clone(&link), check.path.clone()));
                }
            }
            for (link, path) in due.into_values() {
                let client = Arc::clone(&self);
                tokio::spawn(async move {
                    for target in &link.targets {
                        let healthy = client.is_healthy(target, &path).await;
                        if target.healthy.swap(healthy, Ordering::Relaxed) != healthy {
                            tracing::warn!(target = target.address, healthy, "a VPC link's target changed its health");
                        }
                    }
                });
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
            second += 1;
        }
    }

    async fn is_healthy(&self, target: &Target, path: &str) -> bool {
        let Some((host, port)) = target.address.rsplit_once(':') else { return false };
        let endpoint = Endpoint {
            scheme: Scheme::Http,
            host: host.trim_matches(['[', ']']).into(),
            port: port.parse().unwrap_or(0),
            vpc_link: None,
            insecure_skip_verification: false,
            allow_link_local: false,
        };
        let mut fields = Fields::default();
        fields.append(
            FieldName::from_static("Host"),
            HeaderValue::from_str(&endpoint.authority()).unwrap_or(HeaderValue::from_static("localhost")),
        );
        let request = EndpointRequest {
            endpoint: Arc::new(endpoint),
            http_method: Method::GET,
            path_and_query: path.to_owned(),
            fields,
            content: Bytes::new(),
            timeout: CHECK_TIMEOUT,
        };
        self.call(&request).await.is_ok_and(|(response, _)| (200..400).contains(&response.status))
    }
}
