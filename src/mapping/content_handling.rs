//! Text or binary: `binaryMediaTypes` and `contentHandling`, by the tables recorded from the service.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use crate::exchange::Failure;

/// `contentHandling`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "API Gateway's own names")]
pub enum ContentHandling {
    ConvertToBinary,
    ConvertToText,
}

/// The media types whose content is binary.
#[derive(Debug, Clone, Default)]
pub struct BinaryMediaTypes(Vec<Box<str>>);

impl BinaryMediaTypes {
    /// The list as the definition writes it.
    #[must_use]
    pub fn new(media_types: &[String]) -> Self {
        Self(media_types.iter().map(|name| name.to_ascii_lowercase().into()).collect())
    }

    /// Whether a media type is among them: exactly, by `type/*`, or by `*/*`. A pattern such as `*/png` matches nothing (recorded).
    #[must_use]
    pub fn contains(&self, media_type: &str) -> bool {
        let Some((kind, _)) = media_type.split_once('/') else { return false };
        self.0.iter().any(|pattern| match pattern.split_once('/') {
            Some(("*", "*")) => true,
            Some(("*", _)) | None => false,
            Some((wanted, "*")) => wanted == kind,
            Some(_) => **pattern == *media_type,
        })
    }

    /// Whether none are listed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Content on its way through the mappings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Text, which templates can read.
    Text(String),
    /// Bytes, which they cannot, unless they happen to be text that nothing converted.
    Binary {
        /// The bytes.
        bytes: Bytes,
        /// Whether they came out of a conversion, after which no template may run.
        converted: bool,
    },
}

impl Content {
    /// What a template sees.
    ///
    /// # Errors
    /// When it is no text.
    pub fn as_template_input(&self) -> Result<&str, Failure> {
        match self {
            Self::Text(text) => Ok(text),
            Self::Binary { bytes, converted: false } => {
                std::str::from_utf8(bytes).map_err(|_| Failure::configuration("a template cannot read binary content"))
            }
            Self::Binary { converted: true, .. } => {
                Err(Failure::configuration("a template cannot read content that was converted to binary"))
            }
        }
    }

    /// What is sent.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        match self {
            Self::Text(text) => text.into(),
            Self::Binary { bytes, .. } => bytes,
        }
    }
}

/// The request's content as the integration gets it.
///
/// # Errors
/// When content that is to become binary is no base64.
pub fn request(content: &Bytes, media_type: &str, types: &BinaryMediaTypes, handling: Option<ContentHandling>) -> Result<Content, Failure> {
    match (types.contains(media_type), handling) {
        (false, Some(ContentHandling::ConvertToBinary)) => decoded(content),
        (true, Some(ContentHandling::ConvertToText)) => Ok(Content::Text(STANDARD.encode(content))),
        (true, _) => Ok(Content::Binary { bytes: content.clone(), converted: handling.is_some() }),
        (false, _) => Ok(text(content)),
    }
}

/// The response's content as the client gets it: its own media type says what it is, the client's first `Accept` what it should be.
///
/// # Errors
/// When content that is to become binary is no base64.
pub fn response(
    content: &Bytes,
    media_type: &str,
    accepted: &str,
    types: &BinaryMediaTypes,
    handling: Option<ContentHandling>,
) -> Result<Content, Failure> {
    if types.is_empty() {
        return if handling == Some(ContentHandling::ConvertToBinary) { decoded(content) } else { Ok(text(content)) };
    }
    match (types.contains(media_type), types.contains(accepted), handling) {
        (false, _, Some(ContentHandling::ConvertToBinary)) | (false, true, None) => decoded(content),
        (false, ..) => Ok(text(content)),
        (true, _, Some(ContentHandling::ConvertToText)) | (true, false, None) => Ok(Content::Text(STANDARD.encode(content))),
        (true, ..) => Ok(Content::Binary { bytes: content.clone(), converted: handling.is_some() }),
    }
}

fn text(content: &Bytes) -> Content {
    Content::Text(String::from_utf8_lossy(content).into_owned())
}

fn decoded(content: &Bytes) -> Result<Content, Failure> {
    let bytes =
        STANDARD.decode(content.trim_ascii()).map_err(|_| Failure::configuration("content to be converted to binary is no base64"))?;
    Ok(Content::Binary { bytes: bytes.into(), converted: true })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_as_recorded() {
        let types = |list: &[&str]| BinaryMediaTypes::new(&list.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert!(types(&["image/png"]).contains("image/png"));
        assert!(!types(&["image/png"]).contains("image/*"));
        assert!(types(&["application/*"]).contains("application/test"));
        assert!(!types(&["application/*"]).contains("application"));
        assert!(!types(&["*/test"]).contains("random/test"));
        assert!(types(&["*/*"]).contains("a/b"));
    }

    #[test]
    fn conversion_follows_the_tables() {
        let types = BinaryMediaTypes::new(&["image/png".to_owned()]);
        let bytes = Bytes::from_static(b"\xff\x00");
        let encoded = Bytes::from(STANDARD.encode(&bytes));
        let raw = |bytes: &Bytes, converted| Content::Binary { bytes: bytes.clone(), converted };
        use ContentHandling::{ConvertToBinary, ConvertToText};
        assert_eq!(request(&bytes, "image/png", &types, None).unwrap(), raw(&bytes, false));
        assert_eq!(request(&bytes, "image/png", &types, Some(ConvertToText)).unwrap(), Content::Text("/wA=".into()));
        assert_eq!(request(&encoded, "text/plain", &types, Some(ConvertToBinary)).unwrap(), raw(&bytes, true));
        assert!(request(&bytes, "text/plain", &types, Some(ConvertToBinary)).is_err());
        assert_eq!(response(&encoded, "text/plain", "image/png", &types, None).unwrap(), raw(&bytes, true));
        assert_eq!(response(&bytes, "image/png", "text/plain", &types, None).unwrap(), Content::Text("/wA=".into()));
        assert_eq!(response(&bytes, "image/png", "image/png", &types, None).unwrap(), raw(&bytes, false));
        assert_eq!(
            response(&bytes, "image/png", "image/png", &BinaryMediaTypes::default(), None).unwrap(),
            Content::Text("\u{fffd}\0".into())
        );
    }
}
