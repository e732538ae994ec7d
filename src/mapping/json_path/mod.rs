//! Jayway's JSONPath: a definite path gives a value, an indefinite one (wildcard, deep scan, filter, slice, union) always a list.

mod filter;
mod parse;

use crate::vtl::{Collection, Elements, Key, Members, Text, Value};
use filter::Filter;

/// Values that one path may visit.
const VISITED: usize = 100_000;
/// Bytes of a text whose reading counts as much as a visit.
const READ: usize = 256;

/// A parsed path.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonPath {
    steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq)]
enum Step {
    Property(Box<str>),
    /// `['a','b']`: a map of both.
    Properties(Vec<Box<str>>),
    Index(i64),
    Indexes(Vec<i64>),
    Slice(Option<i64>, Option<i64>),
    Wildcard,
    /// `..`: every value below, itself included; the next step is taken from each.
    Descend,
    Filter(Filter),
    /// `.length()` and its like, at the end.
    Function(Function),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Function {
    Length,
    Sum,
    Min,
    Max,
    Average,
    /// Of a whole population.
    Deviation,
    Keys,
    First,
    Last,
}

impl Step {
    /// Whether the step leads to one value at most.
    const fn is_definite(&self, leaf: bool) -> bool {
        match self {
            Self::Property(_) | Self::Index(_) | Self::Function(_) => true,
            Self::Properties(_) => leaf,
            _ => false,
        }
    }
}

/// Why a path gives nothing but an end to the rendering.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It is no path.
    #[error("`{0}` is no JSONPath")]
    Malformed(String),
    /// A filter stands where there is neither an object nor a list.
    #[error("the JSONPath filters what is neither an object nor a list")]
    Primitive,
    /// It visits too much.
    #[error("the JSONPath visits more than {VISITED} values")]
    TooMuch,
}

impl JsonPath {
    /// Reads a path; one without `$` is read as if it had `$.` before it.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        parse::path(text).map(|steps| Self { steps }).ok_or_else(|| PathError::Malformed(text.chars().take(80).collect()))
    }

    /// The value at the path; nothing where a definite path leads nowhere.
    ///
    /// # Errors
    /// When it visits too many values.
    pub fn find<'r>(&self, root: &Value<'r>) -> Result<Option<Value<'r>>, PathError> {
        self.find_counted(root).0
    }

    /// The same, and how many values were visited.
    pub(super) fn find_counted<'r>(&self, root: &Value<'r>) -> (Result<Option<Value<'r>>, PathError>, usize) {
        let mut search = Search { visited: 0, root: root.clone() };
        (self.search(root, &mut search), search.visited)
    }

    /// The same as a part of a larger search.
    fn search<'r>(&self, root: &Value<'r>, search: &mut Search<'r>) -> Result<Option<Value<'r>>, PathError> {
        let (functions, steps) = match self.steps.split_last() {
            Some((Step::Function(function), before)) => (Some(*function), before),
            _ => (None, self.steps.as_slice()),
        };
        let found = if steps.iter().enumerate().all(|(index, step)| step.is_definite(index + 1 == steps.len())) {
            search.one(root, steps)?
        } else {
            search.many(root, steps)?.map(Value::json_list)
        };
        Ok(match functions {
            Some(function) => match found {
                Some(value) => apply(function, &value, search)?,
                None => None,
            },
            None => found,
        })
    }
}

/// The value at a path without its leading `$.`, as parameter mappings write it.
pub fn find<'r>(root: &Value<'r>, path: &str) -> Option<Value<'r>> {
    JsonPath::parse(path).ok()?.find(root).ok().flatten()
}

struct Search<'r> {
    visited: usize,
    /// What `$` stands for within a filter.
    root: Value<'r>,
}

impl<'r> Search<'r> {
    fn visit(&mut self, count: usize) -> Result<(), PathError> {
        self.visited += count;
        if self.visited > VISITED { Err(PathError::TooMuch) } else { Ok(()) }
    }

    /// A text that is read to its end may be long.
    fn read(&mut self, text: &str) -> Result<(), PathError> {
        self.visit(text.len() / READ)
    }

    fn same(&mut self, a: &str, b: &str) -> Result<bool, PathError> {
        if a.len() != b.len() {
            return Ok(false);
        }
        self.read(a)?;
        Ok(a == b)
    }

