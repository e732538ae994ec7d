//! What templates can touch of the world outside: `$input`, `$util`, `$context` are such objects.

use std::borrow::Cow;

use super::value::Value;

/// An object with properties and methods.
pub trait Object {
    /// A property's value; nothing where there is none.
    fn get(&self, name: &str) -> Option<Value>;

    /// Sets a property; false where that is not possible.
    fn set(&self, _name: &str, _value: &Value) -> bool {
        false
    }

    /// Calls a method; nothing where no method takes these arguments.
    ///
    /// # Errors
    /// When the method throws, which ends the rendering.
    fn call(&self, _name: &str, _arguments: &[Value]) -> Result<Option<Value>, String> {
        Ok(None)
    }

    /// What is printed of the object.
    fn text(&self) -> Cow<'_, str> {
        Cow::Borrowed("")
    }
}
