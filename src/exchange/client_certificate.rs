//! What a client proved of itself by mutual TLS.

use serde_json::{Value, json};

/// A client's certificate, verified; under the names of `$context.identity.clientCert`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The custom domain whose truststore it was verified with; nothing: the listener's own.
    pub domain_name: Option<Box<str>>,
    /// `clientCertPem`.
    pub pem: Box<str>,
    /// `subjectDN`, such as `C=US,O=Example,CN=client`.
    pub subject_dn: Box<str>,
    /// `issuerDN`.
    pub issuer_dn: Box<str>,
    /// `serialNumber`: bytes in hexadecimal, between colons.
    pub serial_number: Box<str>,
    /// `validity.notBefore`, such as `Aug  5 09:36:04 2021 GMT`.
    pub not_before: Box<str>,
    /// `validity.notAfter`.
    pub not_after: Box<str>,
}

impl ClientCertificate {
    /// `$context.identity.clientCert`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "clientCertPem": self.pem,
            "subjectDN": self.subject_dn,
            "issuerDN": self.issuer_dn,
            "serialNumber": self.serial_number,
            "validity": { "notBefore": self.not_before, "notAfter": self.not_after },
        })
    }
}
