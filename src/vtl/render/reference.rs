//! What references stand for.

use std::rc::Rc;

use super::flow::Fault;
use super::{Loop, Rendering};
use crate::vtl::ast::{Expression, Part, Reference, Slot};
use crate::vtl::error::ErrorKind;
use crate::vtl::methods;
use crate::vtl::name::Name;
use crate::vtl::text::Text;
use crate::vtl::value::{Round, Value};

impl<'r> Rendering<'r, '_, '_> {
    /// A reference's value, which may be null; nothing where it resolves to nothing.
    ///
    /// Here and in what this calls, results are looked at where they were written and handed on as they are: moving a value that has just been
    /// written costs more than most of what is done with it.
    #[inline]
    pub(super) fn reference(&mut self, reference: &'r Reference) -> Result<Option<Value<'r>>, Fault> {
        if let [Part::Property(property)] = reference.parts.as_slice() {
            self.step(1)?;
            return self.member(reference.root, property.name());
        }
        self.walk(reference, &reference.parts)
    }

    /// The value after some of a reference's parts.
    pub(super) fn walk(&mut self, reference: &'r Reference, parts: &'r [Part]) -> Result<Option<Value<'r>>, Fault> {
        let (mut holder, rest) = match parts {
            [] => return self.variable(reference.root),
            [Part::Property(property), rest @ ..] => {
                self.step(1)?;
                (self.member(reference.root, property.name()), rest)
            }
            _ => (self.variable(reference.root), parts),
        };
        let Some((last, between)) = rest.split_last() else { return holder };
        for part in between {
            let Ok(Some(value)) = &holder else { return holder };
            self.step(1)?;
            holder = self.part(value, part);
        }
        let Ok(Some(value)) = &holder else { return holder };
        self.step(1)?;
        self.part(value, last)
    }

    /// A property of a variable, which need not be copied for that.
    fn member(&mut self, slot: Slot, name: Name<'r>) -> Result<Option<Value<'r>>, Fault> {
        if self.views.is_empty() {
            match self.variables.get(slot) {
                Some(Some(Value::Given(object))) => return Ok(self.scope.property(*object, &name)),
                Some(Some(value)) => return Ok(methods::property(value, name)),
                Some(None)
                    if slot == 0
                        && let Some(round) = self.loops.last() =>
                {
                    return Ok(self.of_round(*round, name));
                }
                _ => {}
            }
        }
        let holder = self.variable(slot);
        match &holder {
            Ok(Some(Value::Given(object))) => Ok(self.scope.property(*object, &name)),
            Ok(Some(value)) => Ok(methods::property(value, name)),
            _ => holder,
        }
    }

    fn of_round(&self, round: Loop, name: Name<'_>) -> Option<Value<'r>> {
        Some(match name.text {
            "count" => Value::Integer(round.index as i64 + 1),
            "hasNext" => Value::boolean(round.has_next),
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
            Part::Property(property) => Ok(match value {
                Value::Given(object) => self.scope.property(*object, &property.name()),
                _ => methods::property(value, property.name()),
            }),
            Part::Index(index) => match (&self.value(index)?, value) {
                (None, _) => Ok(None),
                (Some(index), Value::Given(object)) => Ok(self.scope.property(*object, &index.as_text())),
                (Some(index), _) => {
                    methods::index(value, index, self.budget.meter()).map_err(|message| self.fault(ErrorKind::Runtime, message))
                }
            },
            Part::Method(name, arguments) => self.invoke(value, name, arguments),
        }
    }

    pub(super) fn invoke(&mut self, value: &Value<'r>, name: &str, arguments: &'r [Expression]) -> Result<Option<Value<'r>>, Fault> {
        let result = self.with_arguments(arguments, |rendering, arguments| match value {
            Value::Given(object) => rendering.scope.call(*object, name, arguments, rendering.budget.meter()),
            _ => methods::call(value, name, arguments, rendering.budget.meter()),
        })?;
        match &result {
            Some(result) => {
                self.made(result)?;
                self.made(value)?;
            }
            // A copy may have been asked.
            None => self.step(value.count() / 16)?,
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
                let one = self.value(one)?;
                call(self, std::slice::from_ref(one.as_ref().unwrap_or(&Value::String(Text::Borrowed("")))))
            }
            many => {
                let mut values = Vec::with_capacity(many.len());
                for argument in many {
                    values.push(self.value(argument)?.unwrap_or_else(|| Value::text("")));
                }
                call(self, &values)
            }
        };
        result.map_err(|message| self.failed(message))
    }
}
