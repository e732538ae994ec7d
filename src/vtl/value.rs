//! Values, and how Java prints them.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::rc::Rc;
use std::sync::Arc;

use indexmap::IndexMap;
use num_bigint::BigInt;

use super::ast::Block;
use super::java::format_double;
use super::limits::DEPTH;
use super::object::Object;

/// Printing stops here, in bytes, well beyond what any limit lets pass: values that share their parts can stand for texts without end.
const PRINTED: usize = 16 << 20;
/// Values that a search through collections visits.
const SEARCHED: usize = 10_000;

/// A value of a template. Lists and maps are shared, as Java's are.
#[derive(Clone)]
pub enum Value {
    /// Nothing; it prints as the empty string and equals it.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A whole number beyond 64 bits.
    BigInteger(Rc<BigInt>),
    /// A floating-point number.
    Double(f64),
    /// A decimal with more digits than a floating-point number holds; it prints as it was written.
    Decimal(Arc<str>),
    /// Text.
    String(Arc<str>),
    /// A list.
    List(Rc<List>),
    /// A map.
    Map(Rc<Map>),
    /// Something from outside.
    Object(Rc<dyn Object>),
    /// A `#define`d block, rendered whenever it is printed.
    Block(BlockValue),
}

/// A block as a value.
#[derive(Clone)]
pub struct BlockValue(pub(super) Arc<Block>);

/// A list. One that came from JSON prints as JSON, any other as Java's lists do.
#[derive(Default)]
pub struct List {
    /// The elements.
    pub items: RefCell<Vec<Value>>,
    /// Whether it came from JSON.
    pub json: bool,
}

/// A map in the order of insertion.
#[derive(Default)]
pub struct Map {
    /// The members.
    pub entries: RefCell<IndexMap<Key, Value>>,
    /// Whether it prints as nothing, as `$context`'s own maps do.
    pub silent: bool,
}

/// Frees what is nested however deep without using the call stack.
fn free(mut stack: Vec<Value>) {
    while let Some(value) = stack.pop() {
        match value {
            Value::List(list) => {
                if let Some(mut list) = Rc::into_inner(list) {
                    stack.append(list.items.get_mut());
                }
            }
            Value::Map(map) => {
                if let Some(mut map) = Rc::into_inner(map) {
                    stack.extend(std::mem::take(map.entries.get_mut()).into_values());
                }
            }
            _ => {}
        }
    }
}

impl Drop for List {
    fn drop(&mut self) {
        free(std::mem::take(self.items.get_mut()));
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        free(std::mem::take(self.entries.get_mut()).into_values().collect());
    }
}

/// A map's key: Java tells `1` from `"1"`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Key {
    /// Text.
    String(Arc<str>),
    /// Anything else, by its kind and text.
    Other(u8, Arc<str>),
}

impl Key {
    /// The key that a value is.
    #[must_use]
    pub fn of(value: &Value) -> Self {
        match value {
            Value::String(text) => Self::String(Arc::clone(text)),
            Value::Null => Self::String("".into()),
            other => Self::Other(other.kind(), other.to_text().into()),
        }
    }

    /// The key as a value again.
    #[must_use]
    pub fn to_value(&self) -> Value {
        match self {
            Self::String(text) => Value::String(Arc::clone(text)),
            Self::Other(1, text) => Value::Boolean(&**text == "true"),
            Self::Other(2, text) => text.parse().map_or_else(|_| Value::String(Arc::clone(text)), Value::Integer),
            Self::Other(4, text) => text.parse().map_or_else(|_| Value::String(Arc::clone(text)), Value::Double),
            Self::Other(_, text) => Value::String(Arc::clone(text)),
        }
    }

    fn text(&self) -> &str {
        match self {
            Self::String(text) | Self::Other(_, text) => text,
        }
    }
}

impl From<&str> for Key {
    fn from(text: &str) -> Self {
        Self::String(text.into())
    }
}

