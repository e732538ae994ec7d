//! What templates can touch of the world outside: `$input`, `$util`, `$context` are given by a scope.

use super::render::Meter;
use super::value::Value;

/// An object of the scope, by a number that the scope alone understands. It prints as nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Given(pub usize);

/// What references stand for that a template does not set itself. `'r` is how long the texts live that its values borrow.
pub trait Scope<'r> {
    /// What `$name` stands for; nothing where it stands for nothing.
    fn find(&self, name: &str) -> Option<Value<'r>>;

    /// How much output is likely to come from the scope, in bytes: room that is made at once.
    fn expected_output(&self) -> usize {
        0
    }

    /// A property's value; nothing where there is none.
    fn property(&self, _object: Given, _name: &str) -> Option<Value<'r>> {
        None
    }

    /// Sets a property, where that is possible.
    fn set(&self, _object: Given, _name: &str, _value: &Value<'r>) {}

    /// Calls a method; nothing where no method takes these arguments. What takes longer than its result is large tells `meter` so.
    ///
    /// # Errors
    /// When the method throws, which ends the rendering.
    fn call(&self, _object: Given, _name: &str, _arguments: &[Value<'r>], _meter: &Meter<'_>) -> Result<Option<Value<'r>>, String> {
        Ok(None)
    }

    /// Calls a method whose result is text, appending it to `out`; false where [`Self::call`] must be asked.
    ///
    /// # Errors
    /// As [`Self::call`].
    fn print(&self, _object: Given, _name: &str, _arguments: &[Value<'r>], _out: &mut String, _meter: &Meter<'_>) -> Result<bool, String> {
        Ok(false)
    }
}

/// A scope in which there is nothing.
#[derive(Debug, Clone, Copy)]
pub struct Empty;

impl<'r> Scope<'r> for Empty {
    fn find(&self, _name: &str) -> Option<Value<'r>> {
        None
    }
}
