//! One key of a key set (RFC 7517), and what may be signed with it.

use std::sync::Arc;

use aws_lc_rs::signature::{self, ParsedPublicKey, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse};
use serde_json::Value;

/// Keys of one issuer that are read.
const KEYS: usize = 100;

/// A key for each algorithm that may be used with it, parsed once: that is a third of what verifying with it takes.
pub(super) struct Key {
    pub(super) id: Option<Box<str>>,
    verifiers: Vec<(Algorithm, ParsedPublicKey)>,
}

impl Key {
    /// Whether the key may sign with an algorithm.
    pub(super) fn signs_with(&self, algorithm: Algorithm) -> bool {
        self.verifiers.iter().any(|(known, _)| *known == algorithm)
    }

    /// Whether this is the key's signature of a message.
    pub(super) fn signed(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let verifier = self.verifiers.iter().find(|(known, _)| *known == algorithm);
        verifier.is_some_and(|(_, key)| key.verify_sig(message, signature).is_ok())
    }
}

/// Reads a key set. Keys that are for something else, or of a kind that proves nothing to others, are left out.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Arc<Key>>, String> {
    let document: Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let listed = document.get("keys").and_then(Value::as_array).ok_or("a key set has `keys`")?;
    let of_kind = |value: &Value| serde_json::from_value::<Jwk>(value.clone()).ok();
    let keys: Vec<_> = listed.iter().take(KEYS).filter_map(of_kind).filter_map(|jwk| key(&jwk)).map(Arc::new).collect();
    if keys.is_empty() { Err("none of the keys can verify a token".to_owned()) } else { Ok(keys) }
}

/// A key with the algorithms that its kind allows: the token does not choose.
fn key(jwk: &Jwk) -> Option<Key> {
    let common = &jwk.common;
    let verifies = common.key_operations.as_ref().is_none_or(|operations| operations.contains(&KeyOperations::Verify));
    if matches!(common.public_key_use, Some(PublicKeyUse::Encryption)) || !verifies {
        return None;
    }
    let named = match common.key_algorithm {
        None => None,
        Some(KeyAlgorithm::RS256) => Some(Algorithm::RS256),
        Some(KeyAlgorithm::RS384) => Some(Algorithm::RS384),
        Some(KeyAlgorithm::RS512) => Some(Algorithm::RS512),
        Some(KeyAlgorithm::PS256) => Some(Algorithm::PS256),
        Some(KeyAlgorithm::PS384) => Some(Algorithm::PS384),
        Some(KeyAlgorithm::PS512) => Some(Algorithm::PS512),
        Some(KeyAlgorithm::ES256) => Some(Algorithm::ES256),
        Some(KeyAlgorithm::ES384) => Some(Algorithm::ES384),
        Some(KeyAlgorithm::EdDSA) => Some(Algorithm::EdDSA),
        Some(_) => return None,
    };
    let mut verifiers = verifiers(&jwk.algorithm)?;
    verifiers.retain(|(algorithm, _)| named.is_none_or(|named| named == *algorithm));
    (!verifiers.is_empty()).then(|| Key { id: common.key_id.as_deref().map(Into::into), verifiers })
}

fn verifiers(parameters: &AlgorithmParameters) -> Option<Vec<(Algorithm, ParsedPublicKey)>> {
    let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text).ok();
    match parameters {
        AlgorithmParameters::RSA(rsa) => {
            let key = RsaPublicKeyComponents { n: bytes(&rsa.n)?, e: bytes(&rsa.e)? };
            let kinds = [
                (Algorithm::RS256, &signature::RSA_PKCS1_2048_8192_SHA256),
                (Algorithm::RS384, &signature::RSA_PKCS1_2048_8192_SHA384),
                (Algorithm::RS512, &signature::RSA_PKCS1_2048_8192_SHA512),
                (Algorithm::PS256, &signature::RSA_PSS_2048_8192_SHA256),
                (Algorithm::PS384, &signature::RSA_PSS_2048_8192_SHA384),
                (Algorithm::PS512, &signature::RSA_PSS_2048_8192_SHA512),
            ];
            kinds.into_iter().map(|(algorithm, kind)| Some((algorithm, key.to_parsed_public_key(kind).ok()?))).collect()
        }
        AlgorithmParameters::EllipticCurve(point) => {
            // Uncompressed (SEC 1, section 2.3.3); a point that is not on its curve is no key.
            let point_bytes = [vec![4], bytes(&point.x)?, bytes(&point.y)?].concat();
            let (algorithm, kind) = match point.curve {
                EllipticCurve::P256 => (Algorithm::ES256, &signature::ECDSA_P256_SHA256_FIXED),
                EllipticCurve::P384 => (Algorithm::ES384, &signature::ECDSA_P384_SHA384_FIXED),
                _ => return None,
            };
            Some(vec![(algorithm, ParsedPublicKey::new(kind, point_bytes).ok()?)])
        }
        AlgorithmParameters::OctetKeyPair(pair) => match pair.curve {
            EllipticCurve::Ed25519 => Some(vec![(Algorithm::EdDSA, ParsedPublicKey::new(&signature::ED25519, bytes(&pair.x)?).ok()?)]),
            _ => None,
        },
        AlgorithmParameters::OctetKey(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: &str = include_str!("../../tests/fixtures/issuer-jwks.json");

    fn ids(keys: Value) -> Vec<String> {
        let read = read(serde_json::json!({ "keys": keys }).to_string().as_bytes());
        read.map(|keys| keys.iter().filter_map(|key| key.id.as_deref().map(str::to_owned)).collect()).unwrap_or_default()
    }

    #[test]
    fn only_keys_that_prove_something_are_read() {
        let known: Value = serde_json::from_str(KEYS).unwrap();
        let with = |index: usize, changes: Value| {
            let mut key = known["keys"][index].clone();
            key.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
            key
        };
        assert_eq!(ids(known["keys"].clone()), ["rsa-1", "ec-1"]);
        for key in [
            serde_json::json!({"kty": "oct", "kid": "h", "k": "c2VjcmV0"}),
            serde_json::json!({"kty": "new kind"}),
            with(0, serde_json::json!({"use": "enc"})),
            with(0, serde_json::json!({"key_ops": ["wrapKey"]})),
            with(0, serde_json::json!({"alg": "RSA-OAEP"})),
            with(0, serde_json::json!({"alg": "ES256"})),
            with(0, serde_json::json!({"n": "not base64!"})),
            with(1, serde_json::json!({"alg": "RS256"})),
            with(1, serde_json::json!({"x": known["keys"][1]["y"]})),
            with(1, serde_json::json!({"crv": "P-521"})),
        ] {
            assert_eq!(ids(serde_json::json!([key.clone()])), Vec::<String>::new(), "{key}");
        }
        assert!(read(b"{}").is_err() && read(b"x").is_err() && read(br#"{"keys": []}"#).is_err());
        let keys = read(KEYS.as_bytes()).unwrap();
        assert!(keys[0].signs_with(Algorithm::RS256) && !keys[0].signs_with(Algorithm::PS256) && !keys[0].signs_with(Algorithm::HS256));
        assert!(!keys[0].signed(Algorithm::RS256, b"x", &[0; 256]));
    }
}