impl Value {
    /// Text as a value.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::String(text.into())
    }

    /// A list as Java's literals make it.
    #[must_use]
    pub fn list(items: Vec<Self>) -> Self {
        Self::List(Rc::new(List { items: RefCell::new(items), json: false }))
    }

    /// A list that came from JSON.
    #[must_use]
    pub fn json_list(items: Vec<Self>) -> Self {
        Self::List(Rc::new(List { items: RefCell::new(items), json: true }))
    }

    /// A map.
    #[must_use]
    pub fn map(entries: IndexMap<Key, Self>) -> Self {
        Self::Map(Rc::new(Map { entries: RefCell::new(entries), silent: false }))
    }

    /// A map that prints as nothing.
    #[must_use]
    pub fn silent_map(entries: IndexMap<Key, Self>) -> Self {
        Self::Map(Rc::new(Map { entries: RefCell::new(entries), silent: true }))
    }

    /// Whether a collection is this value, or somewhere within it. A search that takes too long counts as found: what asks refuses then,
    /// so that no collection ever contains itself, which would never be freed.
    pub(super) fn holds(&self, collection: *const ()) -> bool {
        let mut stack = vec![self.clone()];
        for _ in 0..SEARCHED {
            let Some(value) = stack.pop() else { return false };
            match value {
                Self::List(list) if std::ptr::eq(Rc::as_ptr(&list).cast(), collection) => return true,
                Self::Map(map) if std::ptr::eq(Rc::as_ptr(&map).cast(), collection) => return true,
                Self::List(list) => stack.extend(list.items.borrow().iter().filter(|item| item.is_collection()).cloned()),
                Self::Map(map) => stack.extend(map.entries.borrow().values().filter(|item| item.is_collection()).cloned()),
                _ => {}
            }
        }
        true
    }

    const fn is_collection(&self) -> bool {
        matches!(self, Self::List(_) | Self::Map(_))
    }

    /// A number for each kind of value.
    pub(super) const fn kind(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Boolean(_) => 1,
            Self::Integer(_) => 2,
            Self::BigInteger(_) => 3,
            Self::Double(_) => 4,
            Self::String(_) => 5,
            Self::List(_) => 6,
            Self::Map(_) => 7,
            Self::Object(_) => 8,
            Self::Block(_) => 9,
            Self::Decimal(_) => 10,
        }
    }

    /// Whether this is a number.
    #[must_use]
    pub const fn is_number(&self) -> bool {
        matches!(self, Self::Integer(_) | Self::BigInteger(_) | Self::Double(_) | Self::Decimal(_))
    }

    /// What Java's `toString` gives.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        self.print(&mut out);
        out
    }

    /// Appends what Java's `toString` gives.
    pub fn print(&self, out: &mut String) {
        self.print_within(out, 0);
    }

    fn print_within(&self, out: &mut String, depth: usize) {
        if out.len() > PRINTED {
            return;
        }
        match self {
            Self::Null | Self::Block(_) => {}
            Self::Boolean(value) => out.push_str(if *value { "true" } else { "false" }),
            // Writing to a string cannot fail.
            Self::Integer(value) => drop(write!(out, "{value}")),
            Self::BigInteger(value) => drop(write!(out, "{value}")),
            Self::Double(value) => out.push_str(&format_double(*value)),
            Self::String(text) | Self::Decimal(text) => out.push_str(text),
            Self::Object(object) => out.push_str(&object.text()),
            _ if depth > DEPTH => out.push('…'),
            Self::List(list) if list.json => self.write_json(out, true),
            Self::List(list) => {
                out.push('[');
                for (index, item) in list.items.borrow().iter().enumerate() {
                    out.push_str(if index > 0 { ", " } else { "" });
                    item.print_member(out, depth);
                }
                out.push(']');
            }
            Self::Map(map) if map.silent => {}
            Self::Map(map) => {
                out.push('{');
                for (index, (key, value)) in map.entries.borrow().iter().enumerate() {
                    out.push_str(if index > 0 { ", " } else { "" });
                    out.push_str(key.text());
                    out.push('=');
                    value.print_member(out, depth);
                }
                out.push('}');
            }
        }
    }

    /// Inside a collection Java writes `null` for nothing.
    fn print_member(&self, out: &mut String, depth: usize) {
        if matches!(self, Self::Null) { out.push_str("null") } else { self.print_within(out, depth + 1) }
    }

    /// The value as compact JSON, keys in order.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        self.write_json(&mut out, false);
        out
    }

    /// Appends the value as compact JSON; `slashes` are escaped where a list prints itself.
    pub fn write_json(&self, out: &mut String, slashes: bool) {
        self.write_json_within(out, slashes, 0);
    }

    fn write_json_within(&self, out: &mut String, slashes: bool, depth: usize) {
        if out.len() > PRINTED {
            return;
        }
        match self {
            Self::Null => out.push_str("null"),
            Self::String(text) => write_json_string(text, out, slashes),
            Self::Object(_) | Self::Block(_) => out.push_str("null"),
            _ if depth > DEPTH + 28 => out.push_str("null"),
            Self::List(list) => {
                out.push('[');
                for (index, item) in list.items.borrow().iter().enumerate() {
                    out.push_str(if index > 0 { "," } else { "" });
                    item.write_json_within(out, slashes, depth + 1);
                }
                out.push(']');
            }
            Self::Map(map) => {
                out.push('{');
                for (index, (key, value)) in map.entries.borrow().iter().enumerate() {
                    out.push_str(if index > 0 { "," } else { "" });
                    write_json_string(key.text(), out, slashes);
                    out.push(':');
                    value.write_json_within(out, slashes, depth + 1);
                }
                out.push('}');
            }
            number => number.print_within(out, depth),
        }
    }
}

fn write_json_string(text: &str, out: &mut String, slashes: bool) {
    out.push('"');
    let mut plain = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' && !(slashes && byte == b'/') && byte != 0x7f {
            continue;
        }
        out.push_str(text.get(plain..at).unwrap_or_default());
        plain = at + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'/' => out.push_str("\\/"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            0x08 => out.push_str("\\b"),
            0x0c => out.push_str("\\f"),
            other => drop(write!(out, "\\u{other:04X}")),
        }
    }
    out.push_str(text.get(plain..).unwrap_or_default());
    out.push('"');
}
