//! From a resource path and an HTTP method to what serves them.
//!
//! A static segment beats `{name}`, `{name}` beats `{name+}`, segment by segment from the root; where the more special
//! resource lacks the method, the wider one is tried (recorded from the service: `POST /test` beside `OPTIONS /{proxy+}`).
//! One reading of a path decides all: matching sees decoded segments, parameters keep what was sent.

use std::borrow::Cow;
use std::sync::Arc;

use foldhash::HashMap;
use http::Method;
use percent_encoding::percent_decode_str;

use crate::exchange::PathParameters;

/// The methods that a resource may have, in the order of their slots; the eighth slot is ANY's.
const METHODS: [Method; 7] = [Method::GET, Method::PUT, Method::POST, Method::DELETE, Method::PATCH, Method::OPTIONS, Method::HEAD];

/// A tree of resources; `T` is what serves a method.
#[derive(Debug)]
pub struct Routes<T> {
    root: Node<T>,
}

#[derive(Debug)]
struct Node<T> {
    children: HashMap<Box<str>, Self>,
    variable: Option<(Arc<str>, Box<Self>)>,
    greedy: Option<(Arc<str>, Box<Self>)>,
    methods: [Option<T>; 8],
}

impl<T> Default for Node<T> {
    fn default() -> Self {
        Self { children: HashMap::default(), variable: None, greedy: None, methods: Default::default() }
    }
}

/// What a request found.
#[derive(Debug)]
pub struct Match<'r, T> {
    /// What serves it.
    pub operation: &'r T,
    /// What its variables stand for, still encoded.
    pub parameters: PathParameters,
}

/// A resource that the tree cannot hold beside those that it has.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// Two variables at one place, or a greedy one beside another.
    #[error("a sibling ({{{0}}}) of this resource already has a variable path part, and only one is allowed")]
    Sibling(Arc<str>),
    /// Something below `{name+}`.
    #[error("a resource with a greedy path variable ({{{0}+}}) cannot have children")]
    GreedyChild(Arc<str>),
    /// The same resource and method twice.
    #[error("this resource has the method already")]
    Duplicate,
}

impl<T> Default for Routes<T> {
    fn default() -> Self {
        Self { root: Node::default() }
    }
}

impl<T> Routes<T> {
    /// Adds a method, `None` being ANY, to the resource at `path`, such as `/pets/{petId}`.
    ///
    /// # Errors
    /// When the resource does not go with those that are there.
    pub fn insert(&mut self, path: &str, http_method: Option<&Method>, operation: T) -> Result<(), RouteError> {
        let mut node = &mut self.root;
        let mut below_greedy: Option<Arc<str>> = None;
        for segment in path.split('/').filter(|segment| !segment.is_empty()) {
            if let Some(name) = below_greedy {
                return Err(RouteError::GreedyChild(name));
            }
            below_greedy = greedy_name(segment).map(Arc::from);
            node = node.child(segment)?;
        }
        let place = http_method.map_or(Some(ANY), slot).and_then(|slot| node.methods.get_mut(slot)).ok_or(RouteError::Duplicate)?;
        if place.is_some() {
            return Err(RouteError::Duplicate);
        }
        *place = Some(operation);
        Ok(())
    }

    /// The most special resource that matches `path` and has the method or ANY.
    #[must_use]
    pub fn find(&self, http_method: &Method, path: &str) -> Option<Match<'_, T>> {
        let slot = slot(http_method)?;
        let mut parameters = Vec::new();
        let operation = self.root.find(slot, segments(path), &mut parameters)?;
        let parameters = parameters.into_iter().map(|(name, value)| (Arc::clone(name), value.into())).collect();
        Some(Match { operation, parameters: PathParameters(parameters) })
    }
}

const ANY: usize = 7;

fn slot(http_method: &Method) -> Option<usize> {
    METHODS.iter().position(|method| method == http_method)
}

fn greedy_name(segment: &str) -> Option<&str> {
    segment.strip_prefix('{')?.strip_suffix("+}")
}

fn variable_name(segment: &str) -> Option<&str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}

/// What is left to match: leading slashes collapse and one trailing slash does not count. Nothing is left at the end.
fn segments(path: &str) -> Option<&str> {
    let path = path.trim_start_matches('/');
    Some(path.strip_suffix('/').unwrap_or(path)).filter(|path| !path.is_empty())
}

