//! Signature Version 4 over a request that is complete.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode, sign as sigv4,
};
use aws_sigv4::sign::v4;

use super::Scope;
use crate::exchange::{EndpointRequest, FieldName, Scheme};

/// Adds `X-Amz-Date`, `X-Amz-Security-Token` where the credentials are temporary, and `Authorization`.
///
/// Only `Host`, `Content-Type` and `X-Amz-…` are signed: proxies on the way may change the others.
pub(super) fn sign(request: &mut EndpointRequest, scope: &Scope, credentials: &Credentials, now: SystemTime) -> Result<(), String> {
    for name in ["authorization", "x-amz-date", "x-amz-security-token"] {
        request.fields.remove(name);
    }
    let identity = credentials.clone().into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(&scope.region)
        .name(&scope.service)
        .time(now)
        .settings(settings(&scope.service))
        .build()
        .map_err(|error| error.to_string())?
        .into();
    let scheme = if request.endpoint.scheme == Scheme::Https { "https" } else { "http" };
    let path = if request.path_and_query.starts_with('/') { "" } else { "/" };
    let uri = format!("{scheme}://{}{path}{}", request.endpoint.authority(), request.path_and_query);
    let is_signed = |name: &str| {
        name.eq_ignore_ascii_case("content-type")
            || name.eq_ignore_ascii_case("host")
            || name.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("x-amz-"))
    };
    let fields = request.fields.iter().filter(|field| is_signed(field.name.as_str()));
    let headers = fields.filter_map(|field| Some((field.name.as_str(), field.value.to_str().ok()?)));
    let signable = SignableRequest::new(request.http_method.as_str(), uri, headers, SignableBody::Bytes(&request.content))
        .map_err(|error| error.to_string())?;
    let (instructions, _) = sigv4(signable, &params).map_err(|error| error.to_string())?.into_parts();
    for (name, value) in instructions.headers() {
        if let Some(name) = FieldName::parse(name.as_bytes()) {
            request.fields.append_text(name, value);
        }
    }
    Ok(())
}

/// Every service but S3 has its path encoded once more than it is sent.
fn settings(service: &str) -> SigningSettings {
    let mut settings = SigningSettings::default();
    if service == "s3" {
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    settings
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use bytes::Bytes;
    use http::Method;

    use super::*;
    use crate::exchange::{Endpoint, Fields};

    /// The example `get-vanilla` of AWS's own test suite for Signature Version 4.
    #[test]
    fn signs_as_the_published_suite_does() {
        let endpoint = Endpoint {
            scheme: Scheme::Https,
            host: "example.amazonaws.com".into(),
            port: 443,
            vpc_link: None,
            insecure_skip_verification: false,
            allow_link_local: false,
        };
        let mut fields = Fields::default();
        fields.append_text(FieldName::from_static("Host"), "example.amazonaws.com");
        fields.append_text(FieldName::from_static("User-Agent"), "not signed");
        fields.append_text(FieldName::from_static("Authorization"), "a client's own, which must not stay");
        let mut request = EndpointRequest {
            endpoint: Arc::new(endpoint),
            http_method: Method::GET,
            path_and_query: "/".to_owned(),
            fields,
            content: Bytes::new(),
            timeout: Duration::from_secs(1),
        };
        let credentials = Credentials::new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", None, None, "test");
        let scope = Scope { service: "service".into(), region: "us-east-1".into() };
        sign(&mut request, &scope, &credentials, SystemTime::UNIX_EPOCH + Duration::from_secs(1_440_938_160)).unwrap();
        assert_eq!(
            request.fields.text("authorization").unwrap(),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, \
             Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
        );
        assert_eq!(request.fields.all("authorization").count(), 1);
    }
}
