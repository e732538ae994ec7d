//! Mapping templates: which one is used, what it reads, what it leaves behind.

mod paths;
mod scope;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use indexmap::IndexMap;

use crate::exchange::{Context, Failure, MethodRequest, Overrides, ResponseType};
use crate::vtl::{Clock, Error, Evaluated, Limits, Text, Texts, Trace, Value};

pub(super) use paths::Paths;

/// A mapping template with all that can be known of it before any request.
#[derive(Debug)]
pub struct Template {
    parsed: crate::vtl::Template,
    paths: Paths,
    /// What it gives whatever it reads: a template of nothing but text.
    constant: Option<Bytes>,
}

impl Template {
    /// Parses a template, and the JSONPaths that stand in it.
    ///
    /// # Errors
    /// When it is not well formed.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let parsed = crate::vtl::Template::parse(text)?;
        let paths = Paths::of(&parsed);
        let constant = parsed.constant().map(Bytes::from);
        Ok(Self { parsed, paths, constant })
    }

    /// The template as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        self.parsed.text()
    }

    /// What parses but is probably not meant, each with its place.
    #[must_use]
    pub fn lint(&self) -> Vec<Error> {
        self.parsed.lint()
    }

    /// The template's text, in bytes.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.parsed.size()
    }
}

/// A template that releases share.
type Parsed = std::sync::Arc<Template>;

/// `passthroughBehavior`: what happens to content that no template is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "API Gateway's own names")]
pub enum PassthroughBehavior {
    #[default]
    WhenNoMatch,
    WhenNoTemplates,
    Never,
}

/// A kind of request parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `path`.
    Path,
    /// `querystring`.
    QueryString,
    /// `header`.
    Header,
}

impl Kind {
    /// All kinds, in the order in which a parameter is looked for.
    pub const ALL: [Self; 3] = [Self::Path, Self::QueryString, Self::Header];

    /// Its name in `$input.params()`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::QueryString => "querystring",
            Self::Header => "header",
        }
    }
}

/// Where `$input.params()` and `$context` come from.
pub trait Source<'r> {
    /// Tells the parameters of a kind in order, repeats included.
    fn parameters(&self, kind: Kind, each: &mut dyn FnMut(&'r str, Text<'r>));
    /// A member of `$context`; nothing where there is none.
    fn context(&self, name: &str) -> Option<Value<'r>>;
    /// The names of all members of `$context`.
    fn context_names(&self) -> Vec<&'r str>;
}

/// What a template reads.
#[derive(Debug, Clone, Copy)]
pub struct Input<'r> {
    /// The payload as text.
    pub body: &'r str,
    /// The client's request.
    pub request: &'r MethodRequest,
    /// The stage's variables.
    pub stage_variables: &'r IndexMap<String, String>,
    /// `$context`.
    pub context: &'r Context,
    /// What an earlier template overrode.
    pub overrides: &'r Overrides,
}

impl<'r> Source<'r> for Input<'r> {
    fn parameters(&self, kind: Kind, each: &mut dyn FnMut(&'r str, Text<'r>)) {
        match kind {
            Kind::Path => self.request.path_parameters.iter().for_each(|(name, value)| each(name, value.into())),
            Kind::QueryString => self.request.query().iter().for_each(|(name, value)| each(name, value.into())),
            Kind::Header => self.request.request.fields.iter().for_each(|field| each(field.name.as_str(), field.text().into())),
        }
    }

    fn context(&self, name: &str) -> Option<Value<'r>> {
        super::variables::member(self.context, name)
    }

    fn context_names(&self) -> Vec<&'r str> {
        super::variables::names(self.context)
    }
}

/// The request template for a media type with the key that it stands under; nothing: the content passes through.
///
/// # Errors
/// 415 where the passthrough behaviour forbids that.
pub fn for_request<'t>(
    templates: &'t [(Box<str>, Parsed)],
    media_type: &str,
    behavior: PassthroughBehavior,
) -> Result<Option<&'t (Box<str>, Parsed)>, Failure> {
    if let Some(template) = find(templates, media_type) {
        return Ok(Some(template));
    }
    match behavior {
        PassthroughBehavior::WhenNoMatch => Ok(None),
        PassthroughBehavior::WhenNoTemplates if templates.is_empty() => Ok(None),
        _ => Err(Failure::new(ResponseType::UnsupportedMediaType, "Unsupported Media Type")),
    }
}

/// The response template for what the client accepts, or else the first; nothing: the content is left as it is.
#[must_use]
pub fn for_response<'t>(templates: &'t [(Box<str>, Parsed)], accepted: &str) -> Option<&'t (Box<str>, Parsed)> {
    find(templates, accepted).or_else(|| templates.first())
}

fn find<'t>(templates: &'t [(Box<str>, Parsed)], media_type: &str) -> Option<&'t (Box<str>, Parsed)> {
    let named = |name: &str| templates.iter().find(|(known, _)| **known == *name);
    named(media_type).or_else(|| named("$default"))
}

/// Renders a template, and says what it left in the override maps if it touched them.
///
/// # Errors
/// API Gateway's 500, with the method, the template, the line and the reason for the log.
pub fn render(
    (name, template): (&str, &Template),
    input: &Input<'_>,
    limits: &Limits,
    clock: Clock<'_>,
) -> Result<(Bytes, Option<Overrides>), Failure> {
    if let Some(constant) = template.constant.as_ref().filter(|constant| constant.len() <= limits.output) {
        return Ok((constant.clone(), None));
    }
    let (input, evaluated, texts) = (*input, Evaluated::default(), Texts::default());
    let work = Work {
        body: input.body,
        source: &input,
        stage_variables: input.stage_variables,
        overrides: input.overrides,
        evaluated: &evaluated,
        texts: &texts,
    };
    let rendered = work.render(template, limits, clock, None).map(|(text, overrides)| (Bytes::from(text), overrides));
    rendered.map_err(|error| {
        let path = input.context.resource.as_deref().map_or("", |resource| &resource.path);
        let method = &input.context.http_method;
        Failure::configuration(format!(
            "Execution failed due to configuration error: {method} {path}: the mapping template `{name}` failed: {error}"
        ))
    })
}

/// One rendering, whatever its values come from.
#[derive(Clone, Copy)]
pub struct Work<'r> {
    /// The payload as text.
    pub body: &'r str,
    /// Parameters and context.
    pub source: &'r dyn Source<'r>,
    /// The stage's variables.
    pub stage_variables: &'r IndexMap<String, String>,
    /// What an earlier template overrode.
    pub overrides: &'r Overrides,
    /// Where `#evaluate` keeps what it parses.
    pub evaluated: &'r Evaluated,
    /// Where the payload keeps texts that are made for it.
    pub texts: &'r Texts,
}

impl<'r> Work<'r> {
    /// Renders a template, telling each step to who listens, and says what it left in the override maps if it touched them.
    ///
    /// # Errors
    /// When a call throws or a limit is reached.
    pub fn render(
        &self,
        template: &'r Template,
        limits: &Limits,
        clock: Clock<'_>,
        trace: Option<&mut (dyn Trace + '_)>,
    ) -> Result<(String, Option<Overrides>), Error> {
        let scope = scope::Scope::new(self, &template.paths);
        let text = template.parsed.render_traced(&scope, self.evaluated, limits, clock, trace)?;
        Ok((text, scope.left()))
    }
}