impl<T> Node<T> {
    fn child(&mut self, segment: &str) -> Result<&mut Self, RouteError> {
        if let Some(name) = greedy_name(segment) {
            if let Some((other, _)) = &self.variable {
                return Err(RouteError::Sibling(Arc::clone(other)));
            }
            return named(&mut self.greedy, name);
        }
        if let Some(name) = variable_name(segment) {
            if let Some((other, _)) = &self.greedy {
                return Err(RouteError::Sibling(Arc::clone(other)));
            }
            return named(&mut self.variable, name);
        }
        Ok(self.children.entry(segment.into()).or_default())
    }

    /// Depth is bounded by the tree's: a path longer than any resource ends at a greedy variable or nowhere.
    fn find<'r, 'p>(&'r self, slot: usize, rest: Option<&'p str>, parameters: &mut Vec<(&'r Arc<str>, &'p str)>) -> Option<&'r T> {
        let Some(rest) = rest else {
            return self.methods.get(slot).and_then(Option::as_ref).or_else(|| self.methods.get(ANY).and_then(Option::as_ref));
        };
        let (segment, tail) = rest.split_once('/').map_or((rest, None), |(segment, tail)| (segment, Some(tail)));
        if let Some(found) = self.children.get(&*decoded(segment)).and_then(|child| child.find(slot, tail, parameters)) {
            return Some(found);
        }
        if let Some((name, child)) = self.variable.as_ref().filter(|_| !segment.is_empty()) {
            let before = parameters.len();
            parameters.push((name, segment));
            if let Some(found) = child.find(slot, tail, parameters) {
                return Some(found);
            }
            parameters.truncate(before);
        }
        let (name, child) = self.greedy.as_ref().filter(|_| !segment.is_empty())?;
        let found = child.find(slot, None, parameters)?;
        parameters.push((name, rest));
        Some(found)
    }
}

fn named<'n, T>(place: &'n mut Option<(Arc<str>, Box<Node<T>>)>, name: &str) -> Result<&'n mut Node<T>, RouteError> {
    let (known, node) = place.get_or_insert_with(|| (name.into(), Box::default()));
    if &**known == name { Ok(node) } else { Err(RouteError::Sibling(Arc::clone(known))) }
}

