//! What references stand for.

use std::rc::Rc;

use super::flow::Fault;
use super::{Loop, Rendering};
use crate::vtl::ast::{Expression, Part, Reference, Slot};
use crate::vtl::error::ErrorKind;
use crate::vtl::methods;
use crate::vtl::value::{Round, Value};

impl<'r> Rendering<'r, '_, '_> {
    /// A reference's value; nothing where it resolves to nothing.
    #[inline]
    pub(super) fn reference(&mut self, reference: &'r Reference) -> Result<Option<Value<'r>>, Fault> {
        // What loops over a payload ask most, without the ways that a value takes through other functions.
        if let [Part::Property(name)] = reference.parts.as_slice()
            && let Some(Some(Value::Branch(branch))) = self.variables.get(reference.root)
            && self.frames.is_empty()
            && let Some(found) = branch.named(name)
        {
            self.step(1)?;
            return Ok(if matches!(found, Value::Null) { None } else { Some(found) });
        }
        self.walked(reference)
    }

    fn walked(&mut self, reference: &'r Reference) -> Result<Option<Value<'r>>, Fault> {
        Ok(self.walk(reference, &reference.parts)?.filter(|value| !matches!(value, Value::Null)))
    }

    /// The value after some of a reference's parts.
    pub(super) fn walk(&mut self, reference: &'r Reference, parts: &'r [Part]) -> Result<Option<Value<'r>>, Fault> {
        if reference.root == 0
            && let [Part::Property(name)] = parts
            && let Some(round) = self.round()
        {
            self.step(1)?;
            return Ok(self.of_round(round, name));
        }
        let (mut value, rest) = match self.member(reference.root, parts) {
            Some((Some(member), rest)) => {
                self.step(1)?;
                (member, rest)
            }
            Some((None, _)) => return Ok(None),
            None => match self.variable(reference.root)? {
                Some(root) => (root, parts),
                None => return Ok(None),
            },
        };
        for part in rest {
            self.step(1)?;
            match self.part(&value, part)? {
                Some(next) => value = next,
                None => return Ok(None),
            }
        }
        Ok(Some(value))
    }

    /// A member of a map that a variable holds, and the parts behind it: the map need not be copied for that.
    fn member(&self, slot: Slot, parts: &'r [Part]) -> Option<(Option<Value<'r>>, &'r [Part])> {
        let [Part::Property(name), rest @ ..] = parts else { return None };
        match self.variables.get(slot) {
            Some(Some(Value::Map(map))) if self.frames.is_empty() => Some((map.entries.borrow().named(name).cloned(), rest)),
            Some(Some(Value::Branch(branch))) if self.frames.is_empty() => Some((Some(branch.named(name)?), rest)),
            _ => None,
        }
    }

    /// The innermost loop's round, unless the template has set `$foreach` to something else.
    fn round(&self) -> Option<Loop> {
        if self.frames.is_empty() && matches!(self.variables.first(), Some(None)) { self.loops.last().copied() } else { None }
    }

    fn of_round(&self, round: Loop, name: &str) -> Option<Value<'r>> {
        Some(match name {
            "count" => Value::Integer(round.index as i64 + 1),
            "hasNext" => Value::Boolean(round.has_next),
            "index" => Value::Integer(round.index as i64),
            _ => return methods::property(&Value::Round(self.rounds(self.loops.len())?), name),
        })
    }

    /// The round of the loop at a level with those around it.
    pub(super) fn rounds(&self, level: usize) -> Option<Rc<Round>> {
        let mut topmost: Option<Rc<Round>> = None;
        let mut inner: Option<Rc<Round>> = None;
        for round in self.loops.get(..level)? {
            let (parent, top) = (inner.take(), topmost.clone());
            let made = Rc::new(Round { index: round.index, has_next: round.has_next, parent, topmost: top });
            topmost.get_or_insert_with(|| Rc::clone(&made));
            inner = Some(made);
        }
        inner
    }

    pub(super) fn part(&mut self, value: &Value<'r>, part: &'r Part) -> Result<Option<Value<'r>>, Fault> {
        match part {
            Part::Property(name) => Ok(match value {
                Value::Given(object) => self.scope.property(*object, name),
                _ => methods::property(value, name),
            }),
            Part::Index(index) => {
                let Some(index) = self.value(index)? else { return Ok(None) };
                match value {
                    Value::Given(object) => Ok(self.scope.property(*object, &index.as_text())),
                    _ => methods::index(value, &index).map_err(|message| self.fault(ErrorKind::Runtime, message)),
                }
            }
            Part::Method(name, arguments) => self.invoke(value, name, arguments),
        }
    }

    pub(super) fn invoke(&mut self, value: &Value<'r>, name: &str, arguments: &'r [Expression]) -> Result<Option<Value<'r>>, Fault> {
        let result = self.with_arguments(arguments, |rendering, arguments| match value {
            Value::Given(object) => rendering.scope.call(*object, name, arguments),
            _ => methods::call(value, name, arguments, rendering.budget.watch()),
        })?;
        if let Some(result) = &result {
            self.made(result)?;
            self.made(value)?;
        }
        Ok(result)
    }

    /// Evaluates arguments for a call. The empty string stands for what resolves to nothing, also for methods.
    pub(super) fn with_arguments<T>(
        &mut self,
        arguments: &'r [Expression],
        call: impl FnOnce(&mut Self, &[Value<'r>]) -> Result<T, String>,
    ) -> Result<T, Fault> {
        let result = match arguments {
            [] => call(self, &[]),
            [one] => {
                let one = self.value(one)?.unwrap_or_else(|| Value::text(""));
                call(self, std::slice::from_ref(&one))
            }
            many => {
                let mut values = Vec::with_capacity(many.len());
                for argument in many {
                    values.push(self.value(argument)?.unwrap_or_else(|| Value::text("")));
                }
                call(self, &values)
            }
        };
        result.map_err(|message| if self.budget.watch().is_over() { self.spent(0, 0) } else { self.fault(ErrorKind::Runtime, message) })
    }
}
