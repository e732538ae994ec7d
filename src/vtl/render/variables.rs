//! Variables, also within macros.
//!
//! A macro has variables of its own, but only as a view: what it sets is set in all the views around it, too, down to the template's own
//! variables. An argument that is no plain number or boolean is evaluated each time it is read, where the macro was called.

use super::flow::Fault;
use super::{Frame, Rendering};
use crate::vtl::ast::{Expression, Slot};
use crate::vtl::parse::LOOP_SLOTS;
use crate::vtl::value::Value;

impl<'r> Frame<'r> {
    fn local(&self, slot: Slot) -> Option<&Value<'r>> {
        self.locals.iter().find(|(known, value)| *known == slot && !matches!(value, Value::Null)).map(|(_, value)| value)
    }

    fn argument(&self, slot: Slot) -> Option<&'r Expression> {
        self.arguments.iter().find(|(known, _)| *known == slot).map(|(_, argument)| *argument)
    }

    /// How the call writes the argument for a parameter.
    pub(super) fn literal(&self, slot: Slot) -> Option<&'r str> {
        let place = self.definition.parameters.iter().position(|known| *known == slot)?;
        self.call.arguments.get(place).filter(|argument| !argument.is_constant())?;
        self.call.literals.get(place).map(|literal| &**literal)
    }

    pub(super) fn put(&mut self, slot: Slot, value: Value<'r>) {
        match self.locals.iter_mut().find(|(known, _)| *known == slot) {
            Some((_, place)) => *place = value,
            None => self.locals.push((slot, value)),
        }
    }
}

impl<'r> Rendering<'r, '_, '_> {
    pub(super) fn variable(&mut self, slot: Slot) -> Result<Option<Value<'r>>, Fault> {
        if !self.frames.is_empty()
            && let Some(found) = self.of_macro(slot)?
        {
            return Ok(found);
        }
        match self.variables.get(slot) {
            Some(Some(value)) => return Ok(Some(value.clone())),
            Some(None) => {}
            None => return Ok(None),
        }
        if slot < LOOP_SLOTS
            && let Some(round) = self.loops.last()
        {
            return Ok(match slot {
                0 => self.rounds(self.loops.len()).map(Value::Round),
                1 => Some(Value::Integer(round.index as i64 + 1)),
                _ => Some(Value::boolean(round.has_next)),
            });
        }
        let Some(name) = self.names.as_ref().unwrap_or(&self.template.names).name(slot) else { return Ok(None) };
        let found = self.scope.find(name);
        if let (Some(value), Some(place)) = (&found, self.variables.get_mut(slot)) {
            *place = Some(value.clone());
        }
        Ok(found)
    }

    /// What the innermost macro that knows the name says of it.
    fn of_macro(&mut self, slot: Slot) -> Result<Option<Option<Value<'r>>>, Fault> {
        for level in (0..self.frames.len()).rev() {
            let Some(frame) = self.frames.get(level) else { continue };
            if let Some(value) = frame.local(slot) {
                return Ok(Some(Some(value.clone())));
            }
            let Some(argument) = frame.argument(slot) else { continue };
            let inner = self.frames.split_off(level);
            let value = match argument {
                Expression::Reference(reference) if reference.parts.is_empty() => {
                    self.reference(reference).map(|found| found.filter(|value| !matches!(value, Value::Null)))
                }
                other => self.value(other),
            };
            self.frames.extend(inner);
            return value.map(Some);
        }
        Ok(None)
    }

    pub(super) fn assign(&mut self, slot: Slot, value: Value<'r>) {
        for frame in &mut self.frames {
            frame.put(slot, value.clone());
        }
        if let Some(place) = self.variables.get_mut(slot) {
            *place = Some(value);
        }
    }

    pub(super) fn unset(&mut self, slot: Slot) {
        for frame in &mut self.frames {
            frame.locals.retain(|(known, _)| *known != slot);
            frame.arguments.retain(|(known, _)| *known != slot);
        }
        if let Some(place) = self.variables.get_mut(slot) {
            *place = None;
        }
    }
}