    /// What definite steps lead to.
    fn one(&mut self, root: &Value<'r>, steps: &[Step]) -> Result<Option<Value<'r>>, PathError> {
        let mut value = root.clone();
        for step in steps {
            self.visit(1)?;
            let next = match (step, Collection::of(&value)) {
                (Step::Property(name), Some(Collection::Map(map))) => map.named(name),
                (Step::Index(index), Some(Collection::List(list))) => element(&list, *index),
                (Step::Properties(names), Some(Collection::Map(map))) => Some(together(names, &map)),
                _ => None,
            };
            match next {
                Some(next) => value = next,
                None => return Ok(None),
            }
        }
        Ok(Some(value))
    }

    /// All that steps lead to; nothing where a definite beginning leads nowhere.
    fn many(&mut self, root: &Value<'r>, steps: &[Step]) -> Result<Option<Vec<Value<'r>>>, PathError> {
        let mut values = vec![root.clone()];
        let mut place = Place { definite: true, leaf: false, scanned: false };
        for (index, step) in steps.iter().enumerate() {
            place.leaf = index + 1 == steps.len();
            let mut next = Vec::new();
            for value in &values {
                if !self.expand(value, step, place, &mut next)? {
                    return Ok(None);
                }
            }
            place.definite = place.definite && step.is_definite(place.leaf);
            place.scanned = matches!(step, Step::Descend);
            values = next;
        }
        Ok(Some(values))
    }

    /// Takes a step from a value. False: what the value is ends the whole search, because the steps so far were definite.
    fn expand(&mut self, value: &Value<'r>, step: &Step, place: Place, out: &mut Vec<Value<'r>>) -> Result<bool, PathError> {
        let before = out.len();
        let goes_on = match (step, Collection::of(value)) {
            (Step::Property(name), Some(Collection::Map(map))) => {
                let found = map.named(name);
                let goes_on = found.is_some() || place.leaf || !place.definite;
                out.extend(found);
                goes_on
            }
            (Step::Properties(names), Some(Collection::Map(map))) => {
                properties(names, &map, place, out);
                true
            }
            (Step::Index(index), Some(Collection::List(list))) => {
                out.extend(element(&list, *index));
                true
            }
            (Step::Indexes(indexes), Some(Collection::List(list))) => {
                out.extend(indexes.iter().filter_map(|index| element(&list, *index)));
                true
            }
            (Step::Slice(from, to), Some(Collection::List(list))) => {
                out.extend(range(list.len(), *from, *to).filter_map(|index| element(&list, index)));
                true
            }
            (Step::Property(_) | Step::Properties(_) | Step::Index(_) | Step::Indexes(_) | Step::Slice(..), _) => !place.definite,
            (Step::Wildcard, Some(collection)) => {
                out.extend(collection.values());
                true
            }
            (Step::Filter(filter), _) => {
                self.filter(value, filter, place, out)?;
                true
            }
            (Step::Descend, _) => {
                self.descend(value, out)?;
                true
            }
            (Step::Wildcard | Step::Function(_), _) => true,
        };
        self.visit(out.len() - before + 1)?;
        Ok(goes_on)
    }

    fn filter(&mut self, value: &Value<'r>, filter: &Filter, place: Place, out: &mut Vec<Value<'r>>) -> Result<(), PathError> {
        match Collection::of(value) {
            // A deep scan asks a list itself before it asks its elements, which it comes to anyway.
            Some(Collection::List(_)) if place.scanned && !filter.holds(value, self)? => {}
            Some(Collection::List(list)) => {
                self.visit(list.len())?;
                for item in list.values() {
                    if filter.holds(&item, self)? {
                        out.push(item);
                    }
                }
            }
            Some(Collection::Map(_)) if filter.holds(value, self)? => out.push(value.clone()),
            Some(Collection::Map(_)) => {}
            None if place.definite => return Err(PathError::Primitive),
            None => {}
        }
        Ok(())
    }

    /// Breadth by breadth would change the order; a stack of our own keeps it without using the call stack.
    fn descend(&mut self, value: &Value<'r>, out: &mut Vec<Value<'r>>) -> Result<(), PathError> {
        let mut stack = vec![value.clone()];
        while let Some(value) = stack.pop() {
            self.visit(1)?;
            let children = stack.len();
            stack.extend(Collection::of(&value).map(|collection| collection.values()).unwrap_or_default());
            stack.get_mut(children..).unwrap_or_default().reverse();
            out.push(value);
        }
        Ok(())
    }
}

/// Where a step stands.
#[derive(Clone, Copy)]
struct Place {
    /// Every step before it can lead to one value only.
    definite: bool,
    /// It is the last one.
    leaf: bool,
    /// It comes directly behind `..`.
    scanned: bool,
}

/// `['a','b']`: at the end one map of both, before other steps each of them. A deep scan wants both in one map.
fn properties<'r>(names: &[Box<str>], map: &Members<'_, 'r>, place: Place, out: &mut Vec<Value<'r>>) {
    if !place.leaf {
        out.extend(names.iter().filter_map(|name| map.named(name)));
    } else if !place.scanned || names.iter().all(|name| map.named(name).is_some()) {
        out.push(together(names, map));
    }
}

fn together<'r>(names: &[Box<str>], map: &Members<'_, 'r>) -> Value<'r> {
    let member = |name: &str| Some((Key::String(Text::from(name.to_owned())), map.named(name)?));
    Value::map(names.iter().filter_map(|name| member(name)).collect())
}

/// The element at a place, which may be none.
fn element<'r>(list: &Elements<'_, 'r>, index: i64) -> Option<Value<'r>> {
    usize::try_from(index).ok().and_then(|index| list.get(index))
}

/// The places that a slice of a list of some length has.
fn range(length: usize, from: Option<i64>, to: Option<i64>) -> std::ops::Range<i64> {
    let length = length as i64;
    let bound = |index: i64| if index < 0 { (index + length).max(0) } else { index.min(length) };
    bound(from.unwrap_or(0))..bound(to.unwrap_or(length))
}

fn apply<'r>(function: Function, value: &Value<'r>, search: &mut Search<'r>) -> Result<Option<Value<'r>>, PathError> {
    let list = match (function, Collection::of(value)) {
        (Function::Length, Some(collection)) => return Ok(Some(Value::Integer(collection.len() as i64))),
        (Function::Keys, Some(Collection::Map(map))) => {
            search.visit(map.len())?;
            return Ok(Some(Value::json_list(map.names())));
        }
        (Function::First, Some(Collection::List(list))) => return Ok(element(&list, 0)),
        (Function::Last, Some(Collection::List(list))) => return Ok(element(&list, list.len() as i64 - 1)),
        (_, Some(Collection::List(list))) => list,
        (Function::Length, None) => {
            let Value::String(text) = value else { return Ok(None) };
            search.read(text)?;
            return Ok(Some(Value::Integer(text.chars().count() as i64)));
        }
        _ => return Ok(None),
    };
    search.visit(list.len())?;
    let numbers: Vec<f64> = list.values().iter().filter(|item| item.is_number()).filter_map(|item| item.to_text().parse().ok()).collect();
    Ok(statistic(function, &numbers).map(Value::Double))
}

fn statistic(function: Function, numbers: &[f64]) -> Option<f64> {
    let folded = numbers.iter().copied();
    let average = || (!numbers.is_empty()).then(|| numbers.iter().sum::<f64>() / numbers.len() as f64);
    match function {
        Function::Length | Function::Keys | Function::First | Function::Last => None,
        Function::Sum => Some(folded.sum()),
        Function::Min => folded.reduce(f64::min),
        Function::Max => folded.reduce(f64::max),
        Function::Average => average(),
        Function::Deviation => {
            let average = average()?;
            Some((folded.map(|number| (number - average).powi(2)).sum::<f64>() / numbers.len() as f64).sqrt())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::json;

    const BODY: &str = r#"{"tags":["red","green","blue"],"items":[{"sku":"A1","price":10,"cat":"x"},{"sku":"B2","price":5.5,"cat":"y"}],"o":{"a":1,"b":2},"nums":[5,3],"cats":["y",7],"none":[]}"#;

    fn find(path: &str) -> String {
        let root = json::parse(BODY).unwrap();
        JsonPath::parse(path).unwrap().find(&root).unwrap().map_or_else(|| "nothing".into(), |value| value.to_json())
    }

    #[test]
    fn definite_paths_give_values() {
        assert_eq!(find("$.tags[1]"), r#""green""#);
        assert_eq!(find("$['o']['a']"), "1");
        assert_eq!(find("o.b"), "2");
        assert_eq!(find("$['o']['a','b']"), r#"{"a":1,"b":2}"#);
        for path in ["$.zz", "$.zz.y[0]", "$.tags[9]", "$.tags.a", "$.zz[*]"] {
            assert_eq!(find(path), "nothing", "{path}");
        }
    }

    #[test]
    fn indefinite_paths_give_lists() {
        assert_eq!(find("$.tags[0,2]"), r#"["red","blue"]"#);
        assert_eq!(find("$.tags[-2:]"), r#"["green","blue"]"#);
        assert_eq!(find("$.items[*].sku"), r#"["A1","B2"]"#);
        assert_eq!(find("$..sku"), r#"["A1","B2"]"#);
        assert_eq!(find("$.o.*"), "[1,2]");
        assert_eq!(find("$.tags.length()"), "3");
        assert_eq!(find("$.nums.sum()"), "8.0");
        assert_eq!(find("$.nums.stddev()"), "1.0");
        assert_eq!(find("$.o.keys()"), r#"["a","b"]"#);
        assert_eq!(find("$.tags.first()") + &find("$.tags.last()"), r#""red""blue""#);
        assert_eq!((find("$.none.avg()"), find("$.none.first()")), ("nothing".to_owned(), "nothing".to_owned()));
    }

    #[test]
    fn filters_choose() {
        assert_eq!(find("$.items[?(@.price > 9)].sku"), r#"["A1"]"#);
        assert_eq!(find("$.items[?(@.cat == 'y' || @.price >= 10)].sku"), r#"["A1","B2"]"#);
        assert_eq!(find("$.items[?(!(@.cat != 'x') && @.sku =~ /^A.*/)].sku"), r#"["A1"]"#);
        assert_eq!(find("$.items[?(@.cat in ['y','z'])].sku"), r#"["B2"]"#);
        assert_eq!(find("$.items[?(@.zz)]"), "[]");
        assert_eq!(find("$.items[?(@.sku contains 'B')].sku"), r#"["B2"]"#);
        assert_eq!(find("$.items[?(@.sku size 2 && @.zz size 2)]"), "[]");
        assert_eq!(find("$.items[?(@.sku SIZE 2)].cat"), r#"["x","y"]"#);
        assert_eq!(find("$.items[?(@.cat in $.cats)].cat"), r#"["y"]"#);
        assert_eq!(find("$.items[?(@.cat nin $.cats)].cat"), r#"["x"]"#);
        assert_eq!(find("$.items[?(@.price in ['10', 5.5])].sku"), r#"["B2"]"#);
        for (condition, holds) in [
            ("@.nums contains 3", true),
            ("@.nums contains '3'", false),
            ("@.nums all [3, 5]", true),
            ("@.nums all [3, 4]", false),
            ("@.nums subsetof [3, 4, 5]", true),
            ("@.nums subsetof [3]", false),
            ("@.tags anyof ['blue', 'x']", true),
            ("@.tags noneof ['blue', 'x']", false),
            ("@.tags noneof ['x']", true),
            ("@.o size 2", true),
            ("@.o empty false", true),
            ("@.none empty true", true),
            ("@.zz empty true", false),
            ("@.o contains 'a'", false),
        ] {
            assert_eq!(find(&format!("$[?({condition})].o.a")), if holds { "[1]" } else { "[]" }, "{condition}");
        }
        assert_eq!(find("$.nums[?(@ > 3)]"), "[5]");
    }

    #[test]
    fn a_definite_beginning_must_lead_somewhere_and_an_indefinite_one_need_not() {
        for path in ["$.o[0:1]", "$.o[0,1]", "$.zz.*", "$.tags[9].x"] {
            assert_eq!(find(path), "nothing", "{path}");
        }
        assert_eq!(find("$.tags.*.x"), "[]");
        assert_eq!(find("$.tags[9].*"), "[]");
        assert_eq!(find(".sku"), r#"["A1","B2"]"#);
        assert_eq!(find("$.items[?(@.price == '10')].sku"), r#"["A1"]"#);
        assert_eq!(find("$.items[?(@.price > $.nums[0])].sku"), r#"["A1","B2"]"#);
    }

    #[test]
    fn filters_within_filters_share_one_budget() {
        let body = format!("[{}]", vec![r#"{"a":{"a":{"a":1}}}"#; 3000].join(","));
        let root = json::parse(&body).unwrap();
        assert_eq!(JsonPath::parse("$..[?(@..[?(@..a)])]").unwrap().find(&root).err(), Some(PathError::TooMuch));
    }

    #[test]
    fn a_list_in_a_filter_counts_for_each_element() {
        let body = format!("[{}]", ["1"; 300].join(","));
        let root = json::parse(&body).unwrap();
        let path = |items: usize| format!("$[?(@ == [{}])]", vec!["1"; items].join(","));
        assert!(JsonPath::parse(&path(100)).unwrap().find(&root).is_ok());
        assert_eq!(JsonPath::parse(&path(400)).unwrap().find(&root).err(), Some(PathError::TooMuch));
    }

    #[test]
    fn a_path_has_a_length_and_a_depth() {
        let path = |names: usize| format!("$.{}", vec!["a"; names].join("."));
        assert!(JsonPath::parse(&path(2047)).is_ok());
        assert_eq!(JsonPath::parse(&path(2048)), Err(PathError::Malformed(path(2048).chars().take(80).collect())));
        let within = |depth: usize| format!("$[?({}@.a{})]", "(".repeat(depth), ")".repeat(depth));
        assert!(JsonPath::parse(&within(31)).is_ok() && JsonPath::parse(&within(32)).is_err());
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for path in ["", "$.", "$[", "$['a", "$[?(@.a", "$.a[b]", "$x"] {
            assert!(JsonPath::parse(path).is_err(), "{path}");
        }
        assert!(JsonPath::parse(&"(".repeat(5000)).is_err());
    }
}