fn decoded(segment: &str) -> Cow<'_, str> {
    if segment.contains('%') { percent_decode_str(segment).decode_utf8_lossy() } else { Cow::Borrowed(segment) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn routes(resources: &[(&str, &str)]) -> Routes<String> {
        let mut routes = Routes::default();
        for (method, path) in resources {
            let http_method = (*method != "ANY").then(|| method.parse::<Method>().unwrap());
            routes.insert(path, http_method.as_ref(), format!("{method} {path}")).unwrap();
        }
        routes
    }

    fn find(resources: &[(&str, &str)], method: &str, path: &str) -> Option<String> {
        routes(resources).find(&method.parse().unwrap(), path).map(|found| found.operation.clone())
    }

    #[test]
    fn falls_back_to_the_wider_resource() {
        let resources = [("GET", "/part1"), ("GET", "/part1/hardcoded-value"), ("GET", "/{param+}")];
        assert_eq!(find(&resources, "GET", "/part1/random-value").unwrap(), "GET /{param+}");
        let resources = [("POST", "/test"), ("OPTIONS", "/{proxy+}"), ("ANY", "/test/any")];
        assert_eq!(find(&resources, "OPTIONS", "/test").unwrap(), "OPTIONS /{proxy+}");
        assert_eq!(find(&resources, "OPTIONS", "/test/any").unwrap(), "ANY /test/any");
        assert_eq!(find(&resources, "GET", "/test"), None);
    }

    #[test]
    fn an_explicit_method_beats_any() {
        assert_eq!(find(&[("ANY", "/a"), ("GET", "/a")], "GET", "/a").unwrap(), "GET /a");
        assert_eq!(find(&[("ANY", "/a"), ("GET", "/a")], "HEAD", "/a").unwrap(), "ANY /a");
        assert_eq!(find(&[("ANY", "/a")], "TRACE", "/a"), None);
    }

    #[test]
    fn slashes_are_read_as_recorded() {
        let routes = routes(&[("GET", "/{proxy+}"), ("GET", "/hardcoded")]);
        let proxy = |path: &str| routes.find(&Method::GET, path).map(|found| found.parameters.get("proxy").map(str::to_owned));
        assert_eq!(proxy("/proxy-value/"), Some(Some("proxy-value".into())));
        assert_eq!(proxy("/proxy-value//double-slash"), Some(Some("proxy-value//double-slash".into())));
        assert_eq!(proxy("//hardcoded"), Some(None));
        assert_eq!(proxy("/"), None);
        assert_eq!(find(&[("GET", "/test/{proxy+}")], "GET", "/test/"), None);
    }

    #[test]
    fn parameters_stay_encoded_and_static_segments_do_not_care() {
        let routes = routes(&[("GET", "/a/{b}")]);
        let found = routes.find(&Method::GET, "/%61/foo%2Fbar").unwrap();
        assert_eq!(found.parameters.get("b"), Some("foo%2Fbar"));
    }

    #[test]
    fn refuses_what_cannot_stand_together() {
        let mut routes = routes(&[("GET", "/a/{b}"), ("GET", "/g/{p+}")]);
        assert_eq!(routes.insert("/a/{c}", None, String::new()), Err(RouteError::Sibling("b".into())));
        assert_eq!(routes.insert("/a/{c+}", None, String::new()), Err(RouteError::Sibling("b".into())));
        assert_eq!(routes.insert("/g/{p+}/x", None, String::new()), Err(RouteError::GreedyChild("p".into())));
        assert_eq!(routes.insert("/a/{b}", Some(&Method::GET), String::new()), Err(RouteError::Duplicate));
    }

    /// Ranks every resource by its segments, static before variable before greedy, and takes the first that fits.
    fn naive(resources: &[(String, Option<Method>)], method: &Method, path: &str) -> Option<usize> {
        let path = path.trim_start_matches('/');
        let path = path.strip_suffix('/').unwrap_or(path);
        let parts: Vec<&str> = if path.is_empty() { vec![] } else { path.split('/').collect() };
        let rank = |template: &str| -> Option<Vec<u8>> {
            let mut ranks = vec![];
            let wanted: Vec<&str> = template.split('/').filter(|part| !part.is_empty()).collect();
            for (index, part) in wanted.iter().enumerate() {
                let here = parts.get(index)?;
                if part.ends_with("+}") {
                    return (!here.is_empty()).then(|| [ranks, vec![2]].concat());
                }
                let variable = part.starts_with('{');
                let meant = here.replace("%61", "a").replace("%25", "%");
                if (variable && here.is_empty()) || (!variable && *part != meant) {
                    return None;
                }
                ranks.push(u8::from(variable));
            }
            (wanted.len() == parts.len()).then_some(ranks)
        };
        let candidates = resources.iter().enumerate().filter(|(_, (_, verb))| verb.as_ref().is_none_or(|verb| verb == method));
        candidates.filter_map(|(index, (template, verb))| Some((rank(template)?, verb.is_none(), index))).min().map(|(_, _, index)| index)
    }

    /// What each variable of a resource that matches stands for.
    fn naive_parameters(template: &str, path: &str) -> Vec<(String, String)> {
        let path = path.trim_start_matches('/');
        let parts: Vec<&str> = path.strip_suffix('/').unwrap_or(path).split('/').collect();
        let names = template.split('/').filter(|part| !part.is_empty()).enumerate();
        names
            .filter_map(|(index, part)| {
                let name = part.strip_prefix('{')?.strip_suffix('}')?;
                let value = if name.ends_with('+') { parts[index..].join("/") } else { parts[index].to_owned() };
                Some((name.trim_end_matches('+').to_owned(), value))
            })
            .collect()
    }

    fn segment() -> impl Strategy<Value = &'static str> {
        prop_oneof![Just("a"), Just("b"), Just("a%b"), Just("{v}"), Just("{w}"), Just("{g+}")]
    }

    proptest! {
        #[test]
        fn agrees_with_a_naive_matcher(
            templates in prop::collection::vec((prop::collection::vec(segment(), 0..4), prop::option::of(0..2_usize)), 1..12),
            path in "(/(a|b|c|%61|a%25b|)){0,5}", verb in 0..2_usize,
        ) {
            let verbs = [Method::GET, Method::POST];
            let mut routes = Routes::default();
            let mut known = vec![];
            for (segments, verb) in templates {
                let template = format!("/{}", segments.join("/"));
                let method = verb.and_then(|verb| verbs.get(verb).cloned());
                if routes.insert(&template, method.as_ref(), known.len()).is_ok() {
                    known.push((template, method));
                }
            }
            let path = format!("/{path}");
            let found = routes.find(&verbs[verb], &path);
            let expected = naive(&known, &verbs[verb], &path);
            prop_assert_eq!(found.as_ref().map(|found| *found.operation), expected);
            if let Some((found, index)) = found.zip(expected) {
                let parameters: Vec<(String, String)> = found.parameters.iter().map(|(name, value)| (name.into(), value.into())).collect();
                prop_assert_eq!(parameters, naive_parameters(&known[index].0, &path));
            }
        }
    }
}
