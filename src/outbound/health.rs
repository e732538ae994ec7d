//! What goes on beside the requests: health checks of VPC links' targets, and names that are looked up anew.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method};
use tokio::time::Instant;

use super::client::Client;
use super::link::{Link, Target};
use crate::exchange::{Endpoint, EndpointRequest, FieldName, Fields, HealthCheck, Scheme};

/// How often idle connections are looked at, in seconds.
const SWEEP: u64 = 5;
/// A check that takes longer has failed.
const CHECK_TIMEOUT: Duration = Duration::from_secs(5);

impl Client {
    /// Once a second: asks the targets of groups whose turn it is, and the name server for names that are in use, and closes idle connections that
    /// are of no use; until the process ends.
    pub async fn check_health(self: Arc<Self>) {
        let mut second = 0_u64;
        loop {
            self.origins().refresh(Instant::now());
            if second.is_multiple_of(SWEEP) {
                self.sweep();
            }
            for link in self.origins().links() {
                let due = |check: &&HealthCheck| second.is_multiple_of(check.interval_seconds.max(1));
                for index in link.health_check.as_ref().filter(due).map_or(0..0, |_| 0..link.targets.len()) {
                    tokio::spawn(Arc::clone(&self).check(Arc::clone(&link), index));
                }
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
            second += 1;
        }
    }

    /// One target's check, over before its next one begins.
    async fn check(self: Arc<Self>, link: Arc<Link>, index: usize) {
        let Some((check, target)) = link.health_check.as_ref().zip(link.targets.get(index)) else { return };
        let time = CHECK_TIMEOUT.min(Duration::from_secs(check.interval_seconds.max(1)));
        let (healthy, reason) = self.is_healthy(target, &check.path, time).await;
        if target.healthy.swap(healthy, Ordering::Relaxed) != healthy {
            tracing::warn!(vpc_link = &*link.id, target = target.address, healthy, "a health check says otherwise than the last: {reason}");
        }
    }

    async fn is_healthy(&self, target: &Target, path: &str, time: Duration) -> (bool, String) {
        let endpoint = Endpoint {
            scheme: Scheme::Http,
            host: target.host.clone(),
            port: target.port,
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
            timeout: time,
        };
        match self.call(&request).await {
            Ok((response, _)) => ((200..400).contains(&response.status), format!("status {}", response.status)),
            Err(error) => (false, error.to_string()),
        }
    }
}
